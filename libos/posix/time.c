// SPDX-License-Identifier: MIT
/*
 * Clocks. Time is read from the processor's counter with the factors that the kernel publishes;
 * nobody is asked. Most programs use the vDSO (arch/MACHINE/vdso.S), which does the same.
 */
#include "core.h"

#include <exo_clock.h>

enum {
    CLOCK_REALTIME,
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_BOOTTIME,
    CLOCK_REALTIME_ALARM,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_TAI = 11
};

exo_time time_now(void)
{
    const struct exo_view *v = exo_view();
    uint64_t ticks = exo_ticks() - v->tick_base;

    return (uint64_t)((unsigned __int128)ticks * v->tick_mult >> v->tick_shift);
}

uint64_t time_real_ns(void)
{
    return exo_view()->epoch_ns + time_now();
}

bool time_clock(uint32_t clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI: *ns = time_real_ns(); return true;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: *ns = time_now(); return true;
    case CLOCK_PROCESS_CPUTIME_ID: *ns = (uint64_t)exo_cpu_time(EXO_CAP_ENV); return true;
    case CLOCK_THREAD_CPUTIME_ID: *ns = (uint64_t)exo_cpu_time(0); return true;
    default: break;
    }
    /* A dynamic clock id names a process or thread's CPU time: ours only (~pid << 3 | kind). */
    if ((int32_t)clock < 0 && (clock & 3) == 2) {
        int32_t id = ~((int32_t)clock >> 3);

        if (id == 0 || id == current()->pid || id == self()->tid) {
            *ns = (uint64_t)exo_cpu_time(clock & 4 ? 0 : EXO_CAP_ENV);
            return true;
        }
    }
    return false;
}

int64_t timespec_read(uint64_t from, uint64_t *ns)
{
    struct linux_timespec t;

    if (user_read(&t, from, sizeof t) < 0)
        return -EFAULT;
    if (t.seconds < 0 || t.nanoseconds < 0 || t.nanoseconds >= NS_PER_S)
        return -EINVAL;
    *ns = (uint64_t)t.seconds > INT64_MAX / NS_PER_S
              ? INT64_MAX
              : (uint64_t)t.seconds * NS_PER_S + (uint64_t)t.nanoseconds;
    return 0;
}

int64_t timespec_write(uint64_t to, uint64_t ns)
{
    struct linux_timespec t = {(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S)};

    return user_write(to, &t, sizeof t);
}

int64_t time_deadline(uint64_t timespec, exo_time *deadline)
{
    uint64_t ns;

    *deadline = EXO_FOREVER;
    if (!timespec)
        return 0;
    int64_t st = timespec_read(timespec, &ns);
    if (st < 0)
        return st;
    *deadline = time_now() + ns;
    return 0;
}

int64_t time_absolute(uint32_t clock, uint64_t ns, exo_time *deadline)
{
    uint64_t epoch = exo_view()->epoch_ns;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: *deadline = ns > epoch ? ns - epoch : 0; return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM: *deadline = ns; return 0;
    default: return -EINVAL;
    }
}

DEFINE_CALL2(clock_gettime, clock, to)
{
    uint64_t ns;

    return time_clock((uint32_t)clock, &ns) ? timespec_write(to, ns) : -EINVAL;
}

DEFINE_CALL2(clock_getres, clock, to)
{
    uint64_t ns;

    if (!time_clock((uint32_t)clock, &ns))
        return -EINVAL;
    return to ? timespec_write(to, 1) : 0;
}

/* The real-time clock is the machine's; no process may set it yet. */
DEFINE_CALL2(clock_settime, clock, from)
{
    uint64_t ns;
    int64_t st = timespec_read(from, &ns);

    if (st < 0)
        return st;
    return clock == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

DEFINE_CALL2(gettimeofday, to, zone)
{
    uint64_t ns = time_real_ns();
    struct linux_timeval t = {(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};

    if (to && user_write(to, &t, sizeof t) < 0)
        return -EFAULT;
    return zone ? user_zero(zone, 8) : 0;
}

DEFINE_CALL2(settimeofday, time, zone)
{
    (void)time;
    (void)zone;
    return -EPERM;
}

DEFINE_CALL1(time, to)
{
    uint64_t seconds = time_real_ns() / NS_PER_S;

    if (to && user_write64(to, seconds) < 0)
        return -EFAULT;
    return (int64_t)seconds;
}

#define TICKS_PER_S 100u

DEFINE_CALL1(times, to)
{
    const struct process *p = current();
    uint64_t tick = NS_PER_S / TICKS_PER_S;
    uint64_t t[4] = {(uint64_t)exo_cpu_time(EXO_CAP_ENV) / tick, 0,
                     p->entry->children_cpu_ns / tick, 0};

    if (to && user_write(to, t, sizeof t) < 0)
        return -EFAULT;
    return (int64_t)(time_now() / tick);
}

/* ---- sleeping ------------------------------------------------------------------------------------- */

#define TIMER_ABSTIME 1u

static int64_t sleep_until(exo_time deadline, uint64_t remaining, bool absolute)
{
    struct waiter w;

    waiter_init(&w, deadline);
    if (time_now() >= deadline)
        return 0;
    int64_t st = waiter_sleep(&w);
    if (st != -ERESTARTSYS)
        return 0;
    if (absolute)
        return -ERESTARTNOHAND;
    exo_time now = time_now();
    if (remaining && timespec_write(remaining, deadline > now ? deadline - now : 0) < 0)
        return -EFAULT;
    self()->sleep_until = deadline;
    return -ERESTART_RESTARTBLOCK;
}

DEFINE_CALL0(restart_syscall)
{
    exo_time deadline = self()->sleep_until;

    self()->sleep_until = 0;
    return deadline ? sleep_until(deadline, 0, false) : -EINTR;
}

DEFINE_CALL2(nanosleep, wanted, remaining)
{
    uint64_t ns;
    int64_t st = timespec_read(wanted, &ns);

    return st < 0 ? st : sleep_until(time_now() + ns, remaining, false);
}

DEFINE_CALL4(clock_nanosleep, clock, flags, wanted, remaining)
{
    uint64_t ns;
    exo_time deadline;
    int64_t st = timespec_read(wanted, &ns);

    if (st < 0)
        return st;
    st = time_absolute((uint32_t)clock, ns, &deadline);
    if (st < 0)
        return st;
    if (flags & TIMER_ABSTIME)
        return sleep_until(deadline, 0, true);
    return sleep_until(time_now() + ns, remaining, false);
}
