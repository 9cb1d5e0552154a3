/* SPDX-License-Identifier: MIT */
/*
 * /proc/exo/services: the table of services, a line each, for rsctl and for people. Columns never hold
 * spaces; what there is not is "-". Times are nanoseconds.
 *
 * Who may write to it (root) writes commands, one a write:
 *
 *     start NAME | stop NAME | restart NAME | kill NAME
 *     refresh NAME         of a stopped one, that nobody needs: forget its program and what it preserved,
 *                          and start it with the program loaded anew; EBUSY
 *     policy NAME always|on-failure|never
 *     limit NAME REBIRTHS SECONDS
 *
 * A life is ended after the answer was stored, since it may be this server's own: its next life finds
 * the answer, and the writer gets it.
 */
#include "servers/fs/after.h"
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/calls.h>
#include <exo/service.h>
#include <lib/string.h>

static const char *const policies[] = {"never", "on-failure", "always"};
static const char *const states[] = {"none",  "registered", "starting", "running",
                                     "dying", "stopped",    "failed"};
static const char *const causes[] = {"-",    "exit",      "destroyed", "crash",
                                     "hung", "restarted", "stopped"};

/* Why it could not be started: what of the errors happens there. */
static const char *cause_of(const struct exo_service_info *s)
{
    switch (s->trouble) {
    case EXO_OK: return s->cause < sizeof(causes) / sizeof(causes[0]) ? causes[s->cause] : "?";
    case EXO_ENOENT: return "no-program";
    case EXO_EINVAL: return "unreadable-program";
    case EXO_ERIGHTS: return "rights-refused";
    case EXO_EDEAD: return "recovery-failed";
    case EXO_ENOMEM: return "no-memory";
    case EXO_EOBJECTS: return "no-objects";
    default: return "cannot-start";
    }
}

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
    text_add(text, "%s", any ? "" : " -");
}

int64_t text_exo_services(struct text *text, const struct synthetic *of)
{
    struct exo_service_info s;

    (void)of;
    text_add(
        text,
        "NAME STATE POLICY LIVES LIMIT WINDOW CAUSE STATUS ADDRESS PC RECOVERY TOTAL NEEDS PATH\n");
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (port_service(i, &s) < 0)
            continue;
        text_add(text, "%s %s %s %llu %u %llu %s %lld", s.name, WORD_OF(states, s.state),
                 WORD_OF(policies, s.policy), (unsigned long long)s.lives, s.limit,
                 (unsigned long long)s.window, cause_of(&s), (long long)s.status);
        text_add(text, " 0x%llx 0x%llx %llu %llu", (unsigned long long)s.fault_address,
                 (unsigned long long)s.fault_pc, (unsigned long long)s.recovery_ns,
                 (unsigned long long)s.recovery_total_ns);
        add_needs(text, s.needs);
        text_add(text, " %s\n", s.path);
    }
    return 0;
}

/* ---- commands ----------------------------------------------------------------------------------- */

#define WORDS        4u
#define WORD_BYTES   EXO_SERVICE_NAME
#define SECOND       1000000000u
#define SECONDS_MOST 1000000000u

/* Cuts the text into words. How many; 0: a word is too long, or there are too many. */
static unsigned cut(const char *text, uint64_t bytes, char words[WORDS][WORD_BYTES])
{
    unsigned count = 0;
    size_t length = 0;

    for (uint64_t i = 0; i < bytes; i++) {
        bool space = text[i] == ' ' || text[i] == '\t' || text[i] == '\n';

        if (!space && (count == WORDS || length == WORD_BYTES - 1))
            return 0;
        if (!space)
            words[count][length++] = text[i];
        if (length > 0 && (space || i == bytes - 1)) {
            words[count++][length] = '\0';
            length = 0;
        }
    }
    return count;
}

static int64_t service_named(const char *name, uint32_t *found)
{
    struct exo_service_info info;

    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (port_service(i, &info) == 0 && strcmp(info.name, name) == 0) {
            *found = i;
            return 0;
        }
    }
    return -ENOENT;
}

static bool number_in(const char *word, uint64_t most, uint64_t *out)
{
    *out = 0;
    for (; *word; word++) {
        if (*word < '0' || *word > '9')
            return false;
        *out = *out * 10 + (uint64_t)(*word - '0');
        if (*out > most)
            return false;
    }
    return true;
}

static int64_t set_policy(uint32_t service, const char *word)
{
    for (uint32_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(word, policies[i]) == 0)
            return port_service_policy(service, i);
    }
    return -EINVAL;
}

static int64_t set_limit(uint32_t service, const char *rebirths, const char *seconds)
{
    uint64_t number, time;

    if (!number_in(rebirths, EXO_SERVICE_LIMIT_MOST, &number) ||
        !number_in(seconds, SECONDS_MOST, &time))
        return -EINVAL;
    return port_service_limit(service, (uint32_t)number, time * SECOND);
}

/* Whoever calls it may hold on to what it has made. Of the servers init keeps no program. */
static int64_t forget(uint32_t service)
{
    struct exo_service_info info;

    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (port_service(i, &info) == 0 && info.needs >> service & 1)
            return -EBUSY;
    }
    if (port_service(service, &info) == 0 && strncmp(info.path, "/usr/sbin/", 10) == 0)
        return -EBUSY;
    return port_service_unload(service);
}

int64_t services_command(const char *text, uint64_t bytes)
{
    static const struct {
        const char *word;
        unsigned words;
        uint32_t cause;
    } commands[] = {
        {"start", 2, EXO_ALIVE},
        {"stop", 2, EXO_STOPPED},
        {"restart", 2, EXO_RESTARTED},
        {"kill", 2, EXO_DESTROYED},
        {"refresh", 2, EXO_ALIVE},
        {"policy", 3, 0},
        {"limit", 4, 0},
    };
    char words[WORDS][WORD_BYTES];
    unsigned count = cut(text, bytes, words), i = 0;
    uint32_t service;
    int64_t status;

    while (i < sizeof(commands) / sizeof(commands[0]) &&
           (count == 0 || strcmp(words[0], commands[i].word) != 0))
        i++;
    if (i == sizeof(commands) / sizeof(commands[0]) || count != commands[i].words)
        return -EINVAL;
    if ((status = service_named(words[1], &service)) < 0)
        return status;
    if (strcmp(words[0], "refresh") == 0 && (status = forget(service)) < 0)
        return status;
    if (count == 3)
        return set_policy(service, words[2]);
    if (count == 4)
        return set_limit(service, words[2], words[3]);
    after(AFTER_SERVICE, 0, service, commands[i].cause, 0);
    return 0;
}
