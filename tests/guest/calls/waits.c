// SPDX-License-Identifier: MIT
/* wait, wake, requeue. */
#include "contract.h"

static struct exo_wait_word word(volatile void *address, uint32_t expected)
{
    return (struct exo_wait_word){.address = (uintptr_t)address, .expected = expected};
}

static void wait_says_which_word_differs(void)
{
    struct exo_wait_word words[5];

    for (unsigned i = 0; i < 5; i++)
        words[i] = word((void *)&SHARED->word[i], 0);
    for (unsigned i = 0; i < 5; i++) {
        SHARED->word[i] = 1;
        EXPECT(exo_wait(words, 5, EXO_FOREVER), i);
        SHARED->word[i] = 0;
    }
    EXPECT(exo_wait(words, 5, now() - 1), EXO_ETIMEDOUT);
    EXPECT(exo_wait(words, 5, 0), EXO_ETIMEDOUT);
    exo_time end = now() + 2 * MS;
    EXPECT(exo_wait(words, 5, end), EXO_ETIMEDOUT);
    EXPECT_TRUE(now() >= end);
    EXPECT(exo_wait(0, 0, end), EXO_ETIMEDOUT);
}

static void wait_checks_its_arguments(void)
{
    struct exo_wait_word words[97], one = word((void *)&SHARED->word[0], 0);

    for (unsigned i = 0; i < COUNT(words); i++)
        words[i] = one;
    EXPECT(exo_wait(words, 97, 0), EXO_EINVAL);
    EXPECT(exo_wait(words, UINT32_MAX, 0), EXO_EINVAL);
    EXPECT(exo_wait(words, 96, 0), EXO_ETIMEDOUT);
    EFAULTS(exo_wait((struct exo_wait_word *)P, 1, 0));
    EFAULTS(exo_wait((struct exo_wait_word *)P, 96, 0));
    EFAULTS(({
        one = word(P, 0);
        exo_wait(&one, 1, 0);
    }));
    one = word((char *)&SHARED->word[0] + 1, 0);
    EXPECT(exo_wait(&one, 1, 0), EXO_EINVAL);
    one = word((char *)&SHARED->word[0] + 2, 0);
    EXPECT(exo_wait(&one, 1, 0), EXO_EINVAL);
    EXPECT(exo_wake((char *)&SHARED->word[0] + 1, 1), EXO_EINVAL);
    EFAULTS(exo_wake(P, 1));
    EXPECT(exo_requeue((char *)SHARED + 1, 1, SHARED, 1, 0), EXO_EINVAL);
    EXPECT(exo_requeue(SHARED, 1, (char *)SHARED + 3, 1, 0), EXO_EINVAL);
    EFAULTS(exo_requeue(P, 1, SHARED, 1, 0));
    EFAULTS(exo_requeue(SHARED, 1, P, 1, 0));
    EXPECT(exo_requeue(SHARED, 1, SHARED, 1, 99), EXO_EAGAIN);
    EXPECT(exo_wake((void *)EXO_VIEW_VA, 1), EXO_EFAULT);
}

static void pending_events_end_a_wait(void)
{
    struct exo_wait_word one = word((void *)&SHARED->word[0], 0);

    exo_notify(EXO_CAP_THREAD, 4);
    EXPECT(exo_wait(&one, 1, EXO_FOREVER), EXO_EINTR);
    EXPECT(exo_wait(&one, 1, EXO_FOREVER), EXO_EINTR); /* until they are taken */
    EXPECT(exo_utcb()->pending, 4);
    exo_utcb()->pending = 0;
    EXPECT(exo_wait(&one, 1, 0), EXO_ETIMEDOUT);
}

/* ---- sleepers ---------------------------------------------------------------------------------- */

/* Thread k sleeps on word `argument / 16`; its result goes to value[k], its turn to word[40 + k]. */
static void sleep_on(uint64_t argument)
{
    uint64_t k = argument % 16;
    struct exo_wait_word one = word((void *)&SHARED->word[argument / 16], 0);

    SHARED->word[20 + k] = 1;
    SHARED->value[k] = (uint64_t)exo_wait(&one, 1, EXO_FOREVER);
    SHARED->word[40 + k] = ++SHARED->word[39];
}

static exo_cap sleeper(unsigned thread, unsigned on)
{
    exo_cap made = thread_go(thread, sleep_on, thread + 16 * on);

    UNTIL(SHARED->word[20 + thread]);
    exo_yield(0);
    return made;
}

