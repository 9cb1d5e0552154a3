/* SPDX-License-Identifier: MIT */
// links: kernel/cap/cap.c
/*
 * kernel/cap/cap.c against a model that is too simple to be wrong.
 *
 * The model keeps a node with an explicit parent for every capability ever made, never relinks and
 * never forgets. "x is a descendant of a" means there: climbing from x meets a. After every
 * operation the whole table is compared with it. No order in the list is assumed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/types.h>

#include "kernel/cap/cap.h"
#include "test_framework.h"

#define MAX_SIZE  64u /* of a table under the model */
#define MAX_NODES 40000u
#define NONE      (-1)

struct node {
    int parent; /* NONE: made by cap_make */
    bool live;
    cap_id id;
    struct cap value; /* type, object, rights, badge, owner, slot, depth, flags */
};

struct model {
    struct cap entries[MAX_SIZE];
    struct cap_table t;
    int nodes;
    int at[MAX_SIZE]; /* node that is live at an id, or NONE */
    struct node node[MAX_NODES];
};

/* Set by the first difference between table and model; the rest of a run is skipped then. */
static const char *difference;

static void expect(bool ok, const char *what)
{
    if (!ok && difference == NULL)
        difference = what;
}

static bool model_agrees(void)
{
    if (difference != NULL)
        printf("# %s\n", difference);
    return difference == NULL;
}

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static void model_init(struct model *m, uint32_t size)
{
    memset(m->entries, 0xa5, sizeof m->entries);
    cap_table_init(&m->t, m->entries, size);
    m->nodes = 0;
    for (uint32_t i = 0; i < MAX_SIZE; i++)
        m->at[i] = NONE;
}

static bool descends(const struct model *m, int x, int a)
{
    for (x = m->node[x].parent; x != NONE; x = m->node[x].parent)
        if (x == a)
            return true;
    return false;
}

static uint32_t model_live(const struct model *m)
{
    uint32_t n = 0;

    for (uint32_t i = 1; i < m->t.size; i++)
        n += m->at[i] != NONE;
    return n;
}

static uint32_t model_descendants(const struct model *m, int a)
{
    uint32_t n = 0;

    for (uint32_t i = 1; i < m->t.size; i++)
        n += m->at[i] != NONE && descends(m, m->at[i], a);
    return n;
}

static void compare_entry(const struct model *m, cap_id id)
{
    const struct cap *e = &m->t.entries[id], *v = &m->node[m->at[id]].value;
    uint32_t found = 0, steps = 0;

    expect(e->type == v->type && e->object == v->object, "type and object");
    expect(e->rights == v->rights && e->badge == v->badge, "rights and badge");
    expect(e->owner == v->owner && e->slot == v->slot, "owner and slot");
    expect(e->depth == v->depth && e->flags == v->flags, "depth and flags");

    for (cap_id c = e->next; e->depth < m->t.entries[c].depth; c = m->t.entries[c].next) {
        expect(++steps < m->t.size, "the list ends");
        if (difference != NULL)
            return;
        if (m->at[c] == NONE)
            continue; /* a tombstone */
        expect(descends(m, m->at[c], m->at[id]), "only descendants follow deeper");
        found++;
    }
    expect(found == model_descendants(m, m->at[id]), "all descendants follow deeper");
    expect(cap_has_child(&m->t, id) == (found > 0), "cap_has_child");
    cap_id first = cap_first_child(&m->t, id);
    expect((first != CAP_NIL) == (found > 0), "cap_first_child finds one");
    expect(first == CAP_NIL || (m->at[first] != NONE && descends(m, m->at[first], m->at[id])),
           "cap_first_child is a live descendant");
}

