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
 * Proved: doc/assurance.md. Tests: tests/c17/unit/test_kernel_policy.c
 */
#include "policy_spec.h"

/*@ requires i < 64;
    assigns \nothing;
    ensures \forall integer j; 0 <= j < 64 ==> (in(j, \result) <==> in(j, group) || j == i);
*/
static rs_set with(rs_set group, uint32_t i)
{
    return group | RS_BIT(i);
}

/*@ requires i < 64;
    assigns \nothing;
    ensures \forall integer j; 0 <= j < 64 ==> (in(j, \result) <==> in(j, group) && j != i);
*/
static rs_set without(rs_set group, uint32_t i)
{
    return group & ~RS_BIT(i);
}

/*@ assigns \nothing;
    ensures \forall integer j; 0 <= j < 64 ==> (in(j, \result) <==> in(j, a) || in(j, b));
*/
static rs_set both(rs_set a, rs_set b)
{
    return a | b;
}

/*@ requires \valid_read(t);
    assigns \nothing;
    ensures \result <==> is(t, i);
*/
bool rs_is(const struct rs_table *t, uint32_t i)
{
    return i < EXO_SERVICES && t->entry[i].state != EXO_SERVICE_NONE;
}

/*@ assigns \nothing;
    ensures \result <==> policy <= RS_POLICY_ALWAYS;
*/
static bool policy_ok(uint32_t policy)
{
    return policy == RS_POLICY_ALWAYS || policy == RS_POLICY_ON_FAILURE ||
           policy == RS_POLICY_NEVER;
}

/*@ requires \valid_read(t) && i < EXO_SERVICES;
    assigns \nothing;
    ensures \result <==> at_rest(t, i);
*/
static bool rests(const struct rs_table *t, uint32_t i)
{
    uint8_t state = t->entry[i].state;

    return state == EXO_SERVICE_REGISTERED || state == EXO_SERVICE_STOPPED ||
           state == EXO_SERVICE_FAILED;
}

/* A place in the table as new. The times of rebirths are nobody's, as there was none. */
/*@ requires \valid(t) && i < EXO_SERVICES;
    assigns t->entry[i];
    ensures state: t->entry[i].state == state && t->entry[i].policy == policy;
    ensures new: t->entry[i].limit == RS_DEFAULT_LIMIT && t->entry[i].loaded == 0 &&
      t->entry[i].hold == EXO_HOLD_NONE &&
      t->entry[i].window == RS_DEFAULT_WINDOW && t->entry[i].rebirths == 0 &&
      t->entry[i].lives == 0 && t->entry[i].needs == 0 && t->entry[i].follows == 0;
    ensures others: same_but{Pre,Post}(t, i);
*/
static void renew(struct rs_table *t, uint32_t i, uint8_t state, uint8_t policy)
{
    struct rs_entry *e = &t->entry[i];

    e->state = state;
    e->after = EXO_SERVICE_NONE;
    e->policy = policy;
    e->hold = EXO_HOLD_NONE;
    e->loaded = 0;
    e->limit = RS_DEFAULT_LIMIT;
    e->window = RS_DEFAULT_WINDOW;
    e->lives = 0;
    e->rebirths = 0;
    e->needs = 0;
    e->follows = 0;
}

