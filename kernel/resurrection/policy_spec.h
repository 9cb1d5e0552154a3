/* SPDX-License-Identifier: MIT */
/*
 * What policy.c is proved against: the words of its contracts, in ACSL. There is no C in this file;
 * doc/assurance.md says how to read and run it.
 *
 * The one idea: a graph has no cycle if in each set of services there is one that needs nobody of that
 * set. This speaks of sets only, so it needs no order of services to be kept, in the code or beside it.
 */
#ifndef KERNEL_RESURRECTION_POLICY_SPEC_H
#define KERNEL_RESURRECTION_POLICY_SPEC_H

#include "policy.h"

/*@
  // ---- sets --------------------------------------------------------------------------------------

  predicate in(integer j, integer group) = (group & (1 << j)) != 0;

  // Facts about 64-bit words. proofs/bits has Z3 show each of them, for all words.
  lemma one_bit: \forall integer j; 0 <= j < 64 ==> 1 <= (1 << j) <= UINT64_MAX;
  lemma grows: \forall uint64_t a, b;
    (\forall integer j; 0 <= j < 64 && in(j, b) ==> in(j, a)) && a != b ==> a > b;

  axiomatic Bits {
    logic integer members(integer group);
    logic integer lowest(integer group);

    axiom some: \forall uint64_t a; a != 0 ==> 0 <= lowest(a) < 64 && in(lowest(a), a);
    axiom bounds: \forall uint64_t a; 0 <= members(a) <= 64;
    axiom one_less: \forall uint64_t a, b; \forall integer i; 0 <= i < 64 && in(i, a) &&
      (\forall integer j; 0 <= j < 64 ==> (in(j, b) <==> in(j, a) && j != i)) ==>
        members(a) == members(b) + 1;
  }

  // ---- invariants: those at the head of policy.c -------------------------------------------------

  predicate is{L}(struct rs_table *t, integer i) =
    0 <= i < EXO_SERVICES && t->entry[i].state != EXO_SERVICE_NONE;

  predicate range_ok{L}(struct rs_entry *e) =
    e->state <= EXO_SERVICE_FAILED && e->policy <= RS_POLICY_ALWAYS &&
    e->limit <= EXO_SERVICE_LIMIT_MOST && e->window > 0 && e->hold <= EXO_HOLD_ONE &&
    (e->state == EXO_SERVICE_DYING ==> e->after == EXO_SERVICE_STARTING ||
       e->after == EXO_SERVICE_STOPPED || e->after == EXO_SERVICE_FAILED) &&
    (e->state == EXO_SERVICE_RUNNING ==> e->loaded != 0);

  // In a set with a member there is one that needs nobody of the set.
  predicate has_bottom{L}(struct rs_table *t, integer group) =
    (\exists integer i; 0 <= i < EXO_SERVICES && in(i, group)) ==>
      \exists integer j; 0 <= j < EXO_SERVICES && in(j, group) &&
        \forall integer k; 0 <= k < EXO_SERVICES && in(k, group) ==> !in(k, t->entry[j].needs);

  predicate no_cycle{L}(struct rs_table *t) = \forall integer group; has_bottom(t, group);

  predicate kept{L}(struct rs_entry *e, integer k) =
    0 <= k < e->rebirths <= k + EXO_SERVICE_LIMIT_MOST;

  predicate times_ok{L}(struct rs_table *t, struct rs_entry *e) =
    (\forall integer k; kept(e, k) ==> e->at[k % EXO_SERVICE_LIMIT_MOST] <= t->now) &&
    (\forall integer k, l; kept(e, k) && kept(e, l) && k <= l ==>
       e->at[k % EXO_SERVICE_LIMIT_MOST] <= e->at[l % EXO_SERVICE_LIMIT_MOST]);

  predicate used_ok{L}(struct rs_table *t) =
    t->used <= EXO_SERVICES && \forall integer i; is(t, i) ==> i < t->used;

  predicate ranges_ok{L}(struct rs_table *t) =
    \forall integer i; is(t, i) ==> range_ok(&t->entry[i]);

  predicate all_edges_ok{L}(struct rs_table *t) =
    (\forall integer i, j; 0 <= i < EXO_SERVICES && 0 <= j < EXO_SERVICES &&
       in(j, t->entry[i].follows) ==> in(j, t->entry[i].needs)) &&
    (\forall integer i, j; 0 <= i < EXO_SERVICES && 0 <= j < EXO_SERVICES &&
       in(j, t->entry[i].needs) ==>
         t->entry[i].state != EXO_SERVICE_NONE && t->entry[j].state != EXO_SERVICE_NONE);

  predicate all_times_ok{L}(struct rs_table *t) =
    \forall integer i; is(t, i) ==> times_ok(t, &t->entry[i]);

  predicate rs_ok{L}(struct rs_table *t) =
    used_ok(t) && ranges_ok(t) && all_edges_ok(t) && no_cycle(t) && all_times_ok(t);

  // ---- meaning -----------------------------------------------------------------------------------

  predicate at_rest{L}(struct rs_table *t, integer i) =
    t->entry[i].state == EXO_SERVICE_REGISTERED || t->entry[i].state == EXO_SERVICE_STOPPED ||
    t->entry[i].state == EXO_SERVICE_FAILED;

  // What service i needs is in the set.
  predicate needs_within{L}(struct rs_table *t, integer i, integer group) =
    \forall integer j; 0 <= j < EXO_SERVICES && in(j, t->entry[i].needs) ==> in(j, group);

  predicate closed{L}(struct rs_table *t, integer group) =
    \forall integer i; 0 <= i < EXO_SERVICES && in(i, group) ==> needs_within(t, i, group);

  // Runs, or is being reborn.
  predicate up{L}(struct rs_table *t, integer i) =
    t->entry[i].state == EXO_SERVICE_RUNNING ||
    (t->entry[i].state == EXO_SERVICE_DYING && t->entry[i].after == EXO_SERVICE_STARTING);

  // ---- two states --------------------------------------------------------------------------------

  // All but service i are what they were.
  predicate same_but{A,B}(struct rs_table *t, integer i) =
    \forall integer j; 0 <= j < EXO_SERVICES && j != i ==>
      \at(t->entry[j].state,A) == \at(t->entry[j].state,B) &&
      \at(t->entry[j].after,A) == \at(t->entry[j].after,B) &&
      \at(t->entry[j].policy,A) == \at(t->entry[j].policy,B) &&
      \at(t->entry[j].hold,A) == \at(t->entry[j].hold,B) &&
      \at(t->entry[j].loaded,A) == \at(t->entry[j].loaded,B) &&
      \at(t->entry[j].limit,A) == \at(t->entry[j].limit,B) &&
      \at(t->entry[j].window,A) == \at(t->entry[j].window,B) &&
      \at(t->entry[j].rebirths,A) == \at(t->entry[j].rebirths,B) &&
      \at(t->entry[j].needs,A) == \at(t->entry[j].needs,B) &&
      \at(t->entry[j].follows,A) == \at(t->entry[j].follows,B) &&
      \forall integer k; 0 <= k < EXO_SERVICE_LIMIT_MOST ==>
        \at(t->entry[j].at[k],A) == \at(t->entry[j].at[k],B);

  // Steps on the way to `all_times_ok`: which rebirths are still remembered, and that they were when they
  // were.
  predicate times_stay{A,B}(struct rs_table *t) =
    \forall integer j, k; \at(is(t, j) && kept(&t->entry[j], k),B) ==>
      \at(is(t, j) && kept(&t->entry[j], k),A) &&
      \at(t->entry[j].at[k % EXO_SERVICE_LIMIT_MOST],B) ==
        \at(t->entry[j].at[k % EXO_SERVICE_LIMIT_MOST],A);

  // A step on the way to `no_cycle`: what had a bottom has one still.
  predicate bottoms_stay{A,B}(struct rs_table *t) =
    \forall integer group; has_bottom{A}(t, group) ==> has_bottom{B}(t, group);

  predicate same_graph{A,B}(struct rs_table *t) =
    \forall integer i; 0 <= i < EXO_SERVICES ==>
      \at(t->entry[i].needs,A) == \at(t->entry[i].needs,B) &&
      \at(t->entry[i].follows,A) == \at(t->entry[i].follows,B) &&
      (is{A}(t, i) <==> is{B}(t, i));
*/

#endif
