/* SPDX-License-Identifier: MIT */
/*
 * Threads: execution contexts. All of a thread's state is in its object; the kernel keeps nothing of
 * it on a stack, so a thread can be put aside and taken up at any trap.
 *
 * What a thread waits for is its `state`; each waiting state has one place that ends it:
 *   READY     in a run queue, or running
 *   WAITING   in exo_wait: on words (wait.c), woken by a wake, an event, its deadline
 *   CALLING   in an endpoint's queue, or served: woken by the reply or the server's death
 *   RECEIVING in exo_reply_wait: woken by a message or an event
 *   DEAD      its environment or it has ended
 * Suspension is separate: a suspended thread does not enter a run queue.
 */
#ifndef KERNEL_ENV_THREAD_H
#define KERNEL_ENV_THREAD_H

#include <hal/hal.h>
#include <kernel/ipc/wait.h>
#include <kernel/object.h>
#include <kernel/sched/timer.h>

struct cpu_state;
struct env;
struct endpoint;
struct notification;
struct waitset;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,
    THREAD_WAITING,
    THREAD_CALLING,
    THREAD_RECEIVING,
    THREAD_DEAD
};

#define LIMIT_BUDGET 1u /* it has a budget */
#define LIMIT_CPUS   2u /* not every CPU is allowed */

#define WAIT_INLINE 3u

struct thread {
    struct object object;
    struct hal_context context;
    struct hal_fpu *fpu; /* a frame of its own */
    struct env *env;     /* holds no reference: a thread goes before its environment */
    struct thread *env_next;
    struct exo_utcb *utcb; /* the kernel's pointer */
    uint64_t utcb_va;
    uint64_t foreign_pc, upcall_pc, nested_pc;

    uint8_t state; /* enum thread_state */
    uint8_t priority;
    uint8_t queued; /* in a run queue */
    uint8_t suspended;
    uint8_t check_events;  /* look at pending before going to user mode */
    uint8_t limits;        /* LIMIT_*: what a switch to it must look at */
    uint32_t affinity;     /* a bit for each CPU it may run on */
    struct cpu_state *cpu; /* where it runs, is queued, or ran last */
    struct thread *run_next, *run_prev;
    uint64_t ticks;                                          /* CPU time used, in hal_ticks */
    uint64_t budget_ns, period_ns, period_end, period_ticks; /* exo_sched_set */

    struct timer sleep; /* deadline of a wait; replenishment of a budget */
    struct timer alarm; /* exo_timer */

    struct wait_node nodes[WAIT_INLINE];
    struct wait_node *more_nodes; /* a frame of them, for long waits */
    uint32_t node_count;
    struct waitset *set; /* WAITING on a wait set instead */

    struct endpoint *endpoint; /* CALLING and not yet served, RECEIVING: whose queue it is in */
    struct thread *queue_next, *queue_prev;
    struct thread *server;      /* CALLING and served: by whom */
    struct thread *caller;      /* the one it serves: a one-shot reply right */
    uint64_t tag;               /* of the message a queued caller sends */
    uint64_t badge;             /* of the capability it called through */
    uint32_t call_life;         /* a queued caller: of the endpoint, when it came */
    struct notification *bound; /* holds a reference */
};

struct thread *thread_current(void);

/** Stops a thread for good; the environment's last one ends it. */
void thread_kill(struct thread *t);
void thread_destroy_object(struct thread *t);
/** What thread_kill does to one thread, whatever that means for its environment. */
void thread_stop(struct thread *t);
/** Sees to it that the thread's UTCB is mapped where it belongs. */
int64_t thread_utcb_restore(struct thread *t);
/** Makes the result of the call that a sleeping thread is in, and lets it run. */
void thread_finish(struct thread *t, int64_t result);
/** Takes a thread out of whatever it waits in, without a result. */
void thread_unwait(struct thread *t);
int64_t thread_create(struct env *env, struct account *account, const struct exo_thread_args *args,
                      struct thread **out);

#endif
