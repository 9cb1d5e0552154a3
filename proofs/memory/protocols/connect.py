# SPDX-License-Identifier: MIT
"""Connecting: a client fills a slot of the listener's meeting, a server accepts it (libos/posix/unix.c)."""

from weak import acquire, release, Protocol


def client(t):
    t.store("credentials", 1)
    t.store("state", 1, release)  # libos/posix/unix.c: atomic_store(&m->slot[slot].state, PENDING)


def server(t):
    t.assume(t.compare_exchange("state", 1, 2, acquire))  # libos/posix/unix.c: atomic_compare_exchange_strong(&m->slot[i].state, &pending, ACCEPTED)
    t.note(credentials=t.load("credentials"))


PROTOCOLS = [
    Protocol("accept", "who accepts a connection sees what the client wrote of itself",
             [client, server], lambda o: o["credentials"] == 0),
]