/*@ requires \valid(t);
    assigns *t;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures empty: \forall integer i; !is(t, i);
*/
void rs_init(struct rs_table *t)
{
    /*@ loop invariant 0 <= i <= EXO_SERVICES;
        loop invariant \forall integer j; 0 <= j < i ==>
          t->entry[j].state == EXO_SERVICE_NONE && t->entry[j].needs == 0 &&
          t->entry[j].follows == 0;
        loop assigns i, t->entry[0 .. EXO_SERVICES - 1];
        loop variant EXO_SERVICES - i;
    */
    for (uint32_t i = 0; i < EXO_SERVICES; i++)
        renew(t, i, EXO_SERVICE_NONE, RS_POLICY_NEVER);
    t->used = 0;
    t->now = 0;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[0 .. EXO_SERVICES - 1], t->used;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures taken: \result < EXO_SERVICES ==> !is{Pre}(t, \result) &&
      t->entry[\result].state == EXO_SERVICE_REGISTERED && t->entry[\result].policy == policy;
    ensures full: \result == RS_NOBODY ==>
      policy > RS_POLICY_ALWAYS || \forall integer i; 0 <= i < EXO_SERVICES ==> is(t, i);
    ensures others: same_but{Pre,Post}(t, \result);
    ensures \result <= RS_NOBODY;
*/
uint32_t rs_add(struct rs_table *t, uint32_t policy)
{
    uint32_t free = RS_NOBODY;

    if (!policy_ok(policy))
        return RS_NOBODY;
    /*@ loop invariant 0 <= i <= EXO_SERVICES;
        loop invariant free == RS_NOBODY || (free < EXO_SERVICES && !is(t, free));
        loop invariant free == RS_NOBODY ==> \forall integer j; 0 <= j < i ==> is(t, j);
        loop assigns i, free;
        loop variant EXO_SERVICES - i;
    */
    for (uint32_t i = 0; i < EXO_SERVICES && free == RS_NOBODY; i++) {
        if (t->entry[i].state == EXO_SERVICE_NONE)
            free = i;
    }
    if (free == RS_NOBODY)
        return RS_NOBODY;
    renew(t, free, EXO_SERVICE_REGISTERED, (uint8_t)policy);
    if (free >= t->used)
        t->used = free + 1;
    //@ assert none: \forall integer j; 0 <= j < EXO_SERVICES ==> !in(j, t->entry[free].needs);
    //@ assert none2: \forall integer j; 0 <= j < EXO_SERVICES ==> !in(j, t->entry[free].follows);
    //@ assert others: same_but{Pre,Here}(t, free);
    /*@ assert nobody: \forall integer i; 0 <= i < EXO_SERVICES ==>
          !in(\at(free,Here), \at(t->entry[i].needs,Pre)); */
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
    /*@ assert fewer: \forall integer i, j; 0 <= i < EXO_SERVICES && 0 <= j < EXO_SERVICES &&
          in(j, t->entry[i].needs) ==>
          i != \at(free,Here) && j != \at(free,Here) && in(j, \at(t->entry[i].needs,Pre)); */
    //@ assert edges: all_edges_ok(t);
    //@ assert in_range: range_ok(&t->entry[free]);
    /*@ assert in_ranges: \forall integer i; is(t, i) && i != \at(free,Here) ==>
          range_ok(&t->entry[i]); */
    //@ assert times: times_stay{Pre,Here}(t);
    return free;
}

/* Does anybody need service i directly? */
/*@ requires \valid_read(t) && i < EXO_SERVICES;
    assigns \nothing;
    ensures \result <==>
      \exists integer j; 0 <= j < EXO_SERVICES && in(i, t->entry[j].needs);
*/
static bool is_needed(const struct rs_table *t, uint32_t i)
{
    bool needed = false;

    /*@ loop invariant 0 <= j <= EXO_SERVICES;
        loop invariant needed <==> \exists integer k; 0 <= k < j && in(i, t->entry[k].needs);
        loop assigns j, needed;
        loop variant EXO_SERVICES - j;
    */
    for (uint32_t j = 0; j < EXO_SERVICES; j++) {
        if (t->entry[j].needs & RS_BIT(i))
            needed = true;
    }
    return needed;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i];
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures gone: \result ==> !is(t, i) && is{Pre}(t, i) && at_rest{Pre}(t, i);
    ensures needed: \result ==> \forall integer j; 0 <= j < EXO_SERVICES ==>
      !in(i, t->entry[j].needs);
    ensures refused: !\result ==> same_but{Pre,Post}(t, -1);
*/
bool rs_remove(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i) || !rests(t, i) || is_needed(t, i))
        return false;
    renew(t, i, EXO_SERVICE_NONE, RS_POLICY_NEVER);
    //@ assert others: same_but{Pre,Here}(t, i);
    //@ assert none: \forall integer j; 0 <= j < EXO_SERVICES ==> !in(j, t->entry[i].needs);
    //@ assert none2: \forall integer j; 0 <= j < EXO_SERVICES ==> !in(j, t->entry[i].follows);
    //@ assert nobody: \forall integer k; 0 <= k < EXO_SERVICES ==> !in(i, t->entry[k].needs);
    /*@ assert fewer: \forall integer j, k; 0 <= j < EXO_SERVICES && 0 <= k < EXO_SERVICES &&
          in(k, t->entry[j].needs) ==> in(k, \at(t->entry[j].needs,Pre)); */
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
    //@ assert times: times_stay{Pre,Here}(t);
    return true;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].policy;
    ensures ranges: ranges_ok(t);
    ensures set: \result <==> is(t, i) && policy <= RS_POLICY_ALWAYS;
    ensures \result ==> t->entry[i].policy == policy;
    ensures refused: !\result && i < EXO_SERVICES ==>
      t->entry[i].policy == \old(t->entry[i].policy);
*/
bool rs_set_policy(struct rs_table *t, uint32_t i, uint32_t policy)
{
    if (!rs_is(t, i) || !policy_ok(policy))
        return false;
    t->entry[i].policy = (uint8_t)policy;
    return true;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].limit, t->entry[i].window;
    ensures ranges: ranges_ok(t);
    ensures times: all_times_ok(t);
    ensures graph: same_graph{Pre,Post}(t);
    ensures set: \result <==> is(t, i) && limit <= EXO_SERVICE_LIMIT_MOST && window > 0;
    ensures \result ==> t->entry[i].limit == limit && t->entry[i].window == window;
*/
bool rs_set_limit(struct rs_table *t, uint32_t i, uint32_t limit, uint64_t window)
{
    if (!rs_is(t, i) || limit > EXO_SERVICE_LIMIT_MOST || window == 0)
        return false;
    t->entry[i].limit = limit;
    t->entry[i].window = window;
    return true;
}

