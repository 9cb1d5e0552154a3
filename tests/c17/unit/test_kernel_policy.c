// SPDX-License-Identifier: MIT
// links: kernel/resurrection/policy.c
/* Decisions about services: the window, the graph, the states. */
#include "test_framework.h"
#include <kernel/resurrection/policy.h>
#include <stdlib.h>

#define SECOND 1000000000u

static struct rs_table t;

static uint32_t running(uint32_t policy)
{
    uint32_t i = rs_add(&t, policy);

    rs_set_loaded(&t, i, true);
    rs_want(&t, i);
    rs_run(&t, i);
    return i;
}

static void die(uint32_t i, uint64_t now)
{
    rs_died(&t, i, false, true, false, now);
    rs_restored(&t, i);
    rs_run(&t, i);
}

static void test_window(void)
{
    TEST_BEGIN("five rebirths in 60 s, the sixth death fails it");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    for (unsigned k = 0; k < 5; k++) {
        die(s, k * SECOND);
        ASSERT_EQ(t.entry[s].state, EXO_SERVICE_RUNNING);
    }
    die(s, 59 * (uint64_t)SECOND);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_FAILED);
    ASSERT_EQ(t.entry[s].lives, 6);
    ASSERT_TRUE(rs_table_ok(&t));
    TEST_END();

    TEST_BEGIN("who is not there, or is busy, is refused, and so is what is no policy");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    ASSERT_FALSE(rs_remove(&t, s));
    ASSERT_FALSE(rs_remove(&t, s + 1));
    ASSERT_FALSE(rs_remove(&t, RS_NOBODY));
    ASSERT_FALSE(rs_set_policy(&t, s, RS_POLICY_ALWAYS + 1));
    ASSERT_FALSE(rs_set_policy(&t, s + 1, RS_POLICY_NEVER));
    ASSERT_TRUE(rs_set_policy(&t, s, RS_POLICY_NEVER));
    ASSERT_EQ(t.entry[s].policy, RS_POLICY_NEVER);
    ASSERT_FALSE(rs_set_limit(&t, s + 1, 1, 1));
    ASSERT_FALSE(rs_set_limit(&t, s, EXO_SERVICE_LIMIT_MOST + 1, 1));
    ASSERT_FALSE(rs_set_limit(&t, s, 1, 0));
    ASSERT_FALSE(rs_at_rest(&t, s + 1));
    ASSERT_FALSE(rs_at_rest(&t, RS_NOBODY));
    ASSERT_FALSE(rs_at_rest(&t, s));
    ASSERT_TRUE(rs_table_ok(&t));
    TEST_END();

    TEST_BEGIN("who holds a service's lives gives out one at a time");
    rs_init(&t);
    uint32_t s = rs_add(&t, RS_POLICY_ALWAYS);
    rs_set_loaded(&t, s, true);
    ASSERT_TRUE(rs_at_rest(&t, s));
    ASSERT_FALSE(rs_hold(&t, s + 1, EXO_HOLD_LIVES));
    ASSERT_FALSE(rs_hold(&t, s, EXO_HOLD_ONE + 1));
    ASSERT_TRUE(rs_hold(&t, s, EXO_HOLD_LIVES));
    rs_want(&t, s);
    ASSERT_FALSE(rs_at_rest(&t, s));
    ASSERT_EQ(rs_next_to_run(&t), RS_NOBODY);
    ASSERT_FALSE(rs_run(&t, s));
    ASSERT_TRUE(rs_hold(&t, s, EXO_HOLD_ONE));
    ASSERT_EQ(rs_next_to_run(&t), s);
    ASSERT_TRUE(rs_run(&t, s));
    ASSERT_EQ(t.entry[s].hold, EXO_HOLD_LIVES);
    ASSERT_TRUE(rs_hold(&t, s, EXO_HOLD_NONE));
    ASSERT_EQ(rs_next_to_run(&t), RS_NOBODY);
    ASSERT_FALSE(rs_run(&t, RS_NOBODY));
    ASSERT_TRUE(rs_table_ok(&t));
    TEST_END();

    TEST_BEGIN("who is being reborn is there for those that need him");
    rs_init(&t);
    uint32_t needed = running(RS_POLICY_ALWAYS), other = rs_add(&t, RS_POLICY_ALWAYS);
    ASSERT_TRUE(rs_depend(&t, other, needed, false));
    rs_set_loaded(&t, other, true);
    rs_want(&t, other);
    rs_died(&t, needed, false, true, false, 1);
    ASSERT_EQ(t.entry[needed].state, EXO_SERVICE_DYING);
    ASSERT_EQ(rs_next_to_run(&t), other);
    rs_halt(&t, needed);
    ASSERT_EQ(rs_next_to_run(&t), RS_NOBODY);
    ASSERT_TRUE(rs_table_ok(&t));
    TEST_END();

    TEST_BEGIN("the window slides");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    for (unsigned k = 0; k < 5; k++)
        die(s, k * SECOND);
    die(s, 60 * (uint64_t)SECOND);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_RUNNING);
    die(s, 60 * (uint64_t)SECOND + 1);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_FAILED);
    TEST_END();

    TEST_BEGIN("a clock that goes back gives nobody more rebirths");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    for (unsigned k = 0; k < 5; k++)
        die(s, (100 - k) * (uint64_t)SECOND);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_RUNNING);
    ASSERT_TRUE(rs_table_ok(&t));
    die(s, 0);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_FAILED);
    TEST_END();

    TEST_BEGIN("any 60 s have at most 5 rebirths, at random times");
    srand(7);
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    uint64_t now = 0, times[4000];
    unsigned count = 0;
    for (unsigned k = 0; k < 4000; k++) {
        now += (uint64_t)(rand() % 30) * SECOND;
        uint64_t before = t.entry[s].rebirths;
        die(s, now);
        if (t.entry[s].rebirths > before)
            times[count++] = now;
        if (t.entry[s].state == EXO_SERVICE_FAILED) {
            rs_want(&t, s);
            rs_run(&t, s);
            count = 0;
        }
        ASSERT_TRUE(count < 6 || times[count - 1] - times[count - 6] >= 60 * (uint64_t)SECOND);
    }
    TEST_END();

    TEST_BEGIN("limit 0 is no limit, and a start begins a new count");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    ASSERT_TRUE(rs_set_limit(&t, s, 0, 1));
    for (unsigned k = 0; k < 1000; k++)
        die(s, k);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_RUNNING);
    ASSERT_TRUE(!rs_set_limit(&t, s, EXO_SERVICE_LIMIT_MOST + 1, 1));
    ASSERT_TRUE(!rs_set_limit(&t, s, 1, 0));
    ASSERT_TRUE(rs_set_limit(&t, s, 1, SECOND));
    die(s, 1000);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_FAILED);
    ASSERT_EQ(rs_want(&t, s), RS_BIT(s));
    ASSERT_TRUE(rs_run(&t, s));
    die(s, 1001);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_RUNNING);
    TEST_END();
}

