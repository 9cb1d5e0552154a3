/* SPDX-License-Identifier: MIT */
/*
 * Scheduling: which thread runs. Priorities 0 to 31, round-robin within one, a time slice of 10 ms,
 * budgets that cap what a thread takes in a period, and directed switches along IPC.
 *
 * The running thread is in no queue. The timer is armed only if somebody waits for the CPU or a
 * deadline is near: an idle machine, or one with a single busy thread, gets no ticks.
 */
#ifndef KERNEL_SCHED_SCHED_H
#define KERNEL_SCHED_SCHED_H

#include <kernel/env/thread.h>
#include <stdalign.h>

#define PRIORITIES    32u
#define TIME_SLICE_NS 10000000u

/** Per-CPU state of the portable kernel. */
struct cpu_state {
    alignas(128) struct thread *current; /* alone in its cache lines; a shift finds it */
    bool reschedule;                     /* pick again before going to user mode */
    exo_time armed;                      /* what the machine's timer is set to */
    uint64_t since;                      /* ticks when `current` was charged last */
    uint64_t slice_end;                  /* ticks */
    struct thread *registers; /* whose FPU state and thread pointer the processor holds, or 0 */
    struct space *loaded;
    uint64_t entries, space_switches, thread_switches, idle_ticks;
};
static inline struct cpu_state *this_cpu(void)
{
    return hal_cpu()->kernel;
}

/** A thread may run: puts it in its queue (unless suspended or over budget). */
void sched_ready(struct thread *t);
/** A thread may not run any more, in whatever queue it is. */
void sched_unready(struct thread *t);
/** Runs `t` (READY, in no queue) at once in place of the current thread, which has stopped or is in
 *  a queue already, unless somebody more important waits. */
void sched_direct(struct thread *t);
/** Picks another thread and delivers pending events, as far as either is due. */
void sched_settle(void);
/** The last step of every kernel entry: mostly there is nothing to settle. */
static inline void sched_leave(void)
{
    const struct cpu_state *cpu = this_cpu();

    if (cpu->reschedule || cpu->current->check_events)
        sched_settle();
}
/** Charges the current thread for the time since the last charge. */
void sched_charge(void);
/** The first timer may have become earlier. */
void sched_timer_changed(void);
/** A space is going away: loads the kernel's own if it is the loaded one. */
void sched_unload(struct space *s);
/** A thread is going away: nothing of it is looked at any more, though it may be the current one. */
void sched_forget(struct thread *t);
void sched_init(void);

#endif
