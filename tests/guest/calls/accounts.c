// SPDX-License-Identifier: MIT
/* account_create, account_info. */
#include "contract.h"

static void child_budget_is_taken_from_the_parent_and_comes_back(void)
{
    exo_cap parent = OK(exo_account_create(0, 100, 50));
    exo_cap child = OK(exo_account_create(parent, 60, 20));
    struct budget b = budget_of(parent);

    EXPECT(b.frames, 100);
    EXPECT(b.frames_used, 60);
    EXPECT(b.objects, 50);
    EXPECT(b.objects_used, 21); /* and the account itself */
    b = budget_of(child);
    EXPECT(b.frames, 60);
    EXPECT(b.frames_used, 0);
    EXPECT(b.objects, 20);
    EXPECT(b.objects_used, 0);
    drop(child);
    b = budget_of(parent);
    EXPECT(b.frames_used, 0);
    EXPECT(b.objects_used, 0);
    drop(parent);
}

static void account_lives_while_it_pays(void)
{
    exo_cap parent = OK(exo_account_create(0, 100, 50));
    exo_cap child = OK(exo_account_create(parent, 60, 20));
    exo_cap frame = OK(exo_frame_alloc(child, 7));

    drop(child);
    EXPECT(budget_of(parent).frames_used, 60);
    drop(frame);
    EXPECT(budget_of(parent).frames_used, 0);
    drop(parent);
}

static void grandchildren_may_outlive_their_parents(void)
{
    exo_cap a = OK(exo_account_create(0, 100, 50)), b = OK(exo_account_create(a, 60, 20));
    exo_cap c = OK(exo_account_create(b, 30, 10)), frame = OK(exo_frame_alloc(c, 30));

    drop(a);
    drop(b);
    drop(c);
    OK(exo_map(0, page(0), 30, frame, 0, RW));
    WORD(page(29)) = 1;
    OK(exo_unmap(0, page(0), 30));
    drop(frame);
}

static void account_create_checks_its_arguments(void)
{
    exo_cap parent = OK(exo_account_create(0, 100, 50));

    EXPECT(exo_account_create(parent, 101, 1), EXO_ENOMEM);
    EXPECT(exo_account_create(parent, UINT64_MAX, 1), EXO_ENOMEM);
    EXPECT(exo_account_create(parent, 1, 50), EXO_EOBJECTS); /* itself is one more */
    EXPECT(exo_account_create(parent, 1, UINT64_MAX), EXO_EOBJECTS);
    CAP_ERRORS(exo_account_create(C, 1, 1), some_frame, parent, EXO_R_CHARGE);
    exo_cap child = OK(exo_account_create(parent, 100, 49));
    EXPECT(exo_account_create(parent, 0, 0), EXO_EOBJECTS);
    EXPECT(exo_frame_alloc(parent, 1), EXO_ENOMEM);
    EXPECT(exo_notification_create(parent), EXO_EOBJECTS);
    drop(child);
    exo_cap empty = OK(exo_account_create(parent, 0, 0));
    EXPECT(exo_frame_alloc(empty, 1), EXO_ENOMEM);
    EXPECT(exo_notification_create(empty), EXO_EOBJECTS);
    drop(empty);
    drop(parent);
}

static void account_info_checks_its_arguments(void)
{
    exo_cap account = OK(exo_account_create(0, 1, 1));
    uint64_t words[4];

    CAP_ERRORS(exo_account_info(C, words), some_frame, account, EXO_R_READ);
    EFAULTS(exo_account_info(account, (uint64_t *)P));
    EXPECT(exo_account_info(0, words), EXO_OK);
    EXPECT(exo_account_info(account, (uint64_t *)((char *)words + 1 - 1)), EXO_OK);
    drop(account);
}

static int64_t account_charged(exo_cap account)
{
    int64_t child = exo_account_create(account, 3, 3);

    if (child >= 0)
        drop((exo_cap)child);
    return child;
}

static int64_t objects_charged(exo_cap account)
{
    int64_t made[6] = {exo_region_create(account, 1, 0), exo_notification_create(account),
                       exo_endpoint_create(account),     exo_waitset_create(account),
                       exo_frame_alloc(account, 1),      exo_env_create(account)};
    int64_t worst = 0;

    for (unsigned i = 0; i < COUNT(made); i++) {
        if (made[i] < 0) {
            worst = made[i];
            continue;
        }
        if (i == 5)
            OK(exo_env_destroy((exo_cap)made[i], 0));
        drop((exo_cap)made[i]);
    }
    counters();
    return worst;
}

static void account_that_runs_out_gets_everything_back(void)
{
    exhaust("account_create", account_charged, 8);
    exhaust("objects of every kind", objects_charged, 32);
}

int main(void)
{
    static const struct test tests[] = {
        T(child_budget_is_taken_from_the_parent_and_comes_back),
        T(account_lives_while_it_pays),
        T(grandchildren_may_outlive_their_parents),
        T(account_create_checks_its_arguments),
        T(account_info_checks_its_arguments),
        T(account_that_runs_out_gets_everything_back),
    };
    return contract_run(tests, COUNT(tests));
}