/*@ requires \valid(t) && rs_ok(t);
    requires running: is(t, i) && t->entry[i].state == EXO_SERVICE_RUNNING ==> loaded;
    assigns t->entry[i].loaded;
    ensures ranges: ranges_ok(t);
*/
void rs_set_loaded(struct rs_table *t, uint32_t i, bool loaded)
{
    if (rs_is(t, i))
        t->entry[i].loaded = loaded;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].hold;
    ensures ranges: ranges_ok(t);
    ensures set: \result <==> is(t, i) && hold <= EXO_HOLD_ONE;
    ensures \result ==> t->entry[i].hold == hold;
    ensures refused: !\result && i < EXO_SERVICES ==> t->entry[i].hold == \old(t->entry[i].hold);
*/
bool rs_hold(struct rs_table *t, uint32_t i, uint32_t hold)
{
    if (!rs_is(t, i) || hold > EXO_HOLD_ONE)
        return false;
    t->entry[i].hold = (uint8_t)hold;
    return true;
}

/*@ requires \valid_read(t);
    assigns \nothing;
    ensures \result <==> is(t, i) && at_rest(t, i);
*/
bool rs_at_rest(const struct rs_table *t, uint32_t i)
{
    return rs_is(t, i) && rests(t, i);
}

/* ---- the graph --------------------------------------------------------------------------------- */

/* Each turn adds what the set's members need, until there is nothing to add: at most EXO_SERVICES turns. */
/*@ requires \valid_read(t) && rs_ok(t);
    assigns \nothing;
    ensures direct: is(t, i) ==> needs_within(t, i, \result);
    ensures closed: closed(t, \result);
    ensures least: \forall integer group;
      is(t, i) && closed(t, group) && needs_within(t, i, group) ==>
        \forall integer j; 0 <= j < EXO_SERVICES && in(j, \result) ==> in(j, group);
    ensures there: \forall integer j; 0 <= j < EXO_SERVICES && in(j, \result) ==> is(t, j);
    ensures none: !is(t, i) ==> \result == 0;
*/
rs_set rs_all_needs(const struct rs_table *t, uint32_t i)
{
    rs_set all = rs_is(t, i) ? t->entry[i].needs : 0, before = 0;

    /*@ loop invariant direct: is(t, i) ==> needs_within(t, i, all);
        loop invariant none: !is(t, i) ==> all == 0;
        loop invariant more: \forall integer j; 0 <= j < EXO_SERVICES && in(j, before) ==> in(j, all);
        loop invariant closing: \forall integer j; 0 <= j < EXO_SERVICES && in(j, before) ==>
          needs_within(t, j, all);
        loop invariant least: \forall integer group;
          is(t, i) && closed(t, group) && needs_within(t, i, group) ==>
            \forall integer j; 0 <= j < EXO_SERVICES && in(j, all) ==> in(j, group);
        loop invariant there: \forall integer j; 0 <= j < EXO_SERVICES && in(j, all) ==> is(t, j);
        loop assigns all, before;
        loop variant UINT64_MAX - before;
    */
    while (all != before) {
        before = all;
        /*@ loop invariant 0 <= j <= EXO_SERVICES;
            loop invariant none: !is(t, i) ==> all == 0;
            loop invariant more: \forall integer k; 0 <= k < EXO_SERVICES && in(k, before) ==>
              in(k, all);
            loop invariant closing: \forall integer k; 0 <= k < j && in(k, before) ==>
              needs_within(t, k, all);
            loop invariant least: \forall integer group;
              is(t, i) && closed(t, group) && needs_within(t, i, group) ==>
                \forall integer k; 0 <= k < EXO_SERVICES && in(k, all) ==> in(k, group);
            loop invariant there: \forall integer k; 0 <= k < EXO_SERVICES && in(k, all) ==> is(t, k);
            loop assigns j, all;
            loop variant EXO_SERVICES - j;
        */
        for (uint32_t j = 0; j < EXO_SERVICES; j++) {
            /*@ assert step: \forall integer group; is(t, i) && closed(t, group) &&
                  needs_within(t, i, group) && in(j, before) ==> needs_within(t, j, group); */
            if (before & RS_BIT(j))
                all = both(all, t->entry[j].needs);
            /*@ assert added: \forall integer k; 0 <= k < EXO_SERVICES && in(k, all) ==>
                  in(k, \at(all,LoopCurrent)) ||
                  (in(j, before) && in(k, t->entry[\at(j,Here)].needs)); */
        }
    }
    return all;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].needs, t->entry[i].follows;
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures added: \result ==> is(t, i) && is(t, on) && in(on, t->entry[i].needs) &&
      (in(on, t->entry[i].follows) <==> follow);
    ensures others: \result ==> \forall integer j; 0 <= j < EXO_SERVICES && j != on ==>
      (in(j, t->entry[i].needs) <==> in(j, \old(t->entry[i].needs))) &&
      (in(j, t->entry[i].follows) <==> in(j, \old(t->entry[i].follows)));
    ensures refused: !\result ==> same_graph{Pre,Post}(t);
    ensures cycle: !\result && is(t, i) && is(t, on) && i != on ==> \forall integer group;
      closed(t, group) && needs_within(t, on, group) ==> in(i, group);
