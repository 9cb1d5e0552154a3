# SPDX-License-Identifier: MIT
"""eventfd: libos/posix/event.c (event_write, event_changed, event_poll). Store buffering, as in ring.py."""

from kernel import exo_wait, exo_wake, overslept
from weak import seq_cst, Protocol


def event_write(t):
    t.assume(t.compare_exchange("count", 0, 1, seq_cst))  # libos/posix/event.c: atomic_compare_exchange_weak(&f->ofd->offset, &count, count + more)
    waited = t.load("waited", seq_cst)  # libos/posix/event.c: if (atomic_load(event_waited(f)) &&
    if waited != 0 and t.exchange("waited", 0) != 0:
        exo_wake(t)


def event_poll(t):
    t.store("waited", 1, seq_cst)  # libos/posix/event.c: atomic_store(event_waited(f), 1)
    count = t.load("count", seq_cst)  # libos/posix/event.c: waiter_add(w, &halves[0], atomic_load(&halves[0]))
    if count == 0:
        exo_wait(t, "count", 0)


PROTOCOLS = [
    Protocol("wakes", "nobody sleeps on an eventfd that has a count", [event_write, event_poll],
             overslept),
]
