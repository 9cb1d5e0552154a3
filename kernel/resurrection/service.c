/* SPDX-License-Identifier: MIT */
/* The table of services, and their lives: see service.h. The calls are in service_calls.c. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/resurrection/table.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

struct rs_table rs;
static struct service services[EXO_SERVICES];

struct service *service_at(uint32_t i)
{
    return &services[i];
}

static uint32_t number_of(const struct service *s)
{
    return (uint32_t)(s - services);
}

/* ---- watching ---------------------------------------------------------------------------------- */

#define WATCHES 256u
static struct watch {
    struct notification *notification; /* holds a reference */
    uint32_t service;                  /* EXO_SERVICE_ANY: all */
    uint32_t bits;
} watches[WATCHES];
static uint32_t watch_count;

static void watch_remove(uint32_t k)
{
    object_unref(&watches[k].notification->object);
    watches[k] = watches[--watch_count];
}

/* A notification that nobody holds any more is forgotten. Bounded by the watches there are. */
void service_changed(uint32_t i)
{
    for (uint32_t k = watch_count; k-- > 0;) {
        const struct watch *w = &watches[k];

        if (w->notification->object.caps == 0)
            watch_remove(k);
        else if (w->service == i || w->service == EXO_SERVICE_ANY)
            notification_raise(w->notification, w->bits);
    }
}

int64_t service_watch(uint32_t i, struct notification *n, uint32_t bits)
{
    uint32_t k = 0;

    while (k < watch_count && (watches[k].notification != n || watches[k].service != i))
        k++;
    if (k == WATCHES)
        return EXO_EOBJECTS;
    if (k == watch_count && bits != 0) {
        object_ref(&n->object);
        watches[watch_count++] = (struct watch){n, i, 0};
    }
    if (bits != 0) {
        watches[k].bits = bits;
        notification_raise(n, bits);
    } else if (k < watch_count) {
        watch_remove(k);
    }
    return EXO_OK;
}

void service_forget_watches(uint32_t i)
{
    for (uint32_t k = watch_count; k-- > 0;) {
        if (watches[k].service == i)
            watch_remove(k);
    }
}

/* ---- a life begins ----------------------------------------------------------------------------- */

static void tell_life(const struct service *s, struct exo_life *life)
{
    *life = (struct exo_life){.number = rs.entry[number_of(s)].lives - s->before,
                              .cause = s->cause,
                              .served = s->served,
                              .status = s->status,
                              .fault_kind = s->fault_kind,
                              .fault_pc = s->fault_pc,
                              .fault_address = s->fault_address,
                              .pc = s->pc};
}

/* It could not be restored: it stays as it is until somebody starts it again. */
static void give_up(struct service *s, int64_t trouble)
{
    unsigned all = UINT32_MAX;

    s->trouble = (int32_t)trouble;
    rs_fail(&rs, number_of(s));
    if (s->env)
        endpoint_settle(s->env, true, &all);
}

void service_give_up(uint32_t i, int64_t trouble)
{
    give_up(&services[i], trouble);
    services[i].recovering = false;
    service_changed(i);
}

/* Pages, capabilities and callers together in one piece of work: far below a time slice. */
#define PIECE 256u

/* The operator starts one that could not be restored: maybe it can now. What was done stays done. */
static int64_t restore_now(struct service *s)
{
    int64_t st = EXO_EAGAIN;

    for (unsigned pieces = 0; st == EXO_EAGAIN && pieces < 64; pieces++) {
        unsigned budget = PIECE;

        st = snapshot_restore(&s->snapshot, s->env, &s->at, &budget);
    }
    return st;
}

static void begin(struct service *s)
{
    struct thread *t = s->thread;
    int64_t st = s->trouble ? restore_now(s) : EXO_OK;

    sched_forget(t);
    t->state = THREAD_NEW;
    if (st == EXO_OK)
        st = snapshot_restore_thread(&s->snapshot, t);
    if (st != EXO_OK) {
        give_up(s, st);
        return;
    }
    s->trouble = EXO_OK;
    tell_life(s, &t->utcb->life);
    s->env->cause = EXO_ALIVE;
    s->born = clock_now();
    if (s->died != 0 && s->recovering) {
        s->recovery = s->born - s->died;
        s->recovery_total += s->recovery;
    }
    s->recovering = false;
    if (s->period != 0) {
        timer_arm(&s->heartbeat, s->born + s->period);
        sched_timer_changed();
    }
    endpoint_up(s->env);
    t->state = THREAD_READY;
    if (s->env->childless != CAP_NIL) /* what it kept lent came back meanwhile */
        event_raise(t, EXO_EVENT_CHILDLESS);
    sched_ready(t);
}

/* Those that follow service i. */
static void mark_followers(uint32_t i, rs_set *restart)
{
    for (uint32_t j = 0; j < rs.used; j++) {
        if (rs.entry[j].follows & RS_BIT(i) && rs.entry[j].state == EXO_SERVICE_RUNNING)
            *restart |= RS_BIT(j);
    }
}

/*
 * Does what the table says is to be done: begins lives, and ends those of followers. Each may lead to
 * more of the same, so it is a loop and not a recursion: whoever comes here while it runs only leaves
 * his wish in the table. It ends: a life that begins here does not end before others had their turn,
 * but as a follower, and following has no cycles.
 */