*/
bool rs_depend(struct rs_table *t, uint32_t i, uint32_t on, bool follow)
{
    struct rs_entry *e;
    rs_set all, below;

    if (!rs_is(t, i) || !rs_is(t, on))
        return false;
    all = rs_all_needs(t, on);
    below = with(all, on);
    //@ assert before: closed(t, below);
    if (below & RS_BIT(i))
        return false;
    e = &t->entry[i];
    e->needs = with(e->needs, on);
    e->follows = follow ? with(e->follows, on) : without(e->follows, on);
    //@ assert others: same_but{Pre,Here}(t, i);
    /*@ assert graph: \forall integer j, k; 0 <= j < EXO_SERVICES && 0 <= k < EXO_SERVICES ==>
          (in(k, t->entry[j].needs) <==>
             in(k, \at(t->entry[j].needs,Pre)) || (j == i && k == on)); */
    //@ assert apart: in(on, below) && !in(i, below);
    //@ assert closed: closed(t, below);
    //@ assert acyclic: no_cycle{Pre}(t);
    //@ assert inside: \forall integer group; has_bottom{Pre}(t, group & below);
    /*@ assert meets: \forall integer group; \forall integer j; in(j, group) && in(j, below) &&
          0 <= j < EXO_SERVICES ==> has_bottom(t, group); */
    /*@ assert misses: \forall integer group;
          (\forall integer j; 0 <= j < EXO_SERVICES && in(j, group) ==> !in(j, below)) ==>
            has_bottom(t, group); */
    return true;
}

/*@ requires \valid_read(t);
    assigns \nothing;
    ensures \forall integer j; 0 <= j < EXO_SERVICES ==> (in(j, \result) <==> is(t, j));
*/
static rs_set everybody(const struct rs_table *t)
{
    rs_set all = 0;

    /*@ loop invariant 0 <= i <= EXO_SERVICES;
        loop invariant \forall integer j; 0 <= j < EXO_SERVICES ==>
          (in(j, all) <==> j < i && is(t, j));
        loop assigns i, all;
        loop variant EXO_SERVICES - i;
    */
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (t->entry[i].state != EXO_SERVICE_NONE)
            all |= RS_BIT(i);
    }
    return all;
}

/* The first of a set that needs nobody of it. */
/*@ requires \valid_read(t) && no_cycle(t);
    assigns \nothing;
    ensures one: \result < EXO_SERVICES ==> in(\result, group) &&
      \forall integer k; 0 <= k < EXO_SERVICES && in(k, group) ==>
        !in(k, t->entry[\result].needs);
    ensures none: \result == RS_NOBODY ==>
      \forall integer k; 0 <= k < EXO_SERVICES ==> !in(k, group);
    ensures \result <= RS_NOBODY;
*/
static uint32_t bottom(const struct rs_table *t, rs_set group)
{
    /*@ loop invariant 0 <= i <= EXO_SERVICES;
        loop invariant passed: \forall integer j; 0 <= j < i && in(j, group) ==>
          \exists integer k; 0 <= k < EXO_SERVICES && in(k, t->entry[j].needs) && in(k, group);
        loop assigns i;
        loop variant EXO_SERVICES - i;
    */
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        rs_set inside = t->entry[i].needs & group;

        /*@ assert both: \forall integer k; 0 <= k < EXO_SERVICES ==>
              (in(k, inside) <==> in(k, t->entry[i].needs) && in(k, group)); */
        /*@ assert some: inside != 0 ==>
              0 <= lowest(inside) < EXO_SERVICES && in(lowest(inside), inside); */
        if (group & RS_BIT(i) && inside == 0)
            return i;
    }
    //@ assert bottom: has_bottom(t, group);
    return RS_NOBODY;
}

