// SPDX-License-Identifier: MIT
/* space_clone: copy-on-write, and every way to make it leave frames where no mapping is. */
#include "contract.h"

#include <lib/string.h>

/* Clones a range to the end. */
static int64_t clone(exo_cap env, uint64_t va, uint64_t pages)
{
    uint64_t end = va + pages * PAGE;

    while (va < end) {
        int64_t next = exo_space_clone(env, va, (end - va) / PAGE);
        if (next <= 0)
            return next;
        EXPECT_TRUE((uint64_t)next > va && (uint64_t)next < end);
        va = (uint64_t)next;
    }
    return EXO_OK;
}

/* In the child: the word at page(n) must be `value + n` for n below `count`; then it is written. */
struct check {
    uint64_t first, count;
    uint32_t value;
};
static struct check check;

static int64_t child_checks(uint64_t unused)
{
    (void)unused;
    for (uint64_t n = 0; n < check.count; n++) {
        if (WORD(check.first + n * PAGE) != (check.value ? check.value + n : 0))
            return 100 + (int64_t)n;
        WORD(check.first + n * PAGE) = 0xdead;
    }
    return 1;
}

static void expect_child(struct child *c, uint64_t first, uint64_t count, uint32_t value)
{
    check = (struct check){first, count, value};
    child_go(c, child_checks, 0);
    struct exo_env_info info = child_wait(c);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, 1);
}

static void fill(unsigned first, unsigned count, uint32_t value)
{
    for (unsigned n = 0; n < count; n++)
        WORD(page(first + n)) = value + n;
}

static void private_pages_are_copied_on_write(void)
{
    struct child c;

    OK(exo_map(0, page(0), 20, 0, 0, RW));
    fill(0, 20, 1000);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(clone(c.env, page(0), 20), EXO_OK);
    expect_child(&c, page(0), 20, 1000);
    for (unsigned n = 0; n < 20; n++)
        EXPECT(WORD(page(n)), 1000 + n);
    fill(0, 20, 5);
    child_drop(&c);
    fill(0, 20, 6);
    OK(exo_unmap(0, page(0), 20));
}

static void pages_outlive_the_one_they_were_cloned_from(void)
{
    struct child c;

    OK(exo_map(0, page(0), 20, 0, 0, RW));
    fill(0, 20, 1000);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(clone(c.env, page(0), 20), EXO_OK);
    fill(0, 10, 2000); /* the parent copies some */
    OK(exo_unmap(0, page(0), 20));
    expect_child(&c, page(0), 20, 1000);
    child_drop(&c);
}

static void shared_mappings_stay_shared_if_the_child_has_the_capability(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 4, 1));

    OK(exo_map(0, page(0), 4, region, 0, RW));
    fill(0, 4, 50);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(clone(c.env, page(0), 4), EXO_OK); /* without it: left out */
    EXPECT(exo_protect(c.env, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    OK(exo_cap_copy(region, c.env, region));
    EXPECT(clone(c.env, page(0), 4), EXO_OK);
    expect_child(&c, page(0), 4, 50);
    EXPECT(WORD(page(3)), 0xdead);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 4));
    drop(region);
}

static void nofork_mappings_are_left_out(void)
{
    struct child c;

    OK(exo_map(0, page(0), 2, 0, 0, RW | EXO_MAP_NOFORK));
    fill(0, 2, 1);
    child_make(&c, 64, 8);
    EXPECT(clone(c.env, page(0), 2), EXO_OK);
    EXPECT(exo_protect(c.env, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 2));
}

static void long_ranges_go_in_pieces_of_2048_pages(void)
{
    struct child c;
    int64_t next;

    OK(exo_map(0, page(0), 5000, 0, 0, RW));
    fill(0, 5000, 7);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    next = exo_space_clone(c.env, page(0), 5000);
    EXPECT_TRUE(next > (int64_t)page(0) && next <= (int64_t)page(2048));
    EXPECT(clone(c.env, (uint64_t)next, 5000 - ((uint64_t)next - page(0)) / PAGE), EXO_OK);
    expect_child(&c, page(4900), 100, 7 + 4900);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 5000));
}

