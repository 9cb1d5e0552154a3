/* SPDX-License-Identifier: MIT */
/* Keeping watch: one event bit for each environment that must not end unnoticed. */
#include <exo.h>

#include <lib/format.h>
#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <rs.h>
#include <servers/init/watch.h>

#define WATCHED        8u
#define EVENT_SERVICES 0x100u

static struct {
    exo_cap env;
    const char *name;
    void (*ended)(const char *name, exo_cap env);
} watched[WATCHED];
static void (*services_hook)(void);
static exo_cap deaths; /* notification: bit i for watched[i] */
static struct {
    exo_time at;
    bool (*rings)(exo_time *next);
} timers[WATCH_TIMERS] = {{EXO_FOREVER, 0}, {EXO_FOREVER, 0}, {EXO_FOREVER, 0}};

void power_off(uint32_t status)
{
    exo_power_off(EXO_CAP_PLATFORM, status);
    __builtin_trap();
}

void power_off_because(uint32_t status, const char *format, ...)
{
    char text[160];
    va_list arguments;

    va_start(arguments, format);
    vformat_text(text, sizeof text, format, arguments);
    va_end(arguments);
    log_line("%s", text);
    power_off(status);
}

static bool time_is_up(exo_time *next)
{
    (void)next;
    power_off_because(STATUS_TIME_OUT, "time is up");
}

void watch_begin(exo_time deadline)
{
    int64_t made = exo_notification_create(EXO_CAP_ACCOUNT);

    if (made < 0 || exo_notification_bind((exo_cap)made) != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot keep watch: %s", exo_error_text(made));
    deaths = (exo_cap)made;
    watch_timer(WATCH_DEADLINE, deadline, time_is_up);
}

void watch_timer(enum watch_timer timer, exo_time first, bool (*rings)(exo_time *next))
{
    exo_time earliest = first;

    timers[timer].at = first;
    timers[timer].rings = rings;
    for (unsigned i = 0; i < WATCH_TIMERS; i++)
        if (timers[i].at < earliest)
            earliest = timers[i].at;
    exo_timer(earliest);
}

static void timer_rang(void)
{
    for (enum watch_timer i = 0; i < WATCH_TIMERS; i++) {
        exo_time next = EXO_FOREVER;

        if (timers[i].at > clock_uptime())
            continue;
        if (!timers[i].rings(&next))
            next = EXO_FOREVER;
        timers[i].at = next;
    }
    watch_timer(WATCH_DEADLINE, timers[WATCH_DEADLINE].at, time_is_up);
}

int64_t watch_try(exo_cap env, const char *name, void (*ended)(const char *name, exo_cap env))
{
    uint32_t place = 0;
    int64_t result;

    while (place < WATCHED && watched[place].env != 0)
        place++;
    if (place == WATCHED)
        return EXO_EOBJECTS;
    if ((result = exo_env_watch(env, deaths, 1u << place)) != EXO_OK)
        return result;
    watched[place].env = env;
    watched[place].name = name;
    watched[place].ended = ended;
    return EXO_OK;
}

void watch_add(exo_cap env, const char *name, void (*ended)(const char *name, exo_cap env))
{
    int64_t result = watch_try(env, name, ended);

    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot watch %s: %s", name, exo_error_text(result));
}

/* Its place is free before `ended` runs, which may begin to watch another. */
static void env_ended(uint32_t place)
{
    exo_cap env = watched[place].env;

    watched[place].env = 0;
    if (env != 0)
        watched[place].ended(watched[place].name, env);
}

void watch_services(void (*changed)(void))
{
    services_hook = changed;
    if (rs_watch(EXO_SERVICE_ANY, deaths, EVENT_SERVICES) != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot watch the services");
}

void watch_run(void)
{
    for (;;) {
        uint32_t bits = event_wait(EXO_FOREVER);

        for (uint32_t i = 0; i < WATCHED; i++)
            if (bits & 1u << i)
                env_ended(i);
        if (bits & EVENT_SERVICES)
            services_hook();
        if (bits & EXO_EVENT_TIMER)
            timer_rang();
    }
}

void watch_describe(exo_cap env, char *to, size_t size)
{
    struct exo_env_info info;

    if (exo_env_info(env, &info) != EXO_OK)
        format_text(to, size, "ended, and its record is lost");
    else if (info.cause == EXO_EXITED)
        format_text(to, size, "ended by itself, status %lld", (long long)info.status);
    else if (info.cause == EXO_CRASHED && info.fault_kind == EXO_UP_PAGE)
        format_text(to, size, "page fault at 0x%llx, pc 0x%llx",
                    (unsigned long long)info.fault_address, (unsigned long long)info.fault_pc);
    else if (info.cause == EXO_CRASHED)
        format_text(to, size, "exception, pc 0x%llx", (unsigned long long)info.fault_pc);
    else
        format_text(to, size, "was destroyed");
}
