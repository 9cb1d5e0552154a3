// SPDX-License-Identifier: MIT
/*
 * sched_affinity, and what one processor does to a thread that runs on another: suspend, end, take its
 * memory away. With one processor the same calls must do the same, only that nobody runs elsewhere.
 */
#include "contract.h"

#include <stdatomic.h>

static uint32_t cpus(void)
{
    return exo_view()->cpus;
}

static uint64_t all(void)
{
    return ((uint64_t)1 << cpus()) - 1;
}

static uint64_t last(void)
{
    return (uint64_t)1 << (cpus() - 1);
}

/* Counts, and says where. */
static void count(uint64_t index)
{
    for (;;) {
        SHARED->value[index] = exo_utcb()->cpu;
        SHARED->word[index]++;
    }
}

static exo_cap counter(unsigned index, uint64_t mask)
{
    struct exo_thread_args args;

    thread_plan(index, count, index, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    EXPECT(exo_sched_affinity(thread, mask), mask);
    OK(exo_thread_resume(thread));
    return thread;
}

static void wait_for_progress(unsigned index)
{
    uint32_t seen = SHARED->word[index];

    UNTIL(SHARED->word[index] != seen);
}

static void a_thread_runs_where_it_may(void)
{
    for (uint32_t cpu = 0; cpu < cpus(); cpu++) {
        exo_cap thread = counter(0, (uint64_t)1 << cpu);

        wait_for_progress(0);
        wait_for_progress(0);
        EXPECT(SHARED->value[0], cpu);
        thread_end(0, thread);
    }
}

static void a_running_thread_moves_at_once(void)
{
    exo_cap thread = counter(0, last());

    wait_for_progress(0);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t cpu = i % cpus();

        EXPECT(exo_sched_affinity(thread, (uint64_t)1 << cpu), 1 << cpu);
        wait_for_progress(0);
        wait_for_progress(0);
        EXPECT(SHARED->value[0], cpu);
    }
    thread_end(0, thread);
}

static void the_caller_moves_at_once(void)
{
    for (uint32_t cpu = cpus(); cpu-- > 0;) {
        EXPECT(exo_sched_affinity(0, (uint64_t)1 << cpu), 1 << cpu);
        EXPECT(exo_utcb()->cpu, cpu);
    }
    EXPECT(exo_sched_affinity(0, UINT64_MAX), all());
}

static void affinity_is_inherited_and_checked(void)
{
    struct exo_thread_args args;

    EXPECT(exo_sched_affinity(0, last()), last());
    thread_plan(0, count, 0, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    EXPECT(exo_sched_affinity(thread, 0), last());
    EXPECT(exo_sched_affinity(0, UINT64_MAX), all());
    EXPECT(exo_sched_affinity(thread, 0), last());
    CAP_ERRORS(exo_sched_affinity(C, 1), some_frame, thread, EXO_R_CONTROL);
    CAP_ERRORS(exo_sched_affinity(C, 0), some_frame, thread, EXO_R_READ);
    EXPECT(exo_sched_affinity(thread, ~all()), EXO_EINVAL);
    EXPECT(exo_sched_affinity(thread, 0), last());
    OK(exo_thread_exit(thread, 0));
    EXPECT(exo_sched_affinity(thread, 1), EXO_EDEAD);
    thread_end(0, thread);
}

static void suspended_elsewhere_it_stands_still(void)
{
    exo_cap thread = counter(0, last());

    for (unsigned i = 0; i < 50; i++) {
        wait_for_progress(0);
        EXPECT(exo_thread_suspend(thread), EXO_OK);
        uint32_t seen = SHARED->word[0];
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(SHARED->word[0], seen);
        EXPECT(exo_thread_resume(thread), EXO_OK);
    }
    thread_end(0, thread);
}

static void ended_elsewhere_it_does_no_more(void)
{
    for (unsigned i = 0; i < 20; i++) {
        exo_cap thread = counter(0, last());

        wait_for_progress(0);
        EXPECT(exo_thread_exit(thread, 0), EXO_OK);
        uint32_t seen = SHARED->word[0];
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(SHARED->word[0], seen);
        thread_end(0, thread);
    }
}

static int64_t child_counts(uint64_t mask)
{
    exo_sched_affinity(0, mask);
    count(3);
    return 0;
}

static void an_environment_ends_on_all_processors(void)
{
    struct child c;

    for (unsigned i = 0; i < 20; i++) {
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c, child_counts, last());
        wait_for_progress(3);
        EXPECT(exo_env_destroy(c.env, 7), EXO_OK);
        uint32_t seen = SHARED->word[3];
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(SHARED->word[3], seen);
        EXPECT(child_wait(&c).status, 7);
        child_drop(&c);
    }
}

