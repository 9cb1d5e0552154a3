// SPDX-License-Identifier: MIT
/*
 * Calls with random arguments, made by a child that holds capabilities of every kind but the platform:
 * what comes out does not matter, as long as the machine goes on and everything comes back. The
 * numbers come from a fixed seed, so that a failure can be repeated.
 */
#include "contract.h"

static uint64_t state;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Values that calls like, and that they should not. */
static uint64_t argument(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 15) {
    case 0: return 0;
    case 1: return r >> 60;
    case 2: return r >> 44;
    case 3: return r;
    case 4: return UINT64_MAX - (r >> 61);
    case 5: return page(r >> 32 & 63);
    case 6: return page(r >> 32 & 63) + (r >> 40 & 7);
    case 7: return (uintptr_t)SHARED + (r >> 32 & 0xfff);
    case 8: return CHILD_UTCB_VA + (r >> 32 & 0x3fff);
    case 9: return EXO_VIEW_VA - PAGE + (r >> 32 & 0x3fff);
    case 10: return (uint64_t)1 << (r >> 32 & 63);
    case 11: return EXO_HANDLE(r >> 32 & 31, 1 + (r >> 40 & 3));
    default: return EXO_WELL_KNOWN(r >> 32 & 31);
    }
}

static int64_t call_at_random(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t number = draw() % EXO_NR_LIMIT;

        /* An environment with a thread that never ran, which all have lost sight of, stays. */
        if (number == EXO_NR_thread_create - EXO_NR_BASE)
            continue;
        /* those that end or stop us for sure are left for the end */
        if (i < 2900 &&
            (number == EXO_NR_thread_exit - EXO_NR_BASE || number == EXO_NR_resume - EXO_NR_BASE ||
             number == EXO_NR_thread_suspend - EXO_NR_BASE ||
             number == EXO_NR_env_suspend - EXO_NR_BASE || number == EXO_NR_call - EXO_NR_BASE ||
             number == EXO_NR_reply_wait - EXO_NR_BASE ||
             number == EXO_NR_env_destroy - EXO_NR_BASE || number == EXO_NR_unmap - EXO_NR_BASE ||
             number == EXO_NR_protect - EXO_NR_BASE || number == EXO_NR_discard - EXO_NR_BASE))
            continue;
        exo_utcb()->recv_caps = (uint32_t)draw();
        exo_utcb()->pending = 1; /* so that no sleep is long */
        exo_trap(EXO_NR_BASE + number, argument(), argument(), argument(), argument(), argument(),
                 argument());
        SHARED->word[0]++;
    }
    return 0;
}

static int64_t echo(uint64_t unused)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)unused;
    exo_utcb()->recv_caps = 2;
    for (;;) {
        if (exo_reply_wait(EXO_WELL_KNOWN(10), &m) < 0)
            m.tag = EXO_NO_REPLY;
        else
            m.tag = EXO_TAG(1, 0, 0);
    }
}

static void random_calls(uint64_t first_seed)
{
    for (uint64_t seed = first_seed; seed < first_seed + 12; seed++) {
        struct child c, server;
        exo_cap made[6] = {OK(exo_frame_alloc(0, 8)),  OK(exo_region_create(0, 64, 1)),
                           OK(exo_endpoint_create(0)), OK(exo_notification_create(0)),
                           OK(exo_waitset_create(0)),  OK(exo_account_create(0, 64, 64))};

        child_make(&server, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_cap_copy(made[2], server.env, EXO_WELL_KNOWN(10)));
        child_go(&server, echo, 0);
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        for (unsigned i = 0; i < COUNT(made); i++)
            OK(exo_cap_derive(made[i], EXO_R_ALL, 0, c.env, EXO_WELL_KNOWN(10 + i)));
        OK(exo_map(c.env, page(0), 16, made[1], 0, RW));
        OK(exo_map(c.env, page(16), 16, 0, 0, RW));
        child_go(&c, call_at_random, seed);
        for (unsigned i = 0; i < 60; i++) {
            struct exo_env_info info;
            pause_for_others(63);
            OK(exo_env_info(c.env, &info));
            if (info.cause != EXO_ALIVE)
                break;
        }
        child_drop(&c);
        child_drop(&server);
        for (unsigned i = 0; i < COUNT(made); i++)
            drop(made[i]);
        counters();
    }
}