static void test_policy(void)
{
    TEST_BEGIN("policies say when it comes back");
    static const struct {
        uint32_t policy;
        bool success;
        uint32_t state;
    } cases[] = {
        {RS_POLICY_ALWAYS, true, EXO_SERVICE_STARTING},
        {RS_POLICY_ALWAYS, false, EXO_SERVICE_STARTING},
        {RS_POLICY_ON_FAILURE, true, EXO_SERVICE_STOPPED},
        {RS_POLICY_ON_FAILURE, false, EXO_SERVICE_STARTING},
        {RS_POLICY_NEVER, true, EXO_SERVICE_STOPPED},
        {RS_POLICY_NEVER, false, EXO_SERVICE_FAILED},
    };
    for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
        rs_init(&t);
        uint32_t s = running(cases[k].policy);
        rs_died(&t, s, cases[k].success, true, false, 1);
        ASSERT_EQ(t.entry[s].state, EXO_SERVICE_DYING);
        ASSERT_EQ(rs_restored(&t, s), cases[k].state);
        ASSERT_TRUE(rs_table_ok(&t));
    }
    ASSERT_EQ(rs_add(&t, 3), RS_NOBODY);
    TEST_END();

    TEST_BEGIN("a stop and a start while it dies are heeded");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_ALWAYS);
    rs_died(&t, s, false, true, false, 1);
    rs_halt(&t, s);
    ASSERT_EQ(rs_restored(&t, s), EXO_SERVICE_STOPPED);
    rs_want(&t, s);
    ASSERT_TRUE(rs_run(&t, s));
    rs_died(&t, s, false, true, false, 2);
    rs_halt(&t, s);
    rs_want(&t, s);
    ASSERT_EQ(rs_restored(&t, s), EXO_SERVICE_STARTING);
    rs_halt(&t, s);
    ASSERT_EQ(t.entry[s].state, EXO_SERVICE_STOPPED);
    TEST_END();

    TEST_BEGIN("an operator's restart is not counted");
    rs_init(&t);
    uint32_t s = running(RS_POLICY_NEVER);
    for (unsigned k = 0; k < 20; k++) {
        rs_died(&t, s, false, false, true, k);
        ASSERT_EQ(rs_restored(&t, s), EXO_SERVICE_STARTING);
        ASSERT_TRUE(rs_run(&t, s));
    }
    TEST_END();
}

