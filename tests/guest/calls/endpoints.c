// SPDX-License-Identifier: MIT
/* endpoint_create, call, reply_wait. */
#include "contract.h"

#include <lib/string.h>

static exo_cap endpoint;

static struct exo_message message(uint32_t label, uint64_t w0)
{
    return (struct exo_message){.tag = EXO_TAG(label, 0, 0), .w = {w0, 2, 3, 4}};
}

/* A server in a thread: label 1 adds, 2 ends without an answer, 3 answers with its badge, 4 echoes what
 * came in bulk, 5 sends a capability, 6 waits again without answering, 7 answers late. */
static exo_cap gift;
static uint32_t gift_mode;

static void serve(uint64_t rounds)
{
    struct exo_utcb *utcb = exo_utcb();
    struct exo_message m = {.tag = EXO_NO_REPLY};

    utcb->recv_caps = EXO_MSG_CAPS;
    for (uint64_t i = 0; i < rounds; i++) {
        if (exo_reply_wait(endpoint, &m) < 0)
            return;
        switch (EXO_TAG_LABEL(m.tag)) {
        case 1: m.w[0] += m.w[1] + m.w[2] + m.w[3]; break;
        case 2: return;
        case 3: m.w[0] = utcb->badge; break;
        case 4:
            SHARED->value[1] = EXO_TAG_CAPS(m.tag);
            memcpy((void *)&SHARED->value[2], utcb->received, sizeof utcb->received);
            m.tag = EXO_TAG(4, EXO_TAG_BYTES(m.tag), 0);
            continue;
        case 5:
            utcb->send[0] = (struct exo_send){gift, gift_mode};
            m.tag = EXO_TAG(5, 0, 1);
            continue;
        case 6: m.tag = EXO_NO_REPLY; continue;
        case 7: sleep_for(20 * MS); break;
        default: break;
        }
        m.tag = EXO_TAG(0, 0, 0);
    }
    exo_reply_wait(endpoint, &m);
}

static exo_cap server_go(void)
{
    endpoint = OK(exo_endpoint_create(0));
    return thread_go(0, serve, 1000);
}

static void server_end(exo_cap thread)
{
    thread_end(0, thread);
    drop(endpoint);
}

static void words_go_there_and_back(void)
{
    exo_cap server = server_go();

    for (unsigned i = 0; i < 100; i++) {
        struct exo_message m = message(1, i);
        EXPECT(exo_call(endpoint, &m), EXO_TAG(0, 0, 0));
        EXPECT(m.w[0], i + 9);
        EXPECT(m.w[3], 4);
    }
    server_end(server);
}

static void badge_says_who_calls(void)
{
    exo_cap server = server_go();
    exo_cap badged = OK(exo_cap_derive(endpoint, EXO_R_CALL, 4711, 0, 0));
    struct exo_message m = message(3, 0);

    EXPECT(exo_call(badged, &m), 0);
    EXPECT(m.w[0], 4711);
    m = message(3, 0);
    EXPECT(exo_call(endpoint, &m), 0);
    EXPECT(m.w[0], 0);
    drop(badged);
    server_end(server);
}