/* One thread ends, another was never started. */
static int64_t child_exits(uint64_t spins)
{
    struct exo_thread_args args;

    exo_sched_affinity(0, last());
    thread_plan(0, count, 0, &args);
    exo_thread_create(0, &args);
    SHARED->word[3]++;
    for (volatile uint64_t spin = 0; spin < spins; spin++)
        ;
    return exo_thread_exit(0, NULL);
}

/* At some spin the thread has entered the kernel to end itself, and waits for the lock. */
static void an_environment_ends_while_its_threads_do(void)
{
    struct child c;

    for (unsigned i = 0; i < 200; i++) {
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        uint32_t seen = SHARED->word[3];
        child_go(&c, child_exits, i % 50);
        UNTIL(SHARED->word[3] != seen);
        EXPECT(exo_env_destroy(c.env, 7), EXO_OK);
        EXPECT(child_wait(&c).status, 7);
        child_drop(&c);
    }
}

static void an_environment_stands_still_on_all_processors(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, child_counts, last());
    for (unsigned i = 0; i < 20; i++) {
        wait_for_progress(3);
        EXPECT(exo_env_suspend(c.env, 1), EXO_OK);
        uint32_t seen = SHARED->word[3];
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(SHARED->word[3], seen);
        EXPECT(exo_env_suspend(c.env, 0), EXO_OK);
    }
    child_drop(&c);
}

/* ---- shoot-down -------------------------------------------------------------------------------- */

/* Writes to a page until that faults: the environment ends, and its record says where. */
static int64_t child_writes(uint64_t mask)
{
    exo_sched_affinity(0, mask);
    for (;;) {
        WORD(AREA)++;
        SHARED->word[4]++;
    }
}

static void unmapped_memory_is_gone_on_all_processors(void)
{
    exo_cap frame = OK(exo_frame_alloc(0, 1));
    struct child c;

    OK(exo_map(0, page(1), 1, frame, 0, RW));
    for (unsigned i = 0; i < 20; i++) {
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_map(c.env, AREA, 1, frame, 0, RW));
        child_go(&c, child_writes, last());
        wait_for_progress(4);
        EXPECT(exo_unmap(c.env, AREA, 1), EXO_OK);
        uint32_t seen = WORD(page(1));
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(WORD(page(1)), seen);
        struct exo_env_info info = child_wait(&c);
        EXPECT(info.cause, EXO_CRASHED);
        EXPECT(info.fault_address, AREA);
        child_drop(&c);
    }
    OK(exo_unmap(0, page(1), 1));
    drop(frame);
}

static void protected_memory_is_protected_on_all_processors(void)
{
    exo_cap frame = OK(exo_frame_alloc(0, 1));
    struct child c;

    OK(exo_map(0, page(1), 1, frame, 0, RW));
    for (unsigned i = 0; i < 20; i++) {
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_map(c.env, AREA, 1, frame, 0, RW));
        child_go(&c, child_writes, last());
        wait_for_progress(4);
        EXPECT(exo_protect(c.env, AREA, 1, EXO_MAP_READ), EXO_OK);
        uint32_t seen = WORD(page(1));
        for (volatile unsigned spin = 0; spin < 2000; spin++)
            ;
        EXPECT(WORD(page(1)), seen);
        EXPECT(child_wait(&c).cause, EXO_CRASHED);
        child_drop(&c);
    }
    OK(exo_unmap(0, page(1), 1));
    drop(frame);
}

