/* SPDX-License-Identifier: MIT */
/*
 * The derivation tree as one list.
 *
 * "x is a descendant of a" means: x follows a in the list and everything from a's next entry up to
 * x is deeper than a. Entries are inserted only where that gives nobody a false ancestor: a child
 * directly behind its parent, a copy directly in front of its source.
 *
 * Tombstones. If a deleted entry with descendants were simply unlinked, an older sibling in front
 * of it would adopt them, and revoking that sibling would kill what never came from it. So the
 * deleted entry stays as a tombstone (CAP_DEAD): no slot owns it, it has no rights, no call
 * accepts it, and it keeps its descendants apart. One whose list predecessor is a tombstone above
 * it is not needed: that one keeps them apart too, because nothing is ever inserted behind a
 * tombstone except copies of what it keeps. Such pairs are merged at once. So a tombstone never
 * stands on another one, delete removes at most two entries, and tombstones never outnumber
 * capabilities: a table of 2 * n + 1 entries always has room for n capabilities.
 *
 * Invariants (cap_table_ok checks them). For an entry p and its list successor n (the head, of
 * depth 0, comes before the first and after the last):
 *   links       prev of n is p; the list holds exactly the `live` capabilities and the `dead`
 *               tombstones; every other entry below `fresh` is on the free list; no entry from
 *               `fresh` on was ever written.
 *   step        p is no tombstone: depth(n) <= depth(p) + 1, so n is p's child or not below p.
 *   tombstone   p is a tombstone: n is a capability and depth(n) > depth(p). (It may be deeper by
 *               more than one: merged tombstones leave a gap.)
 *   one object  depth(n) > 1: n names the same object and type as p.
 *   rights      n is a child of p and p is no tombstone: rights(n) are within rights(p).
 *
 * Every call checks first, without changing anything, and then commits in straight lines that
 * cannot fail. No call loops, except cap_table_ok.
 * Tests: tests/c17/unit/test_cap.c, against a model with explicit parents.
 */
#include "cap_spec.h"

#include <exo/types.h>

static_assert(sizeof(struct cap) == 40, "boot sizes the table by this");

/*@ requires \valid_read(t) && \valid_read(t->entries + c);
    assigns \nothing;
    ensures \result <==> dead(t, c);
*/
static bool is_dead(const struct cap_table *t, cap_id c)
{
    return (t->entries[c].flags & CAP_DEAD) == CAP_DEAD;
}

/* True if list neighbour `after` lies below `before`. The head is below nothing. */
/*@ requires \valid_read(t) && \valid_read(t->entries + after) && \valid_read(t->entries + before);
    assigns \nothing;
    ensures \result <==> t->entries[after].depth > t->entries[before].depth;
*/
static bool is_below(const struct cap_table *t, cap_id after, cap_id before)
{
    return t->entries[after].depth > t->entries[before].depth;
}

/*@ requires \valid_read(t);
    assigns \nothing;
    ensures \result <==> t->free != 0 || t->fresh < t->size;
*/
static bool has_room(const struct cap_table *t)
{
    return t->free != CAP_NIL || t->fresh < t->size;
}

/* A free entry, taken from the free list or from those never used: nobody's, and not in a list
 * until its type is set. */
/*@ requires ok: table_ok(t);
    requires room: t->free != 0 || t->fresh < t->size;
    assigns t->free, t->fresh, t->entries[t->fresh].type;
    ensures memory: memory_ok(t) && head_ok(t);
    ensures ring: list_ok(t);
    ensures free: free_ok(t, \result);
    ensures entries: \forall integer x; listed(t, x) && x != 0 ==> entry_ok(t, x);
    ensures pairs: \forall integer x; listed(t, x) ==> pair_ok(t, x);
    ensures taken: unused(t, \result) && !listed{Pre}(t, \result);
    ensures others: others_same{Pre,Post}(t, \result);
    ensures tree: others_tree{Pre,Post}(t, \result);
*/
static cap_id take(struct cap_table *t)
{
    cap_id c = t->free;

    if (c != CAP_NIL) {
        t->free = t->entries[c].next;
    } else {
        c = t->fresh;
        t->entries[c].type = EXO_NONE;
        t->fresh = c + 1;
    }
    return c;
}

