# SPDX-License-Identifier: MIT
"""exo_wait and exo_wake on a shared word: kernel/ipc/wait.c (sys_wait, sys_wake); and futexes, which are
the same with a look before (libos/posix/futex.c, futex_wait).

The waker's store may be as weak as it likes: it is before the kernel lock is given back, and the waiter's
value is looked at after the lock was taken."""

from kernel import exo_wait, exo_wake, overslept
from weak import Protocol


def waker(t):
    t.store("word", 1)
    exo_wake(t)


def waiter(t):
    exo_wait(t, "word", 0)


def futex_wait(t):
    if t.load("word") == 0:
        exo_wait(t, "word", 0)


PROTOCOLS = [
    Protocol("wait", "nobody sleeps on a word that has changed and whose wake is over",
             [waker, waiter], overslept),
    Protocol("futex", "nor in FUTEX_WAIT", [waker, futex_wait], overslept),
]
