/* SPDX-License-Identifier: MIT */
/*
 * Scheduling: which thread runs where. Priorities 0 to 31, round-robin within one, a time slice of
 * 10 ms, budgets that cap what a thread takes in a period, and directed switches along IPC.
 *
 * Each CPU has queues of its own. A thread that becomes ready goes to an idle CPU, to one that runs
 * something less important, or to the queue of the CPU it last ran on; an idle CPU takes from the
 * others' queues before it sleeps. A CPU that gives a thread up has all of its registers in its object,
 * so that any other can take it.
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

struct queue {
    struct thread *head, *tail;
};

/** Per-CPU state of the portable kernel. All of it is under the kernel lock, so other CPUs may look, and
 *  write what they are said to. When no CPU is in the kernel, `registers` and `loaded` are what belongs
 *  to `current`, and nothing else (one CPU: they may be what belonged to the last one). */
struct cpu_state {
    alignas(128) struct thread *current; /* alone in its cache lines; a shift finds it. 0: idle */
    bool reschedule; /* pick again before going to user mode; others set it, too */
    bool ticking;    /* the timer is set for the end of this slice or earlier */
    unsigned number;
    uint32_t occupied;        /* bit p: queue p is not empty */
    uint32_t waiting;         /* threads in the queues */
    exo_time armed;           /* what the machine's timer is set to */
    uint64_t since;           /* ticks when `current` was charged last */
    uint64_t slice_end;       /* ticks */
    struct thread *registers; /* whose FPU state and thread pointer the processor holds, or 0 */
    struct space *loaded;
    uint64_t entries, space_switches, thread_switches, idle_ticks;
    uint64_t lock_ticks, lock_wait_ticks, lock_since; /* EXO_LOCK_TIME (lock.h) */
    struct hal_cpu *machine;
    struct queue queues[PRIORITIES];
};
/** Of CPU 0 .. sched_cpus - 1, which take threads. */
extern struct cpu_state cpu_states[HAL_CPUS];
extern unsigned sched_cpus;

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
/** Charges the current thread for the time since the last charge. */
void sched_charge(void);
/** The first timer may have become earlier. */
void sched_timer_changed(void);
/** A space is going away: loads the kernel's own if it is the loaded one. */
void sched_unload(struct space *s);
/** A thread is going away: nothing of it is looked at any more, though it may be the current one. */
void sched_forget(struct thread *t);
void sched_init(void);
/** The other CPUs have come: from now on they get threads. */
void sched_start_others(void);

/* ---- threads on other CPUs --------------------------------------------------------------------- */

/** It runs on another CPU at this moment: its registers are there, and nothing of it may be freed. */
static inline bool sched_elsewhere(const struct thread *t)
{
    return t->cpu->current == t && t->cpu != this_cpu();
}
/** The CPU on which it runs, if on any, looks whether it still should. */
void sched_look(const struct thread *t);
/** A call that needs a thread off its CPU, and has told it to go (suspended, and sched_look), is made
 *  again when its caller next runs: answer this from it. The other CPU gets the kernel lock after a
 *  bounded number of such turns, as the lock is promised to who waits long (hal/lock.h). */
int64_t sched_call_again(void);
/** CPU time it has used, in ticks, up to now. */
uint64_t sched_ticks(const struct thread *t);

#endif
