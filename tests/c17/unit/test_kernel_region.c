// SPDX-License-Identifier: MIT
/* The region's tree: sparse, deep, punched, destroyed; against an array of a few places. */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/mem/frame.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#include "test_framework.h"

static struct thread *self;
static struct account *account;

static struct region *region_at(exo_cap cap)
{
    void *r;

    ASSERT_EQ(env_object(self->env, cap, EXO_REGION, 0, &r), EXO_OK);
    return r;
}

static uint64_t seed = 5;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* Places that are near each other and far apart, at every height of the tree. */
static uint64_t place(unsigned i)
{
    static const uint64_t bases[] = {
        0, 505, 1 << 18, (1 << 18) - 10, 1 << 27, ((uint64_t)1 << 36) - 10};

    return bases[i / 10] + i % 10;
}
#define PLACES 60u

static void put(exo_cap r, uint64_t page, uint32_t word)
{
    host_put(HOST_ARGUMENTS, &word, 4);
    ASSERT_EQ(sys_region_write(r, page << EXO_PAGE_SHIFT, (void *)HOST_ARGUMENTS, 4), 4);
}

static uint32_t get(exo_cap r, uint64_t page)
{
    uint32_t word;

    ASSERT_EQ(sys_region_read(r, page << EXO_PAGE_SHIFT, (void *)HOST_ARGUMENTS, 4), 4);
    host_get(&word, HOST_ARGUMENTS, 4);
    return word;
}

static void randomly(exo_cap cap)
{
    uint32_t words[PLACES] = {1}, present = 1; /* main put a word there */
    bool has[PLACES] = {true};
    struct region *r = region_at(cap);

    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)draw(PLACES);

        if (draw(3) == 0) {
            unsigned to = i / 10 * 10 + (unsigned)draw(10), low = i < to ? i : to;
            unsigned high = i < to ? to : i;
            ASSERT_EQ(sys_region_punch(cap, place(low), place(high) - place(low) + 1), EXO_OK);
            for (; low <= high; low++) {
                present -= has[low];
                words[low] = 0;
                has[low] = false;
            }
        } else {
            words[i] = (uint32_t)step + 1;
            present += !has[i];
            has[i] = true;
            put(cap, place(i), words[i]);
        }
        i = (unsigned)draw(PLACES);
        ASSERT_EQ(get(cap, place(i)), words[i]);
        ASSERT_EQ(region_frame(r, place(i)) != PFN_NONE, has[i]);
    }
    ASSERT_EQ(r->present, present);
}

int main(void)
{
    host_start(32);
    account = account_root(4000, 50);
    self = host_env(account);
    host_run(self);
    static uint64_t frames, objects;
    static exo_cap r, frame, in[3];

    TEST_BEGIN("a deep, sparse region shows what was put there, and nothing else");
    r = (exo_cap)sys_region_create(0, (uint64_t)1 << 36, 0);
    put(r, 0, 1);
    frames = account->frames_used;
    objects = account->objects_used;
    randomly(r);
    TEST_END();

    TEST_BEGIN("its end gives every node and page back");
    ASSERT_GT(account->frames_used, frames);
    ASSERT_EQ(sys_cap_delete(r, 0), EXO_OK);
    ASSERT_EQ(account->frames_used, frames - 1);
    ASSERT_EQ(account->objects_used, objects - 1);
    TEST_END();

    TEST_BEGIN("a frame in three regions is freed with the last of them");
    frame = (exo_cap)sys_frame_alloc(0, 4);
    void *extent;
    ASSERT_EQ(env_object(self->env, frame, EXO_FRAME, 0, &extent), EXO_OK);
    pfn_t first = ((struct extent *)extent)->first;
    for (unsigned i = 0; i < 3; i++) {
        in[i] = (exo_cap)sys_region_create(0, 600, 0);
        ASSERT_EQ(sys_region_insert(in[i], 511, frame, 1, 3), EXO_OK);
    }
    ASSERT_EQ(frame_shares(first), 1);
    ASSERT_EQ(frame_shares(first + 1), 4);
    ASSERT_EQ(sys_cap_delete(frame, 0), EXO_OK);
    put(in[0], 512, 0xabc);
    ASSERT_EQ(get(in[2], 512), 0xabc);
    ASSERT_EQ(sys_region_punch(in[0], 0, 600), EXO_OK);
    ASSERT_EQ(sys_cap_delete(in[1], 0), EXO_OK);
    ASSERT_EQ(frame_shares(first + 2), 1);
    ASSERT_EQ(get(in[2], 512), 0xabc);
    ASSERT_EQ(sys_cap_delete(in[2], 0), EXO_OK);
    ASSERT_FALSE(frame_is_ram(first + 2));
    ASSERT_EQ(sys_cap_delete(in[0], 0), EXO_OK);
    TEST_END();

    TEST_BEGIN("an insert that meets a page in the middle puts nothing in");
    r = (exo_cap)sys_region_create(0, 100, 0);
    frame = (exo_cap)sys_frame_alloc(0, 10);
    put(r, 15, 1);
    ASSERT_EQ(sys_region_insert(r, 10, frame, 0, 10), EXO_EEXIST);
    ASSERT_EQ(region_at(r)->present, 1);
    sys_cap_delete(r, 0);
    sys_cap_delete(frame, 0);
    TEST_END();

    TEST_BEGIN("an account that runs out in the middle of a tree leaves a tree");
    struct account *small = account_root(20, 10);
    struct thread *poor = host_env(small);
    ASSERT_NOT_NULL(poor);
    host_run(poor);
    r = (exo_cap)sys_region_create(0, (uint64_t)1 << 36, 1);
    uint32_t word = 9;
    host_put(HOST_ARGUMENTS, &word, 4);
    int64_t st = 4;
    unsigned n = 0;
    for (; st == 4; n++)
        st = sys_region_write(r, place(n) << EXO_PAGE_SHIFT, (void *)HOST_ARGUMENTS, 4);
    ASSERT_EQ(st, EXO_ENOMEM);
    ASSERT_GT(n, 1);
    ASSERT_EQ(sys_region_read(r, place(0) << EXO_PAGE_SHIFT, (void *)HOST_ARGUMENTS, 4), 4);
    ASSERT_EQ(sys_region_punch(r, 0, (uint64_t)1 << 36), EXO_OK);
    env_kill(poor->env, EXO_DESTROYED, 0);
    host_run(self);
    host_reap();
    ASSERT_EQ(small->frames_used, 0);
    ASSERT_EQ(small->objects_used, 0);
    TEST_END();
    return 0;
}
