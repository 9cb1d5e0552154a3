// SPDX-License-Identifier: MIT
/*
 * Timers that send signals: setitimer's (and alarm), timer_create's, and RLIMIT_CPU.
 *
 * The kernel has one timer a thread; one thread of the process keeps it set to the earliest deadline
 * of all (p->timer_thread), and finds out in timers_attend which have come. If that thread ends,
 * another takes over.
 *
 * A timer on CPU time is looked at when it could be due at the earliest: CPU time passes no faster
 * than the clock on all threads' processors. If it is not due then, it is looked at again. All CPU
 * time is user time here, so ITIMER_VIRTUAL and ITIMER_PROF run alike.
 */
#include "core.h"

#define TIMER_ABSTIME 1u
#define TIMERS_MAX    256u
#define ITIMER_ID     (-1) /* the id of ITIMER_REAL among the others; VIRTUAL and PROF are below */
#define ITIMER_LAST   (-3)
#define CPU_LIMIT_ID  (-4)     /* RLIMIT_CPU */
#define CPU_LOOK_NS   4000000u /* a timer on CPU time is not looked at more often */

struct timer {
    struct timer *next;
    int32_t id, signo; /* signo 0: SIGEV_NONE */
    uint32_t clock;
    struct thread *thread; /* SIGEV_THREAD_ID; 0: the process */
    uint64_t value;        /* sigval */
    exo_time deadline;     /* 0: not running */
    bool on_cpu;           /* counts CPU time: `deadline` is when to look ... */
    uint64_t due;          /* ... whether so much has been used */
    exo_cap worker;        /* on_cpu: whose; EXO_CAP_ENV: the process */
    uint64_t interval;
    uint32_t overrun;
};

static struct timer *timer_find(const struct process *p, int32_t id)
{
    struct timer *t = p->timers;

    while (t && t->id != id)
        t = t->next;
    return t;
}

/* Sets the kernel's timer to the earliest deadline. */
static void timers_set(struct process *p)
{
    exo_time first = EXO_FOREVER;

    for (const struct timer *t = p->timers; t; t = t->next) {
        if (t->deadline && t->deadline < first)
            first = t->deadline;
    }
    if (!p->timer_thread && first == EXO_FOREVER)
        return;
    if (p->timer_thread && p->timer_thread != self()) {
        if (p->timer_deadline != first)
            thread_attention(p->timer_thread); /* it alone can set its timer: timers_attend */
        return;
    }
    if (!p->timer_thread || p->timer_deadline != first || first <= time_now())
        exo_timer(first);
    p->timer_deadline = first;
    p->timer_thread = first == EXO_FOREVER ? 0 : self();
}

/* ---- CPU time ------------------------------------------------------------------------------------- */

static uint64_t cpu_used(const struct timer *t)
{
    return (uint64_t)exo_cpu_time(t->worker);
}

/* When a timer on CPU time is looked at next. */
static void cpu_timer_look(struct process *p, struct timer *t)
{
    uint64_t used = cpu_used(t), left = t->due > used ? t->due - used : 0;

    if (t->worker == EXO_CAP_ENV && p->thread_count > 1)
        left /= p->thread_count;
    t->deadline = time_now() + (left > CPU_LOOK_NS ? left : CPU_LOOK_NS);
}

/* Starts a timer, to go off after `value` (0: stops it). */
static void timer_start(struct process *p, struct timer *t, uint64_t value)
{
    t->due = cpu_used(t) + value;
    t->deadline = value ? time_now() + value : 0;
    if (value && t->on_cpu)
        cpu_timer_look(p, t);
}

/* The soft limit is told of each second, the hard one ends the process. */
static void cpu_limit_reached(struct process *p, struct timer *t)
{
    struct proc_siginfo info = {.signo = SIGXCPU, .code = SI_KERNEL};
    uint64_t used = cpu_used(t);

    if (used / NS_PER_S >= p->rlimits[RLIMIT_CPU][1])
        process_exit(STATUS_KILLED(SIGKILL));
    t->due = (used / NS_PER_S + 1) * NS_PER_S;
    cpu_timer_look(p, t);
    signal_post(p, 0, &info);
}

