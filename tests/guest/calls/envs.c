// SPDX-License-Identifier: MIT
/* env_create, env_destroy, env_info, env_watch, env_suspend. */
#include "contract.h"

static struct exo_env_info info_of(exo_cap env)
{
    struct exo_env_info info = {0};

    OK(exo_env_info(env, &info));
    return info;
}

static int64_t answer(uint64_t value)
{
    return (int64_t)value;
}

static int64_t crash(uint64_t va)
{
    WORD(va) = 1;
    return 0;
}

static int64_t spin(uint64_t unused)
{
    (void)unused;
    for (;;)
        SHARED->word[0]++;
}

static int64_t sleep_forever(uint64_t unused)
{
    (void)unused;
    SHARED->word[0] = 1;
    for (;;)
        exo_wait(0, 0, EXO_FOREVER);
}

static void new_environment_has_itself_and_its_account(void)
{
    struct child c;
    struct exo_cap_info info;

    child_make(&c, 64, 8);
    EXPECT(exo_cap_delete(EXO_CAP_ENV, c.env), EXO_OK);
    EXPECT(exo_cap_delete(EXO_CAP_ACCOUNT, c.env), EXO_OK);
    EXPECT(exo_cap_delete(EXO_CAP_THREAD, c.env), EXO_ECAP);
    EXPECT(info_of(c.env).cause, EXO_ALIVE);
    EXPECT(info_of(c.env).threads, 0);
    OK(exo_cap_info(c.env, &info));
    EXPECT(info.holders, 1);
    child_drop(&c);
}

static void record_tells_how_it_ended(void)
{
    struct child c;
    struct exo_env_info info;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, answer, (uint64_t)-77);
    info = child_wait(&c);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, -77);
    EXPECT(info.threads, 0);
    child_drop(&c);

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, crash, (uintptr_t)UNMAPPED);
    info = child_wait(&c);
    EXPECT(info.cause, EXO_CRASHED);
    EXPECT(info.fault_kind, EXO_UP_PAGE);
    EXPECT(info.fault_address, (uintptr_t)UNMAPPED);
    EXPECT_TRUE(info.fault_pc >= 0x400000 && info.fault_pc < 0x500000);
    child_drop(&c);

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, sleep_forever, 0);
    UNTIL(SHARED->word[0]);
    EXPECT(info_of(c.env).threads, 1);
    EXPECT(exo_env_destroy(c.env, 5), EXO_OK);
    EXPECT(exo_env_destroy(c.env, 6), EXO_OK); /* harmless */
    info = info_of(c.env);
    EXPECT(info.cause, EXO_DESTROYED);
    EXPECT(info.status, 5);
    counters();
    info = info_of(c.env); /* still there when all is tidied up */
    EXPECT(info.status, 5);
    EXPECT(info.frames, 0);
    child_drop(&c);
}

static void last_thread_that_ends_ends_it(void)
{
    struct child c;
    struct exo_env_info info;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, sleep_forever, 0);
    UNTIL(SHARED->word[0]);
    EXPECT(exo_thread_exit(c.thread, 0), EXO_OK);
    info = info_of(c.env);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, 0);
    child_drop(&c);
}

static void env_calls_check_their_arguments(void)
{
    struct child c;
    struct exo_env_info info;
    exo_cap note_cap = OK(exo_notification_create(0));

    child_make(&c, 64, 8);
    CAP_ERRORS(exo_env_create(C), some_frame, c.account, EXO_R_CHARGE);
    CAP_ERRORS(exo_env_destroy(C, 0), some_frame, c.env, EXO_R_CONTROL);
    CAP_ERRORS(exo_env_info(C, &info), some_frame, c.env, EXO_R_READ);
    CAP_ERRORS(exo_env_watch(C, note_cap, 1), some_frame, c.env, EXO_R_READ);
    CAP_ERRORS(exo_env_watch(c.env, C, 1), some_frame, note_cap, EXO_R_SIGNAL);
    CAP_ERRORS(exo_env_suspend(C, 1), some_frame, c.env, EXO_R_CONTROL);
    EFAULTS(exo_env_info(c.env, (struct exo_env_info *)P));
    EXPECT(exo_env_watch(c.env, note_cap, EXO_EVENT_TIMER), EXO_EINVAL);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_env_suspend(c.env, 1), EXO_EDEAD);
    child_drop(&c);
    drop(note_cap);
}

