// SPDX-License-Identifier: MIT
/*
 * fork, vfork and clone as calls, and threads.
 *
 * clone has many flags and three uses: a process (nothing shared), a vfork child (memory shared, the
 * parent waits), a thread (all shared). Other mixtures are refused. A new thread of control in this
 * address space starts on a copy of the caller's call frame, so it returns from the call by the
 * ordinary way out.
 */
#include "fork.h"

#define THREAD_FLAGS  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define TID_FLAGS     (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS)
#define IGNORED_FLAGS (CLONE_SYSVSEM | CLONE_DETACHED | CLONE_UNTRACED | CLONE_IO)

/* Below the copied call frame of a thread that is to start: its vector state. */
struct clone_state {
    uint8_t fpu[FPU_BYTES_MAX] __attribute__((aligned(64)));
    struct start start;
    uint64_t tls, child_tid;
    uint32_t sets_tls, sets_tid;
};
static_assert(sizeof(struct clone_state) % 64 == 0, "keeps the stack aligned");

static struct clone_state *clone_state_of(const struct thread *t)
{
    return (struct clone_state *)((uintptr_t)call_frame_of(t) - sizeof(struct clone_state));
}

static void clone_prepare(struct thread *t)
{
    struct thread *me = self();
    struct clone_state *s = clone_state_of(t);

    memcpy(call_frame_of(t), call_frame_of(me), sizeof(struct call_frame));
    memcpy(t->saved, me->saved, sizeof t->saved);
    fpu_save(s->fpu);
    s->start = (struct start){.function = (uintptr_t)clone_start, .sp = (uintptr_t)s};
    s->sets_tls = s->sets_tid = 0;
    t->sigmask = me->sigmask;
    memcpy(t->comm, me->comm, sizeof t->comm);
}

/* First C code of the new thread. */
void clone_started(void)
{
    struct thread *t = self();
    const struct clone_state *s = clone_state_of(t);

    fpu_restore(s->fpu);
    if (s->sets_tid)
        user_write32(s->child_tid, (uint32_t)t->tid);
}

int64_t clone_make(struct thread *t, const struct fork *f)
{
    struct clone_state *s = clone_state_of(t);
    uint64_t tls = f->flags & CLONE_SETTLS ? f->tls : machine_tls();
    uint64_t user_sp = exo_utcb()->libos[POSIX_WORD_USER_SP];

    clone_prepare(t);
    if (f->flags & CLONE_CHILD_SETTID) {
        s->sets_tid = 1;
        s->child_tid = f->child_tid;
    }
    if (f->flags & CLONE_CHILD_CLEARTID)
        t->clear_tid = f->child_tid;
    if (f->stack)
        exo_utcb()->libos[POSIX_WORD_USER_SP] = f->stack; /* thread_make passes it on */
    int64_t cap = thread_make(t, 0, &s->start, tls);
    exo_utcb()->libos[POSIX_WORD_USER_SP] = user_sp;
    if (cap < 0)
        return cap;
    t->cap = (exo_cap)cap;
    exo_cap_flags(t->cap, EXO_CAP_NOFORK);
    return 0;
}

/* Gives a thread an id (proto/proc.h) and publishes it: proc asks there who is signalled. */
static void thread_name(struct process *p, struct thread *t)
{
    static uint32_t made;
    uint32_t round = made++ % PROC_TID_ROUNDS;

    t->tid = (int32_t)(PROC_TID_FIRST + (round * PROC_MAX + p->slot) * THREADS + t->index);
    p->shared->thread_rounds[t->index] = (uint8_t)(round + 1);
}

int64_t thread_clone(struct fork *f)
{
    struct process *p = current();
    struct thread *t = thread_new();

    if (!t)
        return -EAGAIN;
    thread_name(p, t);
    int64_t st = clone_make(t, f);
    if (st == 0 && (f->flags & CLONE_PARENT_SETTID) &&
        user_write32(f->parent_tid, (uint32_t)t->tid) < 0)
        st = -EFAULT;
    if (st < 0) {
        thread_unname(p, t);
        thread_discard(t);
        return st;
    }
    thread_join(t, p);
    p->shared->threads = p->thread_count;
    exo_thread_resume(t->cap);
    return t->tid;
}

static int64_t clone_any(struct fork *f)
{
    uint64_t flags = f->flags & ~(uint64_t)(CLONE_EXIT_SIGNAL | IGNORED_FLAGS);

    if ((flags & CLONE_THREAD) != 0) {
        if ((flags & ~(uint64_t)TID_FLAGS) != THREAD_FLAGS)
            return -EINVAL;
        if (limit_processes() < 0)
            return -EAGAIN;
        return thread_clone(f);
    }
    flags &= ~(uint64_t)TID_FLAGS;
    if (limit_processes() < 0)
        return -EAGAIN;
    if (flags == (CLONE_VM | CLONE_VFORK))
        return vfork_process(f);
    return flags == 0 ? fork_process(f) : -EINVAL;
}

int64_t clone_call(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
                   uint64_t tls)
{
    struct fork f;

    f.flags = flags;
    f.stack = stack;
    f.parent_tid = parent_tid;
    f.child_tid = child_tid;
    f.tls = tls;
    return clone_any(&f);
}

int64_t fork_call(void)
{
    return clone_call(SIGCHLD, 0, 0, 0, 0);
}

int64_t vfork_call(void)
{
    return clone_call(CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}

DEFINE_CALL1(set_tid_address, address)
{
    self()->clear_tid = address;
    return self()->tid;
}

DEFINE_CALL0(gettid)
{
    return self()->tid;
}
