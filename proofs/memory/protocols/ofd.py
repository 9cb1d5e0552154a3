# SPDX-License-Identifier: MIT
"""Open file descriptions: libos/posix/ofd.c. The offset changes under a claim (claim.py), slots are taken
by one compare-and-swap, rows of dead processes are swept."""

from weak import acquire, release, Protocol


def moves_offset(t):
    """ofd_offset_take, ofd_offset_store"""
    t.assume(t.compare_exchange("claim", 0, 1, acquire))  # libos/posix/claim.h: atomic_compare_exchange_strong(word, &free, name)
    t.store("offset", t.load("offset") + 1)
    t.exchange("claim", 0, release)  # libos/posix/claim.h: atomic_exchange(word, 0) & CLAIM_WAITED


def last_user(t):
    """ofd_offset_store, ofd_put"""
    t.store("offset", 3)
    t.add("users", -1, release)  # libos/posix/ofd.c: atomic_fetch_sub(&d->users, 1)


def next_user(t):
    """ofd_find, ofd_new"""
    t.assume(t.compare_exchange("users", 0, 1, acquire))  # libos/posix/ofd.c: atomic_compare_exchange_strong(&d->users, &free, 1)
    t.store("offset", 0)


def owner(t):
    """row_set, and its death: as in claim.py"""
    t.store("bit", 1)
    t.fence(release)  # servers/proc/table.c: atomic_thread_fence(memory_order_release)
    t.store("state", 1)


def sweeper(t):
    """ofd_sweep, row_release"""
    t.assume(t.load("state") == 1)
    t.fence(acquire)  # libos/posix/ofd.c: atomic_thread_fence(memory_order_acquire)
    t.note(bit=t.load("bit"))


PROTOCOLS = [
    Protocol("offset", "two processes move the offset and no move is lost",
             [moves_offset, moves_offset], lambda o: True, final=lambda m, o: m["offset"] != 2),
    Protocol("slot", "the last user's offset is not the next one's", [last_user, next_user],
             lambda o: True, start={"users": 1}, final=lambda m, o: m["offset"] == 3),
    Protocol("sweep", "all that a dead process held is found", [owner, sweeper],
             lambda o: o["bit"] == 0),
]
