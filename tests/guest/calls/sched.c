// SPDX-License-Identifier: MIT
/* yield, sched_set: who runs, and for how long. No speeds, only shares. */
#include "contract.h"

static void spin(uint64_t index)
{
    for (;;)
        SHARED->value[index]++;
}

static exo_cap spinner(unsigned index, uint64_t priority)
{
    struct exo_thread_args args;

    thread_plan(index, spin, index, &args);
    args.priority = priority;
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    return thread;
}

static uint64_t ran(exo_cap thread, exo_time ns)
{
    uint64_t before = OK(exo_cpu_time(thread));

    sleep_for(ns);
    return OK(exo_cpu_time(thread)) - before;
}

static void equal_threads_share_the_processor(void)
{
    exo_cap a = spinner(0, 5), b = spinner(1, 5);

    sleep_for(20 * MS);
    uint64_t before = OK(exo_cpu_time(b)), of_a = ran(a, 200 * MS),
             of_b = OK(exo_cpu_time(b)) - before;
    EXPECT_TRUE(of_a > 60 * MS && of_b > 60 * MS);
    thread_end(0, a);
    thread_end(1, b);
}

static void higher_priority_comes_first(void)
{
    exo_cap low = spinner(0, 5), high = spinner(1, 6);

    sleep_for(20 * MS);
    EXPECT(ran(low, 50 * MS), 0);
    EXPECT(exo_sched_set(low, 7, 0, 0), EXO_OK);
    EXPECT_TRUE(ran(low, 50 * MS) > 30 * MS);
    thread_end(0, low);
    thread_end(1, high);
}

static void budget_limits_a_thread(void)
{
    exo_cap a = spinner(0, 6), b = spinner(1, 5);

    EXPECT(exo_sched_set(a, 6, 5 * MS, 50 * MS), EXO_OK);
    sleep_for(60 * MS);
    uint64_t used = ran(a, 400 * MS);
    EXPECT_TRUE(used >= 25 * MS && used <= 90 * MS);
    EXPECT(exo_sched_set(a, 6, 0, 0), EXO_OK); /* no limit again */
    EXPECT_TRUE(ran(a, 100 * MS) > 60 * MS);
    thread_end(0, a);
    thread_end(1, b);
}

static void limit_myself_and_spin(uint64_t unused)
{
    (void)unused;
    SHARED->value[9] = (uint64_t)exo_sched_set(0, 5, 5 * MS, 100 * MS);
    spin(0);
}

static void a_thread_may_limit_itself(void)
{
    exo_cap thread = thread_go(0, limit_myself_and_spin, 0);

    sleep_for(150 * MS);
    uint64_t used = ran(thread, 400 * MS);
    EXPECT_TRUE(used >= 10 * MS && used <= 60 * MS);
    thread_end(0, thread);
}

static void limit_taken_back_counts_at_once(void)
{
    exo_cap a = spinner(0, 6);

    EXPECT(exo_sched_set(a, 6, MS, 500000 * (uint64_t)MS), EXO_OK);
    sleep_for(50 * MS);
    EXPECT(ran(a, 50 * MS), 0);
    EXPECT(exo_sched_set(a, 6, 0, 0), EXO_OK);
    EXPECT_TRUE(ran(a, 50 * MS) > 20 * MS);
    thread_end(0, a);
}

/* A thread that was throttled, freed by suspend and resume, must not be woken by the old timer from
 * a sleep or a call of its own. */
static void limited_then_sleeps(uint64_t unused)
{
    (void)unused;
    while (SHARED->word[0] == 0)
        ;
    SHARED->word[1] = 1;
    SHARED->value[1] = (uint64_t)exo_wait(0, 0, EXO_FOREVER);
    SHARED->word[1] = 2;
}

