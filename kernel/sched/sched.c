/* SPDX-License-Identifier: MIT */
/* Run queues and switching: see sched.h. */
#include <kernel/env/env.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/wait.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trap/view.h>

static struct cpu_state cpu_states[1];

static struct queue {
    struct thread *head, *tail;
} queues[PRIORITIES];
static uint32_t occupied; /* bit p: queue p is not empty */
static uint64_t slice_ticks;

struct thread *thread_current(void)
{
    return this_cpu()->current;
}

void sched_init(void)
{
    hal_cpu()->kernel = &cpu_states[hal_cpu()->number];
    slice_ticks = ((uint64_t)TIME_SLICE_NS << hal_clock.shift) / hal_clock.mult;
    this_cpu()->armed = EXO_FOREVER;
}

/* ---- queues ------------------------------------------------------------------------------------ */

static void enqueue(struct thread *t, bool front)
{
    struct queue *q = &queues[t->priority];

    t->queued = 1;
    t->run_next = front ? q->head : 0;
    t->run_prev = front ? 0 : q->tail;
    if (t->run_next)
        t->run_next->run_prev = t;
    else
        q->tail = t;
    if (t->run_prev)
        t->run_prev->run_next = t;
    else
        q->head = t;
    kernel_view->ready[t->priority]++;
    occupied |= 1u << t->priority;
}

static void dequeue(struct thread *t)
{
    struct queue *q = &queues[t->priority];

    if (t->run_next)
        t->run_next->run_prev = t->run_prev;
    else
        q->tail = t->run_prev;
    if (t->run_prev)
        t->run_prev->run_next = t->run_next;
    else
        q->head = t->run_next;
    kernel_view->ready[t->priority]--;
    t->queued = 0;
    if (!q->head)
        occupied &= ~(1u << t->priority);
}

static unsigned highest(void)
{
    return 31u - (unsigned)__builtin_clz(occupied);
}

/* ---- time -------------------------------------------------------------------------------------- */

static void arm(exo_time deadline)
{
    struct cpu_state *cpu = this_cpu();

    if (deadline < cpu->armed) {
        cpu->armed = deadline;
        hal_timer(deadline);
    }
}

void sched_timer_changed(void)
{
    arm(timer_first());
}

static exo_time slice_end_ns(void)
{
    return clock_ns(this_cpu()->slice_end - hal_clock.base);
}

/* A thread over its budget waits for the next period; its sleep timer is free, as it is READY. */
static bool over_budget(struct thread *t)
{
    if (t->budget_ns == 0)
        return false;
    exo_time now = clock_now();
    if (now >= t->period_end) {
        t->period_end = now + t->period_ns;
        t->period_ticks = t->ticks;
    }
    if (clock_ns(t->ticks - t->period_ticks) < t->budget_ns)
        return false;
    timer_arm(&t->sleep, t->period_end);
    sched_timer_changed();
    return true;
}

void sched_charge(void)
{
    struct cpu_state *cpu = this_cpu();
    uint64_t now = hal_ticks();

    if (cpu->current)
        cpu->current->ticks += now - cpu->since;
    else
        cpu->idle_ticks += now - cpu->since;
    cpu->since = now;
}

/* ---- switching --------------------------------------------------------------------------------- */

/* When the thread that runs now must be looked at again. */
static void arm_for(const struct thread *t)
{
    if (t->budget_ns)
        arm(clock_now() + t->budget_ns - clock_ns(t->ticks - t->period_ticks));
    else if (occupied)
        arm(slice_end_ns());
}

static void load(struct thread *next)
{
    struct cpu_state *cpu = this_cpu();
    struct thread *last = cpu->current;

    sched_charge();
    cpu->slice_end = cpu->since + slice_ticks;
    if (next == last) {
        arm_for(next);
        return;
    }
    if (cpu->registers != next) {
        struct thread *had = cpu->registers;

        hal_context_switch(had ? &had->context : 0, had ? had->fpu : 0, &next->context, next->fpu);
        cpu->registers = next;
    }
    hal_cpu()->thread_context = &next->context;
    hal_cpu()->utcb = next->utcb;
    hal_cpu()->foreign_pc = next->foreign_pc;
    if (cpu->loaded != &next->env->space) {
        cpu->loaded = &next->env->space;
        cpu->space_switches++;
        hal_space_switch(&next->env->space.hal);
    }
    cpu->current = next;
    cpu->thread_switches++;
    arm_for(next);
}

void sched_unload(struct space *s)
{
    struct cpu_state *cpu = this_cpu();

    if (cpu->loaded == s) {
        cpu->loaded = 0;
        hal_space_switch(0);
    }
}