static void wake_takes_them_in_their_order(void)
{
    exo_cap t[4];

    for (unsigned i = 0; i < 4; i++)
        t[i] = sleeper(i, 0);
    EXPECT(exo_wake((void *)&SHARED->word[1], 9), 0);
    EXPECT(exo_wake((void *)&SHARED->word[0], 0), 0);
    EXPECT(exo_wake((void *)&SHARED->word[0], 1), 1);
    UNTIL(SHARED->word[40] == 1);
    EXPECT(SHARED->word[41], 0);
    EXPECT(exo_wake((void *)&SHARED->word[0], 2), 2);
    UNTIL(SHARED->word[42]);
    EXPECT(SHARED->word[41], 2);
    EXPECT(SHARED->word[42], 3);
    EXPECT(exo_wake((void *)&SHARED->word[0], UINT32_MAX), 1);
    for (unsigned i = 0; i < 4; i++)
        thread_join(i, t[i]);
}

static void requeue_moves_sleepers(void)
{
    exo_cap t[4];

    for (unsigned i = 0; i < 4; i++)
        t[i] = sleeper(i, 0);
    EXPECT(exo_requeue((void *)&SHARED->word[0], 1, (void *)&SHARED->word[3], 2, 0), 3);
    UNTIL(SHARED->word[40]);
    EXPECT(exo_wake((void *)&SHARED->word[0], 9), 1);
    EXPECT(exo_wake((void *)&SHARED->word[3], 1), 1);
    EXPECT(exo_requeue((void *)&SHARED->word[3], 0, (void *)&SHARED->word[3], 5, 0), 0);
    EXPECT(exo_requeue((void *)&SHARED->word[3], 0, (void *)&SHARED->word[4], 5, 0), 1);
    EXPECT(exo_wake((void *)&SHARED->word[4], 5), 1);
    for (unsigned i = 0; i < 4; i++)
        thread_join(i, t[i]);
}

static void sleep_on_many(uint64_t count)
{
    struct exo_wait_word words[EXO_WAIT_WORDS];

    for (unsigned i = 0; i < count; i++)
        words[i] = word((void *)&SHARED->word[i % 10], 0);
    SHARED->word[20] = 1;
    SHARED->value[0] = (uint64_t)exo_wait(words, (uint32_t)count, EXO_FOREVER);
    SHARED->value[1] = (uint64_t)exo_wait(words, (uint32_t)count, now() + MS);
}

static void one_thread_on_many_words_is_woken_once(void)
{
    static const uint64_t counts[] = {2, 3, 4, 11, 95, 96};

    for (unsigned i = 0; i < COUNT(counts); i++) {
        SHARED->word[20] = 0;
        exo_cap t = thread_go(0, sleep_on_many, counts[i]);
        UNTIL(SHARED->word[20]);
        exo_yield(0);
        EXPECT(exo_wake((void *)&SHARED->word[1], 99), 1); /* though it is there several times */
        UNTIL(SHARED->value[0] != 0);
        EXPECT(SHARED->value[0], 1);
        EXPECT(exo_wake((void *)&SHARED->word[1], 99) <= 1, 1);
        thread_join(0, t);
        SHARED->value[0] = 0;
    }
}

static void sleeper_may_be_ended_suspended_and_notified(void)
{
    exo_cap a = sleeper(0, 0), b = sleeper(1, 0), c = sleeper(2, 0);

    EXPECT(exo_thread_suspend(b), EXO_OK);
    thread_end(0, a);
    EXPECT(exo_notify(c, 1), EXO_OK);
    thread_join(2, c);
    EXPECT(SHARED->value[2], EXO_EINTR);
    EXPECT(exo_wake((void *)&SHARED->word[0], 9), 1); /* woken while it is suspended */
    exo_yield(0);
    EXPECT(SHARED->word[41], 0);
    EXPECT(exo_thread_resume(b), EXO_OK);
    thread_join(1, b);
    EXPECT(SHARED->value[1], 0);
}

/* ---- which place a word is --------------------------------------------------------------------- */

static int64_t child_wakes(uint64_t va)
{
    return exo_wake((void *)va, 9);
}

static void a_shared_word_is_one_place_at_every_address(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 1, 1)), t = 0;

    OK(exo_map(0, page(0), 1, region, 0, RW));
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_map(c.env, page(7), 1, region, 0, RW));
    t = sleeper(0, 5);
    child_go(&c, child_wakes, (uintptr_t)&SHARED->word[5]);
    EXPECT(child_wait(&c).status, 1);
    thread_join(0, t);
    child_drop(&c);
    OK(exo_unmap(0, page(0), 1));
    drop(region);
}

