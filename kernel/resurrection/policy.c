/* SPDX-License-Identifier: MIT */
/*
 * Decisions about services: see policy.h.
 *
 * Invariants (rs_table_ok checks them), for every service i:
 *   range      state, after, policy and hold are of their enumerations; limit <= EXO_SERVICE_LIMIT_MOST;
 *              window > 0; after is STARTING, STOPPED or FAILED while DYING.
 *   graph      needs and follows name services that there are; follows is a subset of needs; nobody
 *              is among all that he needs.
 *   running    a RUNNING service is loaded.
 *   used       used <= EXO_SERVICES; no service has the number `used` or a higher one.
 *   window     the times of the last rebirths never decrease and are not later than `now`; any
 *              limit + 1 rebirths in a row that were counted under one limit took `window` ns or more.
 *
 * Tests: tests/c17/unit/test_kernel_policy.c
 */
#include "policy.h"

static struct rs_entry *entry(struct rs_table *t, uint32_t i)
{
    return &t->entry[i];
}

bool rs_is(const struct rs_table *t, uint32_t i)
{
    return i < EXO_SERVICES && t->entry[i].state != EXO_SERVICE_NONE;
}

static bool policy_ok(uint32_t policy)
{
    return policy == RS_POLICY_ALWAYS || policy == RS_POLICY_ON_FAILURE ||
           policy == RS_POLICY_NEVER;
}

static bool at_rest(const struct rs_entry *e)
{
    return e->state == EXO_SERVICE_REGISTERED || e->state == EXO_SERVICE_STOPPED ||
           e->state == EXO_SERVICE_FAILED;
}

void rs_init(struct rs_table *t)
{
    *t = (struct rs_table){.now = 0};
}

uint32_t rs_add(struct rs_table *t, uint32_t policy)
{
    uint32_t free = RS_NOBODY;

    if (!policy_ok(policy))
        return RS_NOBODY;
    for (uint32_t i = 0; i < EXO_SERVICES && free == RS_NOBODY; i++) {
        if (t->entry[i].state == EXO_SERVICE_NONE)
            free = i;
    }
    if (free != RS_NOBODY)
        t->entry[free] = (struct rs_entry){.state = EXO_SERVICE_REGISTERED,
                                           .policy = (uint8_t)policy,
                                           .limit = RS_DEFAULT_LIMIT,
                                           .window = RS_DEFAULT_WINDOW};
    if (free != RS_NOBODY && free >= t->used)
        t->used = free + 1;
    return free;
}

/* Who needs service i directly. */
static rs_set needed_by(const struct rs_table *t, uint32_t i)
{
    rs_set by = 0;

    for (uint32_t j = 0; j < EXO_SERVICES; j++) {
        if (t->entry[j].needs & RS_BIT(i))
            by |= RS_BIT(j);
    }
    return by;
}

bool rs_remove(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i) || !at_rest(entry(t, i)) || needed_by(t, i) != 0)
        return false;
    t->entry[i] = (struct rs_entry){.state = EXO_SERVICE_NONE};
    return true;
}

bool rs_set_policy(struct rs_table *t, uint32_t i, uint32_t policy)
{
    if (!rs_is(t, i) || !policy_ok(policy))
        return false;
    t->entry[i].policy = (uint8_t)policy;
    return true;
}

bool rs_set_limit(struct rs_table *t, uint32_t i, uint32_t limit, uint64_t window)
{
    if (!rs_is(t, i) || limit > EXO_SERVICE_LIMIT_MOST || window == 0)
        return false;
    t->entry[i].limit = limit;
    t->entry[i].window = window;
    return true;
}

void rs_set_loaded(struct rs_table *t, uint32_t i, bool loaded)
{
    if (rs_is(t, i))
        t->entry[i].loaded = loaded;
}

bool rs_hold(struct rs_table *t, uint32_t i, uint32_t hold)
{
    if (!rs_is(t, i) || hold > EXO_HOLD_ONE)
        return false;
    t->entry[i].hold = (uint8_t)hold;
    return true;
}

bool rs_at_rest(const struct rs_table *t, uint32_t i)
{
    return rs_is(t, i) && at_rest(&t->entry[i]);
}

/* ---- the graph --------------------------------------------------------------------------------- */

