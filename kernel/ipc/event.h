/* SPDX-License-Identifier: MIT */
/*
 * Events: bits that arrive at a thread without a message. They collect in `pending` of its UTCB; a
 * sleep of the thread ends, a receiving server gets them as a message, a running program gets an
 * upcall unless it masks them. A notification is an address for bits that can be given away: it
 * passes them to the thread bound to it, or keeps them until one is.
 */
#ifndef KERNEL_IPC_EVENT_H
#define KERNEL_IPC_EVENT_H

#include <kernel/object.h>

struct thread;
struct env;

struct notification {
    struct object object;
    struct thread *bound; /* the thread holds the reference, not the other way round */
    uint32_t pending;     /* bits raised while nobody is bound */
};

/** Raises bits at a thread, or at every thread of an environment. */
void event_raise(struct thread *t, uint32_t bits);
void event_raise_env(struct env *env, uint32_t bits);
void notification_raise(struct notification *n, uint32_t bits);
void notification_destroy(struct notification *n);
/** A thread is ending: it lets go of its notification. */
void event_unbind(struct thread *t);

/** Before user mode: turns pending bits into an upcall, if the thread takes one now. */
void event_deliver(struct thread *t);
/** Takes all pending bits. */
uint32_t event_take(struct thread *t);

#endif
