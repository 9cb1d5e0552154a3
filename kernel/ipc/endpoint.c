/* SPDX-License-Identifier: MIT */
/* Calls and replies: see endpoint.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/sys.h>
#include <lib/string.h>

/* ---- queues ------------------------------------------------------------------------------------ */

static void queue_add(struct thread_queue *q, struct thread *t)
{
    t->queue_next = 0;
    t->queue_prev = q->tail;
    if (q->tail)
        q->tail->queue_next = t;
    else
        q->head = t;
    q->tail = t;
}

static void queue_remove(struct thread_queue *q, struct thread *t)
{
    if (t->queue_next)
        t->queue_next->queue_prev = t->queue_prev;
    else
        q->tail = t->queue_prev;
    if (t->queue_prev)
        t->queue_prev->queue_next = t->queue_next;
    else
        q->head = t->queue_next;
    t->endpoint = 0;
}

void endpoint_leave(struct thread *t)
{
    if (t->endpoint)
        queue_remove(t->state == THREAD_CALLING ? &t->endpoint->callers : &t->endpoint->receivers,
                     t);
    if (t->server) {
        t->server->caller = 0;
        t->server = 0;
    }
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* Passes one capability on; 0 if that cannot be done now. */
static exo_cap send_cap(struct thread *from, struct thread *to, const struct exo_send *send)
{
    exo_cap handle = send->cap;
    uint64_t mode = send->mode;
    cap_id id;

    if (env_cap(from->env, handle, &id) != EXO_OK)
        return 0;
    const struct cap *c = &cap_global()->entries[id];
    if (!(c->rights & EXO_R_GRANT) || (mode == EXO_SEND_MOVE && !env_cap_shows_nothing(id)))
        return 0;
    struct pass how = {.mode = mode == EXO_SEND_LEND ? PASS_DERIVE : PASS_COPY,
                       .rights = c->rights};
    int64_t made = env_pass(id, &how, to->env, 0);
    if (made < 0)
        return 0;
    if (mode == EXO_SEND_MOVE)
        env_cap_remove(id);
    return (exo_cap)made;
}

/* A message that is no more than its label and words. */
#define TAG_IS_SHORT(tag) ((tag) < EXO_LABEL_EVENT)

/* Copies bulk bytes and capabilities; the tag as it arrived. */
static __attribute__((noinline)) uint64_t deliver_bulk(struct thread *from, struct thread *to,
                                                       uint64_t tag)
{
    uint32_t bytes = EXO_TAG_BYTES(tag), caps = EXO_TAG_CAPS(tag), room = to->utcb->recv_caps;

    memcpy(to->utcb->msg, from->utcb->msg, bytes);
    for (uint32_t i = 0; i < caps; i++) {
        struct exo_send send = from->utcb->send[i];
        exo_cap made = i < room ? send_cap(from, to, &send) : 0;

        if (i < room)
            to->utcb->received[i] = made;
        if (made == 0 && send.mode == EXO_SEND_LEND)
            env_lend_missed(from->env, send.cap);
    }
    return EXO_TAG(EXO_TAG_LABEL(tag), bytes, caps < room ? caps : room);
}

/* Hands a message over: bulk, words and, as the receiver's result, the tag. */
static inline void deliver(struct thread *from, struct thread *to, uint64_t tag)
{
    if (!TAG_IS_SHORT(tag))
        tag = deliver_bulk(from, to, tag);
    hal_context_words(&to->context, &from->context);
    hal_context_result(&to->context, (int64_t)tag);
}

/* Of a call the server learns the badge as well. */
static inline void deliver_call(struct thread *from, struct thread *to, uint64_t tag,
                                uint64_t badge)
{
    to->utcb->badge = badge;
    deliver(from, to, tag);
}

static bool tag_ok(uint64_t tag)
{
    if (TAG_IS_SHORT(tag))
        return true;
    return tag >> 35 == 0 && EXO_TAG_BYTES(tag) <= EXO_MSG_BYTES &&
           EXO_TAG_CAPS(tag) <= EXO_MSG_CAPS && EXO_TAG_LABEL(tag) != EXO_LABEL_EVENT;
}

static void serve(struct thread *server, struct thread *caller)
{
    server->caller = caller;
    caller->server = server;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* Gives the call that is about to be made its deadline. */
static __attribute__((noinline)) int64_t call_arm(struct thread *self)
{
    exo_time deadline = *(volatile uint64_t *)&self->utcb->call_deadline; /* read once */

    if (deadline <= clock_now())
        return EXO_ETIMEDOUT;
    if (!timer_arm(&self->sleep, deadline))
        return EXO_EOBJECTS;
    sched_timer_changed();
    return EXO_OK;
}

int64_t sys_call(exo_cap endpoint, uint64_t tag)
{
    struct thread *self = thread_current(), *server;
    cap_id id;
    int64_t st = env_cap(self->env, endpoint, &id);

    /* Check. */
    if (st != EXO_OK)
        return st;
    const struct cap *c = &cap_global()->entries[id];
    if (c->type != EXO_ENDPOINT)
        return EXO_ETYPE;
    if (!(c->rights & EXO_R_CALL))
        return EXO_ERIGHTS;
    if (!tag_ok(tag))
        return EXO_EINVAL;
    struct endpoint *e = object_at(EXO_ENDPOINT, c->object);
    server = e->receivers.head;
    if (!server && e->object.dead)
        return EXO_EDEAD;
    if (self->utcb->call_deadline != 0 && (st = call_arm(self)) != EXO_OK)
        return st;

    /* Commit. */
    self->state = THREAD_CALLING;
    if (!server) {
        self->tag = tag;
        self->badge = c->badge;
        self->call_life = e->life;
        self->endpoint = e;
        queue_add(&e->callers, self);
        this_cpu()->reschedule = true;
        return SYS_DONE;
    }
    queue_remove(&e->receivers, server);
    server->state = THREAD_READY;
    serve(server, self);
    deliver_call(self, server, tag, c->badge);
    sched_direct(server);
    return SYS_DONE;
}

/* The server's events, as a message. */
static void event_message(struct thread *t)
{
    hal_context_set_word(&t->context, 0, event_take(t));
    t->utcb->badge = 0;
    hal_context_result(&t->context, (int64_t)EXO_TAG(EXO_LABEL_EVENT, 0, 0));
}

void endpoint_event(struct thread *t)
{
    endpoint_leave(t);
    t->state = THREAD_READY;
    event_message(t);
    sched_ready(t);
}

/* The first to receive on an endpoint is its server from then on. A dead endpoint has none. */
static int64_t become_server(struct endpoint *e, struct env *env)
{
    if (e->object.dead)
        return EXO_EDEAD;
    if (e->server)
        return EXO_EBUSY;
    e->server = env;
    e->served_next = env->serving;
    env->serving = e;
    object_ref(&e->object);
    return EXO_OK;
}

/* Takes the next call from the queue, the pending events, or sleeps. */
static void receive(struct thread *self, struct endpoint *e, struct thread *answered)
{
    struct thread *next = e->callers.head;

    self->check_events = 0;
    if (self->utcb->pending != 0) {
        event_message(self);
    } else if (next) {
        queue_remove(&e->callers, next);
        serve(self, next);
        deliver_call(next, self, next->tag, next->badge);
    } else {
        self->state = THREAD_RECEIVING;
        self->endpoint = e;
        queue_add(&e->receivers, self);
        if (answered)
            sched_direct(answered);
        else
            this_cpu()->reschedule = true;
        return;
    }
    if (answered)
        sched_ready(answered);
}

/* Nobody takes the reply: the server will not answer whom it still serves, or the caller is gone, and
 * so are its loans. */
static __attribute__((noinline)) void reply_nobody(struct thread *self, uint64_t tag)
{
    if (tag == EXO_NO_REPLY) {
        endpoint_orphan(self, EXO_EDEAD);
        return;
    }
    for (uint32_t i = 0; i < EXO_TAG_CAPS(tag); i++) {
        if (self->utcb->send[i].mode == EXO_SEND_LEND)
            env_lend_missed(self->env, self->utcb->send[i].cap);
    }
}

int64_t sys_reply_wait(exo_cap endpoint, uint64_t tag)
{
    struct thread *self = thread_current(), *client = self->caller;
    struct endpoint *e;
    int64_t st = env_object(self->env, endpoint, EXO_ENDPOINT, EXO_R_RECV, (void **)&e);

    /* Check. */
    if (st != EXO_OK)
        return st;
    if (tag == EXO_NO_REPLY)
        client = 0;
    else if (!tag_ok(tag))
        return EXO_EINVAL;
    if (e->server != self->env && (st = become_server(e, self->env)) != EXO_OK)
        return st;

    /* Commit. */
    if (client) {
        deliver(self, client, tag);
        self->caller = 0;
        client->server = 0;
        if (client->sleep.place != 0) /* a deadline */
            timer_cancel(&client->sleep);
        client->state = THREAD_READY;
    } else {
        reply_nobody(self, tag);
    }
    receive(self, e, client);
    return SYS_DONE;
}

int64_t sys_endpoint_create(exo_cap account_cap)
{
    struct account *account;
    void *made;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK ||
        (st = object_create(EXO_ENDPOINT, account, &made)) != EXO_OK)
        return st;
    return env_grant_new(env_current(), made, EXO_R_ALL);
}

/* ---- death ------------------------------------------------------------------------------------- */

void endpoint_orphan(struct thread *t, int64_t error)
{
    struct thread *caller = t->caller;

    if (!caller)
        return;
    t->caller = 0;
    caller->server = 0;
    thread_finish(caller, error);
}

static void refuse_all(struct endpoint *e)
{
    e->object.dead = 1;
    while (e->callers.head) /* bounded by the threads there are; each costs its queue's removal */
        thread_finish(e->callers.head, EXO_EDEAD);
}

void endpoint_abandoned(struct endpoint *e)
{
    struct endpoint **link = e->server ? &e->server->serving : 0;

    e->object.dead = 1;
    while (e->receivers.head)
        thread_finish(e->receivers.head, EXO_EDEAD);
    if (!link)
        return;
    while (*link != e) /* bounded by the endpoints of one server */
        link = &(*link)->served_next;
    *link = e->served_next;
    e->server = 0;
    object_unref(&e->object);
}

void endpoint_server_died(struct env *env)
{
    while (env->serving) {
        struct endpoint *e = env->serving;

        env->serving = e->served_next;
        e->server = 0;
        refuse_all(e);
        object_unref(&e->object);
    }
}

/* ---- lives of a service ------------------------------------------------------------------------- */

void endpoint_life_ended(struct env *env)
{
    for (struct endpoint *e = env->serving; e; e = e->served_next) /* bounded as above */
        e->heir = false;
}

void endpoint_inherit(struct endpoint *e, struct env *env)
{
    if (e->server != env)
        return;
    e->heir = true;
    e->life++;
}

/* FIFO: those of earlier lives are in front. */
static bool tell_callers(struct endpoint *e, bool down, unsigned *budget)
{
    struct thread *t;

    while ((t = e->callers.head) && (down || t->call_life != e->life)) {
        if (*budget == 0)
            return false;
        --*budget;
        thread_finish(t, down ? EXO_EDEAD : EXO_ERESTARTED);
    }
    return true;
}

bool endpoint_settle(struct env *env, bool down, unsigned *budget)
{
    for (struct endpoint **link = &env->serving, *e; (e = *link);) {
        bool gone = down || !e->heir;

        e->object.dead = gone;
        if (!tell_callers(e, gone, budget))
            return false;
        if (e->heir) {
            link = &e->served_next;
            continue;
        }
        *link = e->served_next;
        e->server = 0;
        object_unref(&e->object);
    }
    return true;
}

void endpoint_up(struct env *env)
{
    for (struct endpoint *e = env->serving; e; e = e->served_next)
        e->object.dead = 0;
}

void endpoint_destroy(struct endpoint *e)
{
    refuse_all(e);
}