static void random_calls_hurt_nobody(void)
{
    random_calls(1);
}

static void other_random_calls_hurt_nobody(void)
{
    random_calls(1000);
}

/* Each call with each argument in turn a wild pointer, and the others nothing. */
static int64_t wild_pointers(uint64_t unused)
{
    static const uint64_t wild[] = {1,
                                    0xfff,
                                    0x666600000000,
                                    0x00007fffffffefff,
                                    0x00007ffffffffffc,
                                    (uintptr_t)NONCANONICAL,
                                    (uintptr_t)KERNEL_VA - 0x1000,
                                    (uintptr_t)KERNEL_VA,
                                    (uintptr_t)KERNEL_IMAGE,
                                    0xfffffffffffffff8,
                                    0xffffffffffffffff};
    uint64_t a[6];

    (void)unused;
    for (uint64_t number = 0; number < EXO_NR_LIMIT; number++) {
        uint64_t nr = EXO_NR_BASE + number;
        if (nr == EXO_NR_thread_exit || nr == EXO_NR_env_destroy || nr == EXO_NR_thread_suspend ||
            nr == EXO_NR_env_suspend || nr == EXO_NR_resume || nr == EXO_NR_reflect_return ||
            nr == EXO_NR_map || nr == EXO_NR_env_reclaim || nr == EXO_NR_unmap ||
            nr == EXO_NR_protect || nr == EXO_NR_discard)
            continue; /* the last five may take our own program away */
        for (unsigned place = 0; place < 6; place++) {
            for (unsigned i = 0; i < COUNT(wild); i++) {
                for (unsigned k = 0; k < 6; k++)
                    a[k] = k == place ? wild[i] : 0;
                exo_utcb()->pending = 1;
                SHARED->value[0] = number;
                SHARED->value[1] = place;
                SHARED->value[2] = wild[i];
                exo_trap(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
            }
        }
    }
    return 77;
}

static void wild_pointers_hurt_nobody(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, wild_pointers, 0);
    if (EXPECT(child_wait(&c).status, 77) != 77)
        note("# last call %lx, argument %lu: %lx", SHARED->value[0], SHARED->value[1],
             SHARED->value[2]);
    child_drop(&c);
}

/* ---- breaking out ------------------------------------------------------------------------------ */

static int64_t touch(uint64_t va)
{
    return WORD(va);
}

static int64_t jump(uint64_t va)
{
    ((void (*)(void))va)();
    return 0;
}

static void foreign_memory_cannot_be_touched(void)
{
    static const uint64_t places[] = {0,
                                      0x666600000000,
                                      (uint64_t)KERNEL_VA,
                                      (uint64_t)KERNEL_IMAGE,
                                      (uint64_t)NONCANONICAL,
                                      EXO_VIEW_VA + PAGE};

    for (unsigned i = 0; i < 2 * COUNT(places); i++) {
        struct child c;

        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c, i % 2 ? jump : touch, places[i / 2]);
        EXPECT(child_wait(&c).cause, EXO_CRASHED);
        child_drop(&c);
    }
}

static int64_t bomb(uint64_t depth)
{
    SHARED->word[2] = 1; /* the page is mapped while there are frames for tables */
    for (;;) {
        int64_t env = exo_env_create(0);
        if (env < 0)
            break;
    }
    if (depth == 1)
        SHARED->word[depth]++;
    return exo_wait(0, 0, EXO_FOREVER);
}

static void a_bomb_spends_its_own_account(void)
{
    struct child c;

    child_make(&c, 400, 200);
    struct budget before = budget_of(0);
    child_go(&c, bomb, 1);
    UNTIL(SHARED->word[1]);
    struct budget after = budget_of(0);
    EXPECT(before.frames_used, after.frames_used);
    EXPECT(before.objects_used, after.objects_used);
    drop(OK(exo_frame_alloc(0, 64)));
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(wild_pointers_hurt_nobody),     T(foreign_memory_cannot_be_touched),
        T(random_calls_hurt_nobody),      T(other_random_calls_hurt_nobody),
        T(a_bomb_spends_its_own_account),
    };
    return contract_run(tests, COUNT(tests));
}