/* Each turn adds what the set's members need; a path has at most EXO_SERVICES - 1 steps. */
rs_set rs_all_needs(const struct rs_table *t, uint32_t i)
{
    rs_set all = rs_is(t, i) ? t->entry[i].needs : 0, before = 0;

    for (uint32_t turn = 0; turn < EXO_SERVICES && all != before; turn++) {
        before = all;
        for (uint32_t j = 0; j < EXO_SERVICES; j++) {
            if (before & RS_BIT(j))
                all |= t->entry[j].needs;
        }
    }
    return all;
}

bool rs_depend(struct rs_table *t, uint32_t i, uint32_t on, bool follow)
{
    if (!rs_is(t, i) || !rs_is(t, on) || i == on || rs_all_needs(t, on) & RS_BIT(i))
        return false;
    t->entry[i].needs |= RS_BIT(on);
    t->entry[i].follows &= ~RS_BIT(on);
    if (follow)
        t->entry[i].follows |= RS_BIT(on);
    return true;
}

/* Each turn takes the first service whose needs have all been taken. */
uint32_t rs_order(const struct rs_table *t, uint8_t order[EXO_SERVICES])
{
    rs_set taken = 0;
    uint32_t count = 0;

    for (uint32_t turn = 0; turn < EXO_SERVICES; turn++) {
        uint32_t next = RS_NOBODY;

        for (uint32_t i = 0; i < EXO_SERVICES && next == RS_NOBODY; i++) {
            if (rs_is(t, i) && !(taken & RS_BIT(i)) && (t->entry[i].needs & ~taken) == 0)
                next = i;
        }
        if (next != RS_NOBODY) {
            order[count] = (uint8_t)next;
            taken |= RS_BIT(next);
            count++;
        }
    }
    return count;
}

/* ---- starting ---------------------------------------------------------------------------------- */

/* What one service's start changes in its own entry. True if it became STARTING. */
static bool want_one(struct rs_entry *e)
{
    bool fresh = at_rest(e);

    if (e->state == EXO_SERVICE_FAILED)
        e->rebirths = 0;
    if (fresh)
        e->state = EXO_SERVICE_STARTING;
    if (e->state == EXO_SERVICE_DYING)
        e->after = EXO_SERVICE_STARTING;
    return fresh;
}

rs_set rs_want(struct rs_table *t, uint32_t i)
{
    rs_set wanted, began = 0;

    if (!rs_is(t, i))
        return 0;
    wanted = rs_all_needs(t, i) | RS_BIT(i);
    for (uint32_t j = 0; j < EXO_SERVICES; j++) {
        if (wanted & RS_BIT(j) && want_one(entry(t, j)))
            began |= RS_BIT(j);
    }
    return began;
}

/* Those that run. One that is being reborn counts as there: it will answer, or everybody is told. */
static rs_set there(const struct rs_table *t)
{
    rs_set set = 0;

    for (uint32_t i = 0; i < t->used; i++) {
        const struct rs_entry *e = &t->entry[i];

        if (e->state == EXO_SERVICE_RUNNING ||
            (e->state == EXO_SERVICE_DYING && e->after == EXO_SERVICE_STARTING))
            set |= RS_BIT(i);
    }
    return set;
}

uint32_t rs_next_to_run(const struct rs_table *t)
{
    rs_set up = there(t);
    uint32_t next = RS_NOBODY;

    for (uint32_t i = 0; i < t->used && next == RS_NOBODY; i++) {
        const struct rs_entry *e = &t->entry[i];

        if (e->state == EXO_SERVICE_STARTING && e->loaded && e->hold != EXO_HOLD_LIVES &&
            (e->needs & ~up) == 0)
            next = i;
    }
    return next;
}

bool rs_run(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i) || t->entry[i].state != EXO_SERVICE_STARTING || !t->entry[i].loaded ||
        t->entry[i].hold == EXO_HOLD_LIVES)
        return false;
    if (t->entry[i].hold == EXO_HOLD_ONE)
        t->entry[i].hold = EXO_HOLD_LIVES;
    t->entry[i].state = EXO_SERVICE_RUNNING;
    t->entry[i].lives++;
    return true;
}

