// SPDX-License-Identifier: MIT
/*
 * Address spaces against a naive model: for every page of two small spaces the model knows what is
 * mapped there, with which rights, and which word it must show. Random calls change both; after each
 * one every page that the call touched, and now and then all of them, are compared through the
 * processor's eyes.
 */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/mem/frame.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#include "test_framework.h"

#define PAGES  1100u /* over three leaf tables */
#define BASE   0x10000000u
#define SOURCE 64u /* pages of the region */
#define SPACES 2u
#define VA(n)  (BASE + (uint64_t)(n)*EXO_PAGE_SIZE)

enum what { NOTHING, ANON, SHARED, PRIVATE };

/* A private page's content; shared by nobody, so a plain value. */
static struct page {
    uint8_t what, rights, nofork;
    uint8_t own;    /* PRIVATE: has its copy */
    uint32_t word;  /* ANON, PRIVATE with a copy */
    uint32_t index; /* SHARED, PRIVATE: page of the region */
} model[SPACES][PAGES];
static uint32_t region_word[SOURCE];
static bool region_has[SOURCE];

static struct thread *thread[SPACES];
static exo_cap other[SPACES]; /* the other's env, in each table */
static exo_cap region[SPACES];
static struct region *the_region;

static uint64_t seed = 3;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* ---- the model --------------------------------------------------------------------------------- */

static uint32_t shown(const struct page *p)
{
    if (p->what == ANON || p->own)
        return p->word;
    return region_has[p->index] ? region_word[p->index] : 0;
}

static void check_page(unsigned s, unsigned n)
{
    struct page *p = &model[s][n];
    uint32_t word = 0xbad;
    bool readable = host_load(&thread[s]->env->space, VA(n) + 8, &word);

    ASSERT_EQ(readable, p->what != NOTHING && p->rights & EXO_MAP_READ);
    if (!readable)
        return;
    if (p->what != ANON && !p->own)
        region_has[p->index] = true; /* zero-filled at the touch */
    ASSERT_EQ(word, shown(p));
}

static void store(unsigned s, unsigned n)
{
    struct page *p = &model[s][n];
    uint32_t word = (uint32_t)draw(1u << 30) + 1;
    bool written = host_store(&thread[s]->env->space, VA(n) + 8, word);

    ASSERT_EQ(written, p->what != NOTHING && p->rights & EXO_MAP_WRITE);
    if (!written)
        return;
    if (p->what == SHARED) {
        region_word[p->index] = word;
        region_has[p->index] = true;
        return;
    }
    if (p->what == PRIVATE && !p->own)
        region_has[p->index] = true;
    p->own = p->what == PRIVATE;
    p->word = word;
}

/* ---- the calls --------------------------------------------------------------------------------- */

static uint8_t some_rights(void)
{
    static const uint8_t rights[] = {EXO_MAP_READ, EXO_MAP_READ | EXO_MAP_WRITE,
                                     EXO_MAP_READ | EXO_MAP_WRITE, EXO_MAP_READ | EXO_MAP_EXEC, 0};

    return rights[draw(5)];
}

static void do_map(unsigned s, unsigned first, unsigned count)
{
    enum what what = (enum what)(1 + draw(3));
    uint32_t flags = some_rights() | (draw(6) ? 0 : EXO_MAP_NOFORK) | (draw(4) ? 0 : EXO_MAP_EAGER);
    bool keep = draw(4) == 0, taken = false;
    unsigned index = 0;

    if (what != ANON) {
        count = count > SOURCE ? SOURCE : count;
        index = (unsigned)draw(SOURCE - count + 1);
    }
    for (unsigned n = first; n < first + count; n++)
        taken |= model[s][n].what != NOTHING;
    int64_t st =
        sys_map(0, VA(first), count, what == ANON ? 0 : region[s], index,
                flags | (what == PRIVATE ? EXO_MAP_PRIVATE : 0) | (keep ? EXO_MAP_KEEP : 0));
    ASSERT_EQ(st, keep && taken ? EXO_EEXIST : EXO_OK);
    if (st != EXO_OK)
        return;
    for (unsigned n = 0; n < count; n++)
        model[s][first + n] = (struct page){.what = (uint8_t)what,
                                            .rights = flags & EXO_MAP_RIGHTS,
                                            .nofork = (flags & EXO_MAP_NOFORK) != 0,
                                            .index = index + n};
}