/* Puts a taken entry between `prev` and the entry behind it, as a capability without a flag. */
/*@ requires ok: shape_ok(t, c) && \forall integer x; listed(t, x) ==> pair_ok(t, x);
    requires taken: unused(t, c) && listed(t, prev);
    requires value: 0 < value.type < 13 && 1 <= value.depth <= 4095;
    requires step: dead(t, prev) ? value.depth > t->entries[prev].depth
                                 : value.depth <= t->entries[prev].depth + 1;
    requires leaf: t->entries[t->entries[prev].next].depth <= value.depth;
    requires origin: value.depth > 1 ==>
      value.type == t->entries[prev].type && value.object == t->entries[prev].object &&
      (!dead(t, prev) && value.depth > t->entries[prev].depth ==>
         subset(value.rights, t->entries[prev].rights));
    requires behind: t->entries[t->entries[prev].next].depth > 1 ==>
      value.type == t->entries[t->entries[prev].next].type &&
      value.object == t->entries[t->entries[prev].next].object;
    assigns t->live, t->entries[c], t->entries[prev].next, cap_rank[c],
            t->entries[t->entries[prev].next].prev;
    ensures memory: memory_ok(t) && head_ok(t);
    ensures links: \forall integer x; listed(t, x) ==> linked(t, x);
    ensures ring: list_ok(t);
    ensures free: free_ok(t, 0);
    ensures entries: \forall integer x; listed(t, x) && x != 0 ==> entry_ok(t, x);
    ensures pairs: \forall integer x; listed(t, x) ==> pair_ok(t, x);
    ensures new: live(t, c) && t->entries[c].flags == 0 && t->entries[c].revoking == 0 &&
      t->entries[c].badge == value.badge && t->entries[c].object == value.object &&
      t->entries[c].owner == value.owner && t->entries[c].slot == value.slot &&
      t->entries[c].depth == value.depth && t->entries[c].rights == value.rights &&
      t->entries[c].type == value.type;
    ensures others: others_same{Pre,Post}(t, c);
    ensures tree: others_tree{Pre,Post}(t, c);
    ensures childless: \forall integer x; !below(t, c, x);
    ensures ancestors: \forall integer a; below(t, a, c) <==>
      (a == prev || below{Pre}(t, a, prev)) && t->entries[a].depth < value.depth;
*/
static void insert(struct cap_table *t, cap_id c, cap_id prev, struct cap value)
{
    cap_id next = t->entries[prev].next;
    struct cap *e = &t->entries[c];

    e->badge = value.badge;
    e->next = next;
    e->prev = prev;
    e->object = value.object;
    e->owner = value.owner;
    e->slot = value.slot;
    e->lend_next = CAP_NIL;
    e->depth = value.depth;
    e->rights = value.rights;
    e->type = value.type;
    e->flags = 0;
    e->revoking = 0;
    t->entries[prev].next = c;
    t->entries[next].prev = c;
    t->live = t->live + 1;
    /*@ ghost
      if (next == 0)
        cap_rank[c] = cap_rank[prev] + 1;
      else
        cap_rank[c] = (cap_rank[prev] + cap_rank[next]) / 2;
    */
    /*@ assert head: t->fresh == \at(t->fresh,Pre) && t->free == \at(t->free,Pre) &&
          t->size == \at(t->size,Pre) && t->entries == \at(t->entries,Pre); */
    //@ assert others: others_same{Pre,Here}(t, c);
    //@ assert listed: \forall integer x; listed(t, x) <==> x == c || listed{Pre}(t, x);
    /*@ assert next_of: \forall integer x; 0 <= x < t->fresh && x != c && x != prev ==>
          t->entries[x].next == \at(t->entries[x].next,Pre); */
    /*@ assert prev_of: \forall integer x; 0 <= x < t->fresh && x != c && x != next ==>
          t->entries[x].prev == \at(t->entries[x].prev,Pre); */
    //@ assert here: t->entries[c].next == next && t->entries[c].prev == prev;
    //@ assert around: t->entries[prev].next == c && t->entries[next].prev == c;
    //@ assert ranks: \forall integer x; x != c ==> cap_rank[x] == \at(cap_rank[x],Pre);
    //@ assert middle: cap_rank[prev] < cap_rank[c] && (next != 0 ==> cap_rank[c] < cap_rank[next]);
    /*@ assert place: \forall integer x; listed{Pre}(t, x) ==>
          (cap_rank[x] < cap_rank[c] ==> cap_rank[x] <= cap_rank[prev]) &&
          (cap_rank[x] > cap_rank[c] ==> next != 0 && cap_rank[next] <= cap_rank[x]) &&
          cap_rank[x] != cap_rank[c]; */
    //@ assert linked: \forall integer x; listed(t, x) ==> linked(t, x);
    /*@ assert deeper: \forall integer a, x; below{Pre}(t, a, x) &&
          cap_rank[a] < cap_rank[c] < cap_rank[x] ==> t->entries[c].depth > t->entries[a].depth; */
}

