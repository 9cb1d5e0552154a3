// SPDX-License-Identifier: MIT
/*
 * Endpoints and sleepers by the sys_* functions: random calls, replies, waits, wakes and deaths, and
 * after each the invariants: who calls is in a queue or served, never both; links go both ways; who
 * sleeps is in the buckets of its words and nowhere else.
 */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#include "test_framework.h"

#define THREADS 24u
#define WORDS   5u

static struct account *account;
static struct env *env[2];             /* servers live in the first, clients in both */
static struct thread *thread[THREADS]; /* 0: dead */
static struct thread *always;          /* somebody who can run */
static exo_cap endpoint[2];
static struct endpoint *the_endpoint;

static uint64_t seed = 11;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static unsigned env_of(unsigned i)
{
    return i % 2;
}

static void make(unsigned i)
{
    thread[i] = host_thread(env[env_of(i)], HOST_UTCB + (i + 1) * 0x10000);
    ASSERT_NOT_NULL(thread[i]);
    sched_ready(thread[i]);
}

static bool in_queue(const struct thread_queue *q, const struct thread *t)
{
    const struct thread *last = 0;
    bool found = false;

    for (const struct thread *x = q->head; x; x = x->queue_next) {
        ASSERT_TRUE(x->queue_prev == last);
        found |= x == t;
        last = x;
    }
    ASSERT_TRUE(q->tail == last);
    return found;
}

static void check_thread(struct thread *t)
{
    bool calls = in_queue(&the_endpoint->callers, t),
         receives = in_queue(&the_endpoint->receivers, t);

    ASSERT_EQ(t->state == THREAD_RECEIVING, receives);
    if (t->state == THREAD_CALLING)
        ASSERT_EQ(calls, t->server == 0);
    else
        ASSERT_TRUE(!calls && !t->server);
    if (t->server)
        ASSERT_TRUE(t->server->caller == t);
    if (t->caller)
        ASSERT_TRUE(t->caller->server == t && t->caller->state == THREAD_CALLING);
    ASSERT_EQ(t->queued, t->state == THREAD_READY && t != thread_current() && !t->suspended);
    if (t->state != THREAD_WAITING)
        ASSERT_EQ(t->node_count, 0);
}

static void check_all(void)
{
    ASSERT_TRUE(!the_endpoint->callers.head || !the_endpoint->receivers.head);
    for (unsigned i = 0; i < THREADS; i++) {
        if (thread[i])
            check_thread(thread[i]);
    }
}

/* Goes on as after a trap: somebody READY runs. */
static void leave(void)
{
    if (this_cpu()->reschedule)
        sched_settle();
}

static uint64_t word_va(unsigned w)
{
    return HOST_ARGUMENTS + 0x8000 + w * 4;
}

static void act(unsigned i)
{
    struct thread *t = thread[i];

    if (thread_current() != t) {
        if (thread_current() && thread_current()->state == THREAD_READY) {
            struct thread *had = thread_current();
            host_run(t);
            sched_ready(had);
        } else {
            host_run(t);
        }
    }
    t->context.argument[2] = i;
    switch (draw(7)) {
    case 0:
    case 1: {
        int64_t st =
            sys_call(endpoint[env_of(i)], draw(2) ? 1 : EXO_TAG(2, draw(EXO_MSG_BYTES), 0));
        ASSERT_EQ(st, SYS_DONE);
        break;
    }
    case 2:
    case 3:
        if (env_of(i) == 0) {
            int64_t st = sys_reply_wait(endpoint[0], draw(4) ? 7 : EXO_NO_REPLY);
            ASSERT_EQ(st, SYS_DONE);
        }
        break;
    case 4: {
        struct exo_wait_word words[WORDS];
        uint32_t n = 1 + (uint32_t)draw(WORDS);
        for (uint32_t k = 0; k < n; k++)
            words[k] = (struct exo_wait_word){.address = word_va((unsigned)draw(WORDS))};
        host_put(HOST_ARGUMENTS + 0x4000, words, sizeof words);
        t->utcb->pending = 0;
        ASSERT_EQ(sys_wait((void *)(HOST_ARGUMENTS + 0x4000), n, EXO_FOREVER), SYS_DONE);
        break;
    }
    case 5: {
        unsigned from = (unsigned)draw(WORDS), to = (unsigned)draw(WORDS);
        ASSERT_GE(sys_requeue((void *)word_va(from), (uint32_t)draw(2), (void *)word_va(to),
                              (uint32_t)draw(3), 0),
                  0);
        break;
    }
    default: ASSERT_GE(sys_wake((void *)word_va((unsigned)draw(WORDS)), 1 + (uint32_t)draw(2)), 0);
    }
}

static void randomly(void)
{
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = (unsigned)draw(THREADS);

        if (!thread[i]) {
            make(i);
        } else if (draw(40) == 0) {
            thread_kill(thread[i]);
            thread[i] = 0;
        } else if (draw(20) == 0) {
            event_raise(thread[i], 1);
        } else if (thread[i]->state == THREAD_READY) {
            act(i);
        }
        leave();
        if (step % 20 == 0)
            check_all();
    }
}

int main(void)
{
    host_start(32);
    account = account_root(6000, 200);

    TEST_BEGIN("random calls, waits and deaths keep every link in order");
    for (unsigned e = 0; e < 2; e++)
        env[e] = host_env(account)->env;
    always = env[1]->threads;
    host_run(env[0]->threads);
    endpoint[0] = (exo_cap)sys_endpoint_create(0);
    void *object;
    ASSERT_EQ(env_object(env[0], endpoint[0], EXO_ENDPOINT, 0, &object), EXO_OK);
    the_endpoint = object;
    endpoint[1] = (exo_cap)env_grant_at(env[1], object, EXO_R_CALL, 0);
    ASSERT_GT((int64_t)endpoint[1], 0);
    sched_ready(always);
    randomly();
    TEST_END();

    TEST_BEGIN("when the servers' environment ends, nobody hangs");
    env_kill(env[0], EXO_DESTROYED, 0);
    leave();
    ASSERT_NULL(the_endpoint->callers.head);
    for (unsigned i = 1; i < THREADS; i += 2) {
        if (thread[i])
            ASSERT_NE(thread[i]->state, THREAD_CALLING);
    }
    TEST_END();

    TEST_BEGIN("and with the clients all is given back");
    env_kill(env[1], EXO_DESTROYED, 0);
    this_cpu()->current = 0;
    this_cpu()->reschedule = false;
    host_reap();
    ASSERT_EQ(account->objects_used, 0);
    ASSERT_EQ(account->frames_used, 0);
    TEST_END();
    return 0;
}
