# SPDX-License-Identifier: MIT
"""The state page of a lent file: fs writes the data and then the size, both by region_write
(servers/fs/data.c, kernel/mem/region.c); a reader looks at the size and copies from its mapping
(libos/posix/window.c, window_look). `generation` and `sequence` are read by nobody so far.

The kernel lock between the two calls does not help: the second may find it free in its own CPU's store
buffer (litmus.py, MP+rfi). So region_write has a barrier of its own. The size is one aligned word, which hal_copy_in moves in
one piece."""

from weak import acquire, release, Protocol


def region_write(t, place, value):
    t.fence(release)  # kernel/mem/region.c: atomic_thread_fence(memory_order_release)
    t.store(place, value)


def fs(t):
    region_write(t, "data", 1)
    region_write(t, "size", 1)


def window_look(t):
    t.note(size=t.load("size", acquire))  # libos/posix/window.c: atomic_load_explicit(&w->state->size, memory_order_acquire)
    t.note(data=t.load("data"))


PROTOCOLS = [
    Protocol("size", "bytes are there when the size says so", [fs, window_look],
             lambda o: o["size"] == 1 and o["data"] == 0),
]
