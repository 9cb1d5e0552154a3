/* SPDX-License-Identifier: MIT */
/* Between the lives of services: see upkeep.h. All of it runs on init's first thread. */
#include <exo.h>
#include <rs.h>

#include <libos/exo/clock.h>
#include <libos/exo/log.h>
#include <servers/init/archive.h>
#include <servers/init/upkeep.h>
#include <servers/init/watch.h>

#define MS              1000000u
#define SECOND          1000000000u
#define DOUBLINGS       6u                      /* of the wait */
#define CALM            (60 * (exo_time)SECOND) /* so long a life, and the wait is the first again */
#define REPAIR_FRAMES   256u
#define REPAIR_PRIORITY 16u

static struct upkeep *all[EXO_SERVICES]; /* by number in the kernel's table */

static bool is_held(const struct upkeep *u)
{
    return u->rights->backoff != 0 || u->rights->recovery[0] != '\0';
}

int64_t upkeep_begin(struct upkeep *u, uint32_t id, const struct rights *rights)
{
    int64_t result = EXO_OK;

    *u = (struct upkeep){.id = id, .rights = rights};
    all[id] = u;
    if (rights->limited)
        result = rs_set_limit(id, rights->limit, (uint64_t)rights->window * SECOND);
    if (result == EXO_OK && rights->heartbeat != 0)
        result = rs_set_heartbeat(id, (uint64_t)rights->heartbeat * MS);
    if (result == EXO_OK && is_held(u))
        result = rs_hold_service(id, EXO_HOLD_ONE);
    return result;
}

static void let_go(struct upkeep *u)
{
    u->stage = UPKEEP_IDLE;
    rs_hold_service(u->id, EXO_HOLD_ONE);
}

/* ---- the recovery program ---------------------------------------------------------------------- */

static void repair_end(struct upkeep *u)
{
    spawn_end(&u->recovery);
    exo_cap_delete(u->recovery_account, 0);
    u->recovery = (struct spawned){0};
    u->stage = UPKEEP_IDLE;
}

static void repaired(const char *name, exo_cap env)
{
    struct exo_env_info info;
    bool well = exo_env_info(env, &info) == EXO_OK && info.cause == EXO_EXITED && info.status == 0;

    for (unsigned i = 0; i < EXO_SERVICES; i++) {
        struct upkeep *u = all[i];

        if (!u || u->stage != UPKEEP_REPAIRING || u->recovery.env != env)
            continue;
        repair_end(u);
        if (well) {
            let_go(u);
        } else {
            log_line("%s did not repair", name);
            rs_fail_service(u->id, EXO_EDEAD);
        }
        return;
    }
}

/* It may look at the table, and pays from an account of its own. */
static int64_t repair_with(struct upkeep *u, const struct cpio_entry *file)
{
    struct spawn_plan plan = {.name = "recovery",
                              .elf = file->data,
                              .elf_bytes = file->bytes,
                              .priority = REPAIR_PRIORITY,
                              .argument = u->id};
    int64_t result = exo_account_create(EXO_CAP_ACCOUNT, REPAIR_FRAMES, REPAIR_FRAMES);

    if (result < 0)
        return result;
    u->recovery_account = (exo_cap)result;
    plan.account = u->recovery_account;
    if ((result = spawn_create(&plan, &u->recovery)) != EXO_OK) {
        exo_cap_delete(u->recovery_account, 0);
        return result;
    }
    u->stage = UPKEEP_REPAIRING;
    spawn_give(&u->recovery, EXO_SRV_LOG, EXO_CAP_PLATFORM, EXO_R_WRITE, 0);
    spawn_give(&u->recovery, EXO_SRV_SERVICES, EXO_CAP_SERVICES, EXO_R_READ, 0);
    result = watch_try(u->recovery.env, u->rights->recovery, repaired);
    if (result == EXO_OK)
        result = spawn_run(&u->recovery);
    if (result != EXO_OK)
        repair_end(u);
    return result;
}

static void repair(struct upkeep *u)
{
    struct cpio_entry file;
    int64_t result = EXO_ENOENT;

    if (archive_copy(u->rights->recovery + 1, &file))
        result = repair_with(u, &file);
    if (result == EXO_OK)
        return;
    u->stage = UPKEEP_IDLE;
    log_line("%s: %s", u->rights->recovery, exo_error_text(result));
    rs_fail_service(u->id, result);
}

void upkeep_end(struct upkeep *u)
{
    if (u->rights == NULL)
        return;
    if (u->stage == UPKEEP_REPAIRING)
        repair_end(u);
    all[u->id] = NULL;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

/* The wait is over: the repair, or the next life. */
static void go_on(struct upkeep *u)
{
    if (u->rights->recovery[0] != '\0')
        repair(u);
    else
        let_go(u);
}

static bool waits_are_over(exo_time *next)
{
    exo_time now = clock_uptime();

    *next = EXO_FOREVER;
    for (unsigned i = 0; i < EXO_SERVICES; i++) {
        struct upkeep *u = all[i];

        if (!u || u->stage != UPKEEP_WAITING)
            continue;
        if (u->due <= now)
            go_on(u);
        else if (u->due < *next)
            *next = u->due;
    }
    return true;
}

static void wait_begin(struct upkeep *u, const struct exo_service_info *now)
{
    exo_time next;

    if (now->died - now->born >= CALM)
        u->tries = 0;
    u->due = now->died + ((uint64_t)u->rights->backoff * MS << u->tries);
    u->stage = UPKEEP_WAITING;
    if (u->tries < DOUBLINGS)
        u->tries++;
    waits_are_over(&next);
    watch_timer(WATCH_UPKEEP, next, waits_are_over);
}

/* ---- escalation -------------------------------------------------------------------------------- */

/* Restarts or stops those that need service `id`. */
static void dependents(uint32_t id, bool restart)
{
    struct exo_service_info info;

    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (rs_info(i, &info) != EXO_OK || !(info.needs >> id & 1))
            continue;
        if (restart)
            rs_restart_service(i);
        else
            rs_stop_service(i);
    }
}

static void failed(struct upkeep *u, const struct exo_service_info *now)
{
    bool first = u->chance == 0 || clock_uptime() - u->chance >= now->window;

    if (u->rights->escalate == ESCALATE_STOP)
        dependents(u->id, false);
    if (u->rights->escalate == ESCALATE_RESTART && first) {
        u->chance = clock_uptime();
        log_line("%s gets one more chance, with all that need it", now->name);
        rs_start_service(u->id);
        dependents(u->id, true);
    }
}

/* ------------------------------------------------------------------------------------------------- */

void upkeep_changed(struct upkeep *u, const struct exo_service_info *before,
                    const struct exo_service_info *now)
{
    bool died = now->died != before->died;

    if (now->state == EXO_SERVICE_FAILED && before->state != EXO_SERVICE_FAILED)
        failed(u, now);
    if (now->state != EXO_SERVICE_STARTING || now->hold != EXO_HOLD_LIVES ||
        u->stage != UPKEEP_IDLE)
        return;
    if (died || before->state == EXO_SERVICE_DYING)
        wait_begin(u, now);
    else
        let_go(u); /* somebody starts it: at once */
}