/* Takes an entry out of the list and puts it on the free list. The caller adjusts the counts. */
/*@ requires ok: shape_ok(t, 0) && listed(t, c) && c != 0;
    requires clear: t->entries[t->entries[c].next].depth <= t->entries[c].depth ||
                    t->entries[t->entries[c].prev].depth < t->entries[c].depth;
    requires pairs: \forall integer x; listed(t, x) && x != c && x != t->entries[c].prev ==>
                    pair_ok(t, x);
    assigns t->free, t->entries[c].next, t->entries[c].type, t->entries[c].rights,
            t->entries[c].flags, t->entries[t->entries[c].prev].next,
            t->entries[t->entries[c].next].prev, cap_rank[c];
    ensures memory: memory_ok(t) && head_ok(t) && unused(t, c);
    ensures linked: \forall integer x; listed(t, x) ==> linked(t, x);
    ensures ring: list_ok(t);
    ensures free: free_ok(t, 0);
    ensures entries: \forall integer x; listed(t, x) && x != 0 ==> entry_ok(t, x);
    ensures joined: t->entries[\old(t->entries[c].prev)].next == \old(t->entries[c].next);
    ensures links: \forall integer x; listed(t, x) && x != \old(t->entries[c].prev) ==>
                   t->entries[x].next == \old(t->entries[x].next);
    ensures pairs: \forall integer x; listed(t, x) && x != \old(t->entries[c].prev) ==> pair_ok(t, x);
    ensures others: others_same{Pre,Post}(t, c);
    ensures tree: others_tree{Pre,Post}(t, c);
*/
static void release(struct cap_table *t, cap_id c)
{
    struct cap *e = &t->entries[c];
    cap_id prev = e->prev;
    cap_id next = e->next;
    //@ assert apart: prev != c && next != c;
    //@ assert only_prev: \forall integer x; listed(t, x) && x != prev ==> t->entries[x].next != c;
    //@ assert only_next: \forall integer x; listed(t, x) && x != next ==> t->entries[x].prev != c;
    /*@ assert place: \forall integer x; listed(t, x) && x != c ==>
          (cap_rank[x] < cap_rank[c] ==> cap_rank[x] <= cap_rank[prev]) &&
          (cap_rank[x] > cap_rank[c] ==> next != 0 && cap_rank[next] <= cap_rank[x]); */

    t->entries[prev].next = next;
    t->entries[next].prev = prev;
    e->next = t->free;
    e->type = EXO_NONE;
    e->rights = 0;
    e->flags = 0;
    /*@ ghost
      if (t->free == 0)
        cap_rank[c] = 0;
      else
        cap_rank[c] = cap_rank[t->free] + 1;
    */
    t->free = c;
    /*@ assert head: t->fresh == \at(t->fresh,Pre) && t->free == c &&
          t->size == \at(t->size,Pre) && t->entries == \at(t->entries,Pre); */
    //@ assert others: others_same{Pre,Here}(t, c);
    //@ assert listed: \forall integer x; listed(t, x) <==> x != c && listed{Pre}(t, x);
    //@ assert unused: \forall integer x; unused(t, x) <==> x == c || unused{Pre}(t, x);
    /*@ assert next_of: \forall integer x; 0 <= x < t->fresh && x != c && x != prev ==>
          t->entries[x].next == \at(t->entries[x].next,Pre); */
    /*@ assert prev_of: \forall integer x; 0 <= x < t->fresh && x != c && x != next ==>
          t->entries[x].prev == \at(t->entries[x].prev,Pre); */
    //@ assert around: t->entries[prev].next == next && t->entries[next].prev == prev;
    //@ assert here: t->entries[c].next == \at(t->free,Pre) && t->fresh == \at(t->fresh,Pre);
    //@ assert ranks: \forall integer x; x != c ==> cap_rank[x] == \at(cap_rank[x],Pre);
    //@ assert top: \forall integer x; unused{Pre}(t, x) ==> cap_rank[x] < cap_rank[c];
    //@ assert linked: \forall integer x; listed(t, x) ==> linked(t, x);
    /*@ assert grows: \forall integer x; listed(t, x) && t->entries[x].next != 0 ==>
          cap_rank[x] < cap_rank[t->entries[x].next]; */
    /*@ assert between: \forall integer x, y; listed(t, x) && listed(t, y) &&
          cap_rank[x] < cap_rank[y] ==>
          t->entries[x].next != 0 && cap_rank[t->entries[x].next] <= cap_rank[y]; */
    /*@ assert falls: \forall integer x; spare(t, x, 0) ==>
          cap_rank[x] <= cap_rank[t->free] &&
          (t->entries[x].next != 0 ==> spare(t, t->entries[x].next, 0) &&
             cap_rank[t->entries[x].next] < cap_rank[x]); */
    /*@ assert no_gap: \forall integer x, y; spare(t, x, 0) && spare(t, y, 0) &&
          cap_rank[y] < cap_rank[x] ==>
          t->entries[x].next != 0 && cap_rank[y] <= cap_rank[t->entries[x].next]; */
    /*@ assert deeper: \forall integer a, x; below(t, a, x) &&
          cap_rank[a] < \at(cap_rank[c],Pre) < cap_rank[x] ==>
          \at(t->entries[c].depth,Pre) > t->entries[a].depth; */
}

