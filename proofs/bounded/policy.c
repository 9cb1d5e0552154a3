/* SPDX-License-Identifier: MIT */
/*
 * rs_depend of kernel/resurrection/policy.c, bounded: any table of up to EXO_SERVICES services (proofs/bounded/check
 * makes that a few) that satisfies rs_table_ok, any arguments. It refuses cycles and nothing else, changes one edge and nothing else, and
 * keeps the invariants.
 *
 * The one idea: "needs, directly or through others" is found here by another way than the code's, by as
 * many steps of the whole relation as there are services.
 */
#include <kernel/resurrection/policy.h>

static struct rs_table t, was;

struct rs_entry nondet_entry(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
_Bool nondet_bool(void);

/* Does service i need service j, directly or through others? */
static bool needs(uint32_t i, uint32_t j)
{
    rs_set reached = was.entry[i].needs;

    for (unsigned step = 0; step < EXO_SERVICES; step++) {
        rs_set more = reached;

        for (unsigned k = 0; k < EXO_SERVICES; k++) {
            if (reached & RS_BIT(k))
                more |= was.entry[k].needs;
        }
        reached = more;
    }
    return (reached & RS_BIT(j)) != 0;
}

static void check_same(uint32_t i)
{
    const struct rs_entry *a = &was.entry[i], *b = &t.entry[i];

    __CPROVER_assert(a->state == b->state && a->after == b->after && a->policy == b->policy &&
                         a->loaded == b->loaded && a->hold == b->hold && a->limit == b->limit &&
                         a->window == b->window && a->rebirths == b->rebirths,
                     "an edge changes nothing but the graph");
}

int main(void)
{
    uint32_t i = nondet_u32(), on = nondet_u32();
    bool follow = nondet_bool();

    for (unsigned k = 0; k < EXO_SERVICES; k++) {
        t.entry[k] = nondet_entry();
        __CPROVER_assume(t.entry[k].needs < RS_BIT(EXO_SERVICES));
    }
    t.used = EXO_SERVICES;
    t.now = nondet_u64();
    __CPROVER_assume(rs_table_ok(&t));
    was = t;

    bool added = rs_depend(&t, i, on, follow);
    bool there = rs_is(&was, i) && rs_is(&was, on);

    __CPROVER_assert(added == (there && i != on && !needs(on, i)),
                     "cycles are refused, nothing else");
    for (uint32_t k = 0; k < EXO_SERVICES; k++) {
        rs_set edge = added && k == i ? RS_BIT(on) : 0;

        check_same(k);
        __CPROVER_assert(t.entry[k].needs == (was.entry[k].needs | edge), "one edge is added");
        __CPROVER_assert(t.entry[k].follows ==
                             (follow ? was.entry[k].follows | edge : was.entry[k].follows & ~edge),
                         "it is followed as was asked");
    }
    __CPROVER_assert(rs_table_ok(&t), "the invariants hold afterwards");
    return 0;
}
