/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: synchronous protected control transfer.
 *
 * A caller sends and waits for the reply; a server answers and waits for the next call, in one step.
 * When the partner is waiting already, the message is copied and the CPU goes over at once, without
 * the scheduler. The reply right is one-shot and not a capability: it is `caller` of the serving
 * thread, and it goes with the reply, with the server's death, or with the caller's.
 *
 * Invariant: a CALLING thread is either in the endpoint's queue (thread.endpoint) or served
 * (thread.server, whose `caller` it is), never both.
 */
#ifndef KERNEL_IPC_ENDPOINT_H
#define KERNEL_IPC_ENDPOINT_H

#include <kernel/object.h>

struct thread;
struct env;

struct thread_queue {
    struct thread *head, *tail;
};

struct endpoint {
    struct object object;
    struct thread_queue callers, receivers; /* at most one of them is not empty */
    struct env *server;                     /* who received on it last */
    struct endpoint *served_next;           /* of the server's list */
    uint32_t
        life;  /* of the server, if that is a service: callers queued in an earlier one are told */
    bool heir; /* the life that begins has it, too */
};

/** A CALLING or RECEIVING thread leaves, without a result. */
void endpoint_leave(struct thread *t);
/** A thread ends: whoever it serves gets `error`. */
void endpoint_orphan(struct thread *t, int64_t error);
/** An environment ends: everybody in the queues of its endpoints gets EXO_EDEAD. */
void endpoint_server_died(struct env *env);
/* A life of a service ends: its endpoints wait to be inherited; each is, if the capability to receive on
 * it comes through; then whoever was queued is answered, at most *budget of them: callers of a life gone
 * by get ERESTARTED, or, if the service goes `down`, everybody EDEAD. False: the budget is used up. */
void endpoint_life_ended(struct env *env);
void endpoint_inherit(struct endpoint *e, struct env *env);
bool endpoint_settle(struct env *env, bool down, unsigned *budget);
/** Calls are taken again. */
void endpoint_up(struct env *env);

/** Its last capability is gone: nobody can call any more. Its receivers get EXO_EDEAD. */
void endpoint_abandoned(struct endpoint *e);
/** Events are pending for a RECEIVING thread: they become its message. */
void endpoint_event(struct thread *t);
void endpoint_destroy(struct endpoint *e);

#endif
