/* SPDX-License-Identifier: MIT */
/* The heap of timers and the clock: see timer.h. */
#include <hal/hal.h>
#include <kernel/mem/frame.h>
#include <kernel/sched/timer.h>

#define HEAP_ORDER 6u
#define HEAP_SIZE  ((EXO_PAGE_SIZE << HEAP_ORDER) / sizeof(struct timer *))

static struct timer **heap; /* heap[1 .. used], no later than its children */
static uint32_t used;

void timer_init(void)
{
    heap = frame_kernel(HEAP_ORDER);
    if (!heap)
        kernel_panic("no memory for the timers");
}

static void put(uint32_t place, struct timer *t)
{
    heap[place] = t;
    t->place = place;
}

static void sift_up(uint32_t place, struct timer *t)
{
    while (place > 1 && heap[place / 2]->deadline > t->deadline) {
        put(place, heap[place / 2]);
        place /= 2;
    }
    put(place, t);
}

static void sift_down(uint32_t place, struct timer *t)
{
    for (uint32_t child; (child = place * 2) <= used; place = child) {
        if (child < used && heap[child + 1]->deadline < heap[child]->deadline)
            child++;
        if (heap[child]->deadline >= t->deadline)
            break;
        put(place, heap[child]);
    }
    put(place, t);
}

void timer_cancel(struct timer *t)
{
    uint32_t place = t->place;

    if (place == 0)
        return;
    struct timer *last = heap[used--];
    t->place = 0;
    if (last == t)
        return;
    if (place > 1 && heap[place / 2]->deadline > last->deadline)
        sift_up(place, last);
    else
        sift_down(place, last);
}

bool timer_arm(struct timer *t, exo_time deadline)
{
    timer_cancel(t);
    if (deadline == EXO_FOREVER)
        return true;
    if (used + 1 >= HEAP_SIZE)
        return false;
    t->deadline = deadline;
    used++;
    sift_up(used, t);
    return true;
}

exo_time timer_first(void)
{
    return used ? heap[1]->deadline : EXO_FOREVER;
}

struct timer *timer_due(exo_time now)
{
    struct timer *t = used ? heap[1] : 0;

    if (!t || t->deadline > now)
        return 0;
    timer_cancel(t);
    return t;
}

uint64_t clock_ns(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * hal_clock.mult >> hal_clock.shift);
}

exo_time clock_now(void)
{
    return clock_ns(hal_ticks() - hal_clock.base);
}