static void timer_expire(struct process *p, struct timer *t, exo_time now);

static void cpu_timer_attend(struct process *p, struct timer *t)
{
    uint64_t used = cpu_used(t);

    if (used < t->due) {
        cpu_timer_look(p, t);
        return;
    }
    if (t->id == CPU_LIMIT_ID) {
        cpu_limit_reached(p, t);
        return;
    }
    t->deadline = t->due; /* the same sums, in CPU time */
    timer_expire(p, t, used);
    t->due = t->deadline;
    if (t->deadline)
        cpu_timer_look(p, t);
}

static void timer_expire(struct process *p, struct timer *t, exo_time now)
{
    struct proc_siginfo info = {
        .signo = t->signo, .code = SI_TIMER, .pid = t->id, .value = t->value};

    if (t->interval) {
        uint64_t missed = (now - t->deadline) / t->interval;

        t->overrun = missed > INT32_MAX ? INT32_MAX : (uint32_t)missed;
        info.uid = t->overrun;
        t->deadline += (missed + 1) * t->interval;
    } else {
        t->deadline = 0;
        t->overrun = 0;
    }
    if (t->id < 0) {
        info.code = SI_KERNEL;
        info.pid = 0;
    }
    if (t->signo)
        signal_post(p, t->thread, &info);
}

void timers_attend(struct process *p)
{
    exo_time now = time_now();

    for (struct timer *t = p->timers; t; t = t->next) {
        if (!t->deadline || t->deadline > now)
            continue;
        if (t->on_cpu)
            cpu_timer_attend(p, t);
        else
            timer_expire(p, t, now);
    }
    timers_set(p);
}

void timers_thread_ends(struct thread *ending)
{
    struct process *p = ending->process;

    for (struct timer *t = p->timers; t; t = t->next) {
        if (t->thread == ending)
            t->signo = 0;
    }
    if (p->timer_thread != ending)
        return;
    exo_timer(EXO_FOREVER);
    p->timer_thread = 0;
    for (struct thread *t = p->threads; t; t = t->next) {
        if (t != ending) {
            thread_attention(t); /* events_serve: no timer thread, so timers_attend */
            return;
        }
    }
}

void timers_forget(struct process *p, bool exec)
{
    bool any = p->timers != 0;

    for (struct timer **link = &p->timers; *link;) {
        struct timer *t = *link;

        if (exec && t->id < 0) {
            link = &t->next; /* alarms and limits survive exec */
            continue;
        }
        *link = t->next;
        heap_free(t);
    }
    if (!exec)
        p->timer_thread = 0; /* a fork's child, whose kernel timer is fresh, or the end */
    else if (any)
        timers_set(p);
}

static struct timer *timer_new(struct process *p, int32_t id, int32_t signo)
{
    struct timer *t = heap_zeroed(1, sizeof *t);

    if (t) {
        t->id = id;
        t->worker = EXO_CAP_ENV;
        t->signo = signo;
        t->next = p->timers;
        p->timers = t;
    }
    return t;
}

void timer_cpu_limit(struct process *p)
{
    uint64_t soft = p->rlimits[RLIMIT_CPU][0], hard = p->rlimits[RLIMIT_CPU][1];
    struct timer *t = timer_find(p, CPU_LIMIT_ID);

    if (soft > hard)
        soft = hard;
    if (soft >= UINT64_MAX / NS_PER_S) {
        if (t)
            t->deadline = 0;
        return;
    }
    if (!t && !(t = timer_new(p, CPU_LIMIT_ID, SIGXCPU)))
        return;
    t->on_cpu = true;
    t->due = (soft ? soft : 1) * NS_PER_S;
    cpu_timer_look(p, t);
    timers_set(p);
}

/* ---- setitimer ------------------------------------------------------------------------------------ */

struct linux_itimerval {
    struct linux_timeval interval, value;
};

