/* SPDX-License-Identifier: MIT */
/*
 * kernel/cap/cap.c, bounded: any table of SIZE entries that satisfies cap_table_ok, any one call with any
 * arguments. Afterwards cap_table_ok holds, and the call did what cap.h says, in terms of parents: the
 * parent of an entry is the nearest one in front of it with less depth.
 *
 * The one idea: the table is not reached by calls but chosen freely, so one call stands for all
 * sequences of calls. It checks what the proof of cap.c leaves out as well: the counters, and that
 * tombstones never outnumber capabilities.
 */
#include <exo/types.h>
#include <kernel/cap/cap.h>

#ifndef SIZE
#define SIZE 5
#endif
#define NOBODY SIZE

static struct cap entry[SIZE], was[SIZE];
static struct cap_table t = {.entries = entry}, old;

struct cap nondet_cap(void);
struct cap_table nondet_table(void);
uint32_t nondet_u32(void);
uint16_t nondet_u16(void);
uint8_t nondet_u8(void);

/* Where each entry stands in the list; 0: not in it. */
static uint8_t place[SIZE], place_was[SIZE];

static void find_places(uint8_t p[SIZE])
{
    cap_id c = entry[CAP_NIL].next;

    for (unsigned i = 0; i < SIZE; i++)
        p[i] = 0;
    for (uint8_t n = 1; n < SIZE; n++) {
        if (c != CAP_NIL) {
            p[c] = n;
            c = entry[c].next;
        }
    }
}

/* Does x come from a? All from behind a up to x are deeper than a. */
static bool below(const struct cap *e, const uint8_t p[SIZE], cap_id a, cap_id x)
{
    bool is = p[a] != 0 && p[a] < p[x];

    for (cap_id y = 1; y < SIZE; y++) {
        if (p[a] < p[y] && p[y] <= p[x] && e[y].depth <= e[a].depth)
            is = false;
    }
    return is;
}

static bool was_live(cap_id c)
{
    return c != CAP_NIL && c < old.fresh && was[c].type != EXO_NONE && !(was[c].flags & CAP_DEAD);
}

/* Nothing of a capability but its place may change. */
static bool same(cap_id c)
{
    const struct cap *a = &was[c], *b = &entry[c];

    return a->badge == b->badge && a->object == b->object && a->owner == b->owner &&
           a->slot == b->slot && a->lend_next == b->lend_next && a->depth == b->depth &&
           a->rights == b->rights && a->type == b->type && a->flags == b->flags &&
           a->revoking == b->revoking;
}

/* All capabilities but c are what they were, and come from whom they came from. */
static void check_others(cap_id c)
{
    for (cap_id x = 1; x < SIZE; x++) {
        if (x == c)
            continue;
        __CPROVER_assert(was_live(x) == cap_is_live(&t, x), "nobody else appears or disappears");
        __CPROVER_assert(!was_live(x) || same(x), "nobody else changes");
        for (cap_id a = 1; a < SIZE; a++) {
            if (a != c && was_live(a) && was_live(x))
                __CPROVER_assert(below(was, place_was, a, x) == below(entry, place, a, x),
                                 "nobody else gains or loses a descendant");
        }
    }
}

static void check_new(cap_id c, uint32_t owner, uint32_t slot)
{
    __CPROVER_assert(!was_live(c) && cap_is_live(&t, c), "the new one is new");
    __CPROVER_assert(entry[c].owner == owner && entry[c].slot == slot, "it is its owner's");
    __CPROVER_assert(entry[c].flags == 0 && entry[c].revoking == 0, "it has no flags");
    __CPROVER_assert(t.live == old.live + 1 && t.dead == old.dead, "it is counted");
    for (cap_id x = 1; x < SIZE; x++)
        __CPROVER_assert(!below(entry, place, c, x), "it has no descendant");
}

static bool refused_rightly(bool allowed)
{
    return !allowed || (old.free == CAP_NIL && old.fresh == old.size);
}

static void make(void)
{
    uint8_t type = nondet_u8();
    uint32_t object = nondet_u32(), owner = nondet_u32(), slot = nondet_u32();
    uint16_t rights = nondet_u16();
    cap_id c = cap_make(&t, type, object, rights, owner, slot);

    find_places(place);
    check_others(c);
    if (c == CAP_NIL) {
        __CPROVER_assert(refused_rightly(type != EXO_NONE && type < EXO_TYPES), "make refuses");
        return;
    }
    check_new(c, owner, slot);
    __CPROVER_assert(entry[c].type == type && entry[c].object == object, "make names its object");
    __CPROVER_assert(entry[c].rights == rights && entry[c].badge == 0, "make gives the rights");
    for (cap_id a = 1; a < SIZE; a++)
        __CPROVER_assert(!below(entry, place, a, c), "it comes from nobody");
}

