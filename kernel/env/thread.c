/* SPDX-License-Identifier: MIT */
/* Threads: see thread.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/wait.h>
#include <kernel/mem/frame.h>
#include <kernel/resurrection/service.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#define UTCB_ORDER 1u
static_assert(EXO_UTCB_SIZE == EXO_PAGE_SIZE << UTCB_ORDER, "UTCB frames");
static_assert(sizeof(struct hal_fpu) <= EXO_PAGE_SIZE, "FPU state fits a frame");

/* ---- making ------------------------------------------------------------------------------------ */

/*
 * The UTCB's two frames are in the environment's space as a mapping of its own kind: anonymous, left
 * out of clones, its entries borrowed from the thread. So no entry lies outside of a mapping, and
 * whoever maps something else there loses sight of the UTCB, but nobody keeps it longer than it lives.
 * Snapshots leave it out: a service's rebirth keeps its first thread.
 */
static int64_t utcb_enter(struct env *env, uint64_t va, pfn_t frame)
{
    struct map_request want = {.start = va,
                               .end = va + EXO_UTCB_SIZE,
                               .rights = EXO_MAP_READ | EXO_MAP_WRITE,
                               .rights_max = EXO_MAP_READ | EXO_MAP_WRITE,
                               .flags = EXO_MAP_NOFORK | EXO_MAP_PRESERVE};
    hal_pte_t *e[1 << UTCB_ORDER];

    for (unsigned i = 0; i < 1u << UTCB_ORDER; i++) {
        e[i] = hal_space_entry(&env->space.hal, va + i * EXO_PAGE_SIZE, &env->space.tables);
        if (!e[i])
            return EXO_ENOMEM;
    }
    int64_t st = space_map(&env->space, &want, false);
    for (unsigned i = 0; st == EXO_OK && i < 1u << UTCB_ORDER; i++)
        *e[i] = hal_pte_make(frame + i, EXO_MAP_READ | EXO_MAP_WRITE, 0, false);
    return st;
}

int64_t thread_utcb_restore(struct thread *t)
{
    struct space *s = &t->env->space;
    pfn_t frame = hal_frame_of(t->utcb);
    bool there = true;

    for (unsigned i = 0; i < 1u << UTCB_ORDER; i++) {
        const hal_pte_t *e = hal_space_entry(&s->hal, t->utcb_va + i * EXO_PAGE_SIZE, 0);

        there &= e && hal_pte_present(*e) && hal_pte_frame(*e) == frame + i &&
                 hal_pte_rights(*e) == (EXO_MAP_READ | EXO_MAP_WRITE);
    }
    if (there)
        return EXO_OK;
    int64_t st = space_unmap(s, t->utcb_va, t->utcb_va + EXO_UTCB_SIZE);
    return st == EXO_OK ? utcb_enter(t->env, t->utcb_va, frame) : st;
}

static void utcb_leave(struct thread *t)
{
    struct space *s = &t->env->space;

    for (unsigned i = 0; i < 1u << UTCB_ORDER; i++) {
        uint64_t va = t->utcb_va + i * EXO_PAGE_SIZE;
        pfn_t frame = hal_frame_of(t->utcb) + i;
        hal_pte_t *e = hal_space_entry(&s->hal, va, 0);

        if (e && hal_pte_present(*e) && hal_pte_frame(*e) == frame) {
            hal_pte_swap(e, 0);
            hal_space_flush(&s->hal, va);
            space_unmap(s, va,
                        va + EXO_PAGE_SIZE); /* if it cannot be cut out, it stays as memory */
        }
        frame_unshare(frame);
    }
}

static void utcb_fill(struct thread *t, const struct exo_thread_args *args)
{
    t->utcb->self = args->utcb;
    t->utcb->cpu = t->cpu->number;
    for (unsigned i = 0; i < 4; i++)
        t->utcb->libos[i] = args->words[i];
}

int64_t thread_create(struct env *env, struct account *account, const struct exo_thread_args *args,
                      struct thread **out)
{
    void *made;
    int64_t st = object_create(EXO_THREAD, account, &made);