static void do_unmap(unsigned s, unsigned first, unsigned count)
{
    ASSERT_EQ(sys_unmap(0, VA(first), count), EXO_OK);
    memset(&model[s][first], 0, count * sizeof model[s][0]);
}

static void do_protect(unsigned s, unsigned first, unsigned count)
{
    uint8_t rights = some_rights();
    bool hole = false;

    for (unsigned n = first; n < first + count; n++)
        hole |= model[s][n].what == NOTHING;
    ASSERT_EQ(sys_protect(0, VA(first), count, rights), hole ? EXO_ENOENT : EXO_OK);
    for (unsigned n = first; !hole && n < first + count; n++)
        model[s][n].rights = rights;
}

static void do_discard(unsigned s, unsigned first, unsigned count)
{
    ASSERT_EQ(sys_discard(0, VA(first), count), EXO_OK);
    for (unsigned n = first; n < first + count; n++) {
        model[s][n].own = 0;
        model[s][n].word = 0;
    }
}

static void do_punch(unsigned s)
{
    unsigned first = (unsigned)draw(SOURCE), count = 1 + (unsigned)draw(SOURCE - first);

    ASSERT_EQ(sys_region_punch(region[s], first, count), EXO_OK);
    for (unsigned n = first; n < first + count; n++) {
        region_has[n] = false;
        region_word[n] = 0;
    }
}

/* Gives the other space what lies in the range, where it has nothing. */
static void do_clone(unsigned s, unsigned first, unsigned count)
{
    unsigned to = 1 - s;
    bool taken = false;

    for (unsigned n = first; n < first + count; n++)
        taken |= model[s][n].what != NOTHING && !model[s][n].nofork && model[to][n].what != NOTHING;
    if (taken) /* what a failed clone leaves is not modelled */
        return;
    int64_t va = (int64_t)VA(first);
    do {
        va = sys_space_clone(other[s], (uint64_t)va,
                             (VA(first + count) - (uint64_t)va) / EXO_PAGE_SIZE);
    } while (va > 0);
    ASSERT_EQ(va, EXO_OK);
    for (unsigned n = first; n < first + count; n++) {
        if (model[s][n].what != NOTHING && !model[s][n].nofork)
            model[to][n] = model[s][n];
    }
}

/* ---- invariants -------------------------------------------------------------------------------- */

/* Every present entry lies in a mapping, and `owned` counts those that own. */
static void check_space(struct space *s)
{
    uint64_t owned = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        ASSERT_LT(s->vmas[i]->start, s->vmas[i]->end);
        if (i > 0)
            ASSERT_LE(s->vmas[i - 1]->end, s->vmas[i]->start);
    }
    for (uint32_t l = 0; l < s->hal.count; l++) {
        const hal_pte_t *table = hal_frame_ptr(s->hal.leaves[l].frame);

        for (unsigned i = 0; i < HAL_LEAF_PAGES; i++) {
            uint64_t va = (s->hal.leaves[l].number * HAL_LEAF_PAGES + i) << EXO_PAGE_SHIFT;
            const struct vma *v = 0;

            if (!hal_pte_present(table[i]))
                continue;
            owned += (hal_pte_soft(table[i]) & HAL_SOFT_OWNED) != 0;
            ASSERT_GE(frame_shares(hal_pte_frame(table[i])), 1);
            for (uint32_t k = 0; k < s->count; k++) {
                if (s->vmas[k]->start <= va && va < s->vmas[k]->end)
                    v = s->vmas[k];
            }
            ASSERT_NOT_NULL(v);
            if (hal_pte_rights(table[i]) & EXO_MAP_WRITE) {
                ASSERT_TRUE(v->rights & EXO_MAP_WRITE);
                if (v->flags & EXO_MAP_PRIVATE) /* never into the region */
                    ASSERT_TRUE(hal_pte_soft(table[i]) & HAL_SOFT_OWNED);
                if (hal_pte_soft(table[i]) & HAL_SOFT_OWNED)
                    ASSERT_EQ(frame_shares(hal_pte_frame(table[i])), 1);
            }
        }
    }
    ASSERT_EQ(s->owned, owned);
}

