// SPDX-License-Identifier: MIT
/*
 * Random native calls, of all numbers, by hostile environments that are started again when they end:
 *
 *     tests/guest/calls/run --append "seed=7 calls=1000000" fuzz
 *
 * The one idea: calls.def says what each argument is meant to be, so most arguments nearly make sense:
 * a handle that the environment was given or made, one that it has deleted, a foreign one, an address of
 * its own near the end of a mapping. Calls that make no sense at all die at the first check and find
 * nothing. Two threads do it, so that one call meets what another has half undone.
 *
 * After each life everything is as before: another environment answers calls and finds its memory
 * untouched, no object and no capability is left, and the frames are there again. What was random
 * about a life comes from the seed and its number alone.
 */
#include "contract.h"

#include "../chance.h"

#include <exo/boot.h>
#include <libos/exo/options.h>

#define BOOT        ((const struct exo_boot *)EXO_BOOT_VA)
#define LIFE_CALLS  4000u /* in one life, of its first thread */
#define LIFE_TIME   (100u * MS)
#define GIVEN       8u                 /* capabilities that a life begins with, from slot 10 on */
#define FRIEND      EXO_WELL_KNOWN(17) /* the last of them: an environment that ends with it */
#define MADE        64u                /* handles that it remembers */
#define BUFFER      page(40)
#define WARM_LIVES  24u /* after which the kernel's pools have grown to what they need */
#define POOL_FRAMES 24u /* by which they may still grow, later */

/* ---- what the calls want ----------------------------------------------------------------------- */

struct parameter {
    const char *type, *name;
};
struct shape {
    uint64_t number;
    const char *name;
    unsigned count;
    struct parameter parameter[6];
};

#define P(type, name) \
    {                 \
#type, #name  \
    }