static void bulk_and_capabilities_arrive(void)
{
    struct exo_utcb *utcb = exo_utcb();
    exo_cap server = server_go(), frame = OK(exo_frame_alloc(0, 1)),
            kept = without(frame, EXO_R_GRANT);
    exo_cap moved = OK(exo_cap_copy(frame, 0, 0));
    struct exo_cap_info info;
    struct exo_message m = {.tag = EXO_TAG(4, EXO_MSG_BYTES, 4)};

    for (unsigned i = 0; i < EXO_MSG_BYTES; i++)
        utcb->msg[i] = (uint8_t)(i * 3);
    utcb->send[0] = (struct exo_send){frame, EXO_SEND_COPY};
    utcb->send[1] = (struct exo_send){kept, EXO_SEND_COPY}; /* may not be passed on */
    utcb->send[2] = (struct exo_send){moved, EXO_SEND_MOVE};
    utcb->send[3] = (struct exo_send){frame, EXO_SEND_LEND};
    EXPECT(exo_call(endpoint, &m), EXO_TAG(4, EXO_MSG_BYTES, 0));
    for (unsigned i = 0; i < EXO_MSG_BYTES; i++) {
        if (utcb->msg[i] != (uint8_t)(i * 3))
            EXPECT(i, -1);
    }
    EXPECT(SHARED->value[1], 4);
    exo_cap got[4];
    memcpy(got, (void *)&SHARED->value[2], sizeof got);
    EXPECT(got[1], 0);
    EXPECT(exo_cap_info(moved, &info), EXO_ECAP);
    EXPECT(exo_cap_info(got[2], &info), EXO_OK);
    EXPECT(info.type, EXO_FRAME);
    EXPECT(exo_cap_revoke(frame), EXO_OK); /* what was lent goes, what was copied stays */
    EXPECT(exo_cap_info(got[3], &info), EXO_ECAP);
    drop(got[0]);
    drop(got[2]);
    drop(frame);
    exo_cap_delete(kept, 0);
    server_end(server);
}

static void receiver_says_how_many_capabilities_it_takes(void)
{
    struct exo_utcb *utcb = exo_utcb();
    exo_cap server = server_go();
    struct exo_cap_info info;

    gift = OK(exo_notification_create(0));
    gift_mode = EXO_SEND_COPY;
    for (uint32_t room = 0; room < 6; room++) {
        struct exo_message m = message(5, 0);
        utcb->recv_caps = room == 5 ? UINT32_MAX : room;
        EXPECT(exo_call(endpoint, &m), EXO_TAG(5, 0, room ? 1 : 0));
        if (room)
            drop(utcb->received[0]);
    }
    OK(exo_cap_info(gift, &info));
    EXPECT(info.holders, 1);
    utcb->recv_caps = 0;
    drop(gift);
    server_end(server);
}

static void call_checks_its_arguments(void)
{
    exo_cap server = server_go(), deaf = without(endpoint, EXO_R_CALL);
    static const uint64_t bad[] = {EXO_TAG(1, EXO_MSG_BYTES + 1, 0),
                                   EXO_TAG(1, 0, 5),
                                   EXO_TAG(1, 0, 7),
                                   EXO_TAG(EXO_LABEL_EVENT, 0, 0),
                                   UINT64_MAX,
                                   (uint64_t)1 << 35,
                                   (uint64_t)1 << 63,
                                   UINT64_MAX - 1};
    struct exo_message m = message(1, 0);

    EXPECT(exo_call(stale, &m), EXO_ECAP);
    m = message(1, 0);
    EXPECT(exo_call(0, &m), EXO_ECAP);
    m = message(1, 0);
    EXPECT(exo_call(some_note, &m), EXO_ETYPE);
    m = message(1, 0);
    EXPECT(exo_call(deaf, &m), EXO_ERIGHTS);
    for (unsigned i = 0; i < COUNT(bad); i++) {
        m.tag = bad[i];
        EXPECT(exo_call(endpoint, &m), EXO_EINVAL);
    }
    drop(deaf);
    server_end(server);
}

static void reply_wait_checks_its_arguments(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    exo_cap e = OK(exo_endpoint_create(0)), deaf = without(e, EXO_R_RECV);

    EXPECT(exo_reply_wait(stale, &m), EXO_ECAP);
    m.tag = EXO_NO_REPLY;
    EXPECT(exo_reply_wait(some_note, &m), EXO_ETYPE);
    m.tag = EXO_NO_REPLY;
    EXPECT(exo_reply_wait(deaf, &m), EXO_ERIGHTS);
    m.tag = EXO_TAG(EXO_LABEL_EVENT, 0, 0);
    EXPECT(exo_reply_wait(e, &m), EXO_EINVAL);
    m.tag = EXO_TAG(0, EXO_MSG_BYTES + 1, 0);
    EXPECT(exo_reply_wait(e, &m), EXO_EINVAL);
    drop(deaf);
    drop(e);
}

