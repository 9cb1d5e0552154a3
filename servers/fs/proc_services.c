/* SPDX-License-Identifier: MIT */
/*
 * /proc/exo/services: the table of services, a line each, for rsctl and for people. Columns never hold
 * spaces; what there is not is "-". Times are nanoseconds.
 */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/service.h>

static const char *const policies[] = {"never", "on-failure", "always"};
static const char *const states[] = {"none",  "registered", "starting", "running",
                                     "dying", "stopped",    "failed"};
static const char *const causes[] = {"-",    "exit",      "destroyed", "crash",
                                     "hung", "restarted", "stopped"};

static const char *word_of(const char *const *words, uint32_t count, uint32_t i)
{
    return i < count ? words[i] : "?";
}
#define WORD_OF(words, i) word_of(words, sizeof(words) / sizeof(words[0]), i)

static void add_needs(struct text *text, uint64_t needs)
{
    struct exo_service_info other;
    bool any = false;

    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (needs >> i & 1 && port_service(i, &other) == 0) {
            text_add(text, "%s%s", any ? "," : " ", other.name);
            any = true;
        }
    }
    text_add(text, "%s\n", any ? "" : " -");
}

int64_t text_exo_services(struct text *text, const struct synthetic *of)
{
    struct exo_service_info s;

    (void)of;
    text_add(text,
             "NAME STATE POLICY LIVES LIMIT WINDOW CAUSE STATUS ADDRESS PC RECOVERY TOTAL NEEDS\n");
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (port_service(i, &s) < 0)
            continue;
        text_add(text, "%s %s %s %llu %u %llu %s %lld", s.name, WORD_OF(states, s.state),
                 WORD_OF(policies, s.policy), (unsigned long long)s.lives, s.limit,
                 (unsigned long long)s.window, WORD_OF(causes, s.cause), (long long)s.status);
        text_add(text, " 0x%llx 0x%llx %llu %llu", (unsigned long long)s.fault_address,
                 (unsigned long long)s.fault_pc, (unsigned long long)s.recovery_ns,
                 (unsigned long long)s.recovery_total_ns);
        add_needs(text, s.needs);
    }
    return 0;
}