static void a_part_of_a_mapping_is_cloned_alone(void)
{
    struct child c;

    OK(exo_map(0, page(0), 10, 0, 0, RW));
    fill(0, 10, 30);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(clone(c.env, page(4), 3), EXO_OK);
    EXPECT(exo_protect(c.env, page(3), 1, RW), EXO_ENOENT);
    EXPECT(exo_protect(c.env, page(7), 1, RW), EXO_ENOENT);
    EXPECT(clone(c.env, page(7), 3), EXO_OK);
    EXPECT(clone(c.env, page(0), 4), EXO_OK);
    expect_child(&c, page(0), 10, 30);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 10));
}

static void a_place_that_is_taken_is_eexist(void)
{
    struct child c;

    OK(exo_map(0, page(0), 10, 0, 0, RW));
    fill(0, 10, 30);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_map(c.env, page(0), 1, 0, 0, RW)); /* begins where the parent's does, but is shorter */
    EXPECT(clone(c.env, page(0), 10), EXO_EEXIST);
    OK(exo_unmap(c.env, page(0), 1));
    OK(exo_map(c.env, page(5), 1, 0, 0, RW));
    EXPECT(clone(c.env, page(0), 10), EXO_EEXIST);
    OK(exo_unmap(c.env, page(5), 1));
    EXPECT(clone(c.env, page(0), 10), EXO_OK);
    EXPECT(clone(c.env, page(0), 10), EXO_EEXIST); /* a second time */
    expect_child(&c, page(0), 10, 30);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 10));
}

/* Frames that have just become free get a new owner, who keeps something in them. */
static void others_take_the_frames(void)
{
    OK(exo_map(0, page(100), 64, 0, 0, RW));
    for (unsigned i = 0; i < 64; i++)
        WORD(page(100 + i)) = 0x5ec2e7;
}

/* The attack: the child ends up with an entry of a region's page outside of every mapping, the page
 * is punched, and the child reads on in what is someone else's frame by then. */
static int64_t child_reads_on(uint64_t va)
{
    SHARED->word[0] = 1;
    UNTIL(SHARED->word[0] == 2);
    return WORD(va) == 0x5ec2e7 ? 1 : 2; /* a fault is as good as any answer but 1 */
}

static void no_page_is_reachable_outside_of_a_mapping(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 2, 1));

    OK(exo_map(0, page(0), 2, region, 0, RW));
    WORD(page(0)) = 1;
    WORD(page(1)) = 2;
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(region, c.env, region));
    OK(exo_map(c.env, page(0), 1, region, 0, RW)); /* half of it */
    exo_space_clone(c.env, page(0), 2);
    child_go(&c, child_reads_on, page(1));
    UNTIL(SHARED->word[0] == 1);
    EXPECT(exo_region_punch(region, 0, 2), EXO_OK);
    others_take_the_frames();
    SHARED->word[0] = 2;
    EXPECT_TRUE(child_wait(&c).status != 1);
    OK(exo_unmap(0, page(100), 64));
    child_drop(&c);
    OK(exo_unmap(0, page(0), 2));
    drop(region);
}

static void idle_thread(uint64_t unused)
{
    (void)unused;
    for (;;)
        exo_wait(0, 0, EXO_FOREVER);
}

/* The same with the two frames of a UTCB, over which a mapping was laid. */
static void utcb_is_not_cloned_by_a_mapping_over_it(void)
{
    struct child c;
    struct exo_thread_args args;
    uint64_t va = page(3);

    thread_plan(0, idle_thread, 0, &args);
    args.utcb = va;
    exo_cap thread = OK(exo_thread_create(0, &args));
    exo_map(0, va, 2, 0, 0, RW); /* either it is refused, or it is an ordinary mapping */
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT_TRUE(clone(c.env, va, 2) <= 0);
    child_load(&c, child_reads_on, va);
    thread_end(0, thread);
    exo_unmap(0, va, 2);
    others_take_the_frames();
    OK(exo_thread_resume(c.thread));
    UNTIL(SHARED->word[0] == 1);
    SHARED->word[0] = 2;
    EXPECT_TRUE(child_wait(&c).status != 1);
    OK(exo_unmap(0, page(100), 64));
    child_drop(&c);
}

