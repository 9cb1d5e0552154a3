/* SPDX-License-Identifier: MIT */
/*
 * The kernel's locks. There are few, and this is the order in which one CPU may take them; each guards
 * what its line says. A CPU takes a lock only if it holds none from that line on downwards, and goes to
 * user mode, or to sleep, with none. Debug builds check that at every step (kernel/sched/lock.c).
 *
 * A lock is one word, and free when that is 0. Whoever finds it free takes it, also past others who sleep
 * over it: a CPU that runs does not wait for one that must be woken first. So that a sleeper's turn comes
 * all the same, one that was woken in vain LOCK_PATIENCE times has the lock promised to it, and nobody else
 * takes it until it has. Interrupts are off while a lock is held or waited for.
 *
 * The orders are checked in proofs/memory/protocols/lock.py; what is kept under the lock relies on them
 * as proofs/memory/kernel.py says.
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

#define LOCK_HELD       0x1u
#define LOCK_WOKEN      0x2u /* a sleeper has been woken and not slept since: no need to wake another */
#define LOCK_PROMISED   0x4u /* to the CPU whose number is at LOCK_TO */
#define LOCK_TO(cpu)    ((cpu) << 4)
#define LOCK_DOZES(cpu) (0x100u << (cpu)) /* it sleeps over the lock */
#define LOCK_PATIENCE   4u
static_assert(HAL_CPUS <= 16, "four bits for a number, and a bit each");

struct lock {
    _Atomic uint32_t word;
    enum lock_rank rank;
};

/** The slow paths and the checks: kernel/sched/lock.c. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);
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
    uint32_t word = 0;
    /* Acquire: with the release in lock_give, all that the last holder did comes before all that
     * follows here. */
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(&lock->word, &word, LOCK_HELD,
                                                                  memory_order_acquire,
                                                                  memory_order_relaxed),
                         0))
        lock_wait(lock);
}

static inline void lock_give(struct lock *lock)
{
    LOCK_CHECK(lock_check_give(lock));
    /* Release: all that was done under the lock comes before the next holder's acquire. Sleepers note
     * themselves in the same word, so they are seen here or see that it is free. */
    if (__builtin_expect(atomic_fetch_sub_explicit(&lock->word, LOCK_HELD, memory_order_release) !=
                             LOCK_HELD,
                         0))
        lock_wake(lock);
}

#endif