/*@ requires \valid_read(t) && \valid(order + (0 .. EXO_SERVICES - 1)) && rs_ok(t);
    requires \separated(t, order + (0 .. EXO_SERVICES - 1));
    assigns order[0 .. EXO_SERVICES - 1];
    ensures most: \result <= EXO_SERVICES;
    ensures there: \forall integer k; 0 <= k < \result ==> is{Pre}(t, order[k]);
    ensures all: \forall integer j; is{Pre}(t, j) ==>
      \exists integer k; 0 <= k < \result && order[k] == j;
    ensures once: \forall integer k, m; 0 <= m < k < \result ==> order[k] != order[m];
    ensures topological: \forall integer k, m; 0 <= k <= m < \result ==>
      !in(order[m], t->entry[order[k]].needs);
*/
uint32_t rs_order(const struct rs_table *t, uint8_t order[EXO_SERVICES])
{
    rs_set left = everybody(t);
    uint32_t count = 0;
    uint32_t next = bottom(t, left);

    /*@ loop invariant count: 0 <= count && count + members(left) <= 64;
        loop invariant next: next == RS_NOBODY || (next < EXO_SERVICES && in(next, left) &&
          \forall integer j; 0 <= j < EXO_SERVICES && in(j, left) ==>
            !in(j, t->entry[next].needs));
        loop invariant end: next == RS_NOBODY ==>
          \forall integer j; 0 <= j < EXO_SERVICES ==> !in(j, left);
        loop invariant left: \forall integer j; 0 <= j < EXO_SERVICES && in(j, left) ==> is{Pre}(t, j);
        loop invariant there: \forall integer k; 0 <= k < count ==>
          is{Pre}(t, order[k]) && !in(order[k], left);
        loop invariant all: \forall integer j; is{Pre}(t, j) && !in(j, left) ==>
          \exists integer k; 0 <= k < count && order[k] == j;
        loop invariant once: \forall integer k, m; 0 <= m < k < count ==> order[k] != order[m];
        loop invariant behind: \forall integer k, j; 0 <= k < count && 0 <= j < EXO_SERVICES &&
          in(j, left) ==> !in(j, t->entry[order[k]].needs);
        loop invariant topological: \forall integer k, m; 0 <= k <= m < count ==>
          !in(order[m], t->entry[order[k]].needs);
        loop assigns left, count, next, order[0 .. EXO_SERVICES - 1];
        loop variant members(left);
    */
    while (next != RS_NOBODY) {
        rs_set rest = without(left, next);

        //@ assert fewer: members(left) == members(rest) + 1;
        //@ assert fresh: \forall integer k; 0 <= k < count ==> order[k] != next;
        //@ assert waits: \forall integer k; 0 <= k < count ==> !in(next, t->entry[order[k]].needs);
        //@ assert itself: !in(next, t->entry[next].needs);
        order[count] = (uint8_t)next;
        //@ assert same: \forall integer k; 0 <= k < count ==> order[k] == \at(order[k],LoopCurrent);
        //@ assert placed: order[count] == next;
        /*@ assert all: \forall integer j; is{Pre}(t, j) && !in(j, rest) && j != next ==>
              \exists integer k; 0 <= k < count && order[k] == j; */
        count++;
        /*@ assert last: \forall integer k; 0 <= k < count ==>
              !in(order[count - 1], t->entry[order[k]].needs); */
        /*@ assert earlier: \forall integer k, m; 0 <= k <= m < count - 1 ==>
              !in(order[m], t->entry[order[k]].needs); */
        left = rest;
        next = bottom(t, left);
    }
    return count;
}

/* ---- starting ---------------------------------------------------------------------------------- */

