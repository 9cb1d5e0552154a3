/* SPDX-License-Identifier: MIT */
/* Run queues and switching: see sched.h. */
#include <kernel/env/env.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/wait.h>
#include <kernel/sched/lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trap/view.h>

struct cpu_state cpu_states[HAL_CPUS];
unsigned sched_cpus = 1;
static uint64_t slice_ticks;

struct thread *thread_current(void)
{
    return this_cpu()->current;
}

/* What a CPU does first. */
static void cpu_begin(void)
{
    struct cpu_state *cpu = &cpu_states[hal_cpu()->number];

    hal_cpu()->kernel = cpu;
    cpu->machine = hal_cpu();
    cpu->since = hal_ticks();
}

void sched_init(void)
{
    slice_ticks = ((uint64_t)TIME_SLICE_NS << hal_clock.shift) / hal_clock.mult;
    for (unsigned i = 0; i < HAL_CPUS; i++) {
        cpu_states[i].number = i;
        cpu_states[i].armed = EXO_FOREVER;
    }
    cpu_begin();
}

void kernel_cpu(void)
{
    hal_cpu()->kernel = &cpu_states[hal_cpu()->number];
    kernel_enter(); /* CPU 0 has the lock until all is ready */
    cpu_begin();
    this_cpu()->reschedule = true;
    sched_settle();
    kernel_lock_give();
    hal_enter_user();
}

void sched_start_others(void)
{
    for (unsigned i = 1; i < hal_cpu_count; i++) {
        cpu_states[i].machine = hal_cpu(); /* until it has the lock */
        cpu_states[i].since = hal_ticks();
    }
    sched_cpus = hal_cpu_count;
    kernel_view->cpus = sched_cpus;
}

/* ---- queues ------------------------------------------------------------------------------------ */

static void enqueue(struct thread *t, bool front)
{
    struct cpu_state *cpu = t->cpu;
    struct queue *q = &cpu->queues[t->priority];

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
    cpu->occupied |= 1u << t->priority;
    cpu->waiting++;
}

static void dequeue(struct thread *t)
{
    struct cpu_state *cpu = t->cpu;
    struct queue *q = &cpu->queues[t->priority];

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
    cpu->waiting--;
    if (!q->head)
        cpu->occupied &= ~(1u << t->priority);
}

static unsigned highest(const struct cpu_state *cpu)
{
    return 31u - (unsigned)__builtin_clz(cpu->occupied);
}

/* ---- which CPU --------------------------------------------------------------------------------- */

static bool allowed(const struct thread *t, const struct cpu_state *cpu)
{
    return t->affinity >> cpu->number & 1;
}

/* The thread is in no queue. */
static void move(struct thread *t, struct cpu_state *cpu)
{
    t->cpu = cpu;
    t->utcb->cpu = cpu->number;
}

/* How important is what a CPU does or is about to do; -1: nothing. */
static int occupation(const struct cpu_state *cpu)
{
    int runs = cpu->current ? cpu->current->priority : -1;

    return cpu->occupied && (int)highest(cpu) > runs ? (int)highest(cpu) : runs;
}

/* Is `a` the better place for a thread than `b`: does less, or has fewer waiting; it moves only if it
 * gains by that, as its memory is in the caches of the CPU it last ran on. */
static bool better(const struct thread *t, const struct cpu_state *a, const struct cpu_state *b)
{
    int with_a = occupation(a), with_b = occupation(b);

    if (with_a != with_b)
        return with_a < with_b && with_a < t->priority;
    return a->waiting + 1 < b->waiting;
}

/* Chooses the CPU for a thread that becomes ready. */
static __attribute__((noinline)) void place(struct thread *t)
{
    struct cpu_state *best = allowed(t, t->cpu) ? t->cpu : 0;

    for (unsigned i = 0; i < sched_cpus; i++) {
        struct cpu_state *cpu = &cpu_states[i];

        if (cpu != best && allowed(t, cpu) && (!best || better(t, cpu, best)))
            best = cpu;
    }
    if (best != t->cpu)
        move(t, best);
}

