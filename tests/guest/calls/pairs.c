// SPDX-License-Identifier: MIT
/* pair_create, and how the two ends go. */
#include "contract.h"

static exo_cap region, ends[2];

static void make(void)
{
    region = OK(exo_region_create(0, 2, 1));
    OK(exo_map(0, page(0), 2, region, 0, RW));
    EXPECT(exo_pair_create(region, 8, PAGE + 4, ends), EXO_OK);
    EXPECT(WORD(page(0) + 8), 0);
    EXPECT(WORD(page(1) + 4), 0);
}

static void finish(void)
{
    OK(exo_unmap(0, page(0), 2));
    drop(region);
}

static void last_holder_of_an_end_is_noticed(void)
{
    make();
    exo_cap copy = OK(exo_cap_copy(ends[0], 0, 0));
    drop(ends[0]);
    EXPECT(WORD(page(0) + 8), 0);
    drop(copy);
    EXPECT(WORD(page(0) + 8), 1);
    EXPECT(WORD(page(1) + 4), 0);
    drop(ends[1]);
    EXPECT(WORD(page(1) + 4), 1);
    finish();
}

static void derived_holders_count(void)
{
    make();
    exo_cap child = OK(exo_cap_derive(ends[1], EXO_R_ALL, 0, 0, 0));
    exo_cap empty = OK(exo_cap_derive(ends[1], EXO_R_GRANT, 0, 0, 0)); /* holds no end */
    drop(ends[1]);
    EXPECT(WORD(page(1) + 4), 0);
    drop(child);
    EXPECT(WORD(page(1) + 4), 1);
    drop(empty);
    drop(ends[0]);
    finish();
}

static int64_t hold(uint64_t unused)
{
    (void)unused;
    SHARED->word[0] = 1;
    return exo_wait(0, 0, EXO_FOREVER);
}

static void death_of_a_holder_wakes_the_other_side(void)
{
    struct child c;
    struct exo_wait_word word = {.address = page(0) + 8, .expected = 0};

    make();
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(ends[0], c.env, 0));
    drop(ends[0]);
    child_go(&c, hold, 0);
    UNTIL(SHARED->word[0]);
    EXPECT(exo_wait(&word, 1, now() + MS), EXO_ETIMEDOUT);
    OK(exo_env_destroy(c.env, 0));
    OK(exo_wait(&word, 1, now() + 1000 * MS));
    EXPECT(WORD(page(0) + 8), 1);
    child_drop(&c);
    drop(ends[1]);
    finish();
}

static void the_word_may_be_gone(void)
{
    make();
    EXPECT(exo_region_punch(region, 0, 2), EXO_OK);
    drop(ends[0]);
    OK(exo_unmap(0, page(0), 2));
    drop(region); /* the pair still has it */
    drop(ends[1]);
}

static void pair_create_checks_its_arguments(void)
{
    region = OK(exo_region_create(0, 2, 0));
    CAP_ERRORS(exo_pair_create(C, 0, 4, ends), some_frame, region, EXO_R_WRITE);
    EXPECT(exo_pair_create(region, 1, 4, ends), EXO_EINVAL);
    EXPECT(exo_pair_create(region, 0, 2, ends), EXO_EINVAL);
    EXPECT(exo_pair_create(region, 2 * PAGE, 0, ends), EXO_EINVAL);
    EXPECT(exo_pair_create(region, 0, UINT64_MAX - 3, ends), EXO_EINVAL);
    uint32_t word = 7;
    OK(exo_region_write(region, 0, &word, 4));
    EFAULTS(exo_pair_create(region, 0, 4, (exo_cap *)P));
    OK(exo_region_read(region, 0, &word, 4));
    EXPECT(word, 7); /* nobody was told of a pair that never was */
    EXPECT(exo_pair_create(region, 0, 0, ends), EXO_OK); /* one word for both */
    drop(ends[0]);
    drop(ends[1]);
    drop(region);
}

static int64_t make_pairs(uint64_t unused)
{
    exo_cap two[2];
    int64_t st, r = exo_region_create(0, 1 << 20, 0);
    unsigned n = 0;

    (void)unused;
    if (r < 0)
        return 1;
    while ((st = exo_pair_create((exo_cap)r, (uint64_t)n * 300 * PAGE, 0, two)) == EXO_OK)
        n++;
    if (st == EXO_EOBJECTS && exo_notification_create(0) != EXO_EOBJECTS)
        return 2;
    return st;
}

static void account_that_runs_out_answers_so(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, 10);
    child_go(&c, make_pairs, 0);
    EXPECT(child_wait(&c).status, EXO_EOBJECTS);
    child_drop(&c);
    child_make(&c, 60, 100);
    child_go(&c, make_pairs, 0);
    EXPECT(child_wait(&c).status, EXO_ENOMEM);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(last_holder_of_an_end_is_noticed),       T(derived_holders_count),
        T(death_of_a_holder_wakes_the_other_side), T(the_word_may_be_gone),
        T(pair_create_checks_its_arguments),       T(account_that_runs_out_answers_so),
    };
    return contract_run(tests, COUNT(tests));
}
