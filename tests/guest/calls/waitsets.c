// SPDX-License-Identifier: MIT
/* waitset_create, waitset_add, waitset_remove, waitset_wait. */
#include "contract.h"

static exo_cap set;
static void *at(unsigned i)
{
    return (void *)&SHARED->word[i];
}

static void woken_words_are_named_once(void)
{
    uint64_t keys[4] = {0};

    set = OK(exo_waitset_create(0));
    for (unsigned i = 0; i < 4; i++)
        EXPECT(exo_waitset_add(set, at(i), 0, 100 + i), EXO_OK);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), EXO_ETIMEDOUT);
    EXPECT(exo_wake(at(2), 1), 1);
    EXPECT(exo_wake(at(1), 1), 1);
    EXPECT(exo_wake(at(2), 1), 1);
    EXPECT(exo_waitset_wait(set, keys, 1, 0), 1);
    EXPECT(keys[0], 102);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 1);
    EXPECT(keys[0], 101);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), EXO_ETIMEDOUT);
    drop(set);
}

static void a_word_that_differs_is_ready_at_once(void)
{
    uint64_t keys[4] = {0};

    set = OK(exo_waitset_create(0));
    EXPECT(exo_waitset_add(set, at(0), 7, 55), EXO_OK);
    EXPECT(exo_waitset_wait(set, keys, 4, EXO_FOREVER), 1);
    EXPECT(keys[0], 55);
    drop(set);
}

static void removed_entries_are_not_named(void)
{
    uint64_t keys[4] = {0};
    exo_cap account = OK(exo_account_create(0, 4, 8));

    set = OK(exo_waitset_create(account));
    for (unsigned i = 0; i < 3; i++)
        EXPECT(exo_waitset_add(set, at(i), 9, i), EXO_OK); /* all ready */
    EXPECT(exo_waitset_remove(set, 1), EXO_OK);
    EXPECT(exo_waitset_remove(set, 1), EXO_ENOENT);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 2);
    EXPECT(keys[0], 0);
    EXPECT(keys[1], 2);
    EXPECT(exo_waitset_remove(set, 0), EXO_OK);
    EXPECT(exo_waitset_remove(set, 2), EXO_OK);
    EXPECT(budget_of(account).objects_used, 1);
    EXPECT(exo_waitset_add(set, at(0), 9, 5), EXO_OK); /* removed while ready, and nobody waits */
    EXPECT(exo_waitset_remove(set, 5), EXO_OK);
    drop(set);
    EXPECT(budget_of(account).objects_used, 0);
    drop(account);
}

static void waitset_calls_check_their_arguments(void)
{
    uint64_t keys[70];
    exo_cap account = OK(exo_account_create(0, 4, 3));

    set = OK(exo_waitset_create(account));
    CAP_ERRORS(exo_waitset_create(C), some_frame, account, EXO_R_CHARGE);
    CAP_ERRORS(exo_waitset_add(C, at(0), 0, 1), some_frame, set, EXO_R_WRITE);
    CAP_ERRORS(exo_waitset_remove(C, 1), some_frame, set, EXO_R_WRITE);
    CAP_ERRORS(exo_waitset_wait(C, keys, 1, 0), some_frame, set, EXO_R_READ);
    EXPECT(exo_waitset_add(set, (char *)at(0) + 2, 0, 1), EXO_EINVAL);
    EFAULTS(exo_waitset_add(set, P, 0, 1));
    EXPECT(exo_waitset_wait(set, keys, 0, 0), EXO_EINVAL);
    EXPECT(exo_waitset_wait(set, keys, 65, 0), EXO_EINVAL);
    EXPECT(exo_waitset_wait(set, keys, UINT32_MAX, 0), EXO_EINVAL);
    EXPECT(exo_waitset_remove(set, 1), EXO_ENOENT);
    EXPECT(exo_waitset_add(set, at(0), 0, 1), EXO_OK);
    EXPECT(exo_waitset_add(set, at(0), 0, 1), EXO_OK);
    EXPECT(exo_waitset_add(set, at(0), 0, 1), EXO_EOBJECTS);
    exo_notify(EXO_CAP_THREAD, 1);
    EXPECT(exo_waitset_wait(set, keys, 1, EXO_FOREVER), EXO_EINTR);
    exo_utcb()->pending = 0;
    drop(set);
    drop(account);
}

