// SPDX-License-Identifier: MIT
/* notification_create, notification_bind, notify, timer, env_reclaim. */
#include "contract.h"

static uint32_t take(void)
{
    return __atomic_exchange_n((uint32_t *)&exo_utcb()->pending, 0, __ATOMIC_ACQUIRE);
}

static void bits_collect_until_somebody_is_bound(void)
{
    exo_cap n = OK(exo_notification_create(0));

    EXPECT(exo_notify(n, 1), EXO_OK);
    EXPECT(exo_notify(n, 6), EXO_OK);
    EXPECT(take(), 0);
    drop(n);
}

static void bind_and_note(uint64_t note_cap)
{
    SHARED->value[0] = (uint64_t)exo_notification_bind(note_cap);
    SHARED->value[1] = exo_utcb()->pending;
    SHARED->value[2] = (uint64_t)exo_notification_bind(some_note); /* one a thread */
    exo_utcb()->pending = 0;
    SHARED->word[0] = 1;
    SHARED->value[3] = (uint64_t)exo_wait(0, 0, EXO_FOREVER);
    SHARED->value[4] = exo_utcb()->pending;
}

static void bound_thread_gets_them(void)
{
    exo_cap n = OK(exo_notification_create(0)), receive_only = without(n, EXO_R_RECV);

    EXPECT(exo_notify(n, 5), EXO_OK);
    exo_cap thread = thread_go(0, bind_and_note, n);
    UNTIL(SHARED->word[0]);
    exo_yield(0);
    EXPECT(SHARED->value[0], EXO_OK);
    EXPECT(SHARED->value[1], 5);
    EXPECT(SHARED->value[2], EXO_EBUSY);
    EXPECT(exo_notification_bind(n), EXO_EBUSY);
    EXPECT(exo_notify(n, 8), EXO_OK);
    thread_join(0, thread);
    EXPECT(SHARED->value[3], EXO_EINTR);
    EXPECT(SHARED->value[4], 8);
    EXPECT(exo_notify(n, 2), EXO_OK); /* the thread is gone: they collect again */
    drop(receive_only);
    drop(n);
}

static void notification_calls_check_their_arguments(void)
{
    exo_cap account = OK(exo_account_create(0, 1, 2)), n = OK(exo_notification_create(account));
    struct exo_thread_args args;
    struct child c;

    CAP_ERRORS(exo_notification_create(C), some_frame, account, EXO_R_CHARGE);
    CAP_ERRORS(exo_notification_bind(C), some_frame, n, EXO_R_RECV);
    CAP_ERRORS(exo_notify(C, 1), some_frame, n, EXO_R_SIGNAL);
    child_make(&c, 64, 8);
    thread_plan(0, bind_and_note, 0, &args);
    exo_cap thread = OK(exo_thread_create(0, &args));
    CAP_ERRORS(exo_notify(C, 1), some_frame, thread, EXO_R_SIGNAL);
    CAP_ERRORS(exo_notify(C, 1), some_frame, c.env, EXO_R_SIGNAL);
    EXPECT(exo_notify(0, 1), EXO_ECAP);
    EXPECT(exo_notify(n, EXO_EVENT_TIMER), EXO_EINVAL);
    EXPECT(exo_notify(n, EXO_EVENT_CHILDLESS), EXO_EINVAL);
    EXPECT(exo_notify(n, EXO_EVENT_REVOKE | 1), EXO_EINVAL);
    EXPECT(exo_notify(c.env, 1), EXO_OK);  /* nobody there: nothing happens */
    EXPECT(exo_notify(thread, 1), EXO_OK); /* it has not run yet */
    thread_end(0, thread);
    child_drop(&c);
    drop(OK(exo_notification_create(account)));
    drop(n);
    drop(account);
}

static void all_threads_of_an_environment_are_told(void)
{
    EXPECT(exo_notify(EXO_CAP_ENV, 0x40), EXO_OK);
    EXPECT(take(), 0x40);
}

static void timer_comes_once_and_can_be_taken_back(void)
{
    exo_time start = now();

    EXPECT(exo_timer(start + 3 * MS), EXO_OK);
    EXPECT(exo_wait(0, 0, start + 1000 * MS), EXO_EINTR);
    EXPECT(take(), EXO_EVENT_TIMER);
    EXPECT_TRUE(now() >= start + 3 * MS && now() < start + 500 * MS);
    EXPECT(exo_wait(0, 0, now() + 5 * MS), EXO_ETIMEDOUT);
    EXPECT(exo_timer(now() + 2 * MS), EXO_OK);
    EXPECT(exo_timer(EXO_FOREVER), EXO_OK);
    EXPECT(exo_wait(0, 0, now() + 6 * MS), EXO_ETIMEDOUT);
    EXPECT(exo_timer(0), EXO_OK); /* long past: at once */
    EXPECT(exo_wait(0, 0, now() + 1000 * MS), EXO_EINTR);
    EXPECT(take(), EXO_EVENT_TIMER);
    EXPECT(exo_timer(now() + 500 * MS), EXO_OK); /* an earlier one replaces a later one */
    EXPECT(exo_timer(now() + MS), EXO_OK);
    EXPECT(exo_wait(0, 0, now() + 300 * MS), EXO_EINTR);
    take();
}