static void watchers_learn_of_the_death(void)
{
    static exo_cap note_cap; /* stays bound to this thread */
    struct child c;
    exo_cap other = OK(exo_notification_create(0));

    if (!note_cap) {
        note_cap = OK(exo_notification_create(0));
        EXPECT(exo_notification_bind(note_cap), EXO_OK);
    }
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(exo_env_watch(c.env, note_cap, 0x4), EXO_OK);
    EXPECT(exo_env_watch(c.env, note_cap, 0x8), EXO_OK); /* again: other bits */
    EXPECT(exo_env_watch(c.env, other, 0x8), EXO_EBUSY);
    child_go(&c, answer, 1);
    exo_wait(0, 0, EXO_FOREVER);
    EXPECT(exo_utcb()->pending, 0x8);
    exo_utcb()->pending = 0;
    EXPECT(exo_env_watch(c.env, note_cap, 0x10), EXO_OK); /* dead already: at once */
    EXPECT(exo_utcb()->pending, 0x10);
    exo_utcb()->pending = 0;
    child_drop(&c);

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    EXPECT(exo_env_watch(c.env, note_cap, 0x20), EXO_OK);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_utcb()->pending, 0x20);
    exo_utcb()->pending = 0;
    child_drop(&c);
    drop(other);
}

static void suspended_environment_does_not_run(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, spin, 0);
    UNTIL(SHARED->word[0] > 0);
    EXPECT(exo_env_suspend(c.env, 1), EXO_OK);
    uint32_t seen = SHARED->word[0];
    sleep_for(30 * MS);
    EXPECT(SHARED->word[0], seen);
    EXPECT(exo_env_suspend(c.env, 0), EXO_OK);
    UNTIL(SHARED->word[0] != seen);
    EXPECT(exo_env_suspend(c.env, 1), EXO_OK);
    child_drop(&c); /* and dies suspended */
}

/* ---- many, big, and entangled ------------------------------------------------------------------ */

static int64_t destroy_myself_by_handle(uint64_t unused)
{
    (void)unused;
    exo_env_destroy(EXO_CAP_ENV, 31);
    return 1;
}

static int64_t exit_by_handle(uint64_t unused)
{
    (void)unused;
    exo_thread_exit(EXO_CAP_THREAD, 0);
    return 1;
}

static int64_t fall_out_of_memory(uint64_t unused)
{
    (void)unused;
    exo_unmap(0, 0x400000, 64); /* the very text */
    return 1;
}

static void an_environment_may_end_itself_in_every_way(void)
{
    struct child c;
    struct exo_env_info info;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, destroy_myself_by_handle, 0);
    info = child_wait(&c);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, 31);
    child_drop(&c);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, exit_by_handle, 0);
    info = child_wait(&c);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, 0);
    child_drop(&c);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, fall_out_of_memory, 0);
    EXPECT(child_wait(&c).cause, EXO_CRASHED);
    child_drop(&c);
}

static void big_environments_are_tidied_up_in_pieces(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 4000, 1));

    child_make(&c, 4096, 64);
    OK(exo_map(0, page(0), 2000, 0, 0, RW));
    for (unsigned i = 0; i < 2000; i++)
        WORD(page(i)) = i;
    int64_t next = (int64_t)page(0);
    while (next > 0)
        next = exo_space_clone(c.env, (uint64_t)next, 2000 - ((uint64_t)next - page(0)) / PAGE);
    EXPECT(next, 0);
    OK(exo_cap_copy(region, c.env, 0));
    OK(exo_map(c.env, page(8000), 4000, region, 0, RW | EXO_MAP_EAGER));
    for (unsigned i = 0; i < 700; i++)
        OK(exo_cap_derive(region, EXO_R_READ, 0, c.env, 0));
    OK(exo_env_destroy(c.env, 0));
    exo_yield(0);
    EXPECT_TRUE(exo_view()->dying == 1);
    OK(exo_region_punch(region, 0, 512)); /* in the middle of it */
    OK(exo_unmap(0, page(0), 2000));
    exo_cap_revoke(region);
    counters();
    child_drop(&c);
    drop(region);
}

static void handles_of_the_dead_are_harmless(void)
{
    struct child c, d;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_make(&d, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(c.env, d.env, 0)); /* each holds the other */
    OK(exo_cap_copy(d.env, c.env, 0));
    child_go(&c, sleep_forever, 0);
    UNTIL(SHARED->word[0]);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_thread_resume(c.thread), EXO_EDEAD);
    EXPECT(exo_thread_suspend(c.thread), EXO_EDEAD);
    EXPECT(exo_notify(c.thread, 1), EXO_EDEAD);
    EXPECT(exo_notify(c.env, 1), EXO_EDEAD);
    EXPECT(exo_yield(c.thread), EXO_OK);
    OK(exo_cpu_time(c.thread));
    OK(exo_cpu_time(c.env));
    EXPECT(exo_sched_set(c.thread, 1, 0, 0), EXO_EDEAD);
    EXPECT(exo_thread_exit(c.thread, 0), EXO_EDEAD);
    EXPECT(exo_env_reclaim(c.env, 1, now() + MS), EXO_EDEAD);
    child_drop(&c);
    child_drop(&d);
}