/* Keys that could not be told are told the next time. */
static void a_wild_pointer_loses_no_key(void)
{
    uint64_t keys[4] = {0};

    set = OK(exo_waitset_create(0));
    EXPECT(exo_waitset_add(set, at(0), 9, 41), EXO_OK);
    EXPECT(exo_waitset_add(set, at(1), 9, 42), EXO_OK);
    EFAULTS(exo_waitset_wait(set, (uint64_t *)P, 4, 0));
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 2);
    EXPECT(keys[0] + keys[1], 83);
    drop(set);
}

static void wait_on_set(uint64_t deadline)
{
    uint64_t keys[4];

    SHARED->word[20] = 1;
    SHARED->value[0] = (uint64_t)exo_waitset_wait(set, keys, 4, deadline);
    SHARED->word[20] = 2;
}

static void a_sleeper_is_woken_and_calls_again(void)
{
    uint64_t keys[4] = {0};
    exo_cap t;

    set = OK(exo_waitset_create(0));
    EXPECT(exo_waitset_add(set, at(0), 0, 7), EXO_OK);
    t = thread_go(0, wait_on_set, EXO_FOREVER);
    UNTIL(SHARED->word[20] == 1);
    exo_yield(0);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), EXO_EBUSY);
    EXPECT(exo_wake(at(0), 1), 1);
    thread_join(0, t);
    EXPECT(SHARED->value[0], 0);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 1);
    EXPECT(keys[0], 7);
    t = thread_go(0, wait_on_set, now() + MS);
    thread_join(0, t);
    EXPECT(SHARED->value[0], EXO_ETIMEDOUT);
    t = thread_go(0, wait_on_set, EXO_FOREVER);
    exo_yield(0);
    exo_yield(0);
    thread_end(0, t); /* ended in its sleep */
    EXPECT(exo_waitset_wait(set, keys, 4, 0), EXO_ETIMEDOUT);
    drop(set);
}

/* The set goes while a thread sleeps on it, and another takes its place in memory. */
static void a_set_may_go_under_its_sleeper(void)
{
    uint64_t keys[4] = {0};
    exo_cap t, u, other;

    set = OK(exo_waitset_create(0));
    EXPECT(exo_waitset_add(set, at(0), 0, 7), EXO_OK);
    t = thread_go(0, wait_on_set, EXO_FOREVER);
    UNTIL(SHARED->word[20] == 1);
    exo_yield(0);
    drop(set);
    other = set = OK(exo_waitset_create(0));
    EXPECT(exo_waitset_add(other, at(1), 0, 8), EXO_OK);
    UNTIL(SHARED->word[20] == 2); /* nothing could ever wake it any more */
    EXPECT_TRUE((int64_t)SHARED->value[0] < 0);
    SHARED->word[20] = 0;
    u = thread_go(1, wait_on_set, EXO_FOREVER);
    UNTIL(SHARED->word[20] == 1);
    exo_yield(0);
    thread_end(0, t);
    EXPECT(exo_wake(at(1), 1), 1);
    thread_join(1, u);
    EXPECT(exo_waitset_wait(other, keys, 4, 0), 1);
    EXPECT(keys[0], 8);
    drop(other);
}

static void a_word_of_a_set_and_sleepers_share_a_wake(void)
{
    uint64_t keys[4];

    set = OK(exo_waitset_create(0));
    for (unsigned i = 0; i < 4; i++)
        EXPECT(exo_waitset_add(set, at(0), 0, i), EXO_OK);
    EXPECT(exo_wake(at(0), 2), 2);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 2);
    EXPECT(exo_requeue(at(0), 1, at(1), 9, 0), 1); /* entries stay where they were registered */
    EXPECT(exo_wake(at(0), 9), 4);
    EXPECT(exo_waitset_wait(set, keys, 4, 0), 4);
    drop(set);
}

int main(void)
{
    static const struct test tests[] = {
        T(woken_words_are_named_once),     T(a_word_that_differs_is_ready_at_once),
        T(removed_entries_are_not_named),  T(waitset_calls_check_their_arguments),
        T(a_wild_pointer_loses_no_key),    T(a_sleeper_is_woken_and_calls_again),
        T(a_set_may_go_under_its_sleeper), T(a_word_of_a_set_and_sleepers_share_a_wake),
    };
    return contract_run(tests, COUNT(tests));
}
