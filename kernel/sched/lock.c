/* SPDX-License-Identifier: MIT */
/* Waiting for a lock, and the check of the lock order: see hal/lock.h. The orders of the atomic steps are
 * checked in proofs/memory/protocols/ticket_lock.py. */
#include <kernel/sched/lock.h>

struct lock kernel_lock = {.rank = LOCK_KERNEL};

#define TURNS 200u /* before a waiter sleeps: longer than most stays in the kernel */

/* Acquire: as in lock_take. */
static bool my_turn(const struct lock *lock, uint32_t ticket)
{
    return atomic_load_explicit(&lock->serving, memory_order_acquire) == ticket;
}

void lock_wait(struct lock *lock, uint32_t ticket)
{
    unsigned self = hal_cpu()->number;
    uint32_t bit = 1u << self;

    for (unsigned turn = 0; turn < TURNS; turn++) {
        hal_relax(); /* the holder may itself wait for this CPU, in hal_space_flush */
        if (my_turn(lock, ticket))
            return;
    }
    /* Relaxed: the bit comes after it, by the next step's order. */
    atomic_store_explicit(&lock->cpu[ticket % HAL_CPUS], self, memory_order_relaxed);
    /* Sequentially consistent, as is the load below: see lock_give. */
    atomic_fetch_or_explicit(&lock->dozing, bit, memory_order_seq_cst);
    while (atomic_load_explicit(&lock->serving, memory_order_seq_cst) != ticket)
        hal_doze();
    atomic_fetch_and_explicit(&lock->dozing, ~bit, memory_order_relaxed);
}

/* It is the turn of `ticket`. Whoever has it may not sleep yet, or be another than the table says, if it
 * has not written itself down; then it looks at `serving` before it sleeps, and a wake too many is
 * harmless. */
void lock_wake(struct lock *lock, uint32_t ticket)
{
    uint32_t cpu = atomic_load_explicit(&lock->cpu[ticket % HAL_CPUS], memory_order_relaxed);

    if (cpu != hal_cpu()->number &&
        atomic_load_explicit(&lock->dozing, memory_order_relaxed) >> cpu & 1)
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
