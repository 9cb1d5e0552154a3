# SPDX-License-Identifier: MIT
"""The kernel, as far as protocols need it: its lock, and sleeping on a word (kernel/ipc/wait.c).

The lock is one bit here; its sleepers are protocols/lock.py's."""

from weak import acquire, release


def take(t):
    old = t.exchange("kernel lock", 1, acquire)  # hal/lock.h: &lock->word, &word, LOCK_HELD, memory_order_acquire, memory_order_relaxed
    t.assume(old == 0)


def give(t):
    t.store("kernel lock", 0, release)  # hal/lock.h: atomic_fetch_sub_explicit(&lock->word, LOCK_HELD, memory_order_release)


def exo_wait(t, word, expected):
    """sys_wait. Notes `asleep`, if it sleeps: for ever, unless exo_wake finds it."""
    take(t)
    value = t.load(word)
    if value == expected:
        t.store("sleeper", 1)
        t.note(asleep=1)
    give(t)


def exo_wake(t):
    """sys_wake. Notes `woke`, if somebody slept."""
    take(t)
    t.note(woke=t.load("sleeper"))
    give(t)


def overslept(notes):
    """The forbidden outcome of everything that sleeps: asleep, and not woken by the last who could."""
    return notes.get("asleep", 0) == 1 and notes.get("woke", 0) == 0
