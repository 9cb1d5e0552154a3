// SPDX-License-Identifier: MIT
/*
 * vfork: a second process in this address space, until it execs or exits.
 *
 * It has a struct process, a thread and capabilities of its own (in slots of its own, so that what
 * it asks of servers is asked in its name), and runs on the program's stack while the parent's
 * thread waits. Other threads of the parent go on. Only death ends the wait.
 */
#include "fork.h"

static int64_t context_register(struct process *p, struct process *parent, struct thread *t,
                                const struct fork *f)
{
    struct exo_utcb *utcb = exo_utcb();

    /* A slot may be taken by an ordinary capability that came to lie there: then try another. */
    for (uint32_t context = p->context; context < CONTEXTS; context++) {
        struct exo_message m = {
            .tag = EXO_TAG(PROC_FORK, 0, 2),
            .w = {context_slot(context), context_shared_va(context), PROC_FORK_SAME_ENV,
                  f->flags & CLONE_EXIT_SIGNAL},
        };

        utcb->send[0] = (struct exo_send){EXO_CAP_ENV, EXO_SEND_COPY};
        utcb->send[1] = (struct exo_send){t->cap, EXO_SEND_COPY};
        int64_t tag = ipc_call_again(parent->proc, &m);
        if (tag < 0)
            return errno_of(tag);
        if ((int64_t)m.w[0] == -EINVAL)
            continue;
        if ((int64_t)m.w[0] < 0)
            return (int64_t)m.w[0];
        process_place(p, context, (int32_t)m.w[0], (uint32_t)m.w[1]);
        for (uint32_t i = 0; i < 4; i++)
            exo_cap_flags(EXO_WELL_KNOWN(context_slot(context) + i), EXO_CAP_NOFORK);
        return 0;
    }
    return -EAGAIN;
}

/* Until the child has its own address space, or is gone. Events stay pending. */
static void vfork_wait(_Atomic uint32_t *done)
{
    struct exo_utcb *utcb = exo_utcb();
    uint32_t kept = 0;

    image_unlock();
    while (!atomic_load(done)) {
        struct exo_wait_word word = {.address = (uintptr_t)done, .expected = 0};

        if (exo_wait(&word, 1, EXO_FOREVER) == EXO_EINTR)
            kept |= atomic_exchange(&utcb->pending, 0);
    }
    atomic_fetch_or(&utcb->pending, kept);
    image_lock();
}

/* Makes the child, not running yet: its process, thread, descriptors, and its entry with proc. */
static int64_t context_make(struct fork *f, struct process **out)
{
    struct process *parent = current();
    uint32_t context = context_find();
    struct thread *t = context ? thread_new() : 0;
    struct process *p = t ? process_copy(parent) : 0;
    int64_t st = p ? clone_make(t, f) : context && t ? -ENOMEM : -EAGAIN;

    if (st == 0)
        st = fds_share(p, parent);
    if (st == 0) {
        p->context = context;
        st = context_register(p, parent, t, f);
        if (st < 0)
            fds_end(p, false);
    }
    if (st < 0) {
        if (p)
            process_forget(p);
        if (t)
            thread_discard(t);
        return st;
    }
    t->tid = p->pid;
    t->altstack_base = self()->altstack_base;
    t->altstack_size = self()->altstack_size;
    t->altstack_flags = self()->altstack_flags;
    thread_join(t, p);
    publish_process(p); /* /proc/self means the child, even now */
    p->shared->map_count = 0;
    *out = p;
    return 0;
}

int64_t vfork_process(struct fork *f)
{
    struct exo_message m = {0};
    _Atomic uint32_t done = 0;
    struct process *p;
    int64_t st = context_make(f, &p);

    if (st < 0)
        return st;
    p->vfork_parent = current();
    p->vfork_done = &done;
    int32_t pid = p->pid; /* p may be gone when we look again */
    st = proc_call(&m, PROC_START, (uint64_t)pid, 0, 0, 0);
    if (st == 0)
        vfork_wait(&done);
    return st < 0 ? st : pid;
}

void vfork_release(struct process *p)
{
    _Atomic uint32_t *done = p->vfork_done;

    p->vfork_parent = 0;
    p->vfork_done = 0;
    if (done) {
        atomic_store(done, 1);
        exo_wake(done, 1);
    }
}
