# SPDX-License-Identifier: MIT
"""Words that fs publishes to be slept on: a FIFO's open ends (servers/fs/fifo.c, libos/posix/fifo.c), and
what an inotify instance has queued (servers/fs/notify.c, libos/posix/inotify.c).

As in tty_state.py: `change` is what is slept on; it is stored last and read first."""

from kernel import exo_wait, exo_wake, give, overslept, take
from weak import acquire, release, Protocol


def fifo_publish(t):
    t.store("writers", 1)
    t.store("change", 1, release)  # servers/fs/fifo.c: page->change = fifo->change
    exo_wake(t)


def fifo_poll(t):
    change = t.load("change", acquire)  # libos/posix/fifo.c: waiter_add(w, &counts->change, atomic_load(&counts->change))
    if t.load("writers") == 0:
        exo_wait(t, "change", change)


def fs_opens(t):
    """fifo_opened for a reader, file_fifo's answer to it (that there was no writer yet, as a message: ipc.py),
    then fifo_opened for a writer, which may have gone again before the reader looks."""
    take(t)
    t.store("answer", 1)
    give(t)
    t.store("opened", 1)
    t.store("change", 1, release)  # servers/fs/fifo.c: page->change = fifo->change
    exo_wake(t)


def other_side_wait(t):
    """`before` is the answer's, not what `opened` is when the waiting begins: that may have the partner in
    it already, who is not waited for, and does not come again."""
    take(t)
    t.assume(t.load("answer") == 1)
    give(t)
    change = t.load("change", acquire)  # libos/posix/fifo.c: uint32_t change = atomic_load(&counts->change)
    if t.load("opened") == 0:
        exo_wait(t, "change", change)


def notifier_publish(t):
    t.store("bytes", 1)
    t.store("change", 1, release)  # servers/fs/notify.c: n->page->change = n->change
    exo_wake(t)


def inotify_poll(t):
    change = t.load("change", acquire)  # libos/posix/inotify.c: waiter_add(w, &page->change, atomic_load(&page->change))
    if t.load("bytes") == 0:
        exo_wait(t, "change", change)


PROTOCOLS = [
    Protocol("fifo", "nobody sleeps on a FIFO whose other end was opened", [fifo_publish, fifo_poll],
             overslept),
    Protocol("partner", "who opens a FIFO does not wait for a partner who has come and gone",
             [fs_opens, other_side_wait], overslept),
    Protocol("inotify", "nobody sleeps beside an event", [notifier_publish, inotify_poll], overslept),
]