static void punched_pages_are_gone_on_all_processors(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 0));
    struct child c;

    for (unsigned i = 0; i < 20; i++) {
        OK(exo_region_write(region, 0, "x", 1));
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_map(c.env, AREA, 1, region, 0, RW));
        child_go(&c, child_writes, last());
        wait_for_progress(4);
        EXPECT(exo_region_punch(region, 0, 4), EXO_OK);
        EXPECT(child_wait(&c).cause, EXO_CRASHED);
        child_drop(&c);
    }
    drop(region);
}

/* ---- events and calls -------------------------------------------------------------------------- */

static void takes_an_event(uint64_t unused)
{
    (void)unused;
    SHARED->word[5] = 1;
    while (atomic_load(&exo_utcb()->pending) == 0)
        ;
    SHARED->word[6] = atomic_exchange(&exo_utcb()->pending, 0);
}

static void events_reach_a_running_thread(void)
{
    struct exo_thread_args args;

    for (unsigned i = 0; i < 20; i++) {
        SHARED->word[5] = SHARED->word[6] = 0;
        thread_plan(0, takes_an_event, 0, &args);
        exo_cap thread = OK(exo_thread_create(0, &args));
        OK(exo_sched_affinity(thread, last()));
        OK(exo_thread_resume(thread));
        UNTIL(SHARED->word[5]);
        EXPECT(exo_notify(thread, 4), EXO_OK);
        thread_join(0, thread);
        EXPECT(SHARED->word[6], 4);
    }
}

static void wakes_its_partner(uint64_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        struct exo_wait_word word = {.address = (uintptr_t)&SHARED->word[7], .expected = 2 * i};

        while (SHARED->word[7] == 2 * i)
            exo_wait(&word, 1, EXO_FOREVER);
        SHARED->word[7] = 2 * i + 2;
        exo_wake(&SHARED->word[7], 1);
    }
}

static void no_wake_is_lost_between_processors(void)
{
    const uint32_t rounds = 500;
    struct exo_thread_args args;

    thread_plan(0, wakes_its_partner, rounds, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_sched_affinity(thread, last()));
    OK(exo_thread_resume(thread));
    for (uint32_t i = 0; i < rounds; i++) {
        struct exo_wait_word word = {.address = (uintptr_t)&SHARED->word[7], .expected = 2 * i + 1};

        SHARED->word[7] = 2 * i + 1;
        exo_wake(&SHARED->word[7], 1);
        while (SHARED->word[7] == 2 * i + 1)
            EXPECT_TRUE(exo_wait(&word, 1, now() + 5000 * MS) != EXO_ETIMEDOUT);
    }
    thread_join(0, thread);
}

int main(void)
{
    static const struct test tests[] = {
        T(a_thread_runs_where_it_may),
        T(a_running_thread_moves_at_once),
        T(the_caller_moves_at_once),
        T(affinity_is_inherited_and_checked),
        T(suspended_elsewhere_it_stands_still),
        T(ended_elsewhere_it_does_no_more),
        T(an_environment_ends_on_all_processors),
        T(an_environment_ends_while_its_threads_do),
        T(an_environment_stands_still_on_all_processors),
        T(unmapped_memory_is_gone_on_all_processors),
        T(protected_memory_is_protected_on_all_processors),
        T(punched_pages_are_gone_on_all_processors),
        T(events_reach_a_running_thread),
        T(no_wake_is_lost_between_processors),
    };
    return contract_run(tests, COUNT(tests));
}
