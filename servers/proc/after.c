/* SPDX-License-Identifier: MIT */
/* Consequences: see after.h. */
#include "servers/proc/after.h"
#include "servers/proc/port.h"
#include "servers/proc/table.h"
#include <lib/linux/signal.h>

/* A request can end every process there is; each is told to a parent, and tells its group. */
#define NOTES (16u * PROC_MAX)

struct note {
    uint32_t what, slot;
    uint64_t value; /* status, bits, set, count, number, thread and place */
    struct proc_siginfo info;
};

/* Notes from `done` on are to be done. What is behind `count` means nothing, so a new one is not saved. */
KEPT static struct {
    _Alignas(8) uint32_t done; /* one word of the log with the count */
    uint32_t count;
    struct note notes[NOTES];
} todo;

static struct note *note_add(enum after what, uint32_t slot, uint64_t value)
{
    struct note *note = &todo.notes[todo.count];

    if (todo.count == NOTES)
        __builtin_trap();
    note->what = what;
    note->slot = slot;
    note->value = value;
    SET(todo.count, todo.count + 1);
    return note;
}

void after(enum after what, uint32_t slot)
{
    note_add(what, slot, 0);
}

void after_detach(uint32_t slot, uint32_t status)
{
    note_add(AFTER_DETACH, slot, status);
}

void after_suspend(uint32_t slot, bool suspended)
{
    note_add(AFTER_SUSPEND, slot, suspended);
}

void after_notify(uint32_t slot, uint32_t bits)
{
    note_add(AFTER_NOTIFY, slot, bits);
}

void after_forget(uint32_t slot, uint64_t set)
{
    note_add(AFTER_FORGET, slot, set);
}

void after_continues(uint32_t slot, uint64_t count)
{
    note_add(AFTER_CONTINUES, slot, count);
}

void after_post(uint32_t slot, const struct proc_siginfo *info, uint32_t number)
{
    note_add(AFTER_POST, slot, number)->info = *info;
}

void after_queue(uint32_t slot, const struct proc_siginfo *info, uint32_t tail, int32_t tid)
{
    note_add(AFTER_QUEUE, slot, (uint64_t)(uint32_t)tid << 32 | tail)->info = *info;
}

void after_drop(uint64_t cap)
{
    if (cap != 0)
        note_add(AFTER_DROP, 0, cap);
}

const void *after_notes(size_t *bytes)
{
    *bytes = sizeof todo.notes;
    return todo.notes;
}

/* ---- doing them -------------------------------------------------------------------------------- */

/* The page is the process's too: every word read from it may be anything. A note is written only when
 * the process is known to have read the one before (acquire), and published by the bit or the position
 * (release): proofs/memory/protocols/proc_shared.py. */

static void queue_put(struct proc_shared *shared, const struct proc_siginfo *info, uint32_t tail,
                      int32_t tid)
{
    shared->queue_tid[tail % PROC_SIGQUEUE] = tid;
    shared->queue[tail % PROC_SIGQUEUE] = *info;
    atomic_store_explicit(&shared->tail, tail + 1, memory_order_release);
}

static void bit_put(struct proc_shared *shared, const struct proc_siginfo *info, uint32_t number)
{
    uint64_t bit = SIGNAL_BIT(info->signo);

    if (atomic_load_explicit(&shared->pending, memory_order_acquire) & bit)
        return; /* standard signals do not queue: the first one's information stays */
    if (atomic_load_explicit(&shared->seen[info->signo], memory_order_relaxed) == number)
        return; /* our last life had set it, and it was taken */
    shared->info[info->signo] = *info;
    atomic_store_explicit(&shared->posted[info->signo], number, memory_order_relaxed);
    atomic_fetch_or_explicit(&shared->pending, bit, memory_order_release);
}

static void child_changed(struct proc_shared *shared)
{
    /* Release: what proc knows of the child comes before; who sleeps on the word asks proc again. */
    atomic_fetch_add_explicit(&shared->child_events, 1, memory_order_release);
    port_wake(&shared->child_events);
}

static void note_do_shared(const struct note *note, struct proc_shared *shared)
{
    switch (note->what) {
    case AFTER_CHILD: child_changed(shared); break;
    case AFTER_FORGET:
        if (atomic_load_explicit(&shared->pending, memory_order_relaxed) & note->value)
            atomic_fetch_and_explicit(&shared->pending, ~note->value, memory_order_relaxed);
        break;
    case AFTER_CONTINUES:
        /* Release: the stop signals are gone before the count says so. */
        atomic_store_explicit(&shared->continues, note->value, memory_order_release);
        break;
    case AFTER_POST: bit_put(shared, &note->info, (uint32_t)note->value); break;
    case AFTER_QUEUE:
        queue_put(shared, &note->info, (uint32_t)note->value, (int32_t)(note->value >> 32));
        break;
    default: break;
    }
}

static void note_do(const struct note *note)
{
    uint32_t slot = note->slot;

    switch (note->what) {
    case AFTER_RESUME: port_resume(slot); break;
    case AFTER_LEAVE: port_leave(slot); break;
    case AFTER_RELEASE: port_release(slot); break;
    case AFTER_WAKE_STATE: port_wake(&entries[slot].state); break;
    case AFTER_TELL_INIT: port_notify_init(); break;
    case AFTER_TELL_TTY: port_notify_tty(); break;
    case AFTER_DETACH: port_detach(slot, (int64_t)note->value); break;
    case AFTER_SUSPEND: port_suspend(slot, note->value != 0); break;
    case AFTER_NOTIFY: port_notify(slot, (uint32_t)note->value); break;
    case AFTER_DROP: port_drop(note->value); break;
    default: note_do_shared(note, port_shared(slot)); break;
    }
}

void after_run(void)
{
    while (todo.done != todo.count) {
        note_do(&todo.notes[todo.done]);
        undo_word(&todo.done);
        if (++todo.done == todo.count)
            todo.done = todo.count = 0;
        undo_commit();
    }
}