static _Atomic uint32_t private_word, private_state;

static void sleep_on_private(uint64_t unused)
{
    struct exo_wait_word one = word((void *)&private_word, 0);

    (void)unused;
    private_state = 1;
    private_state = exo_wait(&one, 1, EXO_FOREVER) == 0 ? 2 : 3;
}

static int64_t lives_on(uint64_t unused)
{
    (void)unused;
    return exo_wait(0, 0, EXO_FOREVER);
}

/* A thread sleeps on a word of private memory; the environment is cloned, as fork does, so the page
 * becomes copy-on-write; the word is written and woken. It is the same word to those who share the
 * address space, whichever frame it is in now. */
static void a_private_word_stays_the_same_after_a_clone(void)
{
    struct child c;
    exo_cap t;

    private_word = private_state = 0;
    t = thread_go(0, sleep_on_private, 0);
    UNTIL(private_state == 1);
    exo_yield(0);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, lives_on, 0); /* clones .bss */
    private_word = 1;          /* our copy moves to another frame */
    EXPECT(exo_wake((void *)&private_word, 1), 1);
    UNTIL(private_state != 1);
    EXPECT(private_state, 2);
    thread_join(0, t);
    child_drop(&c);
}

/* Somebody sleeps on a word of a page and gives the page away; whoever gets the frame must not find a
 * stranger in the queue of its own words: a wake of one would wake the stranger. */
static int64_t sleep_and_lose(uint64_t unused)
{
    struct exo_wait_word words[EXO_WAIT_WORDS];

    (void)unused;
    for (unsigned i = 0; i < EXO_WAIT_WORDS; i++)
        words[i] = word((void *)(page(i % 32) + 8), 0);
    SHARED->word[0] = 1;
    return exo_wait(words, EXO_WAIT_WORDS, EXO_FOREVER);
}

static void a_frame_brings_no_sleepers_to_its_next_owner(void)
{
    for (unsigned shared = 0; shared < 2; shared++) {
        struct child c;
        exo_cap region = OK(exo_region_create(0, 32, 1));

        SHARED->word[0] = 0;
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_map(c.env, page(0), 32, shared ? region : 0, 0, RW));
        child_go(&c, sleep_and_lose, 0);
        UNTIL(SHARED->word[0]);
        exo_yield(0);
        OK(exo_unmap(c.env, page(0), 32));
        drop(region);
        OK(exo_map(0, page(100), 128, 0, 0, RW));
        for (unsigned i = 0; i < 128; i++) {
            WORD(page(100 + i) + 8) = 0;
            EXPECT(exo_wake((void *)(page(100 + i) + 8), 9), 0);
        }
        OK(exo_unmap(0, page(100), 128));
        region = OK(exo_region_create(0, 128, 1));
        OK(exo_map(0, page(100), 128, region, 0, RW));
        for (unsigned i = 0; i < 128; i++) {
            WORD(page(100 + i) + 8) = 0;
            EXPECT(exo_wake((void *)(page(100 + i) + 8), 9), 0);
        }
        drop(region);
        child_drop(&c);
    }
}

static int64_t wait_charged_child(uint64_t unused)
{
    struct exo_wait_word words[EXO_WAIT_WORDS];

    (void)unused;
    for (unsigned i = 0; i < EXO_WAIT_WORDS; i++)
        words[i] = word((void *)&SHARED->word[0], 0);
    exo_frame_alloc(0, 1);
    while (exo_frame_alloc(0, 1) >= 0)
        ;
    return exo_wait(words, EXO_WAIT_WORDS, 0);
}

static void a_long_wait_needs_a_frame(void)
{
    struct child c;

    child_make(&c, 64, 256);
    child_go(&c, wait_charged_child, 0);
    EXPECT(child_wait(&c).status, EXO_ENOMEM);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(wait_says_which_word_differs),
        T(wait_checks_its_arguments),
        T(pending_events_end_a_wait),
        T(wake_takes_them_in_their_order),
        T(requeue_moves_sleepers),
        T(one_thread_on_many_words_is_woken_once),
        T(sleeper_may_be_ended_suspended_and_notified),
        T(a_shared_word_is_one_place_at_every_address),
        T(a_private_word_stays_the_same_after_a_clone),
        T(a_frame_brings_no_sleepers_to_its_next_owner),
        T(a_long_wait_needs_a_frame),
    };
    return contract_run(tests, COUNT(tests));
}