static void compare(const struct model *m)
{
    static const struct cap untouched_pattern;
    struct cap untouched = untouched_pattern;

    memset(&untouched, 0xa5, sizeof untouched);
    expect(cap_table_ok(&m->t), "cap_table_ok");
    expect(m->t.live == model_live(m), "live");
    expect(m->t.dead <= m->t.live, "tombstones never outnumber capabilities");
    for (cap_id id = 1; id < m->t.size && difference == NULL; id++) {
        expect(cap_is_live(&m->t, id) == (m->at[id] != NONE), "cap_is_live");
        if (id >= m->t.fresh)
            expect(memcmp(&m->entries[id], &untouched, sizeof untouched) == 0,
                   "entries from fresh on are untouched");
        if (m->at[id] != NONE)
            compare_entry(m, id);
    }
}

static void add_node(struct model *m, cap_id id, int parent, struct cap value)
{
    expect(id < m->t.size && m->at[id] == NONE, "a new id was not in use");
    if (difference != NULL)
        return;
    m->node[m->nodes] = (struct node){parent, true, id, value};
    m->at[id] = m->nodes++;
}

/* Whether an insertion had to succeed. Full is full; and half full of capabilities never refuses. */
static bool was_full(const struct model *m, uint32_t live, uint32_t dead)
{
    bool full = live + dead == m->t.size - 1;

    expect(!full || 2 * live >= m->t.size - 1, "room for n capabilities in 2 * n + 1 entries");
    return full;
}

static void do_make(struct model *m, struct cap v)
{
    uint32_t live = m->t.live, dead = m->t.dead;
    cap_id id = cap_make(&m->t, v.type, v.object, v.rights, v.owner, v.slot);

    expect((id == CAP_NIL) == was_full(m, live, dead), "cap_make fails only if full");
    v.badge = 0;
    v.depth = 1;
    v.flags = 0;
    if (id != CAP_NIL)
        add_node(m, id, NONE, v);
}

static void do_derive(struct model *m, cap_id parent, struct cap v)
{
    const struct node *p = &m->node[m->at[parent]];
    uint32_t live = m->t.live, dead = m->t.dead;
    cap_id id = cap_derive(&m->t, parent, v.rights, v.badge, v.owner, v.slot);

    expect((id == CAP_NIL) == (was_full(m, live, dead) || p->value.depth == CAP_DEPTH_MAX),
           "cap_derive fails only if full or too deep");
    v.type = p->value.type;
    v.object = p->value.object;
    v.rights &= p->value.rights;
    v.badge = v.badge != 0 ? v.badge : p->value.badge;
    v.depth = (uint16_t)(p->value.depth + 1);
    v.flags = 0;
    if (id != CAP_NIL)
        add_node(m, id, m->at[parent], v);
}

static void do_copy(struct model *m, cap_id source, struct cap v)
{
    const struct node *s = &m->node[m->at[source]];
    uint32_t live = m->t.live, dead = m->t.dead;
    cap_id id = cap_copy(&m->t, source, v.owner, v.slot);
    struct cap value = s->value;

    expect((id == CAP_NIL) == was_full(m, live, dead), "cap_copy fails only if full");
    value.owner = v.owner;
    value.slot = v.slot;
    value.flags = 0;
    if (id != CAP_NIL)
        add_node(m, id, s->parent, value);
}

static void do_delete(struct model *m, cap_id id)
{
    bool had[MAX_SIZE] = {false};
    cap_id expected = CAP_NIL;

    for (cap_id i = 1; i < m->t.size; i++)
        had[i] = m->at[i] != NONE && model_descendants(m, m->at[i]) > 0;
    m->node[m->at[id]].live = false;
    m->at[id] = NONE;
    for (cap_id i = 1; i < m->t.size; i++)
        if (m->at[i] != NONE && had[i] && model_descendants(m, m->at[i]) == 0) {
            expect(expected == CAP_NIL, "at most one becomes childless (of the model)");
            expected = i;
        }
    if (expected != CAP_NIL && !(m->node[m->at[expected]].value.flags & EXO_CAP_LENDER))
        expected = CAP_NIL;
    expect(cap_delete(&m->t, id) == expected, "cap_delete names the lender that became childless");
}