void sched_forget(struct thread *t)
{
    struct cpu_state *cpu = this_cpu();

    if (cpu->registers == t)
        cpu->registers = 0;
    if (cpu->current == t) {
        sched_charge();
        cpu->current = 0;
        cpu->reschedule = true;
    }
}

static bool runnable(const struct thread *t)
{
    return t->state == THREAD_READY && !t->suspended;
}

void sched_ready(struct thread *t)
{
    struct cpu_state *cpu = this_cpu();

    if (!runnable(t) || t->queued || t == cpu->current || over_budget(t))
        return;
    timer_cancel(&t->sleep); /* of a budget that was spent */
    enqueue(t, false);
    if (!cpu->current || t->priority > cpu->current->priority)
        cpu->reschedule = true;
    else
        arm(slice_end_ns());
}

void sched_unready(struct thread *t)
{
    if (t->queued)
        dequeue(t);
    if (t == this_cpu()->current)
        this_cpu()->reschedule = true;
}

void sched_direct(struct thread *t)
{
    struct cpu_state *cpu = this_cpu();

    /* `>> 1 >> p`: a thread of priority 31 has nobody above it. */
    if (t->suspended || occupied >> 1 >> t->priority != 0 || (t->budget_ns && over_budget(t))) {
        sched_ready(t);
        cpu->reschedule = true;
        return;
    }
    load(t);
}

/* Nothing can run: tidies up after the dead, then sleeps. Interrupts are taken inside hal_idle. */
static void idle(void)
{
    struct cpu_state *cpu = this_cpu();

    sched_charge();
    cpu->current = 0;
    while (!occupied) {
        if (!env_reap() && !occupied) { /* reaping may have woken somebody */
            view_update();
            hal_idle();
        }
    }
    sched_charge();
}

static void pick(void)
{
    struct cpu_state *cpu = this_cpu();
    struct thread *t = cpu->current;

    env_reap();
    if (t && runnable(t) && !t->queued) {
        bool expired = hal_ticks() >= cpu->slice_end;

        if (!over_budget(t))
            enqueue(t, !expired);
    }
    if (!occupied)
        idle();
    struct thread *next = queues[highest()].head;
    dequeue(next);
    load(next);
}

void sched_settle(void)
{
    struct cpu_state *cpu = this_cpu();

    while (cpu->reschedule) {
        cpu->reschedule = false;
        pick();
    }
    if (cpu->current->check_events)
        event_deliver(cpu->current);
}

/* ---- interrupts of time ------------------------------------------------------------------------ */

void kernel_timer(void)
{
    struct cpu_state *cpu = this_cpu();
    struct timer *t;
    exo_time now = clock_now();

    cpu->entries++;
    cpu->armed = EXO_FOREVER;
    view_update();
    while ((t = timer_due(now))) /* each was armed by a call; a call arms at most one */
        timer_fire(t);
    sched_charge();
    sched_timer_changed();
    if (!cpu->current)
        return; /* from idle, which picks by itself */
    if (hal_ticks() >= cpu->slice_end || cpu->current->budget_ns)
        cpu->reschedule = true;
    else if (occupied)
        arm(slice_end_ns());
    sched_leave();
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_yield(exo_cap thread)
{
    struct thread *t, *self = thread_current();

    if (thread == 0) {
        this_cpu()->slice_end = 0; /* to the back of the queue */
        this_cpu()->reschedule = true;
        view_update();
        return EXO_OK;
    }
    int64_t st = env_object(env_current(), thread, EXO_THREAD, 0, (void **)&t);
    if (st != EXO_OK)
        return st;
    hal_context_result(&self->context, EXO_OK);
    if (t != self && runnable(t) && t->queued) {
        dequeue(t);
        enqueue(self, false);
        sched_direct(t);
    }
    return SYS_DONE;
}

int64_t sys_sched_set(exo_cap thread, uint32_t priority, uint64_t budget_ns, uint64_t period_ns)
{
    struct thread *t, *self = thread_current();
    int64_t st;

    if (thread == 0)
        t = self;
    else if ((st = env_object(env_current(), thread, EXO_THREAD, EXO_R_CONTROL, (void **)&t)) !=
             EXO_OK)
        return st;
    if (t->object.dead)
        return EXO_EDEAD;
    if (priority >= PRIORITIES || budget_ns > period_ns || period_ns > (uint64_t)1 << 40)
        return EXO_EINVAL;
    if (priority > self->priority && priority > t->priority)
        return EXO_ERIGHTS;
    if (t->queued)
        dequeue(t);
    t->priority = (uint8_t)priority;
    t->budget_ns = budget_ns;
    t->period_ns = period_ns;
    t->period_end = 0;
    sched_ready(t); /* also one that had spent its old budget */
    this_cpu()->reschedule = true;
    return EXO_OK;
}