static int64_t nap(uint64_t ms)
{
    exo_time end = now() + ms * MS;
    int64_t st = exo_wait(0, 0, end);

    return st == EXO_ETIMEDOUT && now() >= end ? 0 : 1;
}

static void time_itself_goes_on_while_timers_are_many(void)
{
    struct child c[10];

    for (unsigned i = 0; i < COUNT(c); i++) {
        child_make(&c[i], CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c[i], nap, 1 + (i * 7) % 10);
    }
    for (unsigned i = 0; i < COUNT(c); i++) {
        struct exo_env_info info = child_wait(&c[i]);
        EXPECT(info.status, 0);
        child_drop(&c[i]);
    }
}

/* ---- visible revocation ------------------------------------------------------------------------ */

/* Below the program, so that these pages are the first to be taken. */
#define LOW ((uint64_t)0x100000)

static int64_t keeps_its_pages(uint64_t pages)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < pages; i++)
        WORD(LOW + i * PAGE) = 1;
    SHARED->word[0] = 1;
    UNTIL(SHARED->word[0] == 2);
    for (unsigned i = 0; i < pages; i++)
        sum += WORD(LOW + i * PAGE);
    const struct exo_reclaim *r = &exo_utcb()->reclaim;
    SHARED->value[0] = r->asked;
    SHARED->value[1] = r->taken_count;
    for (unsigned i = 0; i < EXO_RECLAIM_RING && i < r->taken_count; i++)
        SHARED->value[2] += r->taken[i].pages;
    SHARED->value[3] = exo_utcb()->pending;
    return sum;
}

static int64_t gives_its_pages(uint64_t pages)
{
    for (unsigned i = 0; i < pages; i++)
        WORD(page(i)) = 1;
    SHARED->word[0] = 1;
    while (!(exo_utcb()->pending & EXO_EVENT_REVOKE))
        exo_wait(0, 0, EXO_FOREVER);
    uint64_t asked = exo_utcb()->reclaim.asked;
    exo_discard(0, page(pages - asked), asked);
    UNTIL(SHARED->word[0] == 2);
    SHARED->value[1] = exo_utcb()->reclaim.taken_count;
    for (unsigned i = 0; i < pages - asked; i++) {
        if (WORD(page(i)) != 1)
            return 1;
    }
    return 0;
}

static void what_is_not_given_is_taken_and_recorded(void)
{
    struct child c;

    child_make(&c, 800, CHILD_OBJECTS);
    OK(exo_map(c.env, LOW, 600, 0, 0, RW));
    child_go(&c, keeps_its_pages, 600);
    UNTIL(SHARED->word[0] == 1);
    EXPECT_TRUE(OK(exo_env_reclaim(c.env, 400, now() + 5 * MS)) >= 600);
    sleep_for(30 * MS);
    SHARED->word[0] = 2;
    struct exo_env_info info = child_wait(&c);
    EXPECT(SHARED->value[0], 400);
    EXPECT(SHARED->value[2], 400);
    EXPECT_TRUE(SHARED->value[3] & EXO_EVENT_REVOKE);
    EXPECT(info.status, 200);
    child_drop(&c);
}

static void what_is_given_in_time_is_enough(void)
{
    struct child c;

    child_make(&c, 800, CHILD_OBJECTS);
    OK(exo_map(c.env, page(0), 600, 0, 0, RW));
    child_go(&c, gives_its_pages, 600);
    UNTIL(SHARED->word[0] == 1);
    OK(exo_env_reclaim(c.env, 100, now() + 20 * MS));
    sleep_for(60 * MS);
    SHARED->word[0] = 2;
    EXPECT(child_wait(&c).status, 0);
    EXPECT(SHARED->value[1], 0);
    child_drop(&c);
}

static void reclaim_checks_its_arguments(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    CAP_ERRORS(exo_env_reclaim(C, 1, now()), some_frame, c.env, EXO_R_CONTROL);
    EXPECT(exo_env_reclaim(c.env, 1, now()), EXO_EINVAL); /* no thread */
    child_load(&c, nap, 1);
    OK(exo_env_reclaim(c.env, UINT64_MAX, EXO_FOREVER));
    OK(exo_env_reclaim(c.env, 0, 0));
    OK(exo_env_reclaim(c.env, UINT64_MAX, 0)); /* all of it, now */
    sleep_for(2 * MS);
    OK(exo_env_reclaim(c.env, 1, now() + MS));
    child_drop(&c); /* dies with a request under way */
    sleep_for(3 * MS);
}

int main(void)
{
    static const struct test tests[] = {
        T(bits_collect_until_somebody_is_bound),
        T(bound_thread_gets_them),
        T(notification_calls_check_their_arguments),
        T(all_threads_of_an_environment_are_told),
        T(timer_comes_once_and_can_be_taken_back),
        T(time_itself_goes_on_while_timers_are_many),
        T(what_is_not_given_is_taken_and_recorded),
        T(what_is_given_in_time_is_enough),
        T(reclaim_checks_its_arguments),
    };
    return contract_run(tests, COUNT(tests));
}