static void test_graph(void)
{
    TEST_BEGIN("cycles are refused when the edge is added");
    rs_init(&t);
    uint32_t a = rs_add(&t, 0), b = rs_add(&t, 0), c = rs_add(&t, 0);
    ASSERT_TRUE(!rs_depend(&t, a, a, false));
    ASSERT_TRUE(rs_depend(&t, a, b, false));
    ASSERT_TRUE(rs_depend(&t, b, c, true));
    ASSERT_TRUE(!rs_depend(&t, c, a, false));
    ASSERT_TRUE(!rs_depend(&t, b, a, false));
    ASSERT_TRUE(!rs_depend(&t, a, 9, false));
    ASSERT_TRUE(!rs_depend(&t, EXO_SERVICES, a, false));
    ASSERT_TRUE(rs_depend(&t, a, c, false));
    ASSERT_TRUE(rs_table_ok(&t));
    ASSERT_TRUE(!rs_remove(&t, c));
    ASSERT_TRUE(rs_remove(&t, a));
    ASSERT_TRUE(rs_depend(&t, c, rs_add(&t, 0), false));
    TEST_END();

    TEST_BEGIN("a start starts what is needed, in order");
    rs_init(&t);
    uint32_t a = rs_add(&t, 0), b = rs_add(&t, 0), c = rs_add(&t, 0), d = rs_add(&t, 0);
    uint8_t order[EXO_SERVICES];
    rs_depend(&t, a, b, false);
    rs_depend(&t, b, c, false);
    ASSERT_EQ(rs_order(&t, order), 4);
    ASSERT_EQ(order[0], c);
    ASSERT_EQ(order[1], b);
    ASSERT_EQ(order[2], a);
    ASSERT_EQ(order[3], d);
    ASSERT_EQ(rs_want(&t, a), RS_BIT(a) | RS_BIT(b) | RS_BIT(c));
    ASSERT_EQ(rs_next_to_run(&t), RS_NOBODY);
    ASSERT_TRUE(!rs_run(&t, a));
    rs_set_loaded(&t, a, true);
    rs_set_loaded(&t, b, true);
    ASSERT_EQ(rs_next_to_run(&t), RS_NOBODY);
    rs_set_loaded(&t, c, true);
    ASSERT_EQ(rs_next_to_run(&t), c);
    ASSERT_TRUE(rs_run(&t, c));
    ASSERT_EQ(rs_next_to_run(&t), b);
    ASSERT_TRUE(rs_run(&t, b));
    ASSERT_EQ(rs_next_to_run(&t), a);
    ASSERT_EQ(rs_want(&t, a), 0);
    TEST_END();

    TEST_BEGIN("64 services, and no more");
    rs_init(&t);
    for (uint32_t i = 0; i < EXO_SERVICES; i++)
        ASSERT_EQ(rs_add(&t, 0), i);
    ASSERT_EQ(rs_add(&t, 0), RS_NOBODY);
    for (uint32_t i = 0; i + 1 < EXO_SERVICES; i++)
        ASSERT_TRUE(rs_depend(&t, i, i + 1, false));
    ASSERT_TRUE(!rs_depend(&t, EXO_SERVICES - 1, 0, false));
    ASSERT_EQ(rs_all_needs(&t, 0), ~RS_BIT(0));
    uint8_t order[EXO_SERVICES];
    ASSERT_EQ(rs_order(&t, order), EXO_SERVICES);
    ASSERT_EQ(order[0], EXO_SERVICES - 1);
    TEST_END();

    TEST_BEGIN("random edges never make a cycle, and everybody has a place in the order");
    rs_init(&t);
    for (uint32_t i = 0; i < EXO_SERVICES; i++)
        rs_add(&t, 0);
    for (unsigned k = 0; k < 5000; k++)
        rs_depend(&t, (uint32_t)rand() % EXO_SERVICES, (uint32_t)rand() % EXO_SERVICES, k & 1);
    ASSERT_TRUE(rs_table_ok(&t));
    uint8_t order[EXO_SERVICES];
    ASSERT_EQ(rs_order(&t, order), EXO_SERVICES);
    TEST_END();
}

int main(void)
{
    test_window();
    test_policy();
    test_graph();
}
