/* SPDX-License-Identifier: MIT */
/*
 * Services: programs that come back. policy.c decides, snapshot.c is what a life goes back to; here the
 * decisions are carried out.
 *
 * A service's environment and first thread outlive its lives. When a life ends - by a fault, by itself,
 * by somebody's hand, by silence - env_kill leads here instead of to the tidying up after the dead. The
 * first piece of going back is done at once; if that is not enough, the thread itself does the others:
 * it is scheduled at its priority, does a piece on its way to user mode, and finds itself at an address
 * that faults, so interrupts and others get their turn in between (service_rebirth).
 */
#ifndef KERNEL_RESURRECTION_SERVICE_H
#define KERNEL_RESURRECTION_SERVICE_H

#include <kernel/sched/timer.h>

struct account;
struct env;
struct thread;

/** Called once: makes the table's object and gives it to init. */
void service_start_table(struct env *init, struct account *root);

/** The environment of a service has died, and its threads are on no CPU any more. True: it is taken care
 *  of; false: it ends as others do. */
bool service_life_ended(struct env *env);
/** Is it the first thread of a service's environment? */
bool service_thread(const struct thread *t);
/** What a caller gets that a thread of this environment serves when it ends. */
int64_t service_call_error(const struct env *env);
/** The thread of a service is on its way to user mode with check_events set: a piece of its rebirth, if one
 *  is under way. False: there is none. */
bool service_rebirth(struct thread *t);
/** A heartbeat was missed. */
void service_silent(struct timer *timer);

#endif