/* What one service's start changes in its own entry. True if it became STARTING. */
/*@ requires \valid(t) && i < EXO_SERVICES && rs_ok(t) && is(t, i);
    assigns t->entry[i].state, t->entry[i].after, t->entry[i].rebirths;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures same: same_graph{Pre,Post}(t);
    ensures times: all_times_ok(t);
    ensures began: \result <==> at_rest{Pre}(t, i);
    ensures starts: at_rest{Pre}(t, i) ==> t->entry[i].state == EXO_SERVICE_STARTING;
    ensures stays: !at_rest{Pre}(t, i) ==> t->entry[i].state == \old(t->entry[i].state);
    ensures dying: t->entry[i].state == EXO_SERVICE_DYING ==>
      t->entry[i].after == EXO_SERVICE_STARTING;
    ensures count: t->entry[i].rebirths ==
      (\old(t->entry[i].state) == EXO_SERVICE_FAILED ? 0 : \old(t->entry[i].rebirths));
*/
static bool want_one(struct rs_table *t, uint32_t i)
{
    struct rs_entry *e = &t->entry[i];
    bool fresh = rests(t, i);

    if (e->state == EXO_SERVICE_FAILED)
        e->rebirths = 0;
    if (fresh)
        e->state = EXO_SERVICE_STARTING;
    if (e->state == EXO_SERVICE_DYING)
        e->after = EXO_SERVICE_STARTING;
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
    return fresh;
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[0 .. EXO_SERVICES - 1];
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures same: same_graph{Pre,Post}(t);
    ensures times: all_times_ok(t);
    ensures wanted: is(t, i) ==> !at_rest(t, i);
    ensures needed: is(t, i) ==> \forall integer j; 0 <= j < EXO_SERVICES &&
      in(j, t->entry[i].needs) ==> !at_rest(t, j);
    ensures began: \forall integer j; 0 <= j < EXO_SERVICES ==>
      (in(j, \result) <==> is(t, j) && at_rest{Pre}(t, j) && !at_rest(t, j));
    ensures refused: !is(t, i) ==> \result == 0;
*/
rs_set rs_want(struct rs_table *t, uint32_t i)
{
    rs_set wanted, began = 0;

    if (!rs_is(t, i))
        return 0;
    wanted = with(rs_all_needs(t, i), i);
    /*@ assert wanted: \forall integer j; 0 <= j < EXO_SERVICES && in(j, wanted) ==> is(t, j); */
    /*@ loop invariant 0 <= j <= EXO_SERVICES;
        loop invariant used: used_ok(t);
        loop invariant ranges: ranges_ok(t);
        loop invariant edges: all_edges_ok(t);
        loop invariant graph: no_cycle(t);
        loop invariant same: same_graph{Pre,Here}(t);
        loop invariant times: all_times_ok(t);
        loop invariant later: \forall integer k; j <= k < EXO_SERVICES ==>
          t->entry[k].state == \at(t->entry[k].state,Pre);
        loop invariant done: \forall integer k; 0 <= k < j && in(k, wanted) ==> !at_rest(t, k);
        loop invariant began: \forall integer k; 0 <= k < EXO_SERVICES ==>
          (in(k, began) <==> k < j && is(t, k) && at_rest{Pre}(t, k) && !at_rest(t, k));
        loop assigns j, began, t->entry[0 .. EXO_SERVICES - 1];
        loop variant EXO_SERVICES - j;
    */
    for (uint32_t j = 0; j < EXO_SERVICES; j++) {
        //@ assert ok: rs_ok(t);
        //@ assert there: in(j, wanted) ==> is(t, j);
        if (wanted & RS_BIT(j) && want_one(t, j))
            began = with(began, j);
        /*@ assert others: \forall integer k; 0 <= k < EXO_SERVICES && k != j ==>
              t->entry[k].state == \at(t->entry[k].state,LoopCurrent); */
        /*@ assert others_began: \forall integer k; 0 <= k < EXO_SERVICES && k != j ==>
              (in(k, began) <==> in(k, \at(began,LoopCurrent))); */
        /*@ assert mine: in(j, began) <==> is(t, j) && at_rest{Pre}(t, j) && !at_rest(t, j); */
    }
    return began;
}

/* Those that run. One that is being reborn counts as there: it will answer, or everybody is told. */
/*@ requires \valid_read(t) && rs_ok(t);
    assigns \nothing;
    ensures \forall integer j; 0 <= j < EXO_SERVICES ==> (in(j, \result) <==> up(t, j));
*/
static rs_set there(const struct rs_table *t)
{
    rs_set group = 0;

    /*@ loop invariant 0 <= i <= t->used;
        loop invariant \forall integer j; 0 <= j < EXO_SERVICES ==>
          (in(j, group) <==> j < i && up(t, j));
        loop assigns i, group;
        loop variant t->used - i;
    */
    for (uint32_t i = 0; i < t->used; i++) {
        const struct rs_entry *e = &t->entry[i];

        if (e->state == EXO_SERVICE_RUNNING ||
            (e->state == EXO_SERVICE_DYING && e->after == EXO_SERVICE_STARTING))
            group |= RS_BIT(i);
    }
    //@ assert beyond: \forall integer j; t->used <= j < EXO_SERVICES ==> !is(t, j);
    return group;
}

/*@ requires \valid_read(t) && rs_ok(t);
    assigns \nothing;
    ensures ready: \result < EXO_SERVICES ==>
      t->entry[\result].state == EXO_SERVICE_STARTING && t->entry[\result].loaded != 0 &&
      t->entry[\result].hold != EXO_HOLD_LIVES &&
      \forall integer j; 0 <= j < EXO_SERVICES && in(j, t->entry[\result].needs) ==> up(t, j);
    ensures first: \forall integer i; 0 <= i < \result && i < EXO_SERVICES &&
      t->entry[i].state == EXO_SERVICE_STARTING && t->entry[i].loaded != 0 &&
      t->entry[i].hold != EXO_HOLD_LIVES ==>
        \exists integer j; 0 <= j < EXO_SERVICES && in(j, t->entry[i].needs) && !up(t, j);
    ensures \result <= RS_NOBODY;
*/
uint32_t rs_next_to_run(const struct rs_table *t)
{
    rs_set up = there(t);

    /*@ loop invariant 0 <= i <= t->used;
        loop invariant passed: \forall integer k; 0 <= k < i &&
          t->entry[k].state == EXO_SERVICE_STARTING && t->entry[k].loaded != 0 &&
          t->entry[k].hold != EXO_HOLD_LIVES ==>
            \exists integer j; 0 <= j < EXO_SERVICES && in(j, t->entry[k].needs) && !up(t, j);
        loop assigns i;
        loop variant t->used - i;
    */
    for (uint32_t i = 0; i < t->used; i++) {
        const struct rs_entry *e = &t->entry[i];
        rs_set lacks = e->needs & ~up;

        /*@ assert lacks: \forall integer j; 0 <= j < EXO_SERVICES ==>
              (in(j, lacks) <==> in(j, t->entry[i].needs) && !up(t, j)); */
        /*@ assert some: lacks != 0 ==>
              0 <= lowest(lacks) < EXO_SERVICES && in(lowest(lacks), lacks); */
        if (e->state == EXO_SERVICE_STARTING && e->loaded && e->hold != EXO_HOLD_LIVES &&
            lacks == 0)
            return i;
    }
    return RS_NOBODY;
}

/*@ requires \valid(t) && rs_ok(t);
    requires old: i < EXO_SERVICES ==> t->entry[i].lives < UINT64_MAX;
    assigns t->entry[i].state, t->entry[i].lives, t->entry[i].hold;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures runs: \result <==> i < EXO_SERVICES && t->entry[i].loaded != 0 &&
      \old(t->entry[i].state) == EXO_SERVICE_STARTING && \old(t->entry[i].hold) != EXO_HOLD_LIVES;
    ensures \result ==> t->entry[i].state == EXO_SERVICE_RUNNING &&
      t->entry[i].lives == \old(t->entry[i].lives) + 1;
    ensures refused: !\result && i < EXO_SERVICES ==>
      t->entry[i].state == \old(t->entry[i].state);
*/
bool rs_run(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i) || t->entry[i].state != EXO_SERVICE_STARTING || !t->entry[i].loaded ||
        t->entry[i].hold == EXO_HOLD_LIVES)
        return false;
    if (t->entry[i].hold == EXO_HOLD_ONE)
        t->entry[i].hold = EXO_HOLD_LIVES;
    t->entry[i].state = EXO_SERVICE_RUNNING;
    t->entry[i].lives++;
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
    return true;
}

