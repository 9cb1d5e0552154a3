/* SPDX-License-Identifier: MIT */
/* Asking for frames, then taking them: see reclaim.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/event.h>
#include <kernel/mem/reclaim.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#define TAKE_AT_ONCE 256u /* pages in one piece of kernel work */

/* The environment's first thread: the last of its list, as new ones are put in front. */
static struct thread *first_thread(struct env *env)
{
    struct thread *t = env->threads;

    while (t && t->env_next)
        t = t->env_next;
    return t;
}

static void record(struct exo_reclaim *r, uint64_t va, uint64_t pages)
{
    uint64_t place = r->taken_count++ % EXO_RECLAIM_RING;

    r->taken[place].va = va;
    r->taken[place].pages = pages;
}

void reclaim_by_force(struct env *env)
{
    struct thread *t = first_thread(env);
    uint64_t va = 0, budget = TAKE_AT_ONCE, pages;

    while (t && budget > 0 && env->space.owned > env->reclaim_goal) {
        uint64_t missing = env->space.owned - env->reclaim_goal;

        pages = space_take(&env->space, &va, missing < budget ? missing : budget);
        if (pages == 0)
            return; /* nothing that may be taken is left */
        record(&t->utcb->reclaim, va, pages);
        budget -= pages;
    }
    if (env->space.owned > env->reclaim_goal)
        timer_arm(&env->reclaim, clock_now() + 1);
}

int64_t sys_env_reclaim(exo_cap env_handle, uint64_t frames, exo_time deadline)
{
    struct env *e;
    int64_t st = env_environment(env_current(), env_handle, EXO_R_CONTROL, &e);

    if (st != EXO_OK)
        return st;
    struct thread *t = first_thread(e);
    if (!t)
        return EXO_EINVAL;
    e->reclaim.kind = TIMER_RECLAIM;
    if (!timer_arm(&e->reclaim, frames ? deadline : EXO_FOREVER))
        return EXO_EOBJECTS;
    sched_timer_changed();
    e->reclaim_goal = e->space.owned > frames ? e->space.owned - frames : 0;
    t->utcb->reclaim.asked = frames;
    t->utcb->reclaim.deadline = deadline;
    if (frames)
        event_raise_env(e, EXO_EVENT_REVOKE);
    return (int64_t)e->space.owned;
}