static void endpoint_create_checks_its_arguments(void)
{
    exo_cap account = OK(exo_account_create(0, 1, 1));

    CAP_ERRORS(exo_endpoint_create(C), some_frame, account, EXO_R_CHARGE);
    exo_cap e = OK(exo_endpoint_create(account));
    EXPECT(exo_endpoint_create(account), EXO_EOBJECTS);
    drop(e);
    drop(account);
}

static void events_come_as_messages(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    exo_cap e = OK(exo_endpoint_create(0));

    EXPECT(exo_notify(EXO_CAP_THREAD, 0x11), EXO_OK);
    EXPECT(exo_reply_wait(e, &m), EXO_TAG(EXO_LABEL_EVENT, 0, 0));
    EXPECT(m.w[0], 0x11);
    OK(exo_timer(now() + 2 * MS));
    m.tag = EXO_NO_REPLY;
    EXPECT(exo_reply_wait(e, &m), EXO_TAG(EXO_LABEL_EVENT, 0, 0));
    EXPECT(m.w[0], EXO_EVENT_TIMER);
    EXPECT(exo_utcb()->pending, 0);
    drop(e);
}

/* ---- callers in a queue ------------------------------------------------------------------------ */

static void call_and_note(uint64_t index)
{
    struct exo_message m = message(1, index);

    SHARED->word[index] = 1;
    SHARED->value[index] = (uint64_t)exo_call(endpoint, &m);
    SHARED->word[index] = 2;
    SHARED->word[20 + index] = ++SHARED->word[19]; /* in which order they came back */
}

static void callers_wait_in_line(void)
{
    exo_cap callers[4];
    struct exo_message m = {.tag = EXO_NO_REPLY};

    endpoint = OK(exo_endpoint_create(0));
    for (unsigned i = 0; i < 4; i++) {
        callers[i] = thread_go(1 + i, call_and_note, 1 + i);
        UNTIL(SHARED->word[1 + i] == 1);
        exo_yield(0);
    }
    for (unsigned i = 0; i < 4; i++) {
        EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0));
        EXPECT(m.w[0], 1 + i);
        m.tag = EXO_TAG(7, 0, 0);
    }
    exo_notify(EXO_CAP_THREAD, 1);
    OK(exo_reply_wait(endpoint, &m)); /* answers the last one */
    for (unsigned i = 0; i < 4; i++) {
        thread_join(1 + i, callers[i]);
        EXPECT(SHARED->value[1 + i], EXO_TAG(7, 0, 0));
    }
    drop(endpoint);
}

static void a_queued_caller_may_be_ended_suspended_and_resumed(void)
{
    exo_cap a, b, c;
    struct exo_message m = {.tag = EXO_NO_REPLY};

    on_one_cpu(); /* so that they queue in this order */
    endpoint = OK(exo_endpoint_create(0));
    a = thread_go(1, call_and_note, 1);
    b = thread_go(2, call_and_note, 2);
    c = thread_go(3, call_and_note, 3);
    UNTIL(SHARED->word[1] && SHARED->word[2] && SHARED->word[3]);
    exo_yield(0);
    on_all_cpus();
    EXPECT(exo_thread_suspend(c), EXO_OK);
    thread_end(2, b); /* out of the middle of the queue */
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0));
    EXPECT(m.w[0], 1);
    m.tag = EXO_TAG(7, 0, 0);
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0)); /* of the suspended one */
    EXPECT(m.w[0], 3);
    m.tag = EXO_TAG(8, 0, 0);
    exo_notify(EXO_CAP_THREAD, 1);
    OK(exo_reply_wait(endpoint, &m));
    exo_yield(0);
    EXPECT(SHARED->word[3], 1); /* answered, but it does not run */
    EXPECT(exo_thread_resume(c), EXO_OK);
    thread_join(1, a);
    thread_join(3, c);
    EXPECT(SHARED->value[3], EXO_TAG(8, 0, 0));
    drop(endpoint);
}

