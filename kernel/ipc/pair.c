/* SPDX-License-Identifier: MIT */
/* Counted ends: see pair.h. */
#include <kernel/env/env.h>
#include <kernel/ipc/pair.h>
#include <kernel/ipc/wait.h>
#include <kernel/sys.h>
#include <stdatomic.h>

static const uint32_t end_right[2] = {EXO_R_END_A, EXO_R_END_B};

void pair_held(struct pair *p, uint32_t rights)
{
    for (unsigned end = 0; end < 2; end++)
        p->holders[end] += (rights & end_right[end]) != 0;
}

static void tell(struct pair *p, unsigned end)
{
    pfn_t f = p->region ? region_frame(p->region, p->word[end] >> EXO_PAGE_SHIFT) : PFN_NONE;

    if (f == PFN_NONE)
        return;
    uint64_t within = p->word[end] & (EXO_PAGE_SIZE - 1);
    /* Release: the last holder's stores come before (proofs/memory/protocols/ring.py). */
    atomic_store_explicit((_Atomic uint32_t *)((char *)hal_frame_ptr(f) + within), 1,
                          memory_order_release);
    wait_wake((uint64_t)f << EXO_PAGE_SHIFT | within, UINT32_MAX);
}

void pair_dropped(struct pair *p, uint32_t rights)
{
    for (unsigned end = 0; end < 2; end++) {
        if (rights & end_right[end] && --p->holders[end] == 0)
            tell(p, end);
    }
}

void pair_destroy(struct pair *p)
{
    if (p->region)
        object_unref(&p->region->source.object);
}

int64_t sys_pair_create(exo_cap region, uint64_t word_a, uint64_t word_b, exo_cap *ends)
{
    struct env *self = env_current();
    struct region *r;
    void *made;
    int64_t st, handles[2];

    if ((st = env_object(self, region, EXO_REGION, EXO_R_WRITE, (void **)&r)) != EXO_OK)
        return st;
    if (((word_a | word_b) & 3) != 0 || word_a >> EXO_PAGE_SHIFT >= r->source.pages ||
        word_b >> EXO_PAGE_SHIFT >= r->source.pages)
        return EXO_EINVAL;
    if (region_fill(r, word_a >> EXO_PAGE_SHIFT) == PFN_NONE ||
        region_fill(r, word_b >> EXO_PAGE_SHIFT) == PFN_NONE)
        return EXO_ENOMEM;
    if ((st = object_create(EXO_PAIR, self->account, &made)) != EXO_OK)
        return st;
    struct pair *p = made;
    unsigned made_ends = 0;
    p->word[0] = word_a;
    p->word[1] = word_b;
    for (; st == EXO_OK && made_ends < 2; made_ends += st == EXO_OK) {
        handles[made_ends] = env_grant_at(self, &p->object, end_right[made_ends] | EXO_R_GRANT, 0);
        st = handles[made_ends] < 0 ? handles[made_ends] : EXO_OK;
    }
    if (st == EXO_OK && !hal_copy_out((uintptr_t)ends, handles, sizeof handles))
        st = EXO_EFAULT;
    if (st == EXO_OK) {
        object_ref(&r->source.object);
        p->region = r;
    }
    while (st != EXO_OK && made_ends > 0) /* no region yet: nobody is told of these ends */
        sys_cap_delete((exo_cap)handles[--made_ends], 0);
    object_unref(&p->object);
    return st;
}
