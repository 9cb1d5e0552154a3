/* SPDX-License-Identifier: MIT */
// links: lib/answers.c lib/undo.c
/* One effect and one answer: a server that adds, killed at every step, with clients that ask again. */
#include "test_framework.h"

#include "death.h"
#include <lib/answers.h>

#define ADD 5u

/* What outlives a life beside the kept state: the UTCB, as the kernel leaves it, and the clients. */
static struct {
    uint64_t badge;
    bool serving; /* received, and not answered */
    uint64_t tag, words[4];
} utcb;
static struct client {
    uint64_t badge, tag, words[4];
    bool waits;
    uint64_t answer;
} clients[2];

KEPT static uint64_t sum;

static void first_life(void)
{
    undo_begin();
    answers_begin();
    SET(sum, 0);
    undo_commit();
}

static void next_life(void)
{
    undo_recover();
    answers_recover(utcb.serving, utcb.badge);
}

static struct client *served;

/* The kernel, in one step each. */
static void receive(struct client *c)
{
    served = c;
    utcb.badge = c->badge;
    utcb.tag = c->tag;
    memcpy(utcb.words, c->words, sizeof utcb.words);
    utcb.serving = true;
}
static bool never_replies;
static void reply(uint64_t word)
{
    if (never_replies)
        death_in = 1;
    death_step();
    served->waits = false;
    served->answer = word;
    utcb.serving = false;
    death_step();
}

static void serve(void)
{
    answers_begin();
    const struct answer *old = answers_find(&utcb.badge, &utcb.tag, utcb.words, "");
    uint64_t badge = utcb.badge;

    if (old) {
        reply(old->words[0]);
        return;
    }
    SET(sum, sum + utcb.words[0]);
    struct answer *a = answers_keep(badge, utcb.tag, utcb.words, "");
    a->words[0] = sum;
    answers_commit(&utcb.badge);
    reply(a->words[0]);
}

/* Dies when it is to reply. */
static void serve_lost(void)
{
    never_replies = true;
    if (!dies(serve, 0))
        abort();
    never_replies = false;
    next_life();
}

static void clients_make(bool same)
{
    utcb.serving = false;
    utcb.badge = 0;
    for (uint64_t i = 0; i < 2; i++)
        clients[i] = (struct client){same ? 7 : i, ADD, {1}, true, 0};
    first_life();
}

/* Both clients are served; the server dies at step n of the first request that runs, then at step k
 * of what follows. `order`: who comes first after a death. */
static void run(unsigned n, unsigned k, bool order)
{
    unsigned deaths[] = {n, k, 0, 0, 0, 0};
    unsigned used = 0;

    for (unsigned turn = 0; clients[0].waits || clients[1].waits; turn++) {
        struct client *c = &clients[(turn + order) % 2];

        if (!c->waits)
            continue;
        receive(c);
        if (!dies(serve, deaths[used]))
            continue;
        used++;
        for (unsigned i = 0; i < 2; i++) {
            if (clients[i].waits)
                clients[i].tag |= EXO_LABEL_AGAIN; /* queued callers are told the same */
        }
        next_life();
    }
}

static void test_once(bool same)
{
    for (unsigned n = 1; n < 24; n++) {
        for (unsigned k = 0; k < 24; k++) {
            for (unsigned order = 0; order < 2; order++) {
                clients_make(same);
                run(n, k, order);
                ASSERT_EQ(sum, 2);
                ASSERT_EQ(clients[0].answer + clients[1].answer, 3); /* 1 and 2 */
            }
        }
    }
}

int main(void)
{
    TEST_BEGIN("two deaths anywhere: each request has one effect and one answer")
    test_once(false);
    TEST_END();

    TEST_BEGIN("the same when two threads of one client ask the same")
    test_once(true);
    TEST_END();

    TEST_BEGIN("an answer that was delivered is not taken for that of a like request")
    clients_make(true);
    receive(&clients[0]);
    serve();
    utcb.serving = false; /* it dies while it waits */
    next_life();
    receive(&clients[1]);
    utcb.tag |= EXO_LABEL_AGAIN;
    serve();
    ASSERT_EQ(sum, 2);
    TEST_END();

    TEST_BEGIN("answers that nobody asks for make place, in turn")
    clients_make(false);
    for (uint64_t i = 0; i < ANSWERS + 1; i++) {
        struct client lost = {100 + i, ADD, {1}, true, 0};

        receive(&lost);
        serve_lost();
    }
    for (uint64_t i = ANSWERS + 1; i-- > 0;) {
        struct client again = {100 + i, ADD | EXO_LABEL_AGAIN, {1}, true, 0};

        receive(&again);
        serve();
        /* Only the first one's was lost, and it counts twice. */
        ASSERT_EQ(sum, ANSWERS + 1 + (i == 0));
    }
    TEST_END();

    TEST_BEGIN("who is forgotten makes place")
    clients_make(false);
    receive(&clients[0]);
    serve_lost();
    answers_forget(clients[0].badge);
    undo_commit();
    clients[0].tag |= EXO_LABEL_AGAIN;
    receive(&clients[0]);
    serve();
    ASSERT_EQ(sum, 2);
    TEST_END();
}
