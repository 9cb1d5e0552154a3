/* SPDX-License-Identifier: MIT */
/* Events and notifications: see event.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/resurrection/service.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trap/upcall.h>
#include <stdatomic.h>

uint32_t event_take(struct thread *t)
{
    /* Acquire: with the release in event_raise. */
    return atomic_exchange_explicit(&t->utcb->pending, 0, memory_order_acquire);
}

void event_raise(struct thread *t, uint32_t bits)
{
    if (t->state == THREAD_DEAD)
        return;
    /* Release: what the bits announce is there for whoever takes them with an acquire
     * (proofs/memory/protocols/proc_shared.py). */
    atomic_fetch_or_explicit(&t->utcb->pending, bits, memory_order_release);
    t->check_events = 1;
    if (t->state == THREAD_WAITING)
        thread_finish(t, EXO_EINTR);
    else if (t->state == THREAD_RECEIVING)
        endpoint_event(t);
    else if (sched_elsewhere(t))
        /* It must come into the kernel for its upcall. Whether it masks them just now is not asked: the
         * answer could be old, as its CPU may clear `masked` and look at `pending` before that store is
         * seen here. The interrupt comes before or after both, and the new bits come before it, so one
         * of the two sees the other (proofs/memory/protocols/event_mask.py). */
        hal_ipi(t->cpu->number);
}

void event_raise_env(struct env *env, uint32_t bits)
{
    for (struct thread *t = env->threads; t; t = t->env_next)
        event_raise(t, bits);
}

void event_deliver(struct thread *t)
{
    t->check_events = 0;
    if (service_rebirth(t))
        return;
    if (t->upcall_pc != 0 && !t->utcb->masked &&
        atomic_load_explicit(&t->utcb->pending, memory_order_relaxed) != 0)
        upcall(t, EXO_UP_EVENT, 0, 0, 0);
}

void notification_raise(struct notification *n, uint32_t bits)
{
    if (n->bound)
        event_raise(n->bound, bits);
    else
        n->pending |= bits;
}

void notification_destroy(struct notification *n)
{
    (void)n; /* nobody is bound: a bound thread holds a reference */
}

void event_unbind(struct thread *t)
{
    if (!t->bound)
        return;
    t->bound->bound = 0;
    object_unref(&t->bound->object);
    t->bound = 0;
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_notification_create(exo_cap account_cap)
{
    struct account *account;
    void *made;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK ||
        (st = object_create(EXO_NOTIFICATION, account, &made)) != EXO_OK)
        return st;
    return env_grant_new(env_current(), made, EXO_R_ALL);
}

int64_t sys_notification_bind(exo_cap notification)
{
    struct thread *self = thread_current();
    struct notification *n;
    int64_t st = env_object(self->env, notification, EXO_NOTIFICATION, EXO_R_RECV, (void **)&n);

    if (st != EXO_OK)
        return st;
    if (n->bound || self->bound)
        return EXO_EBUSY;
    object_ref(&n->object);
    n->bound = self;
    self->bound = n;
    if (n->pending) {
        uint32_t bits = n->pending;

        n->pending = 0;
        event_raise(self, bits);
    }
    return EXO_OK;
}

int64_t sys_notify(exo_cap target, uint32_t bits)
{
    struct env *self = env_current();
    cap_id id;
    int64_t st = env_cap(self, target, &id);

    if (st != EXO_OK)
        return st;
    const struct cap *c = &cap_global()->entries[id];
    struct object *o = object_at(c->type, c->object);
    if (c->type != EXO_NOTIFICATION && c->type != EXO_THREAD && c->type != EXO_ENV)
        return EXO_ETYPE;
    if (!(c->rights & EXO_R_SIGNAL))
        return EXO_ERIGHTS;
    if (bits & EXO_EVENT_KERNEL)
        return EXO_EINVAL;
    if (o->dead)
        return EXO_EDEAD;
    if (c->type == EXO_NOTIFICATION)
        notification_raise((struct notification *)o, bits);
    else if (c->type == EXO_THREAD)
        event_raise((struct thread *)o, bits);
    else
        event_raise_env((struct env *)o, bits);
    return EXO_OK;
}

int64_t sys_timer(exo_time deadline)
{
    struct thread *self = thread_current();

    if (!timer_arm(&self->alarm, deadline))
        return EXO_EOBJECTS;
    sched_timer_changed();
    return EXO_OK;
}