static void a_caller_that_ends_while_served_is_not_answered(void)
{
    exo_cap a = 0, b;
    struct exo_message m = {.tag = EXO_NO_REPLY};

    endpoint = OK(exo_endpoint_create(0));
    a = thread_go(1, call_and_note, 1);
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0));
    thread_end(1, a);
    b = thread_go(2, call_and_note, 2);
    UNTIL(SHARED->word[2]);
    m.tag = EXO_TAG(9, 0, 0);
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0)); /* nobody gets the 9 */
    EXPECT(m.w[0], 2);
    m.tag = EXO_TAG(7, 0, 0);
    exo_notify(EXO_CAP_THREAD, 1);
    OK(exo_reply_wait(endpoint, &m));
    thread_join(2, b);
    EXPECT(SHARED->value[2], EXO_TAG(7, 0, 0));
    drop(endpoint);
}

/* The server forgets a caller (EXO_NO_REPLY while one is served), and takes the next. Whatever becomes
 * of the first one, the second must get its answer, and nothing may be left when all are gone. */
static void a_forgotten_caller_does_not_disturb_the_next(void)
{
    struct exo_message m;
    exo_cap first, second;

    endpoint = OK(exo_endpoint_create(0));
    first = thread_go(1, call_and_note, 1);
    UNTIL(SHARED->word[1]);
    m.tag = EXO_NO_REPLY;
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0)); /* serves the first */
    second = thread_go(2, call_and_note, 2);
    UNTIL(SHARED->word[2]);
    m.tag = EXO_NO_REPLY; /* forgets it */
    int64_t tag = exo_reply_wait(endpoint, &m);
    thread_end(1, first);
    if (tag == EXO_TAG(1, 0, 0)) {
        EXPECT(m.w[0], 2);
        m.tag = EXO_TAG(7, 0, 0);
        exo_notify(EXO_CAP_THREAD, 1);
        OK(exo_reply_wait(endpoint, &m));
        thread_join(2, second);
        EXPECT(SHARED->value[2], EXO_TAG(7, 0, 0));
    } else {
        thread_end(2, second);
    }
    drop(endpoint);
}

static void forget_and_end(uint64_t unused)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)unused;
    exo_reply_wait(endpoint, &m);
    m.tag = EXO_NO_REPLY;
    exo_reply_wait(endpoint, &m);
    SHARED->word[40] = 1;
}

static void a_forgotten_caller_is_not_left_alone_when_the_server_ends(void)
{
    exo_cap first, second, server;

    endpoint = OK(exo_endpoint_create(0));
    server = thread_go(0, forget_and_end, 0);
    first = thread_go(1, call_and_note, 1);
    UNTIL(SHARED->word[1]);
    second = thread_go(2, call_and_note, 2);
    UNTIL(SHARED->word[40]);
    thread_join(0, server);
    UNTIL(SHARED->word[1] == 2 && SHARED->word[2] == 2);
    EXPECT(SHARED->value[1], EXO_EDEAD);
    EXPECT(SHARED->value[2], EXO_EDEAD);
    thread_join(1, first);
    thread_join(2, second);
    drop(endpoint);
}

/* ---- death of the server ----------------------------------------------------------------------- */

static int64_t child_receives(uint64_t how)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    exo_reply_wait(EXO_WELL_KNOWN(10), &m);
    SHARED->word[50] = 1;
    if (how == 0)
        exo_wait(0, 0, EXO_FOREVER); /* keeps its caller */
    if (how == 1)
        WORD(0x10) = 1; /* crashes */
    return 3;
}