void service_settle(void)
{
    static bool running;
    static rs_set restart;
    uint32_t i;

    if (running)
        return;
    running = true;
    for (;;) {
        if ((i = rs_next_to_run(&rs)) != RS_NOBODY) {
            bool reborn = services[i].recovering;

            rs_run(&rs, i);
            begin(&services[i]);
            if (reborn)
                mark_followers(i, &restart);
            service_changed(i);
        } else if (restart != 0) {
            i = (uint32_t)__builtin_ctzll(restart);
            restart &= ~RS_BIT(i);
            if (rs.entry[i].state == EXO_SERVICE_RUNNING)
                env_kill(services[i].env, EXO_RESTARTED, 0);
        } else {
            break;
        }
    }
    running = false;
}

/* ---- a life ends ------------------------------------------------------------------------------- */

bool service_thread(const struct thread *t)
{
    return t->env && t->env->service && t->env->service->thread == t;
}

static bool comes_back(const struct service *s)
{
    const struct rs_entry *e = &rs.entry[number_of(s)];

    return e->state == EXO_SERVICE_DYING && e->after == EXO_SERVICE_STARTING;
}

int64_t service_call_error(const struct env *env)
{
    return env->object.dead && env->service && comes_back(env->service) ? EXO_ERESTARTED
                                                                        : EXO_EDEAD;
}

static void decide(struct service *s, uint32_t cause, int64_t status)
{
    uint32_t i = number_of(s);
    bool asked = cause == EXO_RESTARTED || cause == EXO_STOPPED;

    rs_died(&rs, i, cause == EXO_EXITED && status == 0, !asked, asked, s->died);
    if (cause == EXO_STOPPED)
        rs_halt(&rs, i);
}

/* The thread lets go of everything, and stays. */
static void quiet(struct thread *t)
{
    struct service *s = t->env->service;

    s->served = t->caller != 0 || t->utcb->life.served != 0;
    s->pc = t->utcb->life.pc != 0 ? t->utcb->life.pc : hal_context_pc(&t->context);
    thread_unwait(t);
    endpoint_orphan(t, service_call_error(t->env));
    timer_cancel(&t->alarm);
    sched_unready(t);
    event_unbind(t);
    sched_forget(t);
    t->state = THREAD_NEW;
    t->suspended = 0;
}

/* So that it can take part in its own rebirth, its registers lead to a fault. */
static void take_part(struct thread *t)
{
    t->foreign_pc = t->upcall_pc = t->nested_pc = 0;
    hal_context_init(&t->context, EXO_VIEW_VA, 0, 0, 0);
    hal_context_utcb(&t->context, t->utcb_va);
    hal_fpu_init(t->fpu);
    t->state = THREAD_READY;
    t->check_events = 1;
    sched_ready(t);
}

static int64_t piece(struct service *s)
{
    unsigned budget = PIECE;
    int64_t st = snapshot_restore(&s->snapshot, s->env, &s->at, &budget);

    if (st != EXO_OK)
        return st;
    return endpoint_settle(s->env, !comes_back(s), &budget) ? EXO_OK : EXO_EAGAIN;
}

/* A piece, and what comes after the last one. False: more is left. */
static bool advance(struct service *s)
{
    int64_t st = piece(s);

    if (st == EXO_EAGAIN)
        return false;
    sched_forget(s->thread);
    s->thread->state = THREAD_NEW;
    if (st != EXO_OK)
        give_up(s, st);
    env_reborn(s->env);
    if (rs_restored(&rs, number_of(s)) != EXO_SERVICE_STARTING)
        s->recovering = false;
    service_settle();
    if (rs.entry[number_of(s)].state != EXO_SERVICE_RUNNING) /* or it has been told */
        service_changed(number_of(s));
    return true;
}

bool service_life_ended(struct env *env)
{
    struct service *s = env->service;

    if (!s)
        return false;
    s->cause = env->cause;
    s->status = env->status;
    s->fault_kind = env->cause == EXO_CRASHED ? env->fault_kind : 0;
    s->fault_pc = env->cause == EXO_CRASHED ? env->fault_pc : 0;
    s->fault_address = env->cause == EXO_CRASHED ? env->fault_address : 0;
    s->died = clock_now();
    s->recovering = true;
    s->at = (struct restoring){RESTORE_CAPABILITIES, 0, 0};
    timer_cancel(&s->heartbeat);
    decide(s, env->cause, env->status);
    snapshot_drop(&s->next);
    while (env->threads != s->thread || s->thread->env_next)
        thread_stop(env->threads != s->thread ? env->threads : s->thread->env_next);
    quiet(s->thread);
    env->suspended = 0;
    endpoint_life_ended(env);
    service_changed(number_of(s));
    if (!advance(s))
        take_part(s->thread);
    return true;
}

bool service_rebirth(struct thread *t)
{
    struct service *s = t->env->service;

    if (!s || !t->env->object.dead || s->thread != t)
        return false;
    advance(s); /* if more is left, the thread goes on to user mode, and comes back by a fault */
    return true;
}

void service_silent(struct timer *timer)
{
    struct service *s = (struct service *)((char *)timer - offsetof(struct service, heartbeat));

    env_kill(s->env, EXO_HUNG, 0);
}
