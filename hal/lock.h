/* SPDX-License-Identifier: MIT */
/*
 * The kernel's locks. There are few, and this is the order in which one CPU may take them; each guards
 * what its line says. A CPU takes a lock only if it holds none from that line on downwards, and goes to
 * user mode, or to sleep, with none. Debug builds check that at every step (kernel/sched/lock.c).
 *
 * All are ticket locks: whoever comes takes a number and waits until it is served, so everybody's turn
 * comes, after at most HAL_CPUS - 1 others'. Interrupts are off while a lock is held or waited for.
 *
 * The orders are checked in proofs/memory/protocols/ticket_lock.py; what is kept under the lock relies on
 * them as proofs/memory/kernel.py says.
 */
#ifndef HAL_LOCK_H
#define HAL_LOCK_H

#include <hal/hal.h>
#include <stdatomic.h>

enum lock_rank {
    LOCK_KERNEL, /* everything in kernel/, but for what a comment there says otherwise */
    LOCK_LINES,  /* the machine's notes on interrupt lines, and its controller (hal.h) */
    LOCK_LOG,    /* one line of the log at a time */
};

struct lock {
    _Atomic uint32_t next;    /* ticket that is handed out next */
    _Atomic uint32_t serving; /* ticket whose turn it is */
    enum lock_rank rank;
    _Atomic uint32_t dozing;        /* a bit for each CPU that has gone to sleep over it */
    _Atomic uint32_t cpu[HAL_CPUS]; /* of the ticket n: at n % HAL_CPUS; there are never more */
};
static_assert((HAL_CPUS & (HAL_CPUS - 1)) == 0, "ticket numbers wrap around");

/** The slow paths and the checks: kernel/sched/lock.c. */
void lock_wait(struct lock *lock, uint32_t ticket);
void lock_wake(struct lock *lock, uint32_t ticket);
void lock_check_take(const struct lock *lock);
void lock_check_give(const struct lock *lock);
/** This CPU is about to leave the kernel or to sleep: holds it no lock? */
void lock_check_none(void);

#ifdef EXO_DEBUG
#define LOCK_CHECK(step) step
#else
#define LOCK_CHECK(step) ((void)0)
#endif

static inline void lock_take(struct lock *lock)
{
    LOCK_CHECK(lock_check_take(lock));
    /* Relaxed: the ticket orders only tickets. */
    uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    /* Acquire: with the release in lock_give, all that the last holder did comes before all that
     * follows here. */
    if (__builtin_expect(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket, 0))
        lock_wait(lock, ticket);
}

static inline void lock_give(struct lock *lock)
{
    LOCK_CHECK(lock_check_give(lock));
    /* Release: all that was done under the lock comes before the next holder's acquire. Sequentially
     * consistent, with the load after it: a waiter sets its bit in `dozing` and then looks at `serving`,
     * so either it sees the new number, or its bit is seen here. */
    uint32_t ticket = atomic_fetch_add_explicit(&lock->serving, 1, memory_order_seq_cst) + 1;
    if (__builtin_expect(atomic_load_explicit(&lock->dozing, memory_order_seq_cst) != 0, 0))
        lock_wake(lock, ticket);
}

#endif