static void old_limits_do_not_end_later_sleeps(void)
{
    struct exo_thread_args args;

    thread_plan(0, limited_then_sleeps, 0, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    EXPECT(exo_sched_set(thread, 6, MS, 100 * MS), EXO_OK);
    sleep_for(30 * MS); /* it is throttled until 100 ms */
    SHARED->word[0] = 1;
    EXPECT(exo_sched_set(thread, 6, 0, 0), EXO_OK);
    EXPECT(exo_thread_suspend(thread), EXO_OK);
    EXPECT(exo_thread_resume(thread), EXO_OK);
    sleep_for(20 * MS);
    EXPECT(SHARED->word[1], 1);
    sleep_for(200 * MS);
    EXPECT(SHARED->word[1], 1); /* still asleep */
    EXPECT(exo_notify(thread, 1), EXO_OK);
    thread_join(0, thread);
    EXPECT(SHARED->value[1], EXO_EINTR);
}

static void tiny_budgets_are_survived(void)
{
    exo_cap a = spinner(0, 6), b = spinner(1, 6);

    EXPECT(exo_sched_set(a, 6, 1, 1), EXO_OK);
    EXPECT(exo_sched_set(b, 6, 1, 1000), EXO_OK);
    sleep_for(30 * MS);
    thread_end(0, a);
    thread_end(1, b);
}

/* It is renewed all the time, but the slice that it is part of is not. */
static void a_tiny_budget_keeps_nobody_out(void)
{
    exo_cap a = spinner(0, 6), b = spinner(1, 6);

    EXPECT(exo_sched_set(a, 6, 6, 18), EXO_OK);
    sleep_for(30 * MS);
    EXPECT_TRUE(ran(b, 300 * MS) >= 50 * MS);
    thread_end(0, a);
    thread_end(1, b);
}

static void sched_set_checks_its_arguments(void)
{
    struct exo_thread_args args;

    thread_plan(0, spin, 0, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    CAP_ERRORS(exo_sched_set(C, 1, 0, 0), some_frame, thread, EXO_R_CONTROL);
    EXPECT(exo_sched_set(thread, 32, 0, 0), EXO_EINVAL);
    EXPECT(exo_sched_set(thread, UINT32_MAX, 0, 0), EXO_EINVAL);
    EXPECT(exo_sched_set(thread, 1, 2, 1), EXO_EINVAL);
    EXPECT(exo_sched_set(thread, 1, UINT64_MAX, UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_sched_set(thread, 1, 1, (uint64_t)1 << 41), EXO_EINVAL);
    EXPECT(exo_sched_set(thread, 25, 0, 0), EXO_ERIGHTS);
    EXPECT(exo_sched_set(0, 25, 0, 0), EXO_ERIGHTS);
    EXPECT(exo_sched_set(0, 24, 0, 0), EXO_OK);
    thread_end(0, thread);
}

static void count(uint64_t index)
{
    for (;;) {
        SHARED->word[index]++;
        exo_yield(0);
    }
}

static void yield_runs_the_next_and_the_one_that_is_named(void)
{
    exo_cap a = thread_go(0, count, 0), b = thread_go(1, count, 1);

    for (unsigned i = 0; i < 10; i++)
        exo_yield(0);
    EXPECT_TRUE(SHARED->word[0] >= 9 && SHARED->word[1] >= 9);
    uint32_t seen = SHARED->word[1];
    EXPECT(exo_yield(b), EXO_OK);
    EXPECT_TRUE(SHARED->word[1] > seen);
    EXPECT(exo_yield(EXO_CAP_THREAD), EXO_OK); /* to oneself */
    EXPECT(exo_yield(stale), EXO_ECAP);
    EXPECT(exo_yield(some_frame), EXO_ETYPE);
    thread_end(0, a);
    thread_end(1, b);
}

static int64_t mask_and_spin(uint64_t unused)
{
    (void)unused;
    exo_utcb()->masked = 1;
    exo_utcb()->nested = 1;
    for (;;)
        SHARED->word[0]++;
}

static void a_masked_loop_does_not_keep_the_processor(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, mask_and_spin, 0);
    for (unsigned i = 0; i < 5; i++)
        sleep_for(15 * MS);
    EXPECT_TRUE(SHARED->word[0] > 0);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(equal_threads_share_the_processor),
        T(higher_priority_comes_first),
        T(budget_limits_a_thread),
        T(a_thread_may_limit_itself),
        T(limit_taken_back_counts_at_once),
        T(old_limits_do_not_end_later_sleeps),
        T(tiny_budgets_are_survived),
        T(a_tiny_budget_keeps_nobody_out),
        T(sched_set_checks_its_arguments),
        T(yield_runs_the_next_and_the_one_that_is_named),
        T(a_masked_loop_does_not_keep_the_processor),
    };
    on_one_cpu(); /* shares of one processor; cpus.c is about several */
    return contract_run(tests, COUNT(tests));
}
