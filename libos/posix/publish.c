// SPDX-License-Identifier: MIT
/*
 * What a process shows of itself to ps and /proc, in the pages that it shares with proc: name,
 * command line, environment, mappings. (Descriptors and directories: fdtable.c.)
 *
 * Written when a process is new or has exec'ed. A mapping has a place of its own in the list, so that
 * each change costs one entry, wherever it lies; who reads sorts. Nobody trusts what is found there.
 */
#include "files.h"
#include "core.h"

#define MAPS_SHARED 0x8000u /* servers/fs shows an s instead of a p */

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

/* ---- mappings ---------------------------------------------------------------------------------- */

static void name_set(char *to, const struct vma *v)
{
    static_assert(sizeof(((struct proc_map *)0)->name) == FILE_NAME_BYTES, "as files have it");

    if (v->file)
        memcpy(to, file_name(v->file), FILE_NAME_BYTES);
    else if (v->flags & (VMA_STACK | VMA_BRK))
        memcpy(to, v->flags & VMA_STACK ? "[stack]" : "[heap]\0", 8);
    else
        to[0] = 0;
}

/* A free place in the list, and 1; 0: there is none, so that a mapping is not shown. */
static uint32_t place_take(struct image *i)
{
    if (i->maps_free_count)
        return i->maps_free[--i->maps_free_count];
    if (i->maps_count == PROC_MAPS)
        return 0;
    i->maps_in->shared->map_count = ++i->maps_count;
    return i->maps_count;
}

void publish_vma(struct vma *v)
{
    struct image *i = &image_state;
    bool fresh = v->place == 0;

    if (!i->maps_in || (fresh && (v->place = place_take(i)) == 0))
        return;
    struct proc_map *m = &i->maps_in->shared->maps[v->place - 1];
    m->start = v->start;
    m->end = v->end;
    m->offset = v->file ? v->offset : 0;
    m->rights = v->rights | (v->flags & 1 ? MAPS_SHARED : 0);
    m->file = v->file != 0;
    if (fresh)
        name_set(m->name, v);
}

void publish_vma_gone(struct vma *v)
{
    struct image *i = &image_state;

    if (v->place == 0)
        return;
    i->maps_in->shared->maps[v->place - 1].end = 0;
    i->maps_free[i->maps_free_count++] = (uint16_t)v->place;
    v->place = 0;
}

void publish_maps(struct process *p, bool all)
{
    struct image *i = &image_state;

    i->maps_in = p;
    i->maps_count = i->maps_free_count = p->shared->map_count = 0;
    for (uint32_t k = 0; all && k < i->vma_count; k++) {
        i->vmas[k].place = 0;
        publish_vma(&i->vmas[k]);
    }
}