static exo_time slice_end_ns(const struct cpu_state *cpu)
{
    return clock_ns(cpu->slice_end - hal_clock.base);
}

/* Another CPU got a thread into its queue. It must hear of it if it sleeps, runs something less
 * important, or has set no timer because nobody waited. */
static void tell(struct cpu_state *cpu, const struct thread *t)
{
    if (cpu->current && t->priority > cpu->current->priority)
        cpu->reschedule = true;
    else if (cpu->current && cpu->ticking)
        return;
    hal_ipi(cpu->number);
}

/* The most important thread that waits anywhere and may run here, of the longest queue if there are
 * several. The first few of each queue are looked at. */
#define STEAL_LOOKS 8u
static struct thread *wanted_from(const struct cpu_state *cpu, const struct cpu_state *to)
{
    for (uint32_t left = cpu->occupied, p; left; left &= ~(1u << p)) {
        p = 31u - (unsigned)__builtin_clz(left);
        struct thread *t = cpu->queues[p].head;
        for (unsigned i = 0; t && i < STEAL_LOOKS; i++, t = t->run_next) {
            if (allowed(t, to))
                return t;
        }
    }
    return 0;
}

static bool steal(struct cpu_state *to)
{
    struct thread *best = 0;

    for (unsigned i = 0; i < sched_cpus; i++) {
        struct thread *t = wanted_from(&cpu_states[i], to);

        if (t && (!best || t->priority > best->priority ||
                  (t->priority == best->priority && t->cpu->waiting > best->cpu->waiting)))
            best = t;
    }
    if (!best)
        return false;
    dequeue(best);
    move(best, to);
    enqueue(best, false);
    return true;
}

/* Somebody waits here: an idle CPU may take it. */
static void offer(const struct cpu_state *cpu)
{
    for (unsigned i = 0; i < sched_cpus; i++) {
        if (!cpu_states[i].current && &cpu_states[i] != cpu && !cpu_states[i].occupied &&
            wanted_from(cpu, &cpu_states[i])) {
            hal_ipi(i);
            return;
        }
    }
}

void sched_look(const struct thread *t)
{
    struct cpu_state *cpu = t->cpu;

    if (cpu->current != t)
        return;
    cpu->reschedule = true;
    if (cpu != this_cpu())
        hal_ipi(cpu->number);
}

int64_t sched_call_again(void)
{
    hal_context_restart(hal_cpu()->thread_context);
    return SYS_DONE;
}

