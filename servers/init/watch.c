/* SPDX-License-Identifier: MIT */
/* Keeping watch: one event bit for each environment that must not end unnoticed. */
#include <exo.h>

#include <lib/format.h>
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
static uint32_t count;
static void (*services_hook)(void);
static exo_cap deaths;      /* notification: bit i for watched[i] */
static exo_time timer_next; /* when the time is up */
static bool (*timer_rings)(exo_time *next);

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

void watch_begin(exo_time deadline)
{
    int64_t made = exo_notification_create(EXO_CAP_ACCOUNT);

    if (made < 0 || exo_notification_bind((exo_cap)made) != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot keep watch: %s", exo_error_text(made));
    deaths = (exo_cap)made;
    timer_next = deadline;
    exo_timer(deadline);
}

void watch_timer(exo_time first, bool (*rings)(exo_time *next))
{
    timer_rings = rings;
    exo_timer(first);
}

/* The time is up, unless the timer was lent. */
static void timer_rang(void)
{
    exo_time next;

    if (!timer_rings)
        power_off_because(STATUS_TIME_OUT, "time is up");
    if (!timer_rings(&next)) {
        timer_rings = NULL;
        next = timer_next;
    }
    exo_timer(next);
}

void watch_add(exo_cap env, const char *name, void (*ended)(const char *name, exo_cap env))
{
    int64_t result = EXO_ENOSLOT;

    if (count < WATCHED)
        result = exo_env_watch(env, deaths, 1u << count);
    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot watch %s: %s", name, exo_error_text(result));
    watched[count].env = env;
    watched[count].name = name;
    watched[count].ended = ended;
    count++;
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

        for (uint32_t i = 0; i < count; i++)
            if (bits & 1u << i)
                watched[i].ended(watched[i].name, watched[i].env);
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