static void release_tombstone(struct cap_table *t, cap_id c)
{
    release(t, c);
    t->dead = t->dead - 1;
}

/* Makes a tombstone of a capability: only its place in the tree and its object stay. */
/*@ requires ok: shape_ok(t, 0) && live(t, c);
    assigns t->live, t->dead, t->entries[c].badge, t->entries[c].owner, t->entries[c].slot,
            t->entries[c].lend_next, t->entries[c].rights, t->entries[c].flags,
            t->entries[c].revoking;
    ensures ok: shape_ok(t, 0) && listed(t, c) && dead(t, c);
    ensures others: others_same{Pre,Post}(t, c) && others_tree{Pre,Post}(t, 0) && others_tree{Pre,Post}(t, c);
*/
static void bury(struct cap_table *t, cap_id c)
{
    struct cap *e = &t->entries[c];

    e->badge = 0;
    e->owner = 0;
    e->slot = 0;
    e->lend_next = CAP_NIL;
    e->rights = 0;
    e->flags = CAP_DEAD;
    e->revoking = 0;
    t->live = t->live - 1;
    t->dead = t->dead + 1;
}

/*@ requires \valid(t) && \valid(entries + (0 .. size - 1)) && 2 <= size;
    requires \separated(t, entries + (0 .. size - 1));
    assigns *t, entries[0], cap_rank[0];
    ensures memory: memory_ok(t) && head_ok(t);
    ensures ring: list_ok(t);
    ensures free: free_ok(t, 0);
    ensures entries: \forall integer c; listed(t, c) && c != 0 ==> entry_ok(t, c);
    ensures pairs: \forall integer c; listed(t, c) ==> pair_ok(t, c);
    ensures empty: \forall integer c; !live(t, c);
*/
void cap_table_init(struct cap_table *t, struct cap *entries, uint32_t size)
{
    struct cap *head = &entries[CAP_NIL];

    head->badge = 0;
    head->next = CAP_NIL;
    head->prev = CAP_NIL;
    head->object = 0;
    head->owner = 0;
    head->slot = 0;
    head->lend_next = CAP_NIL;
    head->depth = 0;
    head->rights = 0;
    head->type = EXO_NONE;
    head->flags = 0;
    head->revoking = 0;
    t->entries = entries;
    t->size = size;
    t->fresh = 1;
    t->free = CAP_NIL;
    t->live = 0;
    t->dead = 0;
    //@ ghost cap_rank[0] = 0;
    //@ assert alone: \forall integer c; listed(t, c) <==> c == 0;
    //@ assert none: \forall integer c; !unused(t, c);
    /*@ assert head: entries[0].next == 0 && entries[0].prev == 0 && entries[0].type == 0 &&
          entries[0].depth == 0 && entries[0].flags == 0; */
    //@ assert memory: memory_ok(t) && head_ok(t);
    //@ assert ring: list_ok(t);
    //@ assert free: free_ok(t, 0);
    //@ assert entries: \forall integer c; listed(t, c) && c != 0 ==> entry_ok(t, c);
    //@ assert step: !dead(t, 0) && step_ok(t, 0, 0);
    //@ assert origin: origin_ok(t, 0, 0);
    //@ assert pair: pair_ok(t, 0);
}