/* ---- death ------------------------------------------------------------------------------------- */

/* Would one more rebirth now stay within the limit? The one `limit` rebirths ago must be `window` old.
 * `now` is not earlier than any of them. */
/*@ requires \valid_read(e) && e->limit <= EXO_SERVICE_LIMIT_MOST;
    requires past: \forall integer k; kept(e, k) ==> e->at[k % EXO_SERVICE_LIMIT_MOST] <= now;
    requires order: \forall integer k, l; kept(e, k) && kept(e, l) && k <= l ==>
       e->at[k % EXO_SERVICE_LIMIT_MOST] <= e->at[l % EXO_SERVICE_LIMIT_MOST];
    assigns \nothing;
    ensures within: \result && e->limit > 0 ==>
      \forall integer k; kept(e, k) && k + e->limit <= e->rebirths ==>
        now - e->at[k % EXO_SERVICE_LIMIT_MOST] >= e->window;
    ensures beyond: !\result ==> e->limit > 0 &&
      \forall integer k; kept(e, k) && k + e->limit >= e->rebirths ==>
        now - e->at[k % EXO_SERVICE_LIMIT_MOST] < e->window;
*/
static bool within_limit(const struct rs_entry *e, uint64_t now)
{
    uint64_t first;

    if (e->limit == 0 || e->rebirths < e->limit)
        return true;
    first = e->rebirths - e->limit;
    //@ assert first: kept(e, first);
    return now - e->at[first % EXO_SERVICE_LIMIT_MOST] >= e->window;
}

/*@ requires \valid_read(e) && e->limit <= EXO_SERVICE_LIMIT_MOST;
    requires past: \forall integer k; kept(e, k) ==> e->at[k % EXO_SERVICE_LIMIT_MOST] <= now;
    requires order: \forall integer k, l; kept(e, k) && kept(e, l) && k <= l ==>
       e->at[k % EXO_SERVICE_LIMIT_MOST] <= e->at[l % EXO_SERVICE_LIMIT_MOST];
    assigns \nothing;
    ensures state: \result == EXO_SERVICE_STARTING || \result == EXO_SERVICE_STOPPED ||
      \result == EXO_SERVICE_FAILED;
    ensures again: \result == EXO_SERVICE_STARTING ==>
      wanted || e->policy == RS_POLICY_ALWAYS || (e->policy == RS_POLICY_ON_FAILURE && !success);
    ensures within: \result == EXO_SERVICE_STARTING && counts && e->limit > 0 ==>
      \forall integer k; kept(e, k) && k + e->limit <= e->rebirths ==>
        now - e->at[k % EXO_SERVICE_LIMIT_MOST] >= e->window;
    ensures lives: wanted && !counts ==> \result == EXO_SERVICE_STARTING;
    ensures free: e->limit == 0 && e->policy == RS_POLICY_ALWAYS ==>
      \result == EXO_SERVICE_STARTING;
    ensures stops: \result == EXO_SERVICE_STOPPED ==> success;
*/
static uint8_t after_death(const struct rs_entry *e, bool success, bool counts, bool wanted,
                           uint64_t now)
{
    bool again =
        wanted || e->policy == RS_POLICY_ALWAYS || (e->policy == RS_POLICY_ON_FAILURE && !success);

    if (!again)
        return success ? EXO_SERVICE_STOPPED : EXO_SERVICE_FAILED;
    return !counts || within_limit(e, now) ? EXO_SERVICE_STARTING : EXO_SERVICE_FAILED;
}

