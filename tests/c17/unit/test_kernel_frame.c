// SPDX-License-Identifier: MIT
/* The frame allocator and accounts, against a model that only counts. */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/mem/account.h>
#include <kernel/mem/frame.h>
#include <kernel/trap/view.h>

#include "test_framework.h"

static uint64_t seed = 1;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

#define HELD 3000
static struct {
    pfn_t first;
    uint32_t pages, shares, mark;
} held[HELD];

static bool zeroed(pfn_t f)
{
    const uint64_t *words = hal_frame_ptr(f);

    for (unsigned i = 0; i < 512; i++) {
        if (words[i] != 0)
            return false;
    }
    return true;
}

static void take(unsigned i, struct account *a)
{
    uint32_t pages = draw(4) ? 1 : 1 + (uint32_t)draw(40);
    pfn_t f = pages == 1 && draw(2) ? frame_take(a) : frame_take_run(a, pages);

    if (f == PFN_NONE)
        return;
    held[i].first = f;
    held[i].pages = pages;
    held[i].shares = 1;
    held[i].mark = (uint32_t)seed;
    for (uint32_t k = 0; k < pages; k++) {
        ASSERT_TRUE(zeroed(f + k));
        ASSERT_EQ(frame_shares(f + k), 1);
        *(uint32_t *)hal_frame_ptr(f + k) = held[i].mark + k;
    }
}

static void give(unsigned i)
{
    for (uint32_t k = 0; k < held[i].pages; k++) { /* nobody else wrote there */
        ASSERT_EQ(*(uint32_t *)hal_frame_ptr(held[i].first + k), held[i].mark + k);
        frame_unshare(held[i].first + k);
    }
    if (--held[i].shares == 0)
        held[i].pages = 0;
}

static void randomly(void)
{
    uint64_t free_before = frame_free_count(), mine = 0;
    struct account *a = account_root(2000, 10);

    for (unsigned step = 0; step < 40000; step++) {
        unsigned i = (unsigned)draw(HELD);

        if (held[i].pages == 0) {
            take(i, a);
            mine += held[i].pages;
        } else if (draw(5) == 0) {
            for (uint32_t k = 0; k < held[i].pages; k++)
                frame_share(held[i].first + k);
            held[i].shares++;
        } else {
            uint64_t pages = held[i].pages;
            give(i);
            mine -= held[i].pages ? 0 : pages;
        }
        ASSERT_EQ(a->frames_used, mine);
        ASSERT_EQ(frame_free_count(), free_before - mine);
    }
    for (unsigned i = 0; i < HELD; i++) {
        while (held[i].pages)
            give(i);
    }
    ASSERT_EQ(a->frames_used, 0);
    ASSERT_EQ(frame_free_count(), free_before);
}

static void largest_blocks(void)
{
    pfn_t blocks[8];
    unsigned n = 0;

    while (n < 8 && (blocks[n] = frame_take_block(0, FRAME_ORDERS - 1)) != PFN_NONE)
        n++;
    ASSERT_GE(n, 2);
    for (unsigned i = 0; i < n; i++) {
        ASSERT_EQ(blocks[i] & ((1u << (FRAME_ORDERS - 1)) - 1), 0);
        for (pfn_t k = 0; k < 1u << (FRAME_ORDERS - 1); k++)
            frame_unshare(blocks[i] + k);
    }
}

int main(void)
{
    host_start(32);

    TEST_BEGIN("random takes and gives balance, and no frame has two owners");
    randomly();
    TEST_END();

    TEST_BEGIN("after all of it the largest blocks can be had");
    largest_blocks();
    TEST_END();

    TEST_BEGIN("a run is charged exactly");
    struct account *a = account_root(30, 1);
    pfn_t f = frame_take_run(a, 30);
    ASSERT_NE(f, PFN_NONE);
    ASSERT_EQ(a->frames_used, 30);
    ASSERT_EQ(frame_take(a), PFN_NONE);
    for (unsigned i = 0; i < 30; i++)
        frame_unshare(f + i);
    ASSERT_EQ(a->frames_used, 0);
    TEST_END();

    TEST_BEGIN("the view's table of free blocks adds up to the free frames");
    pfn_t some[5];
    for (unsigned i = 0; i < 5; i++)
        some[i] = frame_take_run(0, 1 + 7 * i);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t sum = kernel_view->free_singles;
        for (unsigned order = 0; order < EXO_VIEW_ORDERS; order++)
            sum += (uint64_t)kernel_view->free_blocks[order] << order;
        ASSERT_EQ(sum, kernel_view->frames_free);
        for (unsigned i = 0; round == 0 && i < 5; i++) {
            for (unsigned k = 0; k < 1 + 7 * i; k++)
                frame_unshare(some[i] + k);
        }
    }
    TEST_END();

    TEST_BEGIN("runs of no size, and of too much, are refused");
    ASSERT_EQ(frame_take_run(0, 2049), PFN_NONE);
    ASSERT_EQ(frame_take_run(0, UINT32_MAX), PFN_NONE);
    ASSERT_EQ(frame_take_block(0, FRAME_ORDERS), PFN_NONE);
    TEST_END();

    TEST_BEGIN("only what is not RAM is a device");
    for (pfn_t frame = 0; frame < HOST_RAM_FIRST + host_ram_frames; frame++)
        ASSERT_FALSE(frame_are_device(frame, 1));
    ASSERT_TRUE(frame_are_device(HOST_RAM_FIRST + host_ram_frames, 1));
    TEST_END();

    TEST_BEGIN("an account never has more out than its limit, and objects count apart");
    struct account *b = account_root(5, 2);
    ASSERT_TRUE(account_charge_frames(b, 5));
    ASSERT_FALSE(account_charge_frames(b, 1));
    ASSERT_FALSE(account_charge_frames(b, UINT64_MAX));
    ASSERT_TRUE(account_charge_object(b));
    ASSERT_TRUE(account_charge_object(b));
    ASSERT_FALSE(account_charge_object(b));
    account_uncharge_frames(b, 5);
    ASSERT_EQ(b->object.refs, 2); /* its own, and the charges' */
    account_uncharge_object(b);
    account_uncharge_object(b);
    ASSERT_EQ(b->object.refs, 1);
    TEST_END();
    return 0;
}