/*@ requires memory_ok(t);
    assigns \nothing;
    ensures \result <==> live(t, c);
*/
bool cap_is_live(const struct cap_table *t, cap_id c)
{
    return c != CAP_NIL && c < t->fresh && t->entries[c].type != EXO_NONE && !is_dead(t, c);
}

cap_id cap_make(struct cap_table *t, uint8_t type, uint32_t object, uint16_t rights, uint32_t owner,
                uint32_t slot)
{
    struct cap value;
    cap_id c;

    if (type == EXO_NONE || type >= EXO_TYPES || !has_room(t))
        return CAP_NIL;

    value = (struct cap){
        .type = type, .object = object, .rights = rights, .owner = owner, .slot = slot, .depth = 1};
    c = take(t);
    insert(t, c, CAP_NIL, value);
    return c;
}

cap_id cap_derive(struct cap_table *t, cap_id parent, uint16_t rights, uint64_t badge,
                  uint32_t owner, uint32_t slot)
{
    struct cap value;
    cap_id c;

    if (!cap_is_live(t, parent) || !has_room(t))
        return CAP_NIL;
    value = t->entries[parent];
    if (value.revoking != 0 || value.depth >= CAP_DEPTH_MAX)
        return CAP_NIL;

    value.rights = (uint16_t)(value.rights & rights);
    value.badge = badge != 0 ? badge : value.badge;
    value.owner = owner;
    value.slot = slot;
    value.depth = (uint16_t)(value.depth + 1);
    c = take(t);
    insert(t, c, parent, value);
    return c;
}

/* In front of its source, not behind: behind, it would adopt the source's descendants. What comes
 * in front of the source is not above it, or above both. */
cap_id cap_copy(struct cap_table *t, cap_id source, uint32_t owner, uint32_t slot)
{
    struct cap value;
    cap_id c;

    if (!cap_is_live(t, source) || !has_room(t))
        return CAP_NIL;
    value = t->entries[source];
    if (value.revoking != 0)
        return CAP_NIL;

    value.owner = owner;
    value.slot = slot;
    c = take(t);
    insert(t, c, value.prev, value);
    return c;
}

/*@ requires ok: table_ok(t);
    assigns \nothing;
    ensures first: \result <==> live(t, c) && t->entries[t->entries[c].next].depth > t->entries[c].depth;
    ensures some: \result ==> below(t, c, t->entries[c].next);
    ensures none: live(t, c) && !\result ==> \forall integer x; !below(t, c, x);
*/
bool cap_has_child(const struct cap_table *t, cap_id c)
{
    return cap_is_live(t, c) && is_below(t, t->entries[c].next, c);
}

/* A tombstone has a capability directly behind it, so this looks at two entries at most. */
/*@ requires ok: table_ok(t);
    assigns \nothing;
    ensures some: \result != 0 ==> live(t, c) && live(t, \result) && below(t, c, \result);
    ensures none: \result == 0 && live(t, c) ==> \forall integer x; !below(t, c, x);
*/
cap_id cap_first_child(const struct cap_table *t, cap_id c)
{
    cap_id n;

    if (!cap_has_child(t, c))
        return CAP_NIL;
    n = t->entries[c].next;
    return is_dead(t, n) ? t->entries[n].next : n;
}

