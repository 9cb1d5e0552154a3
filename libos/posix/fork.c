// SPDX-License-Identifier: MIT
/*
 * fork: another environment with a copy of this one.
 *
 * The kernel does the copying in two kinds of piece: exo_cap_clone gives the child the same
 * capabilities at the same handles, exo_space_clone its pages, copy-on-write. The new thread starts
 * where fork_point was called, on the copy of this very stack, so what the child must know lies in
 * local variables here. proc makes it a process: it fills the child's own four capabilities and
 * maps its published pages; that happens before the copy, so that pid and slot are copied too.
 *
 * env_copy and env_copied are shared with exec: a vfork child leaves its parent's environment in the
 * same way, without the program's memory (exec.c).
 */
#include "core.h"
#include "fork.h"
#include "sysv.h"

#define COPY_FIRST_SLOT PROC_CAP_TABLE /* those below are the new environment's own */

/* Ranges of the LibOS that are copied: not UTCBs, and not the published pages. */
static const struct {
    uint64_t start, end;
} libos_ranges[] = {
    {POSIX_LIBOS_VA, PROC_SHARED_VA},
    {POSIX_STACKS_VA, EXO_VIEW_VA},
};

static int64_t space_copy(exo_cap env, uint64_t start, uint64_t end)
{
    while (start < end) {
        int64_t next = exo_space_clone(env, start, (end - start) >> EXO_PAGE_SHIFT);

        if (next < 0)
            return errno_of(next);
        if (next == 0)
            break;
        start = (uint64_t)next;
    }
    return 0;
}

int64_t env_copy_memory(exo_cap env, bool program)
{
    int64_t st = program ? space_copy(env, 0, USER_TOP) : 0;

    for (uint32_t i = 0; st == 0 && i < sizeof libos_ranges / sizeof libos_ranges[0]; i++)
        st = space_copy(env, libos_ranges[i].start, libos_ranges[i].end);
    return st;
}

int64_t env_copy_caps(exo_cap env)
{
    uint32_t slot = COPY_FIRST_SLOT;

    do {
        int64_t next = exo_cap_clone(env, slot);

        if (next < 0)
            return errno_of(next);
        slot = (uint32_t)next;
    } while (slot != 0);
    return 0;
}

int64_t env_make(struct start *s, exo_cap *env, exo_cap *thread)
{
    int64_t made = exo_env_create(0);

    if (made < 0)
        return errno_of(made);
    *env = (exo_cap)made;
    made = thread_make(self(), *env, s, machine_tls());
    if (made < 0) {
        env_drop(*env);
        return made;
    }
    *thread = (exo_cap)made;
    exo_cap_flags(*env, EXO_CAP_NOFORK);
    exo_cap_flags(*thread, EXO_CAP_NOFORK);
    return 0;
}

void env_drop(exo_cap env)
{
    exo_env_destroy(env, 0);
    exo_cap_delete(env, 0);
}

/* Registers the child with proc: pid and slot in *f. */
static int64_t fork_register(struct fork *f, exo_cap env, exo_cap thread)
{
    struct exo_utcb *utcb = exo_utcb();
    struct exo_message m = {
        .tag = EXO_TAG(PROC_FORK, 0, 2),
        .w = {PROC_CAP_PROC, context_shared_va(0), 0, f->flags & CLONE_EXIT_SIGNAL},
    };

    utcb->send[0] = (struct exo_send){env, EXO_SEND_COPY};
    utcb->send[1] = (struct exo_send){thread, EXO_SEND_COPY};
    int64_t tag = ipc_call_again(current()->proc, &m);
    exo_cap_delete(thread, 0);
    if (tag < 0)
        return errno_of(tag);
    if ((int64_t)m.w[0] < 0)
        return (int64_t)m.w[0];
    f->pid = (int32_t)m.w[0];
    f->slot = (uint32_t)m.w[1];
    return 0;
}

/* The child, in its own environment, on its copy of the stack; the lock is held. */
static int64_t fork_child(const struct fork *f)
{
    struct thread *t = self();
    struct process *p = t->process;

    fpu_restore(f->fpu);
    process_alone(p, t);
    process_place(p, 0, f->pid, f->slot);
    t->tid = f->pid;
    t->pending = p->pending = 0;
    p->queue = 0; /* the notes are lost memory; there are hardly ever any */
    t->restore_sigmask = false;
    t->robust_list = 0;
    t->clear_tid = f->flags & CLONE_CHILD_CLEARTID ? f->child_tid : 0;
    timers_forget(p, false);
    if (p->rlimits[RLIMIT_CPU][0] != UINT64_MAX)
        timer_cpu_limit(p);
    random_forked();
    fds_forked(p);
    signal_tell(p);
    if (f->flags & CLONE_SETTLS)
        machine_set_tls(f->tls);
    if (f->stack)
        t->utcb->libos[POSIX_WORD_USER_SP] = f->stack;
    if (f->flags & CLONE_CHILD_SETTID)
        user_write32(f->child_tid, (uint32_t)f->pid);
    publish_process(p);
    publish_maps(p, true);
    if (sysv_objects)
        shm_forked();
    return 0;
}

/* The parent: env and thread are made, the child is registered. */
static int64_t fork_parent(struct fork *f, exo_cap env)
{
    struct exo_message m = {0};
    int64_t st = fds_fork(f->slot, f->pid);

    if (st == 0) {
        st = env_copy_caps(env);
        if (st == 0)
            st = env_copy_memory(env, true);
        if (st == 0 && (f->flags & CLONE_PARENT_SETTID))
            user_write32(f->parent_tid, (uint32_t)f->pid);
        if (st == 0)
            st = proc_call(&m, PROC_START, (uint64_t)f->pid, 0, 0, 0);
        if (st < 0)
            fds_fork_undo(f->slot, f->pid);
    }
    if (st < 0) {
        env_drop(env); /* proc forgets an embryo whose environment dies */
        return st;
    }
    exo_cap_delete(env, 0);
    return f->pid;
}

int64_t fork_process(struct fork *f)
{
    exo_cap env = 0, thread = 0;

    fpu_save(f->fpu);
    if (fork_point(&f->start))
        return fork_child(f);
    int64_t st = env_make(&f->start, &env, &thread);
    if (st < 0)
        return st;
    st = fork_register(f, env, thread);
    if (st < 0) {
        env_drop(env);
        return st;
    }
    return fork_parent(f, env);
}