static void derive(void)
{
    cap_id from = nondet_u32();
    uint16_t rights = nondet_u16();
    uint64_t badge = nondet_u32();
    uint32_t owner = nondet_u32(), slot = nondet_u32();
    cap_id c = cap_derive(&t, from, rights, badge, owner, slot);

    find_places(place);
    check_others(c);
    if (c == CAP_NIL) {
        __CPROVER_assert(refused_rightly(was_live(from) && was[from].revoking == 0 &&
                                         was[from].depth < CAP_DEPTH_MAX),
                         "derive refuses");
        return;
    }
    check_new(c, owner, slot);
    __CPROVER_assert(was_live(from) && was[from].revoking == 0, "derive checks its source");
    __CPROVER_assert(entry[c].rights == (was[from].rights & rights), "derive cuts rights");
    __CPROVER_assert(entry[c].type == was[from].type && entry[c].object == was[from].object,
                     "a child names its parent's object");
    __CPROVER_assert(entry[c].badge == (badge != 0 ? badge : was[from].badge), "derive's badge");
    __CPROVER_assert(below(entry, place, from, c), "a child comes from its parent");
    for (cap_id a = 1; a < SIZE; a++) {
        if (a != from && a != c)
            __CPROVER_assert(below(entry, place, a, c) == below(was, place_was, a, from),
                             "a child's ancestors are its parent's");
    }
}

static void copy(void)
{
    cap_id from = nondet_u32();
    uint32_t owner = nondet_u32(), slot = nondet_u32();
    cap_id c = cap_copy(&t, from, owner, slot);

    find_places(place);
    check_others(c);
    if (c == CAP_NIL) {
        __CPROVER_assert(refused_rightly(was_live(from) && was[from].revoking == 0),
                         "copy refuses");
        return;
    }
    check_new(c, owner, slot);
    __CPROVER_assert(was_live(from) && was[from].revoking == 0, "copy checks its source");
    __CPROVER_assert(entry[c].rights == was[from].rights && entry[c].badge == was[from].badge &&
                         entry[c].type == was[from].type && entry[c].object == was[from].object,
                     "a copy is what its source is");
    for (cap_id a = 1; a < SIZE; a++) {
        if (a != c)
            __CPROVER_assert(below(entry, place, a, c) == below(was, place_was, a, from),
                             "a copy's ancestors are its source's");
    }
}

static bool had_child(cap_id c)
{
    bool had = false;

    for (cap_id x = 1; x < SIZE; x++)
        had = had || (was_live(x) && below(was, place_was, c, x));
    return had;
}

static bool has_child(cap_id c)
{
    bool has = false;

    for (cap_id x = 1; x < SIZE; x++)
        has = has || (cap_is_live(&t, x) && below(entry, place, c, x));
    return has;
}

static void delete (void)
{
    cap_id c = nondet_u32();
    bool live = was_live(c);
    cap_id lender = cap_delete(&t, c);

    find_places(place);
    check_others(live ? c : CAP_NIL);
    __CPROVER_assert(!cap_is_live(&t, c), "the deleted one is gone");
    __CPROVER_assert(t.live == old.live - (live ? 1 : 0), "it is counted");
    for (cap_id x = 1; x < SIZE; x++) {
        bool told =
            cap_is_live(&t, x) && entry[x].flags & EXO_CAP_LENDER && had_child(x) && !has_child(x);

        __CPROVER_assert(told == (x == lender && lender != CAP_NIL),
                         "the lender that lost its last descendant is told, nobody else");
    }
}

static void look(void)
{
    cap_id c = nondet_u32();
    cap_id child = cap_first_child(&t, c);

    find_places(place);
    check_others(CAP_NIL);
    __CPROVER_assert(cap_is_live(&t, c) == was_live(c), "cap_is_live");
    if (!was_live(c)) {
        __CPROVER_assert(child == CAP_NIL && !cap_has_child(&t, c), "who is not has no child");
        return;
    }
    __CPROVER_assert(cap_has_child(&t, c) == had_child(c), "cap_has_child");
    __CPROVER_assert((child != CAP_NIL) == had_child(c), "a revoke ends when none is left");
    __CPROVER_assert(child == CAP_NIL || (was_live(child) && below(was, place_was, c, child)),
                     "a revoke deletes descendants only");
}

int main(void)
{
    for (unsigned i = 0; i < SIZE; i++)
        entry[i] = nondet_cap();
    t = nondet_table();
    t.entries = entry;
    t.size = SIZE;
    __CPROVER_assume(cap_table_ok(&t));
    for (unsigned i = 0; i < SIZE; i++)
        was[i] = entry[i];
    old = t;
    find_places(place_was);

    switch (nondet_u8()) {
    case 0: make(); break;
    case 1: derive(); break;
    case 2: copy(); break;
    case 3: delete (); break;
    default: look(); break;
    }
    __CPROVER_assert(cap_table_ok(&t), "the invariants hold afterwards");
    __CPROVER_assert(t.dead <= t.live, "tombstones never outnumber capabilities");
    return 0;
}