#define EXO_CALL0(number, name)                 {number, #name, 0, {{0}}},
#define EXO_CALL1(number, name, t0, a0)         {number, #name, 1, {P(t0, a0)}},
#define EXO_CALL2(number, name, t0, a0, t1, a1) {number, #name, 2, {P(t0, a0), P(t1, a1)}},
#define EXO_CALL3(number, name, t0, a0, t1, a1, t2, a2) \
    {number, #name, 3, {P(t0, a0), P(t1, a1), P(t2, a2)}},
#define EXO_CALL4(number, name, t0, a0, t1, a1, t2, a2, t3, a3) \
    {number, #name, 4, {P(t0, a0), P(t1, a1), P(t2, a2), P(t3, a3)}},
#define EXO_CALL5(number, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4) \
    {number, #name, 5, {P(t0, a0), P(t1, a1), P(t2, a2), P(t3, a3), P(t4, a4)}},
#define EXO_CALL6(number, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
    {number, #name, 6, {P(t0, a0), P(t1, a1), P(t2, a2), P(t3, a3), P(t4, a4), P(t5, a5)}},
#define EXO_CALL_MSG EXO_CALL6
static const struct shape shapes[] = {
#include <exo/calls.def>
};

/* ---- a life ------------------------------------------------------------------------------------ */

static exo_cap made[MADE];

static uint64_t handle(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 15) {
    case 0: return 0;
    case 1: return EXO_WELL_KNOWN(r >> 16 & 31);
    case 2: return EXO_HANDLE(r >> 16 & 63, r >> 32 & 7);
    case 3: return one_in(8) ? anything() : EXO_CAP_ENV;
    case 4:
    case 5:
    case 6:
    case 7: return EXO_WELL_KNOWN(10 + (r >> 16) % GIVEN);
    default: return made[(r >> 16) % MADE]; /* often deleted since */
    }
}

static uint64_t address(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 15) {
    case 0: return page(r >> 16 & 63) - (r >> 32 & 15); /* over the end of a page */
    case 1: return page(r >> 16 & 63) + (r >> 32 & 4095);
    case 2: return EXO_VIEW_VA + (r >> 32 & 4095);
    case 3: return CHILD_UTCB_VA + (r >> 32 & 0x3ff8);
    case 4: return anything();
    case 5: return (uintptr_t)SHARED->value + (r >> 32 & 0x1f8);
    case 6: return (uintptr_t)SHARED + 4096 - (r >> 32 & 63);
    default: return BUFFER + (r >> 16 & 0x7f8);
    }
}

/* What a pointer leads to is as random; words that look like handles, addresses and small numbers. */
static void fill_buffer(void)
{
    uint64_t *word = (uint64_t *)(uintptr_t)BUFFER;

    for (unsigned i = 0; i < 16; i++) {
        uint64_t r = draw();
        word[r & 255] = r & 0x100 ? handle() : r & 0x200 ? address() : r >> 56;
    }
}

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static uint64_t argument(const struct parameter *p)
{
    uint64_t r = draw();
    const char *end = p->type;

    if (one_in(24))
        return anything();
    while (*end)
        end++;
    if (is(p->type, "exo_cap"))
        return handle();
    if (end[-1] == '*')
        return address();
    if (is(p->type, "exo_time"))
        return now() + (r >> 40);
    if (is(p->name, "va"))
        return one_in(40) ? address() & ~(uint64_t)4095 : page(r >> 16 & 63);
    if (is(p->name, "pages") || is(p->name, "index") || is(p->name, "count"))
        return r >> 16 & 15;
    if (is(p->name, "bytes") || is(p->name, "offset"))
        return one_in(4) ? 4090 + (r >> 16 & 15) : r >> 16 & 255;
    if (is(p->name, "rights"))
        return one_in(2) ? EXO_R_ALL : r >> 16 & EXO_R_ALL;
    return one_in(4) ? (uint64_t)1 << (r >> 16 & 15) : r >> 16 & 31;
}

/* These end or stop the caller for certain, or for as long as nobody calls. */
static bool is_rare(const char *name)
{
    static const char *const names[] = {"env_destroy",    "env_suspend",    "thread_exit",
                                        "thread_suspend", "resume",         "reply_wait",
                                        "call",           "reflect_return", "unmap",
                                        "protect",        "discard",        "thread_create"};

    for (unsigned i = 0; i < COUNT(names); i++) {
        if (is(name, names[i]))
            return true;
    }
    return false;
}

static void remember(const struct shape *s, int64_t result)
{
    uint64_t place = draw() % MADE;
    const char *name = s->name, *end = name;

    while (*end)
        end++;
    /* cap_copy, cap_derive and all that are called ..._create or ..._alloc */
    if (result > 0 && (is(name, "cap_copy") || is(name, "cap_derive") || is(end - 6, "create") ||
                       is(end - 5, "alloc")))
        made[place] = (uint64_t)result;
}

static bool outlives(const char *name)
{
    return is(name, "thread_create") || is(name, "cap_copy") || is(name, "cap_derive") ||
           is(name, "cap_clone");
}

static void call_once(void)
{
    const struct shape *s = &shapes[draw() % COUNT(shapes)];
    uint64_t a[6] = {0};

    if (is_rare(s->name) && !one_in(s->name[0] == 'c' || s->name[0] == 'r' ? 8 : 40))
        return;
    for (unsigned i = 0; i < s->count; i++)
        a[i] = argument(&s->parameter[i]);
    /* A thread elsewhere, or environments that hold each other, would outlive us: doc/CAVEATS.md. */
    for (unsigned i = 0; i < s->count; i++) {
        if (is(s->parameter[i].name, "env") && outlives(s->name))
            a[i] = one_in(2) ? 0 : FRIEND;
    }
    exo_utcb()->recv_caps = (uint32_t)draw() & 7;
    exo_utcb()->masked = 1; /* there is no handler of upcalls */
    if (!one_in(16))
        exo_utcb()->pending = 1; /* so that few sleeps are long */
    remember(s, exo_trap(EXO_NR_BASE + s->number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static int64_t live(uint64_t seed)
{
    chance = seed * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < LIFE_CALLS; i++) {
        if (i % 64 == 0) {
            fill_buffer();
            SHARED->word[0] = i;
        }
        call_once();
    }
    return 0;
}

/* Another thread of it does the same, with the same `chance` and `made`: what they do to each other's
 * numbers is welcome. */
static void live_beside(uint64_t seed)
{
    (void)seed;
    for (unsigned i = 0; i < LIFE_CALLS; i++)
        call_once();
}

static int64_t live_with_a_thread(uint64_t seed)
{
    chance = seed;
    thread_go(0, live_beside, seed);
    return live(seed);
}

/* ---- the one beside them ----------------------------------------------------------------------- */

#define KNOWN 64u /* words that it looks at */

static int64_t answer(uint64_t unused)
{
    static uint64_t mine[KNOWN];
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)unused;
    for (unsigned i = 0; i < KNOWN; i++)
        mine[i] = i * 0x9e3779b97f4a7c15u;
    for (uint64_t calls = 0;; calls++) {
        bool same = true;

        if (exo_reply_wait(EXO_WELL_KNOWN(10), &m) < 0) {
            m.tag = EXO_NO_REPLY;
            continue;
        }
        for (unsigned i = 0; i < KNOWN; i++)
            same &= mine[i] == i * 0x9e3779b97f4a7c15u;
        m.tag = EXO_TAG(1, 0, 0);
        m.w[0] = same ? 4711 : 0;
    }
}

static void other_is_well(exo_cap endpoint)
{
    struct exo_message m = {.tag = EXO_TAG(1, 0, 0)};

    exo_utcb()->recv_caps = 0;
    EXPECT(exo_call(endpoint, &m) >= 0, 1);
    EXPECT(m.w[0], 4711);
}

/* ---- lives ------------------------------------------------------------------------------------- */

/* One life; how many calls it made (of its first thread, as it says itself). */
static uint64_t one_life(uint64_t seed, exo_cap endpoint)
{
    struct child c, friend;
    exo_cap given[GIVEN] = {OK(exo_frame_alloc(0, 8)),        OK(exo_region_create(0, 64, 1)),
                            OK(exo_endpoint_create(0)),       OK(exo_notification_create(0)),
                            OK(exo_waitset_create(0)),        OK(exo_account_create(0, 64, 64)),
                            OK(exo_cap_copy(endpoint, 0, 0)), 0};
    exo_time until = now() + LIFE_TIME;
    struct exo_env_info info = {.cause = EXO_ALIVE};

    chance = seed;
    child_make(&friend, CHILD_FRAMES, CHILD_OBJECTS);
    given[7] = OK(exo_cap_copy(friend.env, 0, 0));
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    for (unsigned i = 0; i < GIVEN; i++) {
        uint64_t rights = i == 6 ? EXO_R_CALL : one_in(3) ? draw() & EXO_R_ALL : EXO_R_ALL;
        OK(exo_cap_derive(given[i], (uint32_t)rights, 0, c.env, EXO_WELL_KNOWN(10 + i)));
    }
    OK(exo_map(c.env, page(0), 16, given[1], 0, RW));
    OK(exo_map(c.env, page(16), 32, 0, 0, RW));
    SHARED->word[0] = 0;
    child_go(&c, seed % 2 ? live_with_a_thread : live, seed);
    while (info.cause == EXO_ALIVE && now() < until) {
        pause_for_others(63);
        OK(exo_env_info(c.env, &info));
    }
    uint32_t calls = SHARED->word[0];
    child_drop(&c);
    child_drop(&friend);
    for (unsigned i = 0; i < GIVEN; i++)
        drop(given[i]);
    return info.cause == EXO_EXITED ? LIFE_CALLS : calls < LIFE_CALLS ? calls : 0;
}

static void say(uint64_t seed, uint64_t lives, uint64_t calls)
{
    note("# seed %lu: %lu lives, %lu calls, %lu frames free", seed, lives, calls,
         exo_view()->frames_free);
}

static void random_calls_hurt_nobody(void)
{
    const char *line = BOOT->command_line;
    uint64_t seed = option_number(line, "seed", 1), wanted = option_number(line, "calls", 300000);
    uint64_t until = now() + option_number(line, "seconds", 1000000) * 1000 * MS;
    exo_cap endpoint = OK(exo_endpoint_create(0));
    uint64_t calls = 0, lives = 0;
    struct counters before = {0};
    struct child other;

    child_make(&other, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(endpoint, other.env, EXO_WELL_KNOWN(10)));
    child_go(&other, answer, 0);
    other_is_well(endpoint);
    for (; calls < wanted && now() < until; lives++) {
        struct counters has = counters();

        if (lives <= WARM_LIVES)
            before = (struct counters){has.frames, lives ? before.objects : has.objects,
                                       lives ? before.caps : has.caps};
        if (has.objects != before.objects || has.caps != before.caps ||
            has.frames + POOL_FRAMES < before.frames) {
            EXPECT_TRUE(counters_same(before, has));
            note("# after life %lu", seed + lives - 1);
            break;
        }
        if (lives % 256 == 0)
            say(seed, lives, calls);
        calls += one_life(seed + lives, endpoint);
        other_is_well(endpoint);
    }
    say(seed, lives, calls);
    child_drop(&other);
    drop(endpoint);
}

int main(void)
{
    static const struct test tests[] = {T(random_calls_hurt_nobody)};

    return contract_run(tests, COUNT(tests));
}