static void randomly(unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        unsigned s = (unsigned)draw(SPACES), first = (unsigned)draw(PAGES);
        unsigned count = 1 + (unsigned)draw(draw(3) ? 12 : PAGES);

        count = count > PAGES - first ? PAGES - first : count;
        host_run(thread[s]);
        switch (draw(9)) {
        case 0:
        case 1: do_map(s, first, count); break;
        case 2: do_unmap(s, first, draw(3) && count > 8 ? 8 : count); break;
        case 3: do_protect(s, first, count > 20 ? 20 : count); break;
        case 4: do_discard(s, first, count > 20 ? 20 : count); break;
        case 5: do_clone(s, first, count); break;
        case 6:
            if (draw(4) == 0)
                do_punch(s);
            break;
        default:
            for (unsigned i = 0; i < 10; i++)
                store(s, (unsigned)draw(PAGES));
        }
        for (unsigned n = first; n < first + (count > 20 ? 20 : count); n++)
            check_page((unsigned)draw(SPACES), n);
        if (step % 200 == 0) {
            for (s = 0; s < SPACES; s++) {
                for (unsigned n = 0; n < PAGES; n++)
                    check_page(s, n);
                check_space(&thread[s]->env->space);
            }
        }
    }
}

int main(void)
{
    host_start(64);
    struct account *account = account_root(8000, 100);
    uint64_t frames = frame_free_count();

    TEST_BEGIN("random calls do to two spaces what they do to the model");
    for (unsigned s = 0; s < SPACES; s++) {
        thread[s] = host_env(account);
        ASSERT_NOT_NULL(thread[s]);
    }
    for (unsigned s = 0; s < SPACES; s++)
        other[s] = (exo_cap)env_grant_at(thread[s]->env, &thread[1 - s]->env->object, EXO_R_ALL, 0);
    host_run(thread[0]);
    region[0] = (exo_cap)sys_region_create(0, SOURCE, 1);
    region[1] = region[0];
    ASSERT_EQ(sys_cap_copy(region[0], other[0], region[0]), region[0]);
    cap_id id;
    ASSERT_EQ(env_cap(thread[0]->env, region[0], &id), EXO_OK);
    the_region = object_at(EXO_REGION, cap_global()->entries[id].object);
    randomly(12000);
    TEST_END();

    TEST_BEGIN("unmapping all gives all private frames back");
    for (unsigned s = 0; s < SPACES; s++) {
        host_run(thread[s]);
        ASSERT_EQ(sys_unmap(0, BASE, PAGES), EXO_OK);
        ASSERT_EQ(thread[s]->env->space.owned, 0);
    }
    ASSERT_NULL(the_region->source.mappings);
    TEST_END();

    TEST_BEGIN("two ends of the address space, wrapped around, are no range");
    host_run(thread[0]);
    ASSERT_EQ(sys_map(0, UINT64_MAX - 4095, 1, 0, 0, EXO_MAP_READ), EXO_EINVAL);
    ASSERT_EQ(sys_map(0, UINT64_MAX - 4095, 2, 0, 0, EXO_MAP_READ), EXO_EINVAL);
    TEST_END();

    TEST_BEGIN("who is left alone with a page, and writes it, pays for it");
    struct account *heir = account_root(100, 100);
    struct thread *child = host_env(heir);
    host_run(thread[0]);
    exo_cap at = (exo_cap)env_grant_at(thread[0]->env, &child->env->object, EXO_R_ALL, 0);
    ASSERT_EQ(sys_map(0, BASE, 2, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE), EXO_OK);
    ASSERT_EQ(space_fault(&thread[0]->env->space, BASE, EXO_MAP_WRITE), SPACE_SERVED);
    ASSERT_EQ(sys_space_clone(at, BASE, 2), EXO_OK);
    uint64_t before = account->frames_used, heirs = heir->frames_used;
    ASSERT_EQ(sys_unmap(0, BASE, 2), EXO_OK);
    ASSERT_EQ(account->frames_used, before); /* who reads it only, is a guest */
    ASSERT_EQ(space_fault(&child->env->space, BASE, EXO_MAP_WRITE), SPACE_SERVED);
    ASSERT_EQ(account->frames_used, before - 1);
    ASSERT_EQ(heir->frames_used, heirs + 1);
    env_kill(child->env, EXO_DESTROYED, 0);
    TEST_END();

    TEST_BEGIN("the end of both environments leaves nothing");
    host_run(thread[0]);
    env_kill(thread[0]->env, EXO_DESTROYED, 0);
    env_kill(thread[1]->env, EXO_DESTROYED, 0);
    this_cpu()->current = 0;
    host_reap();
    ASSERT_EQ(account->frames_used, 0);
    ASSERT_EQ(account->objects_used, 0);
    ASSERT_GE(frame_free_count() + 32, frames); /* pools keep a few */
    TEST_END();
    return 0;
}