static void many_live_and_die_at_once(void)
{
    struct child c[24];

    for (unsigned i = 0; i < COUNT(c); i++) {
        child_make(&c[i], CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c[i], i % 3 == 0 ? spin : i % 3 == 1 ? sleep_forever : answer, 1);
    }
    sleep_for(20 * MS);
    for (unsigned i = 0; i < COUNT(c); i++)
        OK(exo_env_destroy(c[i].env, 0));
    for (unsigned i = 0; i < COUNT(c); i++)
        child_drop(&c[i]);
}

/* ---- loans ------------------------------------------------------------------------------------- */

#define LOANS 100u

/* Lends and copies its capability value[0] to the environment value[1], then ends. */
static int64_t lend_and_end(uint64_t unused)
{
    struct shared *s = SHARED;

    (void)unused;
    s->value[2] = OK(exo_cap_copy(s->value[0], s->value[1], 0));
    for (unsigned i = 0; i < LOANS; i++)
        s->value[3] = OK(exo_cap_derive(s->value[0], EXO_R_READ, 0, s->value[1], 0));
    s->word[0] = 1;
    while (s->word[1] == 0)
        exo_yield(0);
    return 0;
}

static void lender_go(struct child *c, exo_cap region)
{
    child_make(c, CHILD_FRAMES, CHILD_OBJECTS);
    SHARED->value[0] = OK(exo_cap_copy(region, c->env, 0));
    SHARED->value[1] = OK(exo_cap_copy(EXO_CAP_ENV, c->env, 0));
    child_go(c, lend_and_end, 0);
    UNTIL(SHARED->word[0]);
}

static void what_the_dead_had_lent_is_revoked(void)
{
    struct child c;
    struct exo_cap_info info;
    exo_cap region = OK(exo_region_create(0, 1, 1));

    lender_go(&c, region);
    exo_cap copied = SHARED->value[2], lent = SHARED->value[3],
            further = OK(exo_cap_derive(lent, EXO_R_READ, 0, 0, 0));
    EXPECT(exo_map(0, page(0), 1, lent, 0, EXO_MAP_READ), EXO_OK);
    EXPECT(WORD(page(0)), 0);
    SHARED->word[1] = 1;
    child_wait(&c);
    counters(); /* until it is tidied up */
    EXPECT(exo_cap_info(lent, &info), EXO_ECAP);
    EXPECT(exo_cap_info(further, &info), EXO_ECAP);
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    EXPECT(exo_cap_info(copied, &info), EXO_OK);
    child_drop(&c);
    drop(copied);
    drop(region);
}

static void copy_for_ever(uint64_t loan)
{
    for (;;)
        exo_cap_copy(loan, 0, 0);
}

/* Who copies a loan of a dead environment faster than it is taken away keeps nobody else waiting. */
static void revocation_that_is_outrun_delays_no_other_death(void)
{
    struct child lender, other;
    exo_cap region = OK(exo_region_create(0, 1, 1));

    lender_go(&lender, region);
    exo_cap copied = SHARED->value[2], thread = thread_go(0, copy_for_ever, SHARED->value[3]);
    SHARED->word[1] = 1;
    child_wait(&lender);
    child_make(&other, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&other, answer, 9);
    EXPECT(child_wait(&other).status, 9);
    UNTIL(info_of(other.env).frames == 0);
    EXPECT(exo_view()->dying, 1);
    thread_end(0, thread);
    child_drop(&other);
    child_drop(&lender);
    drop(copied);
    drop(region);
}

static int64_t env_charged(exo_cap account)
{
    struct exo_thread_args args = {.utcb = 0x1ff000}; /* across two leaf tables */
    int64_t env = exo_env_create(account), st = env;

    if (env < 0)
        return env;
    for (unsigned i = 0; i < 3 && st >= 0; i++) {
        args.utcb += 0x1000000;
        st = exo_thread_create((exo_cap)env, &args);
        if (st >= 0)
            drop((exo_cap)st);
    }
    OK(exo_env_destroy((exo_cap)env, 0));
    drop((exo_cap)env);
    counters();
    return st;
}

static void account_that_runs_out_gets_everything_back(void)
{
    exhaust("env_create and thread_create", env_charged, 64);
}

int main(void)
{
    static const struct test tests[] = {
        T(new_environment_has_itself_and_its_account),
        T(record_tells_how_it_ended),
        T(last_thread_that_ends_ends_it),
        T(env_calls_check_their_arguments),
        T(watchers_learn_of_the_death),
        T(suspended_environment_does_not_run),
        T(an_environment_may_end_itself_in_every_way),
        T(big_environments_are_tidied_up_in_pieces),
        T(handles_of_the_dead_are_harmless),
        T(many_live_and_die_at_once),
        T(what_the_dead_had_lent_is_revoked),
        T(revocation_that_is_outrun_delays_no_other_death),
        T(account_that_runs_out_gets_everything_back),
    };
    return contract_run(tests, COUNT(tests));
}
