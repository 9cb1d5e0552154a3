# SPDX-License-Identifier: MIT
"""The LibOS's lock: libos/posix/lock.c, and the same steps in libos/posix/arch/*/entry.S (.Llocked).

0 free, 1 held, 2 held and perhaps waited for."""

from kernel import exo_wait, exo_wake, overslept
from weak import acquire, release, Protocol


def image_lock(t):
    old = t.exchange("lock", 1, acquire)  # libos/posix/lock.c: atomic_exchange(&image_state.lock, 1)
    return old == 0


def image_lock_wait(t):
    """One turn of its loop: whether it has the lock."""
    old = t.exchange("lock", 2, acquire)  # libos/posix/lock.c: atomic_exchange(&image_state.lock, 2)
    return old == 0


def image_unlock(t):
    """Whether somebody may wait."""
    old = t.exchange("lock", 0, release)  # libos/posix/lock.c: atomic_exchange(&image_state.lock, 0)
    return old != 1


def at_once(t):
    t.assume(image_lock(t))
    t.store("guarded", t.load("guarded") + 1)
    image_unlock(t)


def after_waiting(t):
    t.assume(image_lock_wait(t))
    t.store("guarded", t.load("guarded") + 1)
    image_unlock(t)


def holder(t):
    t.assume(image_lock(t))
    if image_unlock(t):
        exo_wake(t)


def sleeper(t):
    if not image_lock(t) and not image_lock_wait(t):
        exo_wait(t, "lock", 2)


PROTOCOLS = [
    Protocol("exclusion", "two threads add under the lock and nothing is lost",
             [at_once, after_waiting, after_waiting], lambda o: True,
             final=lambda m, o: m["guarded"] != 3, most=3),
    Protocol("no-lost-wake", "who sleeps for the lock is woken when it is released",
             [holder, sleeper], overslept),
]
