// SPDX-License-Identifier: MIT
/*
 * Memory order of call, reply_wait and notify: what one thread stored before is there for the other
 * afterwards, and of two who tell each other something and then look, one sees it. The stores and loads
 * are relaxed: all order comes from the calls. Models: proofs/memory/protocols/ipc.py, and the kernel
 * lock's, lock.py. With one processor they hold anyway; tests/guest/list runs this with two.
 */
#include "contract.h"

#include <stdatomic.h>

#define ROUNDS 1000u

static exo_cap endpoint, other_thread;

static uint32_t get(unsigned word)
{
    return atomic_load_explicit(&SHARED->word[word], memory_order_relaxed);
}

static void put(unsigned word, uint32_t value)
{
    atomic_store_explicit(&SHARED->word[word], value, memory_order_relaxed);
}

/* ---- message passing: both ways of a call -------------------------------------------------------- */

enum { THERE, BACK, STALE };

static void serve(uint64_t rounds)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    for (uint64_t i = 1; i <= rounds; i++) {
        if (exo_reply_wait(endpoint, &m) < 0)
            return;
        if (get(THERE) != m.w[0])
            put(STALE, get(STALE) + 1);
        put(BACK, (uint32_t)m.w[0]);
        m.tag = EXO_TAG(0, 0, 0);
    }
    exo_reply_wait(endpoint, &m);
}

static void a_call_brings_what_was_stored_before(void)
{
    endpoint = OK(exo_endpoint_create(0));
    exo_cap server = thread_go(0, serve, ROUNDS);

    put(STALE, 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        struct exo_message m = {.tag = EXO_TAG(1, 0, 0), .w = {i}};

        put(THERE, i);
        if (exo_call(endpoint, &m) < 0 || get(BACK) != i)
            put(STALE, get(STALE) + 1);
    }
    EXPECT(get(STALE), 0);
    thread_end(0, server);
    drop(endpoint);
}

/* ---- store buffering and load buffering: notify, and look ---------------------------------------- */

enum { ROUND = 8, SAW = 16, LOOKS_FIRST = 24 };

/* Both sides have come to this step. */
static void meet(unsigned side, uint32_t step)
{
    atomic_store(&SHARED->word[ROUND + side], step);
    for (unsigned looks = 0; looks < 100; looks++) { /* on another CPU it is nearly here */
        if (atomic_load(&SHARED->word[ROUND + !side]) >= step)
            return;
    }
    UNTIL(atomic_load(&SHARED->word[ROUND + !side]) >= step);
}

static uint32_t told(void)
{
    return atomic_load_explicit(&exo_utcb()->pending, memory_order_relaxed) & 1;
}

static void tell(unsigned side)
{
    if (get(LOOKS_FIRST))
        put(SAW + side, told());
    exo_notify(side ? EXO_CAP_THREAD : other_thread, 1);
    if (!get(LOOKS_FIRST))
        put(SAW + side, told());
}

static void sides(unsigned side, unsigned counts[4])
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        meet(side, 3 * i + 1);
        tell(side);
        meet(side, 3 * i + 2);
        if (side == 0)
            counts[get(SAW) * 2 + get(SAW + 1)]++;
        atomic_fetch_and(&exo_utcb()->pending, ~1u);
        meet(side, 3 * i + 3);
    }
}

static void other_side(uint64_t argument)
{
    (void)argument;
    sides(1, 0);
}

static void tell_each_other(bool looks_first, unsigned counts[4])
{
    struct exo_thread_args args;

    put(ROUND, 0);
    put(ROUND + 1, 0);
    put(LOOKS_FIRST, looks_first);
    thread_plan(0, other_side, 0, &args);
    args.priority = 24; /* as the caller: yielding runs it */
    other_thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(other_thread));
    sides(0, counts);
    note("# 00 %u, 01 %u, 10 %u, 11 %u", counts[0], counts[1], counts[2], counts[3]);
    thread_join(0, other_thread);
}

static void of_two_who_notify_and_look_one_sees_it(void)
{
    unsigned counts[4] = {0};

    tell_each_other(false, counts);
    EXPECT(counts[0], 0);
}

static void of_two_who_look_and_notify_one_does_not(void)
{
    unsigned counts[4] = {0};

    tell_each_other(true, counts);
    EXPECT(counts[3], 0);
}

int main(void)
{
    static const struct test tests[] = {
        T(a_call_brings_what_was_stored_before),
        T(of_two_who_notify_and_look_one_sees_it),
        T(of_two_who_look_and_notify_one_does_not),
    };
    return contract_run(tests, COUNT(tests));
}