static void do_revoke(struct model *m, cap_id id)
{
    int root = m->at[id];
    cap_id c;

    while (difference == NULL && (c = cap_first_child(&m->t, id)) != CAP_NIL) {
        expect(m->at[c] != NONE && descends(m, m->at[c], root), "revoke meets descendants only");
        if (difference == NULL)
            do_delete(m, c);
    }
    expect(model_descendants(m, root) == 0, "revoke leaves no descendant");
}

static void do_lender(struct model *m, cap_id id)
{
    m->entries[id].flags ^= EXO_CAP_LENDER;
    m->node[m->at[id]].value.flags ^= EXO_CAP_LENDER;
}

/* Every call with an id that is not live refuses and changes nothing. */
static void do_stale(struct model *m, cap_id id)
{
    static struct cap entries[MAX_SIZE];
    struct cap_table t = m->t;

    memcpy(entries, m->entries, sizeof entries);
    expect(!cap_is_live(&m->t, id), "stale is not live");
    expect(cap_derive(&m->t, id, EXO_R_ALL, 1, 1, 1) == CAP_NIL, "stale derives nothing");
    expect(cap_copy(&m->t, id, 1, 1) == CAP_NIL, "stale copies nothing");
    expect(cap_delete(&m->t, id) == CAP_NIL, "stale deletes nothing");
    expect(!cap_has_child(&m->t, id) && cap_first_child(&m->t, id) == CAP_NIL, "stale: no child");
    expect(memcmp(entries, m->entries, sizeof entries) == 0 && memcmp(&t, &m->t, sizeof t) == 0,
           "stale changes nothing");
}

static struct cap random_value(void)
{
    return (struct cap){.type = (uint8_t)(1 + random_below(EXO_TYPES - 1)),
                        .object = random_below(5),
                        .rights = (uint16_t)(random_below(EXO_R_ALL + 1) | random_below(EXO_R_ALL)),
                        .badge = random_below(3),
                        .owner = random_below(100),
                        .slot = random_below(100)};
}

static void random_step(struct model *m, uint32_t death)
{
    cap_id id = random_below(m->t.size + 3);
    uint32_t what = random_below(100);

    if (id >= m->t.size || m->at[id] == NONE) {
        do_stale(m, id);
        if (what < 20)
            do_make(m, random_value());
    } else if (what < death) {
        do_delete(m, id);
    } else if (what < death + 4) {
        do_revoke(m, id);
    } else if (what < death + 8) {
        do_lender(m, id);
    } else if (what & 1) {
        do_derive(m, id, random_value());
    } else {
        do_copy(m, id, random_value());
    }
}

static struct model model, *const M = &model;

/* Any sequence of `steps` operations, each on any live entry, in a table too small for all. */
static uint32_t sequences;

static void all_sequences(int steps)
{
    struct cap entries[8];
    struct cap_table t;
    int at[8], nodes;

    sequences++;
    compare(M);
    if (steps == 0 || difference != NULL)
        return;
    memcpy(entries, M->entries, sizeof entries);
    memcpy(at, M->at, sizeof at);
    t = M->t;
    nodes = M->nodes;
    for (cap_id id = 0; id < M->t.size && difference == NULL; id++) {
        for (int what = 0; what < 3; what++) {
            if (id == 0 ? what != 0 : M->at[id] == NONE)
                continue;
            if (id == 0) {
                do_make(M, (struct cap){.type = EXO_FRAME, .rights = EXO_R_ALL});
            } else if (what == 0) {
                do_derive(M, id, (struct cap){.rights = EXO_R_ALL});
            } else if (what == 1) {
                do_copy(M, id, (struct cap){.owner = 0});
            } else {
                do_delete(M, id);
            }
            if (M->nodes > nodes && M->at[M->node[nodes].id] == nodes)
                do_lender(M, M->node[nodes].id); /* all are lenders */
            all_sequences(steps - 1);
            memcpy(M->entries, entries, sizeof entries);
            memcpy(M->at, at, sizeof at);
            M->t = t;
            M->nodes = nodes;
        }
    }
}

