# SPDX-License-Identifier: MIT
"""The table that proc publishes: servers/proc/table.c (entry_begin, entry_end), and its three readers."""

from weak import acquire, release, Protocol


def proc(t):
    t.add("sequence", 1)
    t.fence(release)  # servers/proc/table.c: atomic_thread_fence(memory_order_release)
    t.store("uid", 1)
    t.store("gid", 1)
    t.add("sequence", 1, release)  # servers/proc/table.c: atomic_fetch_add_explicit(&entries[slot].sequence, 1, memory_order_release)


def entry_read(t):
    """libos/posix/identity.c"""
    before = t.load("sequence", acquire)  # libos/posix/identity.c: before = atomic_load(&e->sequence)
    t.note(uid=t.load("uid"), gid=t.load("gid"))
    t.fence(acquire)  # libos/posix/identity.c: atomic_thread_fence(memory_order_acquire)
    t.assume(before & 1 == 0)
    t.assume(t.load("sequence") == before)


def tty(t):
    """servers/tty/job.c, caller_find"""
    before = t.load("sequence", acquire)  # servers/tty/job.c: atomic_load_explicit(&e->sequence, memory_order_acquire)) & 1
    t.note(uid=t.load("uid"), gid=t.load("gid"))
    t.fence(acquire)  # servers/tty/job.c: atomic_thread_fence(memory_order_acquire)
    t.assume(before & 1 == 0)
    t.assume(t.load("sequence") == before)


def fs(t):
    """servers/fs/caller.c, caller_identify"""
    before = t.load("sequence", acquire)  # servers/fs/caller.c: before = atomic_load_explicit(&entry->sequence, memory_order_acquire)
    t.note(uid=t.load("uid"), gid=t.load("gid"))
    t.fence(acquire)  # servers/fs/caller.c: atomic_thread_fence(memory_order_acquire)
    t.assume(before & 1 == 0)
    t.assume(t.load("sequence") == before)


PROTOCOLS = [
    Protocol(name, f"{name} reads no half-written entry", [proc, reader],
             lambda o: o["uid"] != o["gid"], most=2)
    for name, reader in (("libos", entry_read), ("tty", tty), ("fs", fs))
]
