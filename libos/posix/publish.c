// SPDX-License-Identifier: MIT
/*
 * What a process shows of itself to ps and /proc, in the pages that it shares with proc: name,
 * command line, environment, mappings. (Descriptors and directories: fdtable.c.)
 *
 * Written when a process is new or has exec'ed; the list of mappings when somebody is about to read
 * our own, since it is long and changes often. Nobody trusts what is found there.
 */
#include "files.h"
#include "core.h"

#define MAPS_SHARED  0x8000u /* servers/fs shows an s instead of a p */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void publish_comm(struct process *p)
{
    const struct thread *t = p->threads;

    while (t && t->tid != p->pid)
        t = t->next;
    if (t)
        memcpy(p->shared->comm, t->comm, sizeof t->comm);
}

static void text_set(char *to, uint64_t room, const char *from)
{
    uint64_t bytes = strnlen(from, room - 1);

    memcpy(to, from, bytes);
    to[bytes] = 0;
}

/* A range of the program's stack, as much of it as there is room for. */
static uint32_t strings_set(char *to, uint64_t room, uint64_t start, uint64_t end)
{
    uint64_t bytes = end - start < room ? end - start : room;

    return user_read(to, start, bytes) < 0 ? 0 : (uint32_t)bytes;
}

void publish_process(struct process *p)
{
    const struct image *i = &image_state;
    struct proc_shared *s = p->shared;

    publish_comm(p);
    text_set(s->exe, sizeof s->exe, i->exe);
    s->cmdline_bytes =
        strings_set(s->cmdline, sizeof s->cmdline, i->argument_start, i->argument_end);
    s->environ_bytes =
        strings_set(s->environment, sizeof s->environment, i->argument_end, i->environment_end);
    s->vm_pages = (uint32_t)i->pages;
    s->threads = p->thread_count;
    s->brk_start = i->brk_start;
    s->brk_end = i->brk;
    s->stack_start = i->argument_start;
    publish_files(p);
}

static const char *map_name(const struct vma *v)
{
    if (v->flags & VMA_STACK)
        return "[stack]";
    if (v->flags & VMA_BRK)
        return "[heap]";
    return v->file ? file_name(v->file) : "";
}

void publish_maps(void)
{
    struct image *i = &image_state;
    struct proc_shared *s = current()->shared;
    uint32_t count = 0;

    if (!i->maps_stale)
        return;
    for (; count < i->vma_count && count < COUNT(s->maps); count++) {
        const struct vma *v = &i->vmas[count];

        s->maps[count].start = v->start;
        s->maps[count].end = v->end;
        s->maps[count].offset = v->file ? v->offset : 0;
        s->maps[count].rights = v->rights | (v->flags & 1 ? MAPS_SHARED : 0);
        s->maps[count].file = v->file != 0;
        text_set(s->maps[count].name, sizeof s->maps[count].name, map_name(v));
    }
    s->map_count = count;
    i->maps_stale = false;
}
