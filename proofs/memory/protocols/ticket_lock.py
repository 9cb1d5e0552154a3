# SPDX-License-Identifier: MIT
"""The kernel's lock: hal/lock.h (lock_take, lock_give) and kernel/sched/lock.c (lock_wait, lock_wake).

`next` hands tickets out, `serving` says whose turn it is. That the ticket is drawn with a relaxed order is
enough: tickets order only tickets. Who has waited for long writes itself down (`cpu`, `dozing`), looks once
more and dozes; who gives the lock back looks at `dozing` afterwards: store buffering, seq_cst on both
sides."""

from weak import acquire, release, seq_cst, Protocol


# ---- exclusion ---------------------------------------------------------------------------------------

def guarded(t):
    t.store("guarded", t.load("guarded") + 1)
    t.add("serving", 1, release)  # hal/lock.h: atomic_fetch_add_explicit(&lock->serving, 1, memory_order_seq_cst)


def at_once(t):
    """lock_take"""
    ticket = t.add("next", 1)
    t.until("serving", ticket, acquire)  # hal/lock.h: atomic_load_explicit(&lock->serving, memory_order_acquire)
    guarded(t)


def after_turns(t):
    """lock_wait, my_turn"""
    ticket = t.add("next", 1)
    t.until("serving", ticket, acquire)  # kernel/sched/lock.c: return atomic_load_explicit(&lock->serving, memory_order_acquire) == ticket
    guarded(t)


# ---- dozing: the giver has ticket 0 and the waiter, CPU 1, ticket 1; CPU 2, with ticket 2, dozes too ---

def giver(t):
    """lock_give, lock_wake"""
    t.add("serving", 1, seq_cst)  # hal/lock.h: atomic_fetch_add_explicit(&lock->serving, 1, memory_order_seq_cst)
    dozing = t.load("dozing", seq_cst)  # hal/lock.h: atomic_load_explicit(&lock->dozing, memory_order_seq_cst)
    if dozing != 0 and t.load("cpu of 1") == 1 and t.load("dozing") & 1 == 1:
        t.note(woke=1)


def waiter(t):
    """lock_wait"""
    t.store("cpu of 1", 1)
    t.rmw("dozing", lambda old: old | 1, seq_cst)  # kernel/sched/lock.c: atomic_fetch_or_explicit(&lock->dozing, bit, memory_order_seq_cst)
    serving = t.load("serving", seq_cst)  # kernel/sched/lock.c: while (atomic_load_explicit(&lock->serving, memory_order_seq_cst) != ticket)
    t.note(asleep=serving != 1)


def another(t):
    t.rmw("dozing", lambda old: old | 2)


def slept_over(o):
    return o["asleep"] and not o.get("woke", 0)


PROTOCOLS = [
    Protocol("exclusion", "two CPUs add under the lock and nothing is lost", [at_once, after_turns],
             lambda o: True, final=lambda m, o: m["guarded"] != 2, most=2),
    Protocol("exclusion-3", "so do three", [at_once, at_once, at_once],
             lambda o: True, final=lambda m, o: m["guarded"] != 3, most=3),
    Protocol("doze", "who dozes is woken when it is his turn", [giver, waiter, another], slept_over),
]
