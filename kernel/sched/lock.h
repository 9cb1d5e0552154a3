/* SPDX-License-Identifier: MIT */
/*
 * The kernel lock: at the door. Every kernel_* function that the machine calls enters with
 * kernel_enter, and what is between that and kernel_leave has the kernel to itself.
 *
 * With EXO_LOCK_TIME (on in debug builds) each CPU counts how long it held the lock and how long it
 * waited for it; the view shows both. That takes two readings of the counter an entry, so Release
 * leaves it out unless it is asked for (cmake -DEXO_LOCK_TIME=ON).
 */
#ifndef KERNEL_SCHED_LOCK_H
#define KERNEL_SCHED_LOCK_H

#include <hal/lock.h>
#include <kernel/sched/sched.h>

extern struct lock kernel_lock;

#ifdef EXO_LOCK_TIME
static inline void kernel_lock_take(void)
{
    uint64_t came = hal_ticks();

    lock_take(&kernel_lock);
    struct cpu_state *cpu = this_cpu();
    cpu->lock_since = hal_ticks();
    cpu->lock_wait_ticks += cpu->lock_since - came;
}

static inline void kernel_lock_give(void)
{
    struct cpu_state *cpu = this_cpu();

    cpu->lock_ticks += hal_ticks() - cpu->lock_since;
    lock_give(&kernel_lock);
}
#else
static inline void kernel_lock_take(void)
{
    lock_take(&kernel_lock);
}

static inline void kernel_lock_give(void)
{
    lock_give(&kernel_lock);
}
#endif

/** The first step of a kernel entry. */
static inline void kernel_enter(void)
{
    kernel_lock_take();
    this_cpu()->entries++;
}

void kernel_leave_settled(void);
/** The last step of a kernel entry from user mode: mostly there is nothing to settle. */
static inline void kernel_leave(void)
{
    const struct cpu_state *cpu = this_cpu();

    if (cpu->reschedule || cpu->current->check_events) {
        kernel_leave_settled();
        return;
    }
    kernel_lock_give();
    LOCK_CHECK(lock_check_none());
}

#endif