/* ---- death ------------------------------------------------------------------------------------- */

/* Would one more rebirth now stay within the limit? The one `limit` rebirths ago must be `window` old.
 * `now` is not earlier than any of them. */
static bool within_limit(const struct rs_entry *e, uint64_t now)
{
    if (e->limit == 0 || e->rebirths < e->limit)
        return true;
    return now - e->at[(e->rebirths - e->limit) % EXO_SERVICE_LIMIT_MOST] >= e->window;
}

static uint32_t after_death(const struct rs_entry *e, bool success, bool counts, bool wanted,
                            uint64_t now)
{
    bool again =
        wanted || e->policy == RS_POLICY_ALWAYS || (e->policy == RS_POLICY_ON_FAILURE && !success);

    if (!again)
        return success ? EXO_SERVICE_STOPPED : EXO_SERVICE_FAILED;
    return !counts || within_limit(e, now) ? EXO_SERVICE_STARTING : EXO_SERVICE_FAILED;
}

void rs_died(struct rs_table *t, uint32_t i, bool success, bool counts, bool wanted, uint64_t now)
{
    struct rs_entry *e;

    if (!rs_is(t, i) || t->entry[i].state != EXO_SERVICE_RUNNING)
        return;
    e = entry(t, i);
    t->now = now > t->now ? now : t->now;
    e->state = EXO_SERVICE_DYING;
    e->after = (uint8_t)after_death(e, success, counts, wanted, t->now);
    if (counts && e->after == EXO_SERVICE_STARTING) {
        e->at[e->rebirths % EXO_SERVICE_LIMIT_MOST] = t->now;
        e->rebirths++;
    }
}

void rs_halt(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i))
        return;
    if (t->entry[i].state == EXO_SERVICE_STARTING)
        t->entry[i].state = EXO_SERVICE_STOPPED;
    if (t->entry[i].state == EXO_SERVICE_DYING)
        t->entry[i].after = EXO_SERVICE_STOPPED;
}

void rs_fail(struct rs_table *t, uint32_t i)
{
    if (rs_is(t, i))
        t->entry[i].state = EXO_SERVICE_FAILED;
}

uint32_t rs_restored(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i))
        return EXO_SERVICE_NONE;
    if (t->entry[i].state == EXO_SERVICE_DYING)
        t->entry[i].state = t->entry[i].after;
    return t->entry[i].state;
}

/* ---- the invariants ---------------------------------------------------------------------------- */

static bool times_ok(const struct rs_table *t, const struct rs_entry *e)
{
    uint64_t kept = e->rebirths < EXO_SERVICE_LIMIT_MOST ? e->rebirths : EXO_SERVICE_LIMIT_MOST;
    uint64_t last = 0;

    for (uint64_t k = e->rebirths - kept; k < e->rebirths; k++) {
        uint64_t at = e->at[k % EXO_SERVICE_LIMIT_MOST];

        if (at < last || at > t->now)
            return false;
        last = at;
    }
    return true;
}

static bool after_ok(const struct rs_entry *e)
{
    return e->state != EXO_SERVICE_DYING || e->after == EXO_SERVICE_STARTING ||
           e->after == EXO_SERVICE_STOPPED || e->after == EXO_SERVICE_FAILED;
}

bool rs_table_ok(const struct rs_table *t)
{
    if (t->used > EXO_SERVICES)
        return false;
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        const struct rs_entry *e = &t->entry[i];

        if (e->state == EXO_SERVICE_NONE && e->needs == 0 && e->follows == 0)
            continue;
        if (!rs_is(t, i) || i >= t->used || e->state > EXO_SERVICE_FAILED || !after_ok(e) ||
            !policy_ok(e->policy) || e->hold > EXO_HOLD_ONE || e->limit > EXO_SERVICE_LIMIT_MOST ||
            e->window == 0 || (e->follows & ~e->needs) != 0 || rs_all_needs(t, i) & RS_BIT(i) ||
            (e->state == EXO_SERVICE_RUNNING && !e->loaded) || !times_ok(t, e))
            return false;
        for (uint32_t j = 0; j < EXO_SERVICES; j++) {
            if (e->needs & RS_BIT(j) && !rs_is(t, j))
                return false;
        }
    }
    return true;
}
