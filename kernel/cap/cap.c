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
#include "cap.h"

#include <exo/types.h>

static_assert(sizeof(struct cap) == 40, "boot sizes the table by this");

static bool is_dead(const struct cap_table *t, cap_id c)
{
    return (t->entries[c].flags & CAP_DEAD) == CAP_DEAD;
}

/* True if list neighbour `after` lies below `before`. The head is below nothing. */
static bool is_below(const struct cap_table *t, cap_id after, cap_id before)
{
    return t->entries[after].depth > t->entries[before].depth;
}

static bool has_room(const struct cap_table *t)
{
    return t->free != CAP_NIL || t->fresh < t->size;
}

/* A free entry, taken from the free list or from those never used. Requires has_room. */
static cap_id take(struct cap_table *t)
{
    cap_id c = t->free;

    if (c != CAP_NIL) {
        t->free = t->entries[c].next;
    } else {
        c = t->fresh;
        t->fresh = c + 1;
    }
    return c;
}

/* Puts a taken entry between `prev` and the entry behind it, as a capability without a flag. */
static void insert(struct cap_table *t, cap_id c, cap_id prev, struct cap value)
{
    cap_id next = t->entries[prev].next;

    value.next = next;
    value.prev = prev;
    value.lend_next = CAP_NIL;
    value.flags = 0;
    value.revoking = 0;
    t->entries[c] = value;
    t->entries[prev].next = c;
    t->entries[next].prev = c;
    t->live = t->live + 1;
}

/* Takes an entry out of the list and puts it on the free list. The caller adjusts the counts. */
static void release(struct cap_table *t, cap_id c)
{
    cap_id prev = t->entries[c].prev;
    cap_id next = t->entries[c].next;

    t->entries[prev].next = next;
    t->entries[next].prev = prev;
    t->entries[c] = (struct cap){.next = t->free, .type = EXO_NONE};
    t->free = c;
}

static void release_tombstone(struct cap_table *t, cap_id c)
{
    release(t, c);
    t->dead = t->dead - 1;
}

/* Makes a tombstone of a capability: only its place in the tree and its object stay. */
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

void cap_table_init(struct cap_table *t, struct cap *entries, uint32_t size)
{
    entries[CAP_NIL] = (struct cap){.type = EXO_NONE};
    t->entries = entries;
    t->size = size;
    t->fresh = 1;
    t->free = CAP_NIL;
    t->live = 0;
    t->dead = 0;
}

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

bool cap_has_child(const struct cap_table *t, cap_id c)
{
    return cap_is_live(t, c) && is_below(t, t->entries[c].next, c);
}

/* A tombstone has a capability directly behind it, so this looks at two entries at most. */
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
