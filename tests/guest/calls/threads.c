// SPDX-License-Identifier: MIT
/* thread_create, thread_resume, thread_suspend, thread_exit, thread_tls, cpu_time. */
#include "contract.h"
#include "threads.h"

static void count(uint64_t index)
{
    for (;;) {
        SHARED->word[index]++;
        exo_yield(0);
    }
}

static void finish(uint64_t index)
{
    SHARED->word[index] = 1;
}

static void thread_runs_when_it_is_resumed(void)
{
    struct exo_thread_args args;

    thread_plan(0, finish, 3, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    EXPECT(exo_thread_suspend(thread), EXO_OK); /* before it ever ran */
    sleep_for(MS);
    EXPECT(SHARED->word[3], 0);
    EXPECT(exo_thread_resume(thread), EXO_OK);
    EXPECT(exo_thread_resume(thread), EXO_OK);
    sleep_for(MS); /* its priority is lower */
    EXPECT(SHARED->word[3], 1);
    thread_join(0, thread);
}

static void suspended_thread_stops_where_it_is(void)
{
    exo_cap thread = thread_go(0, count, 0);

    UNTIL(SHARED->word[0] > 3);
    EXPECT(exo_thread_suspend(thread), EXO_OK);
    EXPECT(exo_thread_suspend(thread), EXO_OK);
    uint32_t seen = SHARED->word[0];
    for (unsigned i = 0; i < 20; i++)
        exo_yield(0);
    EXPECT(SHARED->word[0], seen);
    EXPECT(exo_yield(thread), EXO_OK); /* not even so */
    EXPECT(SHARED->word[0], seen);
    EXPECT(exo_thread_resume(thread), EXO_OK);
    UNTIL(SHARED->word[0] > seen);
    thread_end(0, thread);
}

static void suspend_myself(uint64_t how)
{
    SHARED->word[1] = 1;
    SHARED->value[1] = (uint64_t)(how ? exo_thread_suspend(0) : exo_env_suspend(0, 1));
    SHARED->word[1] = 2;
}

static void a_thread_may_suspend_itself(void)
{
    on_one_cpu();
    exo_cap thread = thread_go(0, suspend_myself, 1);

    SHARED->value[1] = 9;
    for (unsigned i = 0; i < 20; i++)
        exo_yield(0);
    EXPECT(SHARED->word[1], 1);
    on_all_cpus();
    EXPECT(exo_thread_resume(thread), EXO_OK);
    thread_join(0, thread);
    EXPECT(SHARED->value[1], EXO_OK);
}

static void clear_and_exit(uint64_t unused)
{
    (void)unused;
    exo_thread_exit(0, (uint32_t *)&SHARED->word[5]);
}

static void wild_exit(uint64_t address)
{
    exo_thread_exit(0, (uint32_t *)address);
}

static void exit_clears_a_word_and_wakes_its_waiter(void)
{
    SHARED->word[5] = 9;
    exo_cap thread = thread_go(0, clear_and_exit, 0);
    struct exo_wait_word word = {.address = (uintptr_t)&SHARED->word[5], .expected = 9};
    EXPECT(exo_wait(&word, 1, now() + 1000 * MS), 0);
    EXPECT(SHARED->word[5], 0);
    EXPECT(exo_thread_resume(thread), EXO_EDEAD);
    thread_end(0, thread);
    static const uintptr_t wild[] = {1, 0x666600000000, (uintptr_t)KERNEL_VA, ~(uintptr_t)3,
                                     0x400000};
    for (unsigned i = 0; i < COUNT(wild); i++) {
        thread = thread_go(0, wild_exit, wild[i]);
        UNTIL(exo_thread_resume(thread) == EXO_EDEAD);
        thread_end(0, thread);
    }
}

static void thread_calls_check_their_arguments(void)
{
    struct exo_thread_args good, args;
    struct child c;

    thread_plan(0, finish, 1, &good);
    child_make(&c, 64, 16);
    CAP_ERRORS(exo_thread_create(C, &good), some_frame, c.env, EXO_R_CONTROL);
    EFAULTS(exo_thread_create(0, (struct exo_thread_args *)P));
#define BAD(field, value)           \
    args = good;                    \
    args.field = (uint64_t)(value); \
    EXPECT(exo_thread_create(0, &args), EXO_EINVAL)
    BAD(utcb, good.utcb + 8);
    BAD(utcb, EXO_VIEW_VA);
    BAD(utcb, EXO_VIEW_VA - PAGE);
    BAD(utcb, KERNEL_VA);
    BAD(utcb, -4096);
    BAD(utcb, -8192);
    BAD(pc, KERNEL_VA);
    BAD(sp, KERNEL_VA);
    BAD(sp, NONCANONICAL);
    BAD(tls, NONCANONICAL);
    BAD(foreign_pc, KERNEL_VA);
    BAD(upcall_pc, -1);
    BAD(nested_pc, NONCANONICAL);
    BAD(priority, 25); /* ours is 24 */
    BAD(priority, 32);
    BAD(priority, 24 + 256);
    BAD(priority, UINT64_MAX);
    exo_cap thread = OK(exo_thread_create(0, &good));
    CAP_ERRORS(exo_thread_resume(C), some_frame, thread, EXO_R_CONTROL);
    CAP_ERRORS(exo_thread_suspend(C), some_frame, thread, EXO_R_CONTROL);
    CAP_ERRORS(exo_thread_exit(C, 0), some_frame, thread, EXO_R_CONTROL);
    CAP_ERRORS(exo_cpu_time(C), some_frame, thread, EXO_R_READ);
    CAP_ERRORS(exo_cpu_time(C), some_frame, c.env, EXO_R_READ);
    EXPECT(exo_thread_tls((uint64_t)KERNEL_VA), EXO_EINVAL);
    EXPECT(exo_thread_tls((uint64_t)NONCANONICAL), EXO_EINVAL);
    EXPECT(exo_thread_tls(UINT64_MAX), EXO_EINVAL);
    thread_end(0, thread);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_thread_create(c.env, &good), EXO_EDEAD);
    child_drop(&c);
}

