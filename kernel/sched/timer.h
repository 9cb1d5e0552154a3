/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap of deadlines, and the machine's one-shot timer set to the first of them.
 * Arming and cancelling take O(log n) steps; nothing ticks when nothing is due.
 */
#ifndef KERNEL_SCHED_TIMER_H
#define KERNEL_SCHED_TIMER_H

#include <exo/types.h>
#include <stdbool.h>

struct timer {
    exo_time deadline;
    uint32_t place; /* in the heap, from 1; 0: not armed */
    uint32_t kind;  /* what timer_due calls it: enum timer_kind */
};
enum timer_kind { TIMER_SLEEP, TIMER_ALARM, TIMER_RECLAIM, TIMER_HEARTBEAT };

void timer_init(void);
/** (Re)arms; false if the heap is full. EXO_FOREVER disarms. */
bool timer_arm(struct timer *t, exo_time deadline);
void timer_cancel(struct timer *t);
/** The earliest deadline; EXO_FOREVER if there is none. */
exo_time timer_first(void);
/** Takes one timer that is due at `now` off the heap, or 0. */
struct timer *timer_due(exo_time now);

/** Nanoseconds since the machine started. */
exo_time clock_now(void);
uint64_t clock_ns(uint64_t ticks);

#endif
