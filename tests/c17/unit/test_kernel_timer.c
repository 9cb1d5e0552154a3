// SPDX-License-Identifier: MIT
/* The heap of timers, against a plain array. */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/sched/timer.h>

#include "test_framework.h"

#define TIMERS 500
static struct timer timers[TIMERS];
static exo_time armed[TIMERS]; /* EXO_FOREVER: not */

static uint64_t seed = 7;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static exo_time first(void)
{
    exo_time t = EXO_FOREVER;

    for (unsigned i = 0; i < TIMERS; i++)
        t = armed[i] < t ? armed[i] : t;
    return t;
}

int main(void)
{
    host_start(8);

    TEST_BEGIN("the first deadline is always known");
    for (unsigned i = 0; i < TIMERS; i++)
        armed[i] = EXO_FOREVER;
    for (unsigned step = 0; step < 30000; step++) {
        unsigned i = (unsigned)draw(TIMERS);

        if (draw(3) == 0) {
            timer_cancel(&timers[i]);
            armed[i] = EXO_FOREVER;
        } else {
            armed[i] = draw(20) ? 1000 + draw(300) : EXO_FOREVER;
            ASSERT_TRUE(timer_arm(&timers[i], armed[i]));
        }
        ASSERT_EQ(timer_first(), first());
        ASSERT_EQ(timers[i].place != 0, armed[i] != EXO_FOREVER);
    }
    TEST_END();

    TEST_BEGIN("timers come due in the order of their deadlines");
    exo_time last = 0;
    struct timer *t;
    ASSERT_NULL(timer_due(999));
    while ((t = timer_due(1250))) {
        ASSERT_GE(t->deadline, last);
        ASSERT_EQ(t->deadline, armed[t - timers]);
        last = t->deadline;
        armed[t - timers] = EXO_FOREVER;
    }
    ASSERT_GT(first(), 1250);
    ASSERT_EQ(timer_first(), first());
    TEST_END();

    TEST_BEGIN("a full heap refuses, and still works");
    static struct timer many[40000];
    unsigned n = 0;
    while (n < 40000 && timer_arm(&many[n], 5 + n))
        n++;
    ASSERT_LT(n, 40000);
    ASSERT_EQ(timer_first(), 5);
    while (n > 0)
        timer_cancel(&many[--n]);
    ASSERT_EQ(timer_first(), first());
    TEST_END();
    return 0;
}
