// SPDX-License-Identifier: MIT
/* frame_alloc, and frames in the hands of several owners. */
#include "contract.h"

static void frames_are_zeroed_and_contiguous_in_number(void)
{
    for (unsigned round = 0; round < 2; round++) {
        exo_cap frame = OK(exo_frame_alloc(0, 5));

        OK(exo_map(0, page(0), 5, frame, 0, RW));
        for (unsigned i = 0; i < 5 * PAGE / 4; i++) {
            if (WORD(page(0) + i * 4) != 0)
                EXPECT(i, -1);
            WORD(page(0) + i * 4) = 0xa5a5a5a5;
        }
        OK(exo_map(0, page(8), 2, frame, 3, EXO_MAP_READ));
        EXPECT(WORD(page(9)), 0xa5a5a5a5);
        drop(frame);
        OK(exo_unmap(0, page(0), 10));
    }
}

static void frames_are_charged_exactly(void)
{
    static const uint64_t sizes[] = {1, 2, 3, 5, 8, 17, 600, 1024};
    exo_cap account = OK(exo_account_create(0, 2048, 10));

    for (unsigned i = 0; i < COUNT(sizes); i++) {
        exo_cap frame = OK(exo_frame_alloc(account, sizes[i]));
        struct budget b = budget_of(account);

        EXPECT(b.frames_used, sizes[i]);
        EXPECT(b.objects_used, 1);
        drop(frame);
        EXPECT(budget_of(account).frames_used, 0);
    }
    drop(account);
}

static void frame_alloc_checks_its_arguments(void)
{
    exo_cap account = OK(exo_account_create(0, 100, 10));

    EXPECT(exo_frame_alloc(0, 0), EXO_EINVAL);
    EXPECT(exo_frame_alloc(0, 1025), EXO_EINVAL);
    EXPECT(exo_frame_alloc(0, UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_frame_alloc(0, (uint64_t)1 << 32 | 1), EXO_EINVAL);
    CAP_ERRORS(exo_frame_alloc(C, 1), some_frame, account, EXO_R_CHARGE);
    EXPECT(exo_frame_alloc(account, 101), EXO_ENOMEM);
    drop(account);
}

static int64_t frame_charged(exo_cap account)
{
    int64_t frame = exo_frame_alloc(account, 8);

    if (frame >= 0)
        drop((exo_cap)frame);
    return frame;
}

static void account_that_runs_out_gets_everything_back(void)
{
    exhaust("frame_alloc", frame_charged, 16);
}

static void mapping_keeps_no_frame_alive_that_its_capability_left(void)
{
    exo_cap frame = OK(exo_frame_alloc(0, 2)), copy = OK(exo_cap_copy(frame, 0, 0));

    OK(exo_map(0, page(0), 2, frame, 0, RW));
    OK(exo_map(0, page(4), 2, copy, 0, RW));
    WORD(page(0)) = 3;
    drop(frame);
    EXPECT(WORD(page(4)), 3);
    EXPECT(exo_protect(0, page(0), 2, EXO_MAP_READ), EXO_ENOENT);
    drop(copy);
    EXPECT(exo_protect(0, page(4), 2, EXO_MAP_READ), EXO_ENOENT);
}

/* Two live in the same pages; one dies, in both orders. */
static int64_t read_both(uint64_t unused)
{
    (void)unused;
    return WORD(page(0)) + WORD(page(1));
}

static void shared_pages_outlive_one_of_their_environments(void)
{
    for (unsigned order = 0; order < 2; order++) {
        exo_cap frame = OK(exo_frame_alloc(0, 2));
        struct child a, b;

        OK(exo_map(0, page(0), 2, frame, 0, RW));
        WORD(page(0)) = 20;
        WORD(page(1)) = 22;
        child_make(&a, CHILD_FRAMES, CHILD_OBJECTS);
        child_make(&b, CHILD_FRAMES, CHILD_OBJECTS);
        exo_cap in_a = OK(exo_cap_copy(frame, a.env, 0)), in_b = OK(exo_cap_copy(frame, b.env, 0));
        (void)in_a;
        (void)in_b;
        OK(exo_map(a.env, page(0), 2, frame, 0, RW));
        OK(exo_map(b.env, page(0), 2, frame, 0, RW));
        OK(exo_env_destroy(order ? a.env : b.env, 0));
        counters();
        struct child *rest = order ? &b : &a;
        child_go(rest, read_both, 0);
        EXPECT(child_wait(rest).status, 42);
        EXPECT(WORD(page(1)), 22);
        child_drop(&a);
        child_drop(&b);
        OK(exo_unmap(0, page(0), 2));
        drop(frame);
    }
}

static void all_of_the_machine_can_be_taken_and_comes_back(void)
{
    static exo_cap all[512];
    unsigned n = 0;
    uint64_t pages = 1024, taken = 0;

    while (pages > 0 && n < COUNT(all)) {
        int64_t frame = exo_frame_alloc(0, pages);
        if (frame < 0) {
            EXPECT(frame, EXO_ENOMEM);
            pages /= 2;
            continue;
        }
        all[n++] = (exo_cap)frame;
        taken += pages;
    }
    EXPECT_TRUE(taken > exo_view()->frames_total / 2);
    EXPECT(exo_frame_alloc(0, 1), EXO_ENOMEM);
    EXPECT_TRUE(exo_env_create(0) < 0);
    EXPECT(exo_notify(some_note, 1), EXO_OK); /* what needs no memory works */
    while (n > 0)
        drop(all[--n]);
    drop(OK(exo_frame_alloc(0, 1024))); /* and blocks form again */
}

int main(void)
{
    static const struct test tests[] = {
        T(frames_are_zeroed_and_contiguous_in_number),
        T(frames_are_charged_exactly),
        T(frame_alloc_checks_its_arguments),
        T(account_that_runs_out_gets_everything_back),
        T(mapping_keeps_no_frame_alive_that_its_capability_left),
        T(shared_pages_outlive_one_of_their_environments),
        T(all_of_the_machine_can_be_taken_and_comes_back),
    };
    return contract_run(tests, COUNT(tests));
}