static void a_server_that_dies_lets_everybody_go(void)
{
    for (uint64_t how = 0; how < 3; how++) {
        struct child c;
        exo_cap callers[3];

        memset((void *)SHARED, 0, sizeof *SHARED);
        endpoint = OK(exo_endpoint_create(0));
        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        OK(exo_cap_copy(endpoint, c.env, EXO_WELL_KNOWN(10)));
        child_load(&c, child_receives, how);
        for (unsigned i = 0; i < 3; i++) {
            callers[i] = thread_go(1 + i, call_and_note, 1 + i);
            UNTIL(SHARED->word[1 + i]);
        }
        OK(exo_thread_resume(c.thread));
        UNTIL(SHARED->word[50]);
        if (how == 0)
            OK(exo_env_destroy(c.env, 0));
        for (unsigned i = 0; i < 3; i++) {
            thread_join(1 + i, callers[i]);
            EXPECT(SHARED->value[1 + i], EXO_EDEAD);
        }
        struct exo_message m = message(1, 0);
        EXPECT(exo_call(endpoint, &m), EXO_EDEAD); /* for good */
        m.tag = EXO_NO_REPLY;
        exo_notify(EXO_CAP_THREAD, 1);
        EXPECT(exo_reply_wait(endpoint, &m), EXO_EDEAD);
        exo_utcb()->pending = 0;
        child_drop(&c);
        drop(endpoint);
    }
}

static void an_endpoint_has_one_serving_environment(void)
{
    struct child c;
    struct exo_message m = {.tag = EXO_NO_REPLY};

    on_one_cpu();
    endpoint = OK(exo_endpoint_create(0));
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    OK(exo_cap_copy(endpoint, c.env, EXO_WELL_KNOWN(10)));
    child_go(&c, child_receives, 2);
    exo_yield(0);
    exo_yield(0);
    exo_notify(EXO_CAP_THREAD, 1);
    EXPECT(exo_reply_wait(endpoint, &m), EXO_EBUSY);
    exo_utcb()->pending = 0;
    child_drop(&c);
    drop(endpoint);
    on_all_cpus();
}

static void the_last_capability_may_go_while_callers_wait(void)
{
    exo_cap a;

    endpoint = OK(exo_endpoint_create(0));
    a = thread_go(1, call_and_note, 1);
    UNTIL(SHARED->word[1]);
    exo_yield(0);
    drop(endpoint);
    thread_join(1, a);
    EXPECT(SHARED->value[1], EXO_EDEAD);
}

static void receive_and_note(uint64_t unused)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)unused;
    SHARED->word[1] = 1;
    SHARED->value[1] = (uint64_t)exo_reply_wait(endpoint, &m);
}

static void a_receiver_is_told_when_nobody_can_call_any_more(void)
{
    exo_cap server;

    endpoint = OK(exo_endpoint_create(0));
    server = thread_go(1, receive_and_note, 1);
    UNTIL(SHARED->word[1]);
    exo_yield(0);
    drop(endpoint);
    thread_join(1, server);
    EXPECT(SHARED->value[1], EXO_EDEAD);
}

/* A message that moves the very endpoint it goes through. */
static void an_endpoint_may_be_moved_through_itself(void)
{
    struct exo_utcb *utcb = exo_utcb();
    exo_cap server = server_go(), door = OK(exo_cap_copy(endpoint, 0, 0));
    struct exo_message m = {.tag = EXO_TAG(4, 0, 1)};
    struct exo_cap_info info;

    utcb->send[0] = (struct exo_send){door, EXO_SEND_MOVE};
    EXPECT(exo_call(door, &m), EXO_TAG(4, 0, 0));
    EXPECT(exo_cap_info(door, &info), EXO_ECAP);
    drop((exo_cap)SHARED->value[2]);
    server_end(server);
}

static void call_myself(uint64_t unused)
{
    struct exo_message m = message(1, 0);

    (void)unused;
    SHARED->word[1] = 1;
    SHARED->value[1] = (uint64_t)exo_call(endpoint, &m);
}

static int64_t child_calls_itself(uint64_t unused)
{
    struct exo_message m = message(1, 0);

    (void)unused;
    SHARED->word[0] = 1;
    return exo_call((exo_cap)exo_endpoint_create(0), &m);
}

static void who_calls_itself_waits_and_can_be_ended(void)
{
    struct child c;
    exo_cap thread;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, child_calls_itself, 0);
    UNTIL(SHARED->word[0]);
    exo_yield(0);
    child_drop(&c);
    endpoint = OK(exo_endpoint_create(0));
    thread = thread_go(1, call_myself, 0);
    UNTIL(SHARED->word[1]);
    thread_end(1, thread);
    drop(endpoint);
}