static uint64_t timeval_ns(const struct linux_timeval *v)
{
    return (uint64_t)v->seconds * NS_PER_S + (uint64_t)v->microseconds * 1000;
}

static bool timeval_ok(const struct linux_timeval *v)
{
    return v->seconds >= 0 && v->seconds < INT64_MAX / NS_PER_S && v->microseconds >= 0 &&
           v->microseconds < 1000000;
}

static struct linux_timeval timeval_of(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};
}

static uint64_t time_left(const struct timer *t)
{
    exo_time now = time_now();

    if (!t || !t->deadline)
        return 0;
    if (t->on_cpu)
        return t->due > cpu_used(t) ? t->due - cpu_used(t) : 1000;
    return t->deadline > now ? t->deadline - now : 1000;
}

static const int32_t itimer_signals[] = {SIGALRM, SIGVTALRM, SIGPROF};

/* Sets one of the three; the time that was left. */
static int64_t itimer_set(int32_t id, uint64_t value_ns, uint64_t interval_ns, uint64_t *left)
{
    struct process *p = current();
    struct timer *t = timer_find(p, id);

    *left = time_left(t);
    if (!t && value_ns == 0)
        return 0;
    if (!t && !(t = timer_new(p, id, itimer_signals[ITIMER_ID - id])))
        return -ENOMEM;
    t->on_cpu = id != ITIMER_ID;
    timer_start(p, t, value_ns);
    t->interval = interval_ns;
    timers_set(p);
    return 0;
}

DEFINE_CALL1(alarm, seconds)
{
    uint64_t left;
    int64_t st = itimer_set(ITIMER_ID, (uint32_t)seconds * (uint64_t)NS_PER_S, 0, &left);

    return st < 0 ? st : (int64_t)((left + NS_PER_S - 1) / NS_PER_S);
}

DEFINE_CALL2(getitimer, which, to)
{
    const struct timer *t = timer_find(current(), ITIMER_ID - (int32_t)which);

    if (which > ITIMER_ID - ITIMER_LAST)
        return -EINVAL;
    struct linux_itimerval now = {timeval_of(t ? t->interval : 0), timeval_of(time_left(t))};
    return user_write(to, &now, sizeof now);
}

DEFINE_CALL3(setitimer, which, from, old)
{
    int32_t id = ITIMER_ID - (int32_t)which;
    const struct timer *t = timer_find(current(), id);
    struct linux_itimerval wanted = {0}, was;
    uint64_t interval = t ? t->interval : 0, left;

    if (which > ITIMER_ID - ITIMER_LAST)
        return -EINVAL;
    if (from && user_read(&wanted, from, sizeof wanted) < 0)
        return -EFAULT;
    if (!timeval_ok(&wanted.value) || !timeval_ok(&wanted.interval))
        return -EINVAL;
    int64_t st = itimer_set(id, timeval_ns(&wanted.value), timeval_ns(&wanted.interval), &left);
    if (st < 0 || !old)
        return st;
    was = (struct linux_itimerval){timeval_of(interval), timeval_of(left)};
    return user_write(old, &was, sizeof was);
}

/* ---- timer_create ---------------------------------------------------------------------------------- */

enum { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 4 };

struct linux_sigevent {
    uint64_t value;
    int32_t signo, notify, tid;
    uint8_t pad[44];
};
static_assert(sizeof(struct linux_sigevent) == 64, "Linux ABI");

struct linux_itimerspec {
    struct linux_timespec interval, value;
};

static struct timer *posix_timer_find(uint64_t id)
{
    return (int32_t)id < 0 ? 0 : timer_find(current(), (int32_t)id);
}

#define CLOCK_PROCESS_CPUTIME_ID 2u
#define CLOCK_THREAD_CPUTIME_ID  3u

/* The C library says it as a dynamic clock of process, or thread, 0. */
#define OWN_PROCESS_CLOCK ((uint32_t)-6)
#define OWN_THREAD_CLOCK  ((uint32_t)-2)

