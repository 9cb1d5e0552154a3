/* SPDX-License-Identifier: MIT */
/*
 * A service for tests that does what its name says, and sleeps if that is nothing special. As the recovery
 * program of a service it looks which one that is.
 */
#include <exo.h>
#include <lib/string.h>
#include <libos/exo/clock.h>
#include <libos/exo/start.h>
#include <rs.h>
#include <stdbool.h>

#define MS 1000000u

static bool name_is(const char *name)
{
    struct exo_service_info info;
    const char *mine = (const char *)&exo_utcb()->libos[0];

    if (strcmp(mine, "recovery") == 0 && rs_info((uint32_t)start_argument(), &info) == EXO_OK)
        mine = info.name;
    return strcmp(mine, name) == 0;
}

static bool is_recovery(void)
{
    return strcmp((const char *)&exo_utcb()->libos[0], "recovery") == 0;
}

static void sleep_until(exo_time deadline)
{
    uint64_t word = 0;
    struct exo_wait_word wait = {.address = (uintptr_t)&word, .expected = 0};

    while (clock_uptime() < deadline)
        exo_wait(&wait, 1, deadline);
}

/* Deaf to everything, twice; then it gives signs of life. */
static void hang(void)
{
    if (rs_life()->number < 3) {
        exo_utcb()->masked = 1;
        for (;;)
            ;
    }
    for (;;) {
        rs_heartbeat(EXO_FOREVER);
        sleep_until(clock_uptime() + 50 * MS);
    }
}

int main(void)
{
    if (is_recovery())
        return name_is("broken");
    if (name_is("crasher") || name_is("slow") || name_is("base") || name_is("pillar"))
        __builtin_trap();
    if (name_is("hung"))
        hang();
    if ((name_is("repaired") || name_is("broken") || name_is("unrepaired")) &&
        rs_life()->number == 1)
        *(volatile int *)16 = 1;
    sleep_until(EXO_FOREVER);
    return 0;
}
