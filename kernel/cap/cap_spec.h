/* SPDX-License-Identifier: MIT */
/*
 * What cap.c is proved against: the words of its contracts, in ACSL (Frama-C's specification
 * language). There is no C in this file; doc/assurance.md says how to read and run it.
 *
 * The one idea: every invariant but one speaks of an entry and its neighbour in the list, which a
 * prover sees without induction. The one that is about all pairs is the order of the list itself.
 * It is held in `cap_rank`, a number for each entry that grows along the list: a new entry gets the
 * middle between its neighbours. It is ghost state: it exists in proofs only, and counts as a real
 * number there, so there is always a middle.
 *
 * Trees are stated twice: by representation (depths of neighbours), and by meaning (`below`).
 */
#ifndef KERNEL_CAP_SPEC_H
#define KERNEL_CAP_SPEC_H

#include "cap.h"

/*@ ghost double cap_rank[4294967296]; */

/*@
  // ---- words about one entry ---------------------------------------------------------------------

  predicate subset(integer a, integer b) = (a & b) == a;

  // In the list: the head, capabilities and tombstones.
  predicate listed{L}(struct cap_table *t, integer c) =
    0 <= c < t->fresh && (c == 0 || t->entries[c].type != 0);

  predicate unused{L}(struct cap_table *t, integer c) =
    0 < c < t->fresh && t->entries[c].type == 0;

  predicate dead{L}(struct cap_table *t, integer c) = (t->entries[c].flags & 0x40) == 0x40;

  predicate live{L}(struct cap_table *t, integer c) = c != 0 && listed(t, c) && !dead(t, c);

  // ---- meaning: x comes from a -------------------------------------------------------------------

  // x follows a, and all entries from behind a up to x are deeper than a.
  predicate below{L}(struct cap_table *t, integer a, integer x) =
    listed(t, a) && listed(t, x) && cap_rank[a] < cap_rank[x] &&
    (\forall integer y; listed(t, y) && cap_rank[a] < cap_rank[y] <= cap_rank[x] ==>
       t->entries[y].depth > t->entries[a].depth);

  // ---- invariants --------------------------------------------------------------------------------

  predicate memory_ok{L}(struct cap_table *t) =
    \valid(t) && 1 <= t->fresh <= t->size && 2 <= t->size &&
    \valid(t->entries + (0 .. t->size - 1)) &&
    \separated(t, t->entries + (0 .. t->size - 1));

  // The list's neighbours know each other.
  predicate linked{L}(struct cap_table *t, integer c) =
    listed(t, t->entries[c].next) && listed(t, t->entries[c].prev) &&
    t->entries[t->entries[c].next].prev == c && t->entries[t->entries[c].prev].next == c;

  // The list is one ring, in the order of ranks: nobody stands between an entry and its next.
  predicate list_ok{L}(struct cap_table *t) =
    (\forall integer c; listed(t, c) ==> linked(t, c)) &&
    (\forall integer c; listed(t, c) && c != 0 ==> cap_rank[0] < cap_rank[c]) &&
    (\forall integer c; listed(t, c) && t->entries[c].next != 0 ==>
       cap_rank[c] < cap_rank[t->entries[c].next]) &&
    (\forall integer c, y; listed(t, c) && listed(t, y) && cap_rank[c] < cap_rank[y] ==>
       t->entries[c].next != 0 && cap_rank[t->entries[c].next] <= cap_rank[y]) &&
    (\forall integer c, y; listed(t, c) && listed(t, y) && cap_rank[c] == cap_rank[y] ==> c == y);

  // The free list holds exactly the unused entries but `hole`, in falling order. (No hole: 0.)
  predicate spare{L}(struct cap_table *t, integer c, integer hole) = unused(t, c) && c != hole;

  predicate free_ok{L}(struct cap_table *t, integer hole) =
    (t->free != 0 ==> spare(t, t->free, hole)) &&
    (\forall integer c; spare(t, c, hole) ==>
       t->free != 0 && cap_rank[c] <= cap_rank[t->free] &&
       (t->entries[c].next != 0 ==>
          spare(t, t->entries[c].next, hole) &&
          cap_rank[t->entries[c].next] < cap_rank[c])) &&
    (\forall integer c, y; spare(t, c, hole) && spare(t, y, hole) && cap_rank[y] < cap_rank[c] ==>
       t->entries[c].next != 0 && cap_rank[y] <= cap_rank[t->entries[c].next]) &&
    (\forall integer c, y; spare(t, c, hole) && spare(t, y, hole) && cap_rank[c] == cap_rank[y] ==>
       c == y);

  predicate entry_ok{L}(struct cap_table *t, integer c) =
    t->entries[c].type < 13 && 1 <= t->entries[c].depth <= 4095 &&
    (dead(t, c) ==> t->entries[c].rights == 0);

  predicate head_ok{L}(struct cap_table *t) =
    t->entries[0].type == 0 && t->entries[0].depth == 0 && t->entries[0].flags == 0;

  // Representation: p and the entry n behind it.
  predicate step_ok{L}(struct cap_table *t, integer p, integer n) =
    (dead(t, p) ==> !dead(t, n) && t->entries[n].depth > t->entries[p].depth) &&
    (!dead(t, p) ==> t->entries[n].depth <= t->entries[p].depth + 1);

  predicate origin_ok{L}(struct cap_table *t, integer p, integer n) =
    t->entries[n].depth > 1 ==>
      t->entries[n].type == t->entries[p].type && t->entries[n].object == t->entries[p].object &&
      (!dead(t, p) && t->entries[n].depth > t->entries[p].depth ==>
         subset(t->entries[n].rights, t->entries[p].rights));

  // All that does not speak of depths and rights. One unused entry, `hole`, may be in nobody's list.
  predicate shape_ok{L}(struct cap_table *t, integer hole) =
    memory_ok(t) && head_ok(t) && list_ok(t) && free_ok(t, hole) &&
    (\forall integer c; listed(t, c) && c != 0 ==> entry_ok(t, c));

  predicate pair_ok{L}(struct cap_table *t, integer c) =
    step_ok(t, c, t->entries[c].next) && origin_ok(t, c, t->entries[c].next);

  predicate table_ok{L}(struct cap_table *t) =
    shape_ok(t, 0) && (\forall integer c; listed(t, c) ==> pair_ok(t, c));

  // ---- two states --------------------------------------------------------------------------------

  // What an entry says about authority is the same in A and B.
  predicate same_entry{A,B}(struct cap_table *t, integer c) =
    \at(t->entries[c].type,A) == \at(t->entries[c].type,B) &&
    \at(t->entries[c].depth,A) == \at(t->entries[c].depth,B) &&
    \at(t->entries[c].flags,A) == \at(t->entries[c].flags,B) &&
    \at(t->entries[c].rights,A) == \at(t->entries[c].rights,B) &&
    \at(t->entries[c].object,A) == \at(t->entries[c].object,B) &&
    \at(t->entries[c].badge,A) == \at(t->entries[c].badge,B) &&
    \at(t->entries[c].owner,A) == \at(t->entries[c].owner,B) &&
    \at(t->entries[c].slot,A) == \at(t->entries[c].slot,B) &&
    \at(t->entries[c].lend_next,A) == \at(t->entries[c].lend_next,B) &&
    \at(t->entries[c].revoking,A) == \at(t->entries[c].revoking,B);

  // Nobody but c is another one, or comes from somebody else.
  predicate others_same{A,B}(struct cap_table *t, integer c) =
    \forall integer x; x != c ==>
      (listed{A}(t, x) <==> listed{B}(t, x)) && (listed{A}(t, x) ==> same_entry{A,B}(t, x));

  predicate others_tree{A,B}(struct cap_table *t, integer c) =
    \forall integer a, x; a != c && x != c ==> (below{A}(t, a, x) <==> below{B}(t, a, x));

  // The same between capabilities other than c: tombstones may have gone.
  predicate live_same{A,B}(struct cap_table *t, integer c) =
    \forall integer x; x != c ==>
      (live{A}(t, x) <==> live{B}(t, x)) && (live{A}(t, x) ==> same_entry{A,B}(t, x));

  predicate live_tree{A,B}(struct cap_table *t, integer c) =
    \forall integer a, x; a != c && x != c && live{A}(t, a) && live{A}(t, x) ==>
      (below{A}(t, a, x) <==> below{B}(t, a, x));
*/

#endif
