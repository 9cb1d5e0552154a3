# SPDX-License-Identifier: MIT
"""The words that tty publishes: servers/tty/terminal.c (publish, word_set), libos/posix/tty.c (tty_poll).

`input` is what is slept on, `flags` what is judged by: flags are stored first and read last."""

from kernel import exo_wait, exo_wake, overslept
from weak import acquire, release, Protocol


def publish(t):
    t.store("flags", 1)
    t.store("input", 1, release)  # servers/tty/terminal.c: atomic_store_explicit(word, value, memory_order_release)
    exo_wake(t)


def tty_poll(t):
    seen = t.load("input", acquire)  # libos/posix/tty.c: waiter_add(w, &s->input, atomic_load(&s->input))
    if t.load("flags") == 0:
        exo_wait(t, "input", seen)


PROTOCOLS = [
    Protocol("input", "nobody sleeps on a terminal that can be read", [publish, tty_poll], overslept),
]
