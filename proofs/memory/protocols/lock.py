# SPDX-License-Identifier: MIT
"""The kernel's locks: hal/lock.h (lock_take, lock_give) and kernel/sched/lock.c (lock_wait, lock_wake).

A lock is one word: a bit says that it is held, one for each CPU that it sleeps, one that a sleeper was woken
and is on its way. What follows is about one place in memory, of which all CPUs see the same order of stores,
so only what is guarded by the lock needs an order: acquire and release. A compare-and-exchange that fails is
repeated and changes nothing, so one that succeeds is all there is here."""

from weak import acquire, release, Protocol

HELD, WOKEN, DOZES = 1, 2, 4


# ---- exclusion ---------------------------------------------------------------------------------------

def guarded(t):
    t.store("guarded", t.load("guarded") + 1)
    t.add("word", -HELD, release)  # hal/lock.h: atomic_fetch_sub_explicit(&lock->word, LOCK_HELD, memory_order_release)


def at_once(t):
    """lock_take"""
    old = t.rmw("word", lambda old: old | HELD, acquire)  # hal/lock.h: &lock->word, &word, LOCK_HELD, memory_order_acquire, memory_order_relaxed
    t.assume(old == 0)
    guarded(t)


def after_turns(t):
    """lock_wait, taken"""
    old = t.rmw("word", lambda old: old | HELD, acquire)  # kernel/sched/lock.c: atomic_compare_exchange_weak_explicit(&lock->word, word, new, memory_order_acquire,
    t.assume((old & HELD) == 0)
    guarded(t)


# ---- dozing: at the start the giver holds the lock ------------------------------------------------------

def wake(t):
    """lock_wake: a wake that finds somebody is a compare-and-exchange, one that does not only looks"""
    if t.choose(2):
        old = t.rmw("word", lambda old: old - DOZES + WOKEN)
        t.assume((old & (HELD | WOKEN | DOZES)) == DOZES)
    else:
        word = t.load("word")
        t.assume((word & (HELD | WOKEN | DOZES)) != DOZES)


def giver(t):
    """lock_give"""
    left = t.add("word", -HELD)
    if left != HELD:
        wake(t)


def waiter(t):
    """nap: the word has not changed since it was seen held"""
    old = t.rmw("word", lambda old: old | DOZES)
    t.assume((old & HELD) == HELD)


def passer(t):
    """takes the lock past the sleeper, and gives it back"""
    old = t.rmw("word", lambda old: old | HELD)
    t.assume((old & HELD) == 0)
    giver(t)


def impatient(t):
    """nap of one who was woken, and finds the lock promised to the sleeper above (his own bit is nobody's
    business here)"""
    old = t.rmw("word", lambda old: old & (HELD | DOZES))
    if (old & HELD) == 0:
        wake(t)


def slept_over(memory, notes):
    return memory["word"] & (HELD | WOKEN | DOZES) == DOZES


PROTOCOLS = [
    Protocol("exclusion", "two CPUs add under the lock and nothing is lost", [at_once, after_turns],
             lambda o: True, final=lambda m, o: m["guarded"] != 2, most=2),
    Protocol("exclusion-3", "so do three", [at_once, at_once, at_once],
             lambda o: True, final=lambda m, o: m["guarded"] != 3, most=3),
    Protocol("doze", "a free lock has no sleeper unless one is on its way", [giver, waiter],
             lambda o: True, final=slept_over, start={"word": HELD}, most=7, barriers=False),
    Protocol("doze-passed", "nor if somebody takes it first", [giver, waiter, passer],
             lambda o: True, final=slept_over, start={"word": HELD}, most=7, barriers=False),
    Protocol("doze-promised", "nor if it is promised to him and another was woken", [giver, impatient],
             lambda o: True, final=slept_over,
             start={"word": HELD | WOKEN | DOZES}, most=7, barriers=False),
]
