/* SPDX-License-Identifier: MIT */
/* Environments: see env.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/resurrection/service.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

struct env *env_current(void)
{
    return thread_current()->env;
}

int64_t env_make(struct account *account, struct env **out)
{
    void *made;
    int64_t st = object_create(EXO_ENV, account, &made);

    if (st != EXO_OK)
        return st;
    struct env *e = made;
    e->account = account;
    e->childless = CAP_NIL;
    e->slot_pages_full = 0;
    object_ref(&account->object);
    if (!space_init(&e->space, account, e->object.index)) {
        e->object.dead = 1;
        object_unref(&e->object);
        return EXO_ENOMEM;
    }
    *out = e;
    return EXO_OK;
}

int64_t env_create(struct account *account, struct env **out)
{
    struct env *e;
    int64_t st = env_make(account, &e);

    if (st != EXO_OK)
        return st;
    if ((st = env_grant_at(e, &e->object, EXO_R_ALL, EXO_CAP_ENV)) < 0 ||
        (st = env_grant_at(e, &account->object, EXO_R_READ | EXO_R_CHARGE | EXO_R_GRANT,
                           EXO_CAP_ACCOUNT)) < 0) {
        env_kill(e, EXO_DESTROYED, 0);
        return st;
    }
    *out = e;
    return EXO_OK;
}

void env_destroy_object(struct env *env)
{
    if (env->watch)
        object_unref(&env->watch->object);
    object_unref(&env->account->object);
}

/* ---- death and tidying up ---------------------------------------------------------------------- */

static struct env *reap_list, **reap_tail = &reap_list; /* first dead, first tidied up after */
static uint64_t dying;

enum { REAP_NOTHING, REAP_REVOKE, REAP_DEAD };

static void reap_later(struct env *env, uint8_t why)
{
    env->reap = why;
    env->reap_next = 0;
    *reap_tail = env;
    reap_tail = &env->reap_next;
}

static void reap_done(void)
{
    struct env *env = reap_list;

    env->reap = REAP_NOTHING;
    reap_list = env->reap_next;
    if (!reap_list)
        reap_tail = &reap_list;
    object_unref(&env->object);
}

/* The creation's reference stands for the environment being alive; env_reap drops it at the end. */
void env_kill(struct env *env, enum exo_cause cause, int64_t status)
{
    if (env->object.dead)
        return;
    env->object.dead = 1;
    env->cause = cause;
    env->status = status;
    dying++;
    timer_cancel(&env->reclaim);
    env_end(env);
}

/* Bounded by the threads of one environment, like all that env_end does. */
static bool runs_elsewhere(struct env *env)
{
    bool elsewhere = false;

    for (struct thread *t = env->threads; t; t = t->env_next)
        elsewhere |= sched_elsewhere(t);
    if (elsewhere) {
        for (struct thread *t = env->threads; t; t = t->env_next) {
            t->suspended = 1; /* none may come to another CPU either */
            sched_unready(t);
        }
    }
    return elsewhere;
}

/* Its death is told only when it can do nothing any more. */
void env_end(struct env *env)
{
    if (runs_elsewhere(env))
        return;
    this_cpu()->reschedule = true;
    if (service_life_ended(env))
        return;
    if (env->reap == REAP_NOTHING)
        reap_later(env, REAP_DEAD);
    else
        object_unref(&env->object); /* one reference is enough for both */
    env->reap = REAP_DEAD;
    endpoint_server_died(env);
    while (env->threads)
        thread_stop(env->threads);
    if (env->watch)
        notification_raise(env->watch, env->watch_bits);
}

void env_reborn(struct env *env)
{
    env->object.dead = 0;
    dying--;
}

void env_abandoned(struct env *env)
{
    if (env->thread_count == 0 && env->object.caps == env->own_caps)
        env_kill(env, EXO_DESTROYED, 0);
}

uint64_t env_dying(void)
{
    return dying;
}

#define REAP_PAGES 512u
#define REAP_CAPS  32u

static uint64_t revokes_waiting; /* environments whose revoke is in the list, or a dead one's */
static unsigned copies;          /* made since env_reap last worked, while a revoke waits */

