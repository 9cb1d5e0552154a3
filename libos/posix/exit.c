// SPDX-License-Identifier: MIT
/*
 * The end of a process, and of a context.
 *
 * An ordinary process tells proc its status; proc destroys the environment, and the kernel takes
 * memory, capabilities and threads. A vfork context has no environment of its own: it gives back
 * what it holds and its last thread ends.
 */
#include "core.h"

static void context_release(struct process *p)
{
    uint32_t context = p->context;

    for (uint32_t i = 0; i < 4; i++)
        exo_cap_delete(EXO_WELL_KNOWN(context_slot(context) + i), 0);
    exo_unmap(0, context_shared_va(context), PROC_SHARED_BYTES >> EXO_PAGE_SHIFT);
}

void context_end(struct process *p)
{
    struct thread *t = self();

    fds_end(p, false);
    signal_forget(p, UINT64_MAX);
    timers_forget(p, false);
    vfork_release(p);
    context_release(p);
    t->clear_tid = 0;
    t->robust_list = 0;
    /* thread_end takes the thread off the process, so that goes last: it is freed here, while the
     * lock is still held, and thread_end works on a copy that nobody else sees. */
    struct process gone = {.image = &image_state, .threads = t, .thread_count = 1};
    t->next = 0;
    t->process = &gone;
    process_forget(p);
    thread_end();
}

/* The other threads may be in the middle of anything, on other CPUs: they stop where they are, for good,
 * before what they hold is given to others. */
static void robust_release_all(struct process *p)
{
    for (struct thread *t = p->threads; t; t = t->next) {
        if (t != self() && p->context == 0)
            exo_thread_suspend(t->cap);
        if (t->robust_list && (t == self() || p->context == 0))
            robust_release(t);
    }
}

void process_exit(uint32_t status)
{
    struct thread *t = self();
    struct process *p = t->process;
    struct exo_message m = {0};

    p->exiting = true;
    robust_release_all(p);
    if (p->context != 0) {
        while (threads_end_others() < 0)
            t->end = false; /* two threads end the process at once: one of them does it */
        proc_call(&m, PROC_EXIT, status, 0, 0, 0);
        context_end(p);
        __builtin_unreachable();
    }
    fds_end(p, true);
    proc_call(&m, PROC_EXIT, status, 0, 0, 0);
    exo_env_destroy(0, status); /* proc is gone */
    __builtin_unreachable();
}

void process_abort(uint32_t status)
{
    struct exo_message m = {0};

    proc_call(&m, PROC_EXIT, status, 0, 0, 0);
    exo_env_destroy(0, status);
    __builtin_unreachable();
}

DEFINE_CALL1(exit_group, code)
{
    process_exit(STATUS_EXITED(code));
}

DEFINE_CALL1(exit, code)
{
    if (current()->thread_count == 1)
        process_exit(STATUS_EXITED(code));
    thread_end();
}