/* And with a mapping of a region over it, which the child has as well. */
static void utcb_is_not_cloned_by_a_region_over_it(void)
{
    struct child c;
    struct exo_thread_args args;
    exo_cap region = OK(exo_region_create(0, 2, 1));
    uint64_t va = page(3);

    thread_plan(0, idle_thread, 0, &args);
    args.utcb = va;
    exo_cap thread = OK(exo_thread_create(0, &args));
    exo_map(0, va, 2, region, 0, RW);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(region, c.env, region));
    EXPECT_TRUE(clone(c.env, va, 2) <= 0);
    child_load(&c, child_reads_on, va);
    thread_end(0, thread);
    exo_unmap(0, va, 2);
    others_take_the_frames();
    OK(exo_thread_resume(c.thread));
    UNTIL(SHARED->word[0] == 1);
    SHARED->word[0] = 2;
    EXPECT_TRUE(child_wait(&c).status != 1);
    OK(exo_unmap(0, page(100), 64));
    child_drop(&c);
    drop(region);
}

static void clone_checks_its_arguments(void)
{
    struct child c;

    child_make(&c, 64, 8);
    CAP_ERRORS(exo_space_clone(C, page(0), 1), some_frame, c.env, EXO_R_CONTROL);
    EXPECT(exo_space_clone(0, page(0), 1), EXO_EINVAL); /* onto itself */
    EXPECT(exo_space_clone(EXO_CAP_ENV, page(0), 1), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, page(0) + 1, 1), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, page(0), 0), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, EXO_VIEW_VA, 1), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, (uint64_t)KERNEL_VA, 1), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, page(0), UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, PAGE, UINT64_MAX >> 12), EXO_EINVAL);
    EXPECT(exo_space_clone(c.env, page(0), 16), EXO_OK); /* nothing there */
    child_drop(&c);
    child_make(&c, 64, 8);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_space_clone(c.env, page(0), 1), EXO_EDEAD);
    child_drop(&c);
}

/* The parent's pages are write-protected behind its back; whatever fails then, a write of its must
 * not be seen by the child. */
static void failed_clone_does_not_share_writes(void)
{
    struct child c;
    int64_t st = EXO_OK;

    OK(exo_map(0, page(0), 2, 0, 0, RW));
    fill(0, 2, 11);
    OK(exo_map(0, page(2), 1, 0, 0,
               EXO_MAP_READ)); /* another mapping, and the child has one there */
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_map(c.env, page(2), 1, 0, 0, EXO_MAP_READ | EXO_MAP_EXEC));
    st = clone(c.env, page(0), 3);
    EXPECT(st, EXO_EEXIST);
    fill(0, 2, 99); /* through whatever the processor remembers */
    exo_unmap(c.env, page(2), 1);
    if (exo_protect(c.env, page(0), 2, RW) == EXO_OK)
        expect_child(&c, page(0), 2, 11);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 3));
}

static int64_t clone_charged(exo_cap account)
{
    int64_t env = exo_env_create(account), st;

    if (env < 0)
        return env;
    st = clone((exo_cap)env, page(0), 1100);
    OK(exo_env_destroy((exo_cap)env, 0));
    drop((exo_cap)env);
    counters();
    return st;
}

static void account_that_runs_out_gets_everything_back(void)
{
    OK(exo_map(0, page(0), 1100, 0, 0, RW));
    for (unsigned n = 0; n < 1100; n += 100)
        WORD(page(n)) = n;
    exhaust("space_clone", clone_charged, 64);
    OK(exo_unmap(0, page(0), 1100));
}

int main(void)
{
    static const struct test tests[] = {
        T(private_pages_are_copied_on_write),
        T(pages_outlive_the_one_they_were_cloned_from),
        T(shared_mappings_stay_shared_if_the_child_has_the_capability),
        T(nofork_mappings_are_left_out),
        T(long_ranges_go_in_pieces_of_2048_pages),
        T(a_part_of_a_mapping_is_cloned_alone),
        T(a_place_that_is_taken_is_eexist),
        T(no_page_is_reachable_outside_of_a_mapping),
        T(utcb_is_not_cloned_by_a_mapping_over_it),
        T(utcb_is_not_cloned_by_a_region_over_it),
        T(clone_checks_its_arguments),
        T(failed_clone_does_not_share_writes),
        T(account_that_runs_out_gets_everything_back),
    };
    return contract_run(tests, COUNT(tests));
}
