// SPDX-License-Identifier: MIT
/*
 * Sleeping in a call: on the words that the caller names, until a signal, or until a deadline.
 *
 * The lock is released meanwhile, so what the caller knew may be stale afterwards: it looks again.
 * An event that brings no signal for this thread (a timer that belongs to another, a signal that is
 * blocked) does not end the sleep. No wake-up is lost: the words carry the values by which the
 * caller judged, and pending events make exo_wait return at once.
 */
#include "core.h"

void waiter_init(struct waiter *w, exo_time deadline)
{
    w->count = 0;
    w->deadline = deadline;
    w->alarm = EXO_FOREVER;
}

void waiter_add(struct waiter *w, const _Atomic uint32_t *word, uint32_t expected)
{
    if (w->count == EXO_WAIT_WORDS)
        return; /* the caller's own limit is lower, or it looks again after a while */
    w->words[w->count++] = (struct exo_wait_word){.address = (uintptr_t)word, .expected = expected};
}

/* Takes event bits off the thread and does what they ask for. Acquire: what they announce is looked for
 * afterwards (proofs/memory/protocols/proc_shared.py). */
static void events_serve(struct thread *t)
{
    uint32_t bits = atomic_exchange(&t->utcb->pending, 0);

    if (t->process->timers)
        timers_attend(t->process);
    if (bits & PROC_EVENT_KILLED)
        t->end = true;
}

bool signals_serve(struct thread *t)
{
    if (atomic_load_explicit(&t->utcb->pending, memory_order_relaxed))
        events_serve(t);
    signal_collect(t->process);
    return t->end || ((t->pending | t->process->pending) & ~t->sigmask) != 0;
}

bool signal_waiting(void)
{
    if (!signals_serve(self()))
        return false;
    attention(); /* so that the call's end finds it again */
    return true;
}

int64_t waiter_sleep(struct waiter *w)
{
    bool alarm_first = w->alarm < w->deadline;
    exo_time until = alarm_first ? w->alarm : w->deadline;

    for (;;) {
        image_unlock();
        int64_t st = exo_wait(w->words, w->count, until);
        image_lock();
        if (st >= 0)
            return 0;
        if (st == EXO_ETIMEDOUT)
            return alarm_first ? 0 : -ETIMEDOUT;
        if (st != EXO_EINTR)
            return errno_of(st);
        if (signal_waiting())
            return -ERESTARTSYS;
        if (w->count == 0)
            continue;
        return 0; /* a word may have changed as well: looking is cheap */
    }
}