uint64_t sched_ticks(const struct thread *t)
{
    uint64_t now = hal_ticks();

    return t->ticks + (t->cpu->current == t && now > t->cpu->since ? now - t->cpu->since : 0);
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

/* A thread over its budget waits for the next period; its sleep timer is free, as it is READY. */
static __attribute__((noinline)) bool budget_spent(struct thread *t)
{
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

static inline bool over_budget(struct thread *t)
{
    return t->limits & LIMIT_BUDGET && budget_spent(t);
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

/* When the thread that runs now must be looked at again. Slices only move on, so a timer that was set
 * for one serves for later ones: it comes early, and is set again. */
static __attribute__((noinline)) void arm_for(struct cpu_state *cpu, const struct thread *t)
{
    if (t->budget_ns) {
        arm(clock_now() + t->budget_ns - clock_ns(t->ticks - t->period_ticks));
    } else if (cpu->occupied) {
        cpu->ticking = true;
        arm(slice_end_ns(cpu));
    }
}

static inline void switch_registers(struct thread *had, struct thread *next)
{
    if (!had)
        hal_context_switch(0, 0, &next->context, next->fpu);
    else if (had != next)
        hal_context_switch(&had->context, had->fpu, &next->context, next->fpu);
}

static __attribute__((noinline)) void switch_armed(struct thread *had, struct thread *next)
{
    arm_for(this_cpu(), next);
    switch_registers(had, next);
}

/* Runs `next` in place of whatever runs now. The registers last: then nothing has to be kept over
 * anything, which shortens every switch by half a dozen instructions. */
static void load(struct thread *next)
{
    struct cpu_state *cpu = this_cpu();
    struct thread *had = cpu->registers;

    sched_charge();
    cpu->slice_end = cpu->since + slice_ticks;
    if (next->cpu != cpu)
        move(next, cpu);
    cpu->registers = next;
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
    if ((cpu->occupied && !cpu->ticking) || next->limits)
        switch_armed(had, next);
    else
        switch_registers(had, next);
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

    if (!runnable(t) || t->queued || t == t->cpu->current || over_budget(t))
        return;
    if (t->sleep.place)
        timer_cancel(&t->sleep); /* of a budget that was spent */
    if (sched_cpus > 1)
        place(t);
    enqueue(t, false);
    if (t->cpu != cpu)
        tell(t->cpu, t);
    else if (!cpu->current || t->priority > cpu->current->priority)
        cpu->reschedule = true;
    else if (!cpu->ticking)
        arm_for(cpu, cpu->current);
}

void sched_unready(struct thread *t)
{
    if (t->queued)
        dequeue(t);
    sched_look(t);
}

/* Cannot or must not run here at once, or its limits have to be looked at. Nor does it while this CPU
 * has been told to look around: if the current thread is to end, that is where pick ends it. */
static __attribute__((noinline)) void direct_checked(struct thread *t)
{
    struct cpu_state *cpu = this_cpu();

    if (t->suspended || cpu->reschedule || cpu->occupied >> 1 >> t->priority != 0 ||
        !allowed(t, cpu) || over_budget(t)) {
        sched_ready(t);
        cpu->reschedule = true;
    } else {
        load(t);
    }
}

void sched_direct(struct thread *t)
{
    const struct cpu_state *cpu = this_cpu();

    /* `>> 1 >> p`: a thread of priority 31 has nobody above it. */
    if (t->suspended || t->limits || cpu->reschedule || cpu->occupied >> 1 >> t->priority != 0)
        direct_checked(t);
    else
        load(t);
}

/* Its thread has gone: nothing of it stays in the processor, where others could not get at it. */
static void put_away(struct cpu_state *cpu)
{
    struct thread *had = cpu->registers;

    if (had)
        hal_context_switch(&had->context, had->fpu, 0, 0);
    cpu->registers = 0;
    if (cpu->loaded)
        sched_unload(cpu->loaded);
}

/* Nothing can run: tidies up after the dead, then sleeps. Interrupts are taken inside hal_idle. The lock
 * is given back after each piece of work, so that others get their turn. */
static void idle(void)
{
    struct cpu_state *cpu = this_cpu();

    sched_charge();
    cpu->current = 0;
    if (sched_cpus > 1)
        put_away(cpu);
    while (!cpu->occupied && !steal(cpu)) {
        bool more = env_reap();

        if (cpu->occupied) /* reaping has woken somebody */
            break;
        if (!more)
            view_update();
        kernel_lock_give();
        LOCK_CHECK(lock_check_none());
        if (!more)
            hal_idle();
        kernel_lock_take();
    }
    sched_charge();
}

/* What becomes of a thread that was interrupted and can go on. */
static void put_back(struct cpu_state *cpu, struct thread *t)
{
    bool expired = hal_ticks() >= cpu->slice_end;

    if (over_budget(t))
        return;
    if (!allowed(t, cpu) ||
        (sched_cpus > 1 && cpu->occupied && highest(cpu) + expired > t->priority))
        place(t); /* it would have to wait here */
    enqueue(t, !expired);
    if (t->cpu != cpu)
        tell(t->cpu, t);
}

static void pick(void)
{
    struct cpu_state *cpu = this_cpu();
    struct thread *t = cpu->current;

    env_reap();
    if (t && runnable(t) && !t->queued)
        put_back(cpu, t);
    else if (t && t->suspended && t->env->object.dead)
        env_end(t->env); /* its threads had to leave their CPUs first */
    if (!cpu->occupied)
        idle();
    struct thread *next = cpu->queues[highest(cpu)].head;
    dequeue(next);
    if (next != cpu->current) {
        load(next);
        return;
    }
    sched_charge();
    if (!cpu->queues[next->priority].head) /* else it is for the rest of its slice */
        cpu->slice_end = cpu->since + slice_ticks;
    arm_for(cpu, next);
}

void sched_settle(void)
{
    struct cpu_state *cpu = this_cpu();

    do {
        while (cpu->reschedule) {
            cpu->reschedule = false;
            pick();
        }
        if (cpu->current->check_events)
            event_deliver(cpu->current);
    } while (cpu->reschedule); /* delivering ended a life, or began one */
}

/* ---- interrupts of time, and of other CPUs ------------------------------------------------------- */

void kernel_timer(void)
{
    struct cpu_state *cpu = this_cpu();
    struct timer *t;
    exo_time now = clock_now();
    bool was_idle = !cpu->current;

    kernel_enter();
    cpu->armed = EXO_FOREVER;
    cpu->ticking = false;
    view_update();
    while ((t = timer_due(now))) /* each was armed by a call; a call arms at most one */
        timer_fire(t);
    sched_charge();
    sched_timer_changed();
    if (was_idle) { /* idle picks by itself */
        kernel_lock_give();
        return;
    }
    if (!cpu->current || hal_ticks() >= cpu->slice_end || cpu->current->budget_ns)
        cpu->reschedule = true;
    else
        arm_for(cpu, cpu->current);
    kernel_leave();
}

void kernel_ipi(void)
{
    struct cpu_state *cpu = this_cpu();

    if (!cpu->current)
        return; /* it woke this CPU, and that was it: idle looks around */
    kernel_enter();
    arm_for(cpu, cpu->current);
    kernel_leave();
}

void kernel_leave_settled(void)
{
    sched_settle();
    kernel_lock_give();
    LOCK_CHECK(lock_check_none());
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
    if (t != self && runnable(t) && t->queued && allowed(t, this_cpu())) {
        dequeue(t);
        enqueue(self, false);
        if (sched_cpus > 1)
            offer(this_cpu());
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
    t->limits = (uint8_t)((t->limits & ~LIMIT_BUDGET) | (budget_ns ? LIMIT_BUDGET : 0));
    sched_ready(t); /* also one that had spent its old budget */
    sched_look(t);
    this_cpu()->reschedule = true;
    return EXO_OK;
}

int64_t sys_sched_affinity(exo_cap thread, uint64_t cpus)
{
    uint32_t all = (1u << sched_cpus) - 1;
    struct thread *t = thread_current();
    int64_t st;

    if (thread != 0 && (st = env_object(env_current(), thread, EXO_THREAD,
                                        cpus ? EXO_R_CONTROL : EXO_R_READ, (void **)&t)) != EXO_OK)
        return st;
    if (t->object.dead)
        return EXO_EDEAD;
    if (cpus == 0)
        return t->affinity & all;
    if (!(cpus & all))
        return EXO_EINVAL;
    bool queued = t->queued;
    if (queued)
        dequeue(t);
    t->affinity = (uint32_t)cpus & all;
    t->limits = (uint8_t)((t->limits & ~LIMIT_CPUS) | (t->affinity == all ? 0 : LIMIT_CPUS));
    if (queued)
        sched_ready(t);
    if (t->cpu->current == t && !allowed(t, t->cpu)) {
        sched_look(t);
        if (sched_elsewhere(t))
            return sched_call_again(); /* until it is where it may be */
    }
    return t->affinity;
}