static cap_id make(struct cap_table *t)
{
    return cap_make(t, EXO_FRAME, 7, EXO_R_ALL, 1, 1);
}

static cap_id derive(struct cap_table *t, cap_id c)
{
    return cap_derive(t, c, EXO_R_ALL, 0, 2, 2);
}

static void lender(struct cap_table *t, cap_id c)
{
    t->entries[c].flags |= EXO_CAP_LENDER;
}

static uint32_t revoke(struct cap_table *t, cap_id c)
{
    uint32_t n = 0;

    for (cap_id d; n < t->size && (d = cap_first_child(t, c)) != CAP_NIL; n++)
        cap_delete(t, d);
    return n;
}

static struct cap big[65536];

int main(void)
{
    struct cap_table table, *const t = &table;
    cap_id root, child, grandchild, source, copy, late, brother, a, a2, b, c, d;

    TEST_BEGIN("init writes only the head of a table of 65536 entries");
    memset(big, 0xa5, sizeof big);
    cap_table_init(t, big, 65536);
    unsigned char *bytes = (unsigned char *)&big[1];
    size_t touched = 0;
    for (size_t i = 0; i < sizeof big - sizeof big[0]; i++)
        touched += bytes[i] != 0xa5;
    ASSERT_EQ(touched, 0);
    ASSERT_TRUE(cap_table_ok(t));
    ASSERT_TRUE(!cap_is_live(t, 0) && !cap_is_live(t, 1) && !cap_is_live(t, 65536));
    TEST_END();

    TEST_BEGIN("derive cuts rights and sets a badge, copy keeps both, flags start empty");
    cap_table_init(t, big, 16);
    a = cap_make(t, EXO_ENDPOINT, 9, EXO_R_CALL | EXO_R_GRANT, 3, 30);
    lender(t, a);
    b = cap_derive(t, a, EXO_R_CALL | EXO_R_RECV, 77, 4, 40);
    c = cap_copy(t, b, 5, 50);
    d = cap_derive(t, c, 0, 0, 6, 60);
    a2 = cap_copy(t, a, 7, 70);
    ASSERT_EQ(big[b].rights, EXO_R_CALL);
    ASSERT_EQ(big[b].badge, 77);
    ASSERT_EQ(big[c].rights, EXO_R_CALL);
    ASSERT_EQ(big[c].badge, 77);
    ASSERT_EQ(big[c].owner, 5);
    ASSERT_EQ(big[c].slot, 50);
    ASSERT_EQ(big[d].rights, 0);
    ASSERT_EQ(big[d].badge, 77);
    ASSERT_EQ(big[d].depth, 3);
    ASSERT_EQ(big[d].object, 9);
    ASSERT_EQ(big[d].type, EXO_ENDPOINT);
    ASSERT_EQ(big[a2].flags, 0);
    ASSERT_EQ(cap_make(t, EXO_NONE, 0, 0, 0, 0), CAP_NIL);
    ASSERT_EQ(cap_make(t, EXO_TYPES, 0, 0, 0, 0), CAP_NIL);
    ASSERT_TRUE(cap_table_ok(t));
    TEST_END();

    TEST_BEGIN("a copy does not adopt what came from its deleted source");
    cap_table_init(t, big, 16);
    root = make(t);
    source = derive(t, root);
    child = derive(t, source);
    copy = cap_copy(t, source, 3, 3);
    late = cap_copy(t, source, 3, 3);
    cap_delete(t, source);
    ASSERT_TRUE(cap_is_live(t, child));
    ASSERT_EQ(t->dead, 1);
    ASSERT_EQ(revoke(t, copy), 0);
    ASSERT_EQ(revoke(t, late), 0);
    ASSERT_TRUE(cap_is_live(t, child));
    ASSERT_EQ(revoke(t, root), 3);
    ASSERT_EQ(t->live, 1);
    ASSERT_EQ(t->dead, 0);
    TEST_END();

    TEST_BEGIN("the lender hears of its last descendant, also past tombstones, once");
    cap_table_init(t, big, 16);
    root = make(t);
    lender(t, root);
    child = derive(t, root);
    lender(t, child);
    grandchild = derive(t, child);
    brother = cap_copy(t, grandchild, 4, 4);
    ASSERT_EQ(cap_delete(t, child), CAP_NIL);
    ASSERT_EQ(cap_delete(t, grandchild), CAP_NIL);
    ASSERT_EQ(cap_delete(t, brother), root);
    ASSERT_EQ(cap_delete(t, root), CAP_NIL);
    ASSERT_EQ(t->live + t->dead, 0);
    TEST_END();

    TEST_BEGIN("a lender that had no descendant hears nothing of its sibling's end");
    cap_table_init(t, big, 16);
    root = make(t);
    child = derive(t, root);
    brother = cap_copy(t, child, 4, 4); /* directly in front of child */
    lender(t, brother);
    lender(t, root);
    ASSERT_EQ(big[child].prev, brother);
    ASSERT_EQ(cap_delete(t, child), CAP_NIL);
    ASSERT_EQ(cap_delete(t, brother), root);
    TEST_END();

    TEST_BEGIN("what is being revoked neither derives nor copies");
    cap_table_init(t, big, 16);
    root = make(t);
    big[root].revoking = 1;
    ASSERT_EQ(derive(t, root), CAP_NIL);
    ASSERT_EQ(cap_copy(t, root, 1, 1), CAP_NIL);
    big[root].revoking = 0;
    child = derive(t, root);
    ASSERT_TRUE(child != CAP_NIL);
    big[root].revoking = 1;
    ASSERT_TRUE(derive(t, child) != CAP_NIL);
    TEST_END();

    TEST_BEGIN("a full table refuses, and one deletion makes room for one");
    cap_table_init(t, big, 4);
    root = make(t);
    child = derive(t, root);
    copy = cap_copy(t, root, 1, 1);
    ASSERT_EQ(make(t), CAP_NIL);
    ASSERT_EQ(derive(t, child), CAP_NIL);
    ASSERT_EQ(cap_copy(t, copy, 1, 1), CAP_NIL);
    ASSERT_TRUE(cap_table_ok(t));
    cap_delete(t, copy);
    ASSERT_TRUE(make(t) != CAP_NIL);
    ASSERT_EQ(make(t), CAP_NIL);
    ASSERT_TRUE(cap_table_ok(t));
    TEST_END();

    TEST_BEGIN("a chain ends at CAP_DEPTH_MAX, copies at that depth do not");
    cap_table_init(t, big, 65536);
    root = make(t);
    c = root;
    for (uint32_t i = 1; i < CAP_DEPTH_MAX; i++)
        c = derive(t, c);
    ASSERT_EQ(big[c].depth, CAP_DEPTH_MAX);
    ASSERT_EQ(derive(t, c), CAP_NIL);
    for (uint32_t i = 0; i < 10000; i++)
        c = cap_copy(t, c, 1, i);
    ASSERT_EQ(big[c].depth, CAP_DEPTH_MAX);
    ASSERT_EQ(t->live, CAP_DEPTH_MAX + 10000);
    ASSERT_TRUE(cap_table_ok(t));
    ASSERT_EQ(revoke(t, root), CAP_DEPTH_MAX - 1 + 10000);
    ASSERT_EQ(t->dead, 0);
    ASSERT_TRUE(cap_table_ok(t));
    TEST_END();

    TEST_BEGIN("a chain whose upper ends are deleted holds one tombstone, not thousands");
    cap_table_init(t, big, 65536);
    root = make(t);
    lender(t, root);
    c = derive(t, root);
    for (uint32_t i = 2; i < CAP_DEPTH_MAX; i++) {
        d = derive(t, c);
        cap_delete(t, c);
        c = d;
    }
    ASSERT_EQ(t->live, 2);
    ASSERT_EQ(t->dead, 1);
    ASSERT_TRUE(t->fresh <= 5);
    ASSERT_EQ(derive(t, c), CAP_NIL);
    ASSERT_EQ(cap_delete(t, c), root);
    ASSERT_EQ(t->dead, 0);
    ASSERT_TRUE(cap_table_ok(t));
    TEST_END();

    TEST_BEGIN("a full chain deleted from above, from below and in between leaves nothing");
    for (uint32_t way = 0; way < 3; way++) {
        cap_table_init(t, big, 65536);
        c = make(t);
        for (uint32_t i = 1; i < CAP_DEPTH_MAX; i++)
            c = derive(t, c);
        for (uint32_t i = 0; i < CAP_DEPTH_MAX; i++) { /* ids are 1 .. CAP_DEPTH_MAX from above */
            uint32_t k = i * 1024 % CAP_DEPTH_MAX;
            cap_delete(t, way == 0 ? i + 1 : way == 1 ? CAP_DEPTH_MAX - i : k + 1);
            ASSERT_TRUE(t->dead <= t->live);
            if (i % 256 == 0)
                ASSERT_TRUE(cap_table_ok(t));
        }
        ASSERT_EQ(t->live + t->dead, 0);
        ASSERT_TRUE(cap_table_ok(t));
    }
    TEST_END();

    TEST_BEGIN("cap_table_ok sees each kind of damage");
    static const struct {
        cap_id at;
        size_t field;
        unsigned char value;
    } damage[] = {
        {1, offsetof(struct cap, next), 9},      {2, offsetof(struct cap, prev), 2},
        {2, offsetof(struct cap, depth), 3},     {3, offsetof(struct cap, depth), 4},
        {2, offsetof(struct cap, flags), 0x40},  {3, offsetof(struct cap, object), 8},
        {3, offsetof(struct cap, rights), 0xff}, {1, offsetof(struct cap, type), EXO_NONE},
        {5, offsetof(struct cap, next), 5},      {5, offsetof(struct cap, type), EXO_FRAME},
        {0, offsetof(struct cap, depth), 1},     {4, offsetof(struct cap, type), EXO_TYPES},
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        cap_table_init(t, big, 16); /* list: 1, 2 below 1, tombstone 3 below 2, 4 below 3; 5 free */
        root = make(t);
        child = derive(t, root);
        c = cap_derive(t, child, EXO_R_READ, 0, 1, 1);
        d = derive(t, c);
        b = derive(t, d);
        cap_delete(t, b);
        cap_delete(t, c);
        ASSERT_TRUE(cap_table_ok(t));
        ((unsigned char *)&big[damage[i].at])[damage[i].field] = damage[i].value;
        ASSERT_TRUE(!cap_table_ok(t));
    }
    TEST_END();

    TEST_BEGIN("every sequence of 7 operations on 5 entries agrees with the model");
    model_init(M, 6);
    all_sequences(7);
    ASSERT_TRUE(model_agrees());
    printf("# %u sequences\n", sequences);
    TEST_END();

    TEST_BEGIN("120000 random operations agree with the model");
    for (uint32_t run = 0; run < 24; run++) {
        static const uint32_t sizes[] = {3, 6, 12, 24, 40, 64};
        random_state = 2463534242u + run;
        model_init(M, sizes[run % 6]);
        for (uint32_t step = 0; step < 5000 && difference == NULL; step++) {
            random_step(M, run < 12 ? 45 : 30);
            compare(M);
        }
        ASSERT_TRUE(model_agrees());
    }
    TEST_END();

    return 0;
}