    if (st != EXO_OK)
        return st;
    struct thread *t = made;
    pfn_t fpu = frame_take(account), utcb = frame_take_block(account, UTCB_ORDER);
    st = fpu == PFN_NONE || utcb == PFN_NONE ? EXO_ENOMEM : utcb_enter(env, args->utcb, utcb);
    if (st != EXO_OK) {
        if (fpu != PFN_NONE)
            frame_unshare(fpu);
        for (unsigned i = 0; utcb != PFN_NONE && i < 1u << UTCB_ORDER; i++)
            frame_unshare(utcb + i);
        t->state = THREAD_DEAD;
        t->env = 0;
        object_unref(&t->object);
        return st;
    }
    t->fpu = hal_frame_ptr(fpu);
    t->utcb = hal_frame_ptr(utcb);
    t->utcb_va = args->utcb;
    t->env = env;
    t->foreign_pc = args->foreign_pc;
    t->upcall_pc = args->upcall_pc;
    t->nested_pc = args->nested_pc;
    t->priority = (uint8_t)args->priority;
    t->cpu = this_cpu();
    t->affinity = thread_current() ? thread_current()->affinity : UINT32_MAX;
    t->limits = thread_current() ? thread_current()->limits & LIMIT_CPUS : 0;
    t->state = THREAD_NEW;
    t->sleep.kind = TIMER_SLEEP;
    t->alarm.kind = TIMER_ALARM;
    utcb_fill(t, args);
    hal_fpu_init(t->fpu);
    hal_context_init(&t->context, args->pc, args->sp, args->arg, args->tls);
    hal_context_utcb(&t->context, args->utcb);
    t->env_next = env->threads;
    env->threads = t;
    env->thread_count++;
    object_ref(&t->object); /* the environment's list */
    *out = t;
    return EXO_OK;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

void thread_unwait(struct thread *t)
{
    timer_cancel(&t->sleep);
    if (t->state == THREAD_WAITING)
        wait_leave(t);
    else if (t->state == THREAD_CALLING || t->state == THREAD_RECEIVING)
        endpoint_leave(t);
}

void thread_finish(struct thread *t, int64_t result)
{
    thread_unwait(t);
    hal_context_result(&t->context, result);
    t->state = THREAD_READY;
    sched_ready(t);
}

/* ---- ending ------------------------------------------------------------------------------------ */

static void env_unlink(struct thread *t)
{
    struct thread **link = &t->env->threads;

    while (*link != t) /* bounded by the threads of one environment */
        link = &(*link)->env_next;
    *link = t->env_next;
    t->env->thread_count--;
}

/* Ends a thread, and not the environment that may be without one then. */
void thread_stop(struct thread *t)
{
    struct env *env = t->env;

    thread_unwait(t);
    endpoint_orphan(t, service_call_error(env));
    timer_cancel(&t->alarm);
    if (t == thread_current())
        sched_charge();
    sched_unready(t);
    t->state = THREAD_DEAD;
    t->object.dead = 1;
    event_unbind(t);
    sched_forget(t);
    env->dead_ticks += t->ticks;
    utcb_leave(t);
    frame_unshare(hal_frame_of(t->fpu));
    if (t->more_nodes)
        frame_unshare(hal_frame_of(t->more_nodes));
    t->utcb = 0;
    t->fpu = 0;
    t->more_nodes = 0;
    env_unlink(t);
    t->env = 0;
    object_unref(&t->object);
}

void thread_kill(struct thread *t)
{
    struct env *env = t->env;

    if (t->state == THREAD_DEAD)
        return;
    if (service_thread(t)) { /* it is the service: a life ends with it */
        env_kill(env, EXO_EXITED, 0);
        return;
    }
    thread_stop(t);
    if (env->object.dead)
        env_end(env); /* which may have waited for this thread to leave its CPU */
    else if (env->thread_count == 0)
        env_kill(env, EXO_EXITED, 0);
}

void thread_destroy_object(struct thread *t)
{
    (void)t; /* thread_kill has given everything back: while it lives, its environment holds it */
}

/* ---- calls ------------------------------------------------------------------------------------- */

static bool address_ok(uint64_t va)
{
    return va < EXO_VIEW_VA;
}

static int64_t args_check(const struct exo_thread_args *a)
{
    if ((a->utcb & (EXO_PAGE_SIZE - 1)) != 0 || a->utcb > EXO_VIEW_VA - EXO_UTCB_SIZE ||
        !address_ok(a->pc) || !address_ok(a->sp) || !address_ok(a->tls) ||
        !address_ok(a->foreign_pc) || !address_ok(a->upcall_pc) || !address_ok(a->nested_pc))
        return EXO_EINVAL;
    return a->priority <= thread_current()->priority ? EXO_OK : EXO_EINVAL;
}

int64_t sys_thread_create(exo_cap env_handle, const struct exo_thread_args *args)
{
    struct env *self = env_current(), *env;
    struct exo_thread_args a;
    struct thread *t;
    int64_t st;

    if ((st = env_environment(self, env_handle, EXO_R_CONTROL, &env)) != EXO_OK)
        return st;
    if (!hal_copy_in(&a, (uintptr_t)args, sizeof a))
        return EXO_EFAULT;
    if ((st = args_check(&a)) != EXO_OK ||
        (st = thread_create(env, env->account, &a, &t)) != EXO_OK)
        return st;
    st = env_grant_new(self, &t->object, EXO_R_ALL);
    if (st < 0)
        thread_stop(t);
    else if (env->thread_count == 1)
        env_grant_at(env, &t->object, EXO_R_ALL, EXO_CAP_THREAD); /* if that slot is free */
    return st;
}

static int64_t thread_of(exo_cap handle, uint32_t rights, struct thread **out)
{
    if (handle == 0) {
        *out = thread_current();
        return EXO_OK;
    }
    int64_t st = env_object(env_current(), handle, EXO_THREAD, rights, (void **)out);
    if (st == EXO_OK && ((*out)->object.dead || (*out)->env->object.dead))
        return EXO_EDEAD;
    return st;
}

static void suspend(struct thread *t, bool stop)
{
    t->suspended = stop;
    if (stop)
        sched_unready(t);
    else
        sched_ready(t);
}

int64_t sys_thread_resume(exo_cap thread)
{
    struct thread *t;
    int64_t st = thread_of(thread, EXO_R_CONTROL, &t);

    if (st != EXO_OK)
        return st;
    if (t->state == THREAD_NEW && service_thread(t))
        return EXO_EBUSY;
    if (t->state == THREAD_NEW)
        t->state = THREAD_READY;
    suspend(t, false);
    return EXO_OK;
}

int64_t sys_thread_suspend(exo_cap thread)
{
    struct thread *t;
    int64_t st = thread_of(thread, EXO_R_CONTROL, &t);

    if (st != EXO_OK)
        return st;
    suspend(t, true);
    return sched_elsewhere(t) ? sched_call_again() : EXO_OK;
}

int64_t sys_env_suspend(exo_cap env, uint32_t suspended)
{
    struct env *e;
    int64_t st = env_environment(env_current(), env, EXO_R_CONTROL, &e);

    if (st != EXO_OK)
        return st;
    e->suspended = suspended != 0;
    bool elsewhere = false;
    for (struct thread *t = e->threads; t; t = t->env_next) {
        suspend(t, e->suspended);
        elsewhere |= suspended && sched_elsewhere(t);
    }
    /* Who suspends himself does not look whether the others have stopped: it would be done again when
     * he goes on. */
    return elsewhere && e != env_current() ? sched_call_again() : EXO_OK;
}

int64_t sys_thread_exit(exo_cap thread, uint32_t *clear)
{
    struct thread *t;
    int64_t st = thread_of(thread, EXO_R_CONTROL, &t);
    uint32_t zero = 0;

    if (st != EXO_OK)
        return st;
    if (thread == 0 && clear && ((uintptr_t)clear & 3) == 0 &&
        hal_copy_out((uintptr_t)clear, &zero, sizeof zero))
        sys_wake(clear, 1);
    if (sched_elsewhere(t)) {
        suspend(t, true);
        return sched_call_again();
    }
    thread_kill(t);
    return thread == 0 ? SYS_DONE : EXO_OK;
}

int64_t sys_thread_tls(uint64_t tls)
{
    if (!address_ok(tls))
        return EXO_EINVAL;
    hal_context_set_tls(&thread_current()->context, tls);
    return EXO_OK;
}

int64_t sys_cpu_time(exo_cap thread)
{
    struct env *self = env_current();
    struct thread *t;
    struct env *e;

    sched_charge();
    if (thread == 0)
        return (int64_t)clock_ns(thread_current()->ticks);
    int64_t st = env_object(self, thread, EXO_THREAD, EXO_R_READ, (void **)&t);
    if (st == EXO_OK)
        return (int64_t)clock_ns(sched_ticks(t));
    if (st != EXO_ETYPE ||
        (st = env_object(self, thread, EXO_ENV, EXO_R_READ, (void **)&e)) != EXO_OK)
        return st;
    uint64_t ticks = e->dead_ticks;
    for (t = e->threads; t; t = t->env_next)
        ticks += sched_ticks(t);
    return (int64_t)clock_ns(ticks);
}

/* Where it exists the machine's trap entry serves it; see calls.def. */
int64_t sys_reflect_return(void)
{
    return EXO_ENOSYS;
}

int64_t sys_resume(uint32_t which)
{
    struct thread *t = thread_current();

    if (which > 1)
        return EXO_EINVAL;
    hal_context_load(&t->context, &t->utcb->frame[which].context);
    if (which == 0)
        t->utcb->masked = 0;
    else
        t->utcb->nested = 0;
    t->check_events = t->utcb->pending != 0;
    return SYS_DONE;
}