void env_revoke_later(struct env *env)
{
    if (env->reap == REAP_NOTHING) {
        object_ref(&env->object);
        reap_later(env, REAP_REVOKE);
    }
    revokes_waiting += !env->revoke_waits;
    env->revoke_waits = true;
}

void env_revoke_over(struct env *env)
{
    env->revoking = CAP_NIL;
    revokes_waiting -= env->revoke_waits;
    env->revoke_waits = false;
}

void env_cap_added(void)
{
    if (revokes_waiting == 0)
        return;
    copies++;
    this_cpu()->reschedule = true; /* to env_reap, before this call ends */
}

/* What is at the head of the list stays there until it is done: see env.h. */
static __attribute__((noinline)) bool reap_piece(struct env *e)
{
    unsigned budget = REAP_CAPS + 2 * copies; /* a call makes 64 at most */
    bool done;

    copies = 0;
    if (e->reap == REAP_REVOKE) {
        done = env_revoke_piece(e, &budget);
    } else {
        sched_unload(&e->space);
        done = (e->reap_slot != 0 || space_teardown(&e->space, REAP_PAGES)) &&
               env_slots_clear(e, &e->reap_slot, budget);
        if (done) {
            dying--;
            env_slots_free(e);
        }
    }
    if (done)
        reap_done();
    return reap_list != 0;
}

bool env_reap(void)
{
    return reap_list && reap_piece(reap_list);
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_env_create(exo_cap account_cap)
{
    struct env *self = env_current(), *made;
    struct account *account;
    int64_t st;

    if ((st = env_account(self, account_cap, EXO_R_CHARGE, &account)) != EXO_OK ||
        (st = env_create(account, &made)) != EXO_OK)
        return st;
    st = env_grant_at(self, &made->object, EXO_R_ALL, 0);
    if (st < 0)
        env_kill(made, EXO_DESTROYED, 0);
    return st;
}

int64_t sys_env_destroy(exo_cap env, int64_t status)
{
    struct env *self = env_current(), *e;
    int64_t st = env_environment(self, env, EXO_R_CONTROL, &e);

    if (st != EXO_OK && st != EXO_EDEAD)
        return st;
    if (st == EXO_OK)
        env_kill(e, e == self ? EXO_EXITED : EXO_DESTROYED, status);
    if (e == self)
        return SYS_DONE;
    if (e->service)
        return EXO_OK; /* its first thread outlives it */
    return e->threads ? sched_call_again()
                      : EXO_OK; /* they run on other CPUs, and must stop first */
}

int64_t sys_env_info(exo_cap env, struct exo_env_info *out)
{
    struct env *e;
    int64_t st = env_environment(env_current(), env, EXO_R_READ, &e);

    if (st != EXO_OK)
        return st;
    sched_charge();
    uint64_t ticks = e->dead_ticks;
    for (struct thread *t = e->threads; t; t = t->env_next)
        ticks += sched_ticks(t);
    struct exo_env_info info = {.cause = e->cause,
                                .threads = e->thread_count,
                                .status = e->status,
                                .cpu_ns = clock_ns(ticks),
                                .frames = e->space.owned + e->space.table_frames,
                                .fault_kind = e->fault_kind,
                                .fault_pc = e->fault_pc,
                                .fault_address = e->fault_address};
    return hal_copy_out((uintptr_t)out, &info, sizeof info) ? EXO_OK : EXO_EFAULT;
}

int64_t sys_env_watch(exo_cap env, exo_cap notification, uint32_t bits)
{
    struct env *self = env_current(), *e;
    struct notification *n;
    int64_t st;

    if ((st = env_environment(self, env, EXO_R_READ, &e)) != EXO_OK ||
        (st = env_object(self, notification, EXO_NOTIFICATION, EXO_R_SIGNAL, (void **)&n)) !=
            EXO_OK)
        return st;
    if (bits & EXO_EVENT_KERNEL)
        return EXO_EINVAL;
    if (e->object.dead) {
        notification_raise(n, bits);
        return EXO_OK;
    }
    if (e->watch && e->watch != n)
        return EXO_EBUSY;
    if (!e->watch)
        object_ref(&n->object);
    e->watch = n;
    e->watch_bits = bits;
    return EXO_OK;
}
