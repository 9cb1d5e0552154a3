// SPDX-License-Identifier: MIT
/*
 * Threads: places for them in the address space, and their end.
 *
 * Place k is a UTCB and a LibOS stack with struct thread at its upper end. A place is busy until the
 * kernel has stopped its thread for good: the kernel itself clears the word (exo_thread_exit), so
 * no stack is reused under a thread that still runs on it. Stacks stay mapped for the next thread,
 * and the dead thread's capability is deleted then.
 */
#include "core.h"

extern const struct libos_header libos_header;

static _Atomic uint32_t busy[THREADS];
static uint64_t mapped[THREADS / 64] = {1}; /* place 0 came with the environment */
static exo_cap caps[THREADS];
static uint32_t places; /* places from here on were never used */

static uint64_t stack_of(uint32_t index)
{
    return POSIX_STACKS_VA + (uint64_t)index * POSIX_STRIDE;
}

static bool place_map(uint32_t index)
{
    uint64_t bit = (uint64_t)1 << (index % 64);

    if (mapped[index / 64] & bit)
        return true;
    if (exo_map(0, stack_of(index), POSIX_STACK_BYTES >> EXO_PAGE_SHIFT, 0, 0,
                EXO_MAP_READ | EXO_MAP_WRITE) < 0)
        return false;
    mapped[index / 64] |= bit;
    return true;
}

struct thread *thread_new(void)
{
    uint32_t k = 0;

    while (k < THREADS && atomic_load(&busy[k]))
        k++;
    if (k == THREADS || !place_map(k))
        return 0;
    if (caps[k]) {
        exo_cap_delete(caps[k], 0);
        caps[k] = 0;
    }
    atomic_store(&busy[k], 1);
    if (k >= places)
        places = k + 1;
    struct thread *t = thread_at(k);
    memset(t, 0, sizeof *t);
    t->index = k;
    t->utcb = (struct exo_utcb *)(POSIX_UTCB_VA + (uint64_t)k * POSIX_STRIDE);
    t->altstack_flags = SS_DISABLE;
    return t;
}

/* The thread that came with the environment, at place 0. */
void thread_start_first(struct thread *t)
{
    atomic_store(&busy[0], 1);
    places = 1;
    t->index = 0;
    t->utcb = exo_utcb();
}

void thread_discard(struct thread *t)
{
    if (t->cap) {
        exo_thread_exit(t->cap, 0); /* or its UTCB would be in the next one's way */
        exo_cap_delete(t->cap, 0);
    }
    atomic_store(&busy[t->index], 0);
}

int64_t thread_make(struct thread *t, exo_cap env, struct start *s, uint64_t tls)
{
    struct exo_thread_args args = {
        .utcb = (uintptr_t)t->utcb,
        .pc = (uintptr_t)thread_start,
        .sp = s->sp,
        .arg = (uintptr_t)s,
        .tls = tls,
        .foreign_pc = libos_header.foreign,
        .upcall_pc = libos_header.upcall,
        .nested_pc = libos_header.nested,
        .priority = POSIX_PRIORITY,
        .words = {(uintptr_t)t, (uintptr_t)t, exo_utcb()->libos[POSIX_WORD_USER_SP], 0},
    };
    int64_t cap = exo_thread_create(env, &args);

    return cap < 0 ? errno_of(cap) : cap;
}

void thread_join(struct thread *t, struct process *p)
{
    t->process = p;
    t->next = p->threads;
    p->threads = t;
    p->thread_count++;
    image_state.thread_count++;
    caps[t->index] = t->cap;
}

void threads_forget(struct thread *only)
{
    for (uint32_t k = 0; k < places; k++) {
        if (busy[k] && k != only->index)
            busy[k] = 0;
        if (caps[k])
            caps[k] = 0;
    }
}

void thread_attention(struct thread *t)
{
    if (t == self())
        attention();
    else
        exo_notify(t->cap, PROC_EVENT_SIGNAL);
}

/* Takes a thread out of its process. */
static void thread_leave(struct thread *t)
{
    struct process *p = t->process;
    struct thread **link = &p->threads;

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    if (p->shared) /* 0: a vfork context that has left (context_end) */
        thread_unname(p, t);
    image_state.thread_count--;
    p->thread_count--;
    exo_wake(&p->thread_count, 1);
}

void thread_end(void)
{
    struct thread *t = self();

    timers_thread_ends(t);
    robust_release(t);
    signal_forget_thread(t);
    thread_leave(t);
    uint64_t clear = t->clear_tid;
    image_unlock();
    /* A joiner may reuse the program's stack from here on; we do not touch it any more. */
    if (clear && user_write32(clear, 0) == 0)
        exo_wake((const void *)clear, 1);
    exo_thread_exit(0, (uint32_t *)&busy[t->index]);
    __builtin_unreachable();
}

int64_t threads_end_others(void)
{
    struct thread *t = self();
    struct process *p = t->process;
    uint32_t kept = 0;

    for (struct thread *other = p->threads; other; other = other->next) {
        if (other != t) {
            other->end = true;
            thread_attention(other);
        }
    }
    while (p->thread_count > 1) {
        struct exo_wait_word word = {.address = (uintptr_t)&p->thread_count,
                                     .expected = p->thread_count};

        if (t->end) {
            attention();
            return -ERESTARTSYS;
        }
        image_unlock();
        if (exo_wait(&word, 1, EXO_FOREVER) == EXO_EINTR)
            kept |= atomic_exchange(&t->utcb->pending, 0); /* signals wait until this is over */
        image_lock();
    }
    atomic_fetch_or(&t->utcb->pending, kept);
    return 0;
}