static void cpu_time_counts_what_ran(void)
{
    struct child c;
    uint64_t before = OK(exo_cpu_time(0)), until = now() + 5 * MS;

    while (now() < until)
        ;
    EXPECT_TRUE(OK(exo_cpu_time(0)) - before >= 4 * MS);
    EXPECT_TRUE(OK(exo_cpu_time(EXO_CAP_ENV)) >= OK(exo_cpu_time(0)) - MS);
    child_make(&c, 64, 8);
    EXPECT(exo_cpu_time(c.env), 0);
    child_drop(&c);
}

static int64_t make_threads(uint64_t unused)
{
    struct exo_thread_args args = {.utcb = page(0), .pc = 0x400000, .sp = page(0), .priority = 1};
    int64_t made, n = 0;

    (void)unused;
    while ((made = exo_thread_create(0, &args)) >= 0) {
        args.utcb += 2 * PAGE;
        n++;
    }
    return made == EXO_EOBJECTS || made == EXO_ENOMEM ? n : made;
}

static void threads_are_charged(void)
{
    struct child c;

    child_make(&c, 4096, 40);
    child_go(&c, make_threads, 0);
    int64_t n = child_wait(&c).status;
    EXPECT_TRUE(n > 30 && n < 40);
    child_drop(&c);
    child_make(&c, 100, 400);
    child_go(&c, make_threads, 0);
    n = child_wait(&c).status;
    EXPECT_TRUE(n > 10 && n < 33);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(thread_runs_when_it_is_resumed),     T(suspended_thread_stops_where_it_is),
        T(a_thread_may_suspend_itself),        T(exit_clears_a_word_and_wakes_its_waiter),
        T(thread_calls_check_their_arguments), T(thread_pointer_is_each_threads_own),
        T(cpu_time_counts_what_ran),           T(threads_are_charged),
    };
    return contract_run(tests, COUNT(tests));
}
