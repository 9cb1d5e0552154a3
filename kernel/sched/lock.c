/* SPDX-License-Identifier: MIT */
/* Waiting for a lock, and the check of the lock order: see hal/lock.h. The orders of the atomic steps are
 * checked in proofs/memory/protocols/lock.py. */
#include <kernel/sched/lock.h>

struct lock kernel_lock = {.rank = LOCK_KERNEL};

#define TURNS 200u /* before a waiter sleeps: longer than most stays in the kernel */

struct waiter {
    uint32_t self;  /* the CPU */
    uint32_t woken; /* LOCK_WOKEN, if it was; else 0 */
    uint32_t naps;
};

/* Takes the lock if it is free, and not promised to another. *word: what the lock's word was. */
static bool taken(struct lock *lock, const struct waiter *w, uint32_t *word)
{
    uint32_t promise = LOCK_PROMISED | LOCK_TO(w->self);

    *word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    while (!(*word & LOCK_HELD)) {
        uint32_t mine = *word & LOCK_PROMISED ? promise : 0;
        if (mine && (*word & (LOCK_PROMISED | LOCK_TO(15u))) != promise)
            return false;
        uint32_t new = (*word & ~(mine | w->woken)) | LOCK_HELD;
        /* Acquire: as in lock_take. */
        if (atomic_compare_exchange_weak_explicit(&lock->word, word, new, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* Sleeps until it is woken, unless the lock's word has changed: false. Relaxed: it is all one word. */
static bool nap(struct lock *lock, struct waiter *w, uint32_t word)
{
    uint32_t dozes = LOCK_DOZES(w->self), new = (word & ~w->woken) | dozes;

    if (w->naps >= LOCK_PATIENCE && !(word & LOCK_PROMISED))
        new |= LOCK_PROMISED | LOCK_TO(w->self);
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, new, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    if (!(word &
          LOCK_HELD)) /* it is promised to one who sleeps, and was given back as this one was awake */
        lock_wake(lock);
    while (atomic_load_explicit(&lock->word, memory_order_relaxed) & dozes)
        hal_doze();
    w->woken = LOCK_WOKEN;
    w->naps++;
    return true;
}

void lock_wait(struct lock *lock)
{
    struct waiter w = {.self = hal_cpu()->number};
    uint32_t word;

    for (unsigned turn = 0; !taken(lock, &w, &word); turn++) {
        hal_relax(); /* the holder may itself wait for this CPU, in hal_space_flush */
        if (turn >= TURNS && nap(lock, &w, word))
            turn = 0;
    }
}

/* Which sleeper: the one who was promised the lock, or else the next in the order of numbers; HAL_CPUS:
 * none, as the promised one is awake. */
static unsigned sleeper(uint32_t word)
{
    unsigned cpu = word >> 4 & 15;

    if (word & LOCK_PROMISED)
        return word & LOCK_DOZES(cpu) ? cpu : HAL_CPUS;
    cpu = hal_cpu()->number;
    do {
        cpu = (cpu + 1) % HAL_CPUS;
    } while (!(word & LOCK_DOZES(cpu)));
    return cpu;
}

/* The lock was free a moment ago. If somebody holds it by now, he will look here in his turn. Relaxed: it
 * is all one word. */
void lock_wake(struct lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    unsigned cpu;

    do {
        if (word & (LOCK_HELD | LOCK_WOKEN) || word < LOCK_DOZES(0) ||
            (cpu = sleeper(word)) == HAL_CPUS)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &word,
                                                    (word & ~LOCK_DOZES(cpu)) | LOCK_WOKEN,
                                                    memory_order_relaxed, memory_order_relaxed));
    hal_wake(cpu);
}

void lock_check_take(const struct lock *lock)
{
    struct hal_cpu *cpu = hal_cpu();

    if (cpu->locks >> lock->rank != 0)
        kernel_panic("lock order: CPU %u takes lock %u and holds %x", cpu->number, lock->rank,
                     cpu->locks);
    cpu->locks |= 1u << lock->rank;
}

void lock_check_give(const struct lock *lock)
{
    struct hal_cpu *cpu = hal_cpu();

    if (!(cpu->locks & 1u << lock->rank))
        kernel_panic("lock order: CPU %u gives lock %u back that it does not hold", cpu->number,
                     lock->rank);
    cpu->locks &= ~(1u << lock->rank);
}

void lock_check_none(void)
{
    if (hal_cpu()->locks != 0)
        kernel_panic("lock order: CPU %u leaves the kernel and holds %x", hal_cpu()->number,
                     hal_cpu()->locks);
}
