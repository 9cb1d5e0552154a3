// SPDX-License-Identifier: MIT
/*
 * Processes of this address space: the ordinary one, and vfork children until they exec.
 *
 * The ordinary one is a variable, so that what a fork's child touches lies close together; contexts
 * come from the heap. After a fork made by a vfork child the survivor may be one from the heap: no
 * code tells them apart.
 */
#include "core.h"

struct image image_state;
struct process first_process;

void process_place(struct process *p, uint32_t context, int32_t pid, uint32_t slot)
{
    uint32_t base = context_slot(context);

    p->image = &image_state;
    p->context = context;
    p->pid = pid;
    p->slot = slot;
    p->proc = EXO_WELL_KNOWN(base);
    p->fs = EXO_WELL_KNOWN(base + 1);
    p->tty = EXO_WELL_KNOWN(base + 2);
    p->shared_cap = EXO_WELL_KNOWN(base + 3);
    p->shared = (struct proc_shared *)context_shared_va(context);
    p->entry = &process_table()[slot];
}

uint32_t context_find(void)
{
    uint32_t used = 1;

    for (const struct process *p = image_state.processes; p; p = p->next)
        used |= 1u << p->context;
    return ~used ? (uint32_t)__builtin_ctz(~used) : 0;
}

struct process *process_copy(const struct process *from)
{
    struct process *p = heap_alloc(sizeof *p);

    if (!p)
        return 0;
    memcpy(p, from, sizeof *p);
    p->threads = 0;
    p->thread_count = 0;
    p->pending = 0;
    p->queue = 0;
    p->timers = 0;
    p->timer_thread = 0;
    p->vfork_parent = 0;
    p->vfork_done = 0;
    p->fds = 0;
    p->fd_limit = 0;
    p->cwd = p->root = 0;
    p->parent_death_signal = 0;
    p->next = image_state.processes;
    image_state.processes = p;
    return p;
}

void process_forget(struct process *p)
{
    struct process **link = &image_state.processes;

    while (*link && *link != p)
        link = &(*link)->next;
    if (*link)
        *link = p->next;
    if (p != &first_process)
        heap_free(p);
}

void process_alone(struct process *p, struct thread *t)
{
    for (struct process *other = image_state.processes, *next; other; other = next) {
        next = other->next;
        if (other != p && other != &first_process)
            heap_free(other);
    }
    image_state.processes = p;
    p->next = 0;
    p->threads = t;
    p->thread_count = 1;
    p->vfork_parent = 0;
    p->vfork_done = 0;
    t->next = 0;
    t->process = p;
    t->cap = EXO_CAP_THREAD;
    t->end = false;
    image_state.thread_count = 1;
    threads_forget(t);
}

const struct proc_entry *process_find(int32_t pid)
{
    const struct proc_entry *table = process_table();

    for (uint32_t i = 0; i < PROC_MAX; i++) {
        if (table[i].state != PROC_FREE && table[i].pid == pid)
            return &table[i];
    }
    return 0;
}