static bool clock_is_cpu(uint32_t clock)
{
    return clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID ||
           clock == OWN_PROCESS_CLOCK || clock == OWN_THREAD_CLOCK;
}

static bool clock_is_known(uint32_t clock)
{
    exo_time ignored;

    return clock_is_cpu(clock) || time_absolute(clock, 0, &ignored) == 0;
}

DEFINE_CALL3(timer_create, clock, event, id_out)
{
    struct process *p = current();
    struct linux_sigevent e = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};
    struct thread *target = 0;
    int32_t id = 0;

    if (!clock_is_known((uint32_t)clock))
        return -EINVAL;
    if (event && user_read(&e, event, sizeof e) < 0)
        return -EFAULT;
    if (e.notify == SIGEV_THREAD_ID) {
        for (target = p->threads; target && target->tid != e.tid; target = target->next)
            ;
        if (!target)
            return -EINVAL;
    } else if (e.notify != SIGEV_SIGNAL && e.notify != SIGEV_NONE) {
        return -EINVAL;
    }
    if (e.notify != SIGEV_NONE && (e.signo < 1 || e.signo > SIGRTMAX))
        return -EINVAL;
    while (timer_find(p, id))
        id++;
    if (id >= (int32_t)TIMERS_MAX)
        return -EAGAIN;
    if (user_write32(id_out, (uint32_t)id) < 0)
        return -EFAULT;
    struct timer *t = timer_new(p, id, e.notify == SIGEV_NONE ? 0 : e.signo);
    if (!t)
        return -EAGAIN;
    t->clock = (uint32_t)clock;
    t->on_cpu = clock_is_cpu(t->clock);
    if (t->clock == CLOCK_THREAD_CPUTIME_ID || t->clock == OWN_THREAD_CLOCK)
        t->worker = self()->cap;
    t->thread = target;
    t->value = event ? e.value : (uint64_t)id;
    return 0;
}

static int64_t timer_store(uint64_t to, uint64_t interval, uint64_t left)
{
    if (timespec_write(to, interval) < 0)
        return -EFAULT;
    return timespec_write(to + sizeof(struct linux_timespec), left);
}

DEFINE_CALL2(timer_gettime, id, to)
{
    const struct timer *t = posix_timer_find(id);

    return t ? timer_store(to, t->interval, time_left(t)) : -EINVAL;
}

DEFINE_CALL4(timer_settime, id, flags, from, old)
{
    struct timer *t = posix_timer_find(id);
    uint64_t interval, value, old_interval, left;
    exo_time deadline = 0;

    if (!t || (flags & ~(uint64_t)TIMER_ABSTIME))
        return -EINVAL;
    int64_t st = timespec_read(from, &interval);
    if (st == 0)
        st = timespec_read(from + sizeof(struct linux_timespec), &value);
    if (st < 0)
        return st;
    old_interval = t->interval;
    left = time_left(t);
    if (value && !t->on_cpu) {
        if (flags & TIMER_ABSTIME)
            time_absolute(t->clock, value, &deadline);
        else
            deadline = time_now() + value;
        if (deadline == 0)
            deadline = 1;
    }
    t->deadline = deadline;
    if (t->on_cpu && value && (flags & TIMER_ABSTIME)) {
        t->due = value;
        cpu_timer_look(current(), t);
    } else if (t->on_cpu) {
        timer_start(current(), t, value);
    }
    t->interval = interval;
    t->overrun = 0;
    timers_set(current());
    return old ? timer_store(old, old_interval, left) : 0;
}

DEFINE_CALL1(timer_getoverrun, id)
{
    const struct timer *t = posix_timer_find(id);

    return t ? (int64_t)t->overrun : -EINVAL;
}

DEFINE_CALL1(timer_delete, id)
{
    struct process *p = current();
    struct timer *t = posix_timer_find(id);

    if (!t)
        return -EINVAL;
    struct timer **link = &p->timers;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    heap_free(t);
    timers_set(p);
    return 0;
}
