/* SPDX-License-Identifier: MIT */
/* Waiting for a lock, and the check of the lock order: see hal/lock.h. */
#include <hal/lock.h>

void lock_wait(struct lock *lock, uint32_t ticket)
{
    /* Acquire: as in lock_take. */
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)
        hal_relax(); /* the holder may itself wait for this CPU, in hal_space_flush */
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