/* An event for a caller does not break its call. */
static void calls_are_not_interrupted(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    exo_cap a;

    endpoint = OK(exo_endpoint_create(0));
    a = thread_go(1, call_and_note, 1);
    UNTIL(SHARED->word[1]);
    EXPECT(exo_notify(a, 1), EXO_OK);
    EXPECT(exo_reply_wait(endpoint, &m), EXO_TAG(1, 0, 0));
    EXPECT(exo_notify(a, 2), EXO_OK);
    exo_yield(0);
    EXPECT(SHARED->word[1], 1);
    m.tag = EXO_TAG(7, 0, 0);
    exo_notify(EXO_CAP_THREAD, 1);
    OK(exo_reply_wait(endpoint, &m));
    thread_join(1, a);
    EXPECT(SHARED->value[1], EXO_TAG(7, 0, 0));
    drop(endpoint);
}

/* A call is given up at its deadline, in the queue or while it is served, and only that one. */
static void calls_end_at_their_deadline(void)
{
    struct exo_message m = message(1, 1);
    exo_time end = now() + 5 * MS;

    endpoint = OK(exo_endpoint_create(0));
    EXPECT(exo_call_until(endpoint, &m, end), EXO_ETIMEDOUT);
    EXPECT_TRUE(now() >= end && exo_utcb()->call_deadline == 0);
    EXPECT(exo_call_until(stale, &m, end), EXO_ECAP);
    EXPECT_TRUE(exo_utcb()->call_deadline == 0);
    drop(endpoint);

    exo_cap server = server_go();
    m = message(7, 1);
    end = now() + 5 * MS;
    EXPECT(exo_call_until(endpoint, &m, end), EXO_ETIMEDOUT);
    EXPECT_TRUE(now() >= end && now() < end + 10 * MS);
    m = message(1, 1);
    EXPECT(exo_call_until(endpoint, &m, now()), EXO_ETIMEDOUT); /* at once */
    m = message(1, 2);
    end = now() + 60 * MS;
    EXPECT(exo_call_until(endpoint, &m, end),
           EXO_TAG(0, 0, 0)); /* after the late answer to nobody */
    EXPECT(m.w[0], 11);
    EXPECT_TRUE(now() < end);
    sleep_for(100 * MS); /* the deadline that was met ends nothing else */
    EXPECT_TRUE(now() >= end);
    m = message(7, 3);
    EXPECT(exo_call(endpoint, &m), EXO_TAG(0, 0, 0));
    m = message(1, 2);
    EXPECT(exo_call_until(endpoint, &m, EXO_FOREVER), EXO_TAG(0, 0, 0));
    server_end(server);
}

int main(void)
{
    static const struct test tests[] = {
        T(words_go_there_and_back),
        T(badge_says_who_calls),
        T(bulk_and_capabilities_arrive),
        T(receiver_says_how_many_capabilities_it_takes),
        T(call_checks_its_arguments),
        T(reply_wait_checks_its_arguments),
        T(endpoint_create_checks_its_arguments),
        T(events_come_as_messages),
        T(callers_wait_in_line),
        T(a_queued_caller_may_be_ended_suspended_and_resumed),
        T(a_caller_that_ends_while_served_is_not_answered),
        T(a_forgotten_caller_does_not_disturb_the_next),
        T(a_forgotten_caller_is_not_left_alone_when_the_server_ends),
        T(a_server_that_dies_lets_everybody_go),
        T(an_endpoint_has_one_serving_environment),
        T(the_last_capability_may_go_while_callers_wait),
        T(a_receiver_is_told_when_nobody_can_call_any_more),
        T(an_endpoint_may_be_moved_through_itself),
        T(who_calls_itself_waits_and_can_be_ended),
        T(calls_are_not_interrupted),
        T(calls_end_at_their_deadline),
    };
    return contract_run(tests, COUNT(tests));
}