/*@ requires \valid(t) && rs_ok(t);
    requires old: i < EXO_SERVICES ==> t->entry[i].rebirths < UINT64_MAX;
    assigns t->now, t->entry[i].state, t->entry[i].after, t->entry[i].rebirths,
            t->entry[i].at[0 .. EXO_SERVICE_LIMIT_MOST - 1];
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures clock: t->now >= \old(t->now);
    ensures dying: is(t, i) && \old(t->entry[i].state) == EXO_SERVICE_RUNNING ==>
      t->entry[i].state == EXO_SERVICE_DYING;
    ensures others: i < EXO_SERVICES && \old(t->entry[i].state) != EXO_SERVICE_RUNNING ==>
      t->entry[i].state == \old(t->entry[i].state) &&
      t->entry[i].rebirths == \old(t->entry[i].rebirths) && t->now == \old(t->now);
    ensures window: is(t, i) && t->entry[i].rebirths > \old(t->entry[i].rebirths) &&
      t->entry[i].limit > 0 ==>
        \forall integer k; kept{Pre}(&t->entry[i], k) &&
          k + t->entry[i].limit <= \old(t->entry[i].rebirths) ==>
            t->now - \old(t->entry[i].at[k % EXO_SERVICE_LIMIT_MOST]) >= t->entry[i].window;
    ensures counted: is(t, i) && counts && \old(t->entry[i].state) == EXO_SERVICE_RUNNING &&
      t->entry[i].after == EXO_SERVICE_STARTING ==>
        t->entry[i].rebirths == \old(t->entry[i].rebirths) + 1 &&
        t->entry[i].at[\old(t->entry[i].rebirths) % EXO_SERVICE_LIMIT_MOST] == t->now;
*/
void rs_died(struct rs_table *t, uint32_t i, bool success, bool counts, bool wanted, uint64_t now)
{
    struct rs_entry *e;

    if (!rs_is(t, i) || t->entry[i].state != EXO_SERVICE_RUNNING)
        return;
    e = &t->entry[i];
    if (now > t->now)
        t->now = now;
    e->state = EXO_SERVICE_DYING;
    e->after = after_death(e, success, counts, wanted, t->now);
    if (counts && e->after == EXO_SERVICE_STARTING) {
        e->at[e->rebirths % EXO_SERVICE_LIMIT_MOST] = t->now;
        e->rebirths++;
    }
    /*@ assert apart: \forall integer k, l; k < l < k + EXO_SERVICE_LIMIT_MOST && 0 <= k ==>
          k % EXO_SERVICE_LIMIT_MOST != l % EXO_SERVICE_LIMIT_MOST; */
    /*@ assert earlier: \forall integer k; kept(e, k) && k < \at(t->entry[i].rebirths,Pre) ==>
          kept{Pre}(e, k) && e->at[k % EXO_SERVICE_LIMIT_MOST] ==
            \at(t->entry[i].at[k % EXO_SERVICE_LIMIT_MOST],Pre); */
    /*@ assert last: \forall integer k; kept(e, k) && k >= \at(t->entry[i].rebirths,Pre) ==>
          e->at[k % EXO_SERVICE_LIMIT_MOST] == t->now; */
    //@ assert mine: times_ok(t, e);
    /*@ assert others: \forall integer j; is(t, j) && j != i ==> times_ok(t, &t->entry[j]); */
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].state, t->entry[i].after;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures halted: is(t, i) ==> t->entry[i].state != EXO_SERVICE_STARTING &&
      (t->entry[i].state == EXO_SERVICE_DYING ==> t->entry[i].after == EXO_SERVICE_STOPPED);
*/
void rs_halt(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i))
        return;
    if (t->entry[i].state == EXO_SERVICE_STARTING)
        t->entry[i].state = EXO_SERVICE_STOPPED;
    if (t->entry[i].state == EXO_SERVICE_DYING)
        t->entry[i].after = EXO_SERVICE_STOPPED;
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].state;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures failed: is(t, i) ==> t->entry[i].state == EXO_SERVICE_FAILED;
*/
void rs_fail(struct rs_table *t, uint32_t i)
{
    if (rs_is(t, i))
        t->entry[i].state = EXO_SERVICE_FAILED;
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
}

/*@ requires \valid(t) && rs_ok(t);
    assigns t->entry[i].state;
    ensures used: used_ok(t);
    ensures ranges: ranges_ok(t);
    ensures edges: all_edges_ok(t);
    ensures graph: no_cycle(t);
    ensures times: all_times_ok(t);
    ensures over: is(t, i) ==> \result == t->entry[i].state && \result == 
      (\old(t->entry[i].state) == EXO_SERVICE_DYING ? \old(t->entry[i].after)
                                                    : \old(t->entry[i].state));
    ensures none: !is(t, i) ==> \result == EXO_SERVICE_NONE;
*/
uint32_t rs_restored(struct rs_table *t, uint32_t i)
{
    if (!rs_is(t, i))
        return EXO_SERVICE_NONE;
    if (t->entry[i].state == EXO_SERVICE_DYING)
        t->entry[i].state = t->entry[i].after;
    //@ assert same: same_graph{Pre,Here}(t);
    //@ assert bottoms: bottoms_stay{Pre,Here}(t);
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