/* Deletes a capability with descendants, between prev and next. Nobody becomes childless. */
static void delete_inner(struct cap_table *t, cap_id c, cap_id prev, cap_id next)
{
    if (is_dead(t, prev)) { /* c is below it, and it can stand in for c */
        release(t, c);
        t->live = t->live - 1;
    } else {
        bury(t, c);
    }
    if (is_dead(t, next)) /* directly behind a tombstone now, and below it */
        release_tombstone(t, next);
}

/* Deletes a capability without descendants. Returns what is now without: only the entry in front
 * of the gap can be, if what was removed lay below it and what follows does not. */
static cap_id delete_leaf(struct cap_table *t, cap_id c, cap_id prev, cap_id next)
{
    bool last = is_below(t, c, prev) && !is_below(t, next, prev);
    cap_id above = prev;

    release(t, c);
    t->live = t->live - 1;
    if (is_dead(t, prev)) {
        if (last) { /* the tombstone goes too; in front of it is no tombstone */
            above = t->entries[prev].prev;
            last = is_below(t, prev, above) && !is_below(t, next, above);
            release_tombstone(t, prev);
        } else if (is_dead(t, next)) { /* two tombstones meet, the second below the first */
            release_tombstone(t, next);
        }
    }
    return last ? above : CAP_NIL;
}

cap_id cap_delete(struct cap_table *t, cap_id c)
{
    cap_id prev, next, childless = CAP_NIL;

    if (!cap_is_live(t, c))
        return CAP_NIL;

    prev = t->entries[c].prev;
    next = t->entries[c].next;
    if (is_below(t, next, c))
        delete_inner(t, c, prev, next);
    else
        childless = delete_leaf(t, c, prev, next);
    return (t->entries[childless].flags & EXO_CAP_LENDER) == EXO_CAP_LENDER ? childless : CAP_NIL;
}

/* The invariants that relate an entry to the one behind it in the list. */
static bool pair_ok(const struct cap_table *t, cap_id p, cap_id n)
{
    const struct cap *a = &t->entries[p], *b = &t->entries[n];

    if (b->prev != p)
        return false;
    if (is_dead(t, p) ? b->depth <= a->depth || is_dead(t, n) : b->depth > a->depth + 1)
        return false;
    if (b->depth > 1 && (b->type != a->type || b->object != a->object))
        return false;
    return is_dead(t, p) || b->depth <= a->depth || b->depth == 1 ||
           (b->rights & a->rights) == b->rights;
}

static bool entry_ok(const struct cap *e)
{
    bool dead = (e->flags & CAP_DEAD) == CAP_DEAD;

    return e->type != EXO_NONE && e->type < EXO_TYPES && e->depth >= 1 &&
           e->depth <= CAP_DEPTH_MAX && (!dead || (e->rights == 0 && e->revoking == 0));
}

bool cap_table_ok(const struct cap_table *t)
{
    uint32_t live = 0, dead = 0, unused = 0;
    const struct cap *head = &t->entries[CAP_NIL];
    cap_id c = CAP_NIL, n;

    if (t->fresh < 1 || t->fresh > t->size || head->depth != 0 || head->type != EXO_NONE ||
        head->flags != 0)
        return false;

    for (uint32_t i = 0; i < t->fresh; i++) {
        n = t->entries[c].next;
        if (n >= t->fresh || !pair_ok(t, c, n))
            return false;
        c = n;
        if (c == CAP_NIL)
            break;
        if (!entry_ok(&t->entries[c]))
            return false;
        dead += is_dead(t, c) ? 1 : 0;
        live += is_dead(t, c) ? 0 : 1;
    }
    if (c != CAP_NIL || live != t->live || dead != t->dead || dead > live)
        return false;

    c = t->free;
    for (uint32_t i = 0; i < t->fresh && c != CAP_NIL; i++) {
        if (c >= t->fresh || t->entries[c].type != EXO_NONE)
            return false;
        unused++;
        c = t->entries[c].next;
    }
    return c == CAP_NIL && live + dead + unused == t->fresh - 1;
}
