# SPDX-License-Identifier: MIT
"""The ring of pipes and local sockets: libos/posix/ring.c, ring.h, stream.c, pipe.c.

Two promises: bytes are there when a position says so (acquire and release), and nobody sleeps while he
could go on (store buffering, so seq_cst on both sides)."""

from kernel import exo_wait, exo_wake, overslept
from weak import acquire, release, seq_cst, Protocol


# ---- bytes: a ring of one byte, written and read twice ---------------------------------------------

def ring_write(t, tail, byte):
    t.until("head", tail, acquire)  # libos/posix/ring.c: tail - atomic_load_explicit(&r->head, memory_order_acquire)
    t.store("data", byte)
    t.store("tail", tail + 1, release)  # libos/posix/ring.c: atomic_store(&r->tail, tail + (uint32_t)bytes)


def ring_read(t, head):
    t.until("tail", head + 1, acquire)  # libos/posix/ring.c: atomic_load_explicit(&r->tail, memory_order_acquire) - head
    byte = t.load("data")
    t.store("head", head + 1, release)  # libos/posix/ring.c: atomic_store(&r->head, head + (uint32_t)moved)
    return byte


def writer(t):
    ring_write(t, 0, 1)
    ring_write(t, 1, 2)


def reader(t):
    t.note(first=ring_read(t, 0))
    t.note(second=ring_read(t, 1))


# ---- sleeping ----------------------------------------------------------------------------------------

def write_and_wake(t):
    """ring_write, then ring_wake_readers."""
    t.store("tail", 1, seq_cst)  # libos/posix/ring.c: atomic_store(&r->tail, tail + (uint32_t)bytes)
    waits = t.load("readers_wait", seq_cst)  # libos/posix/ring.h: atomic_load(&r->readers_wait) != 0
    if waits != 0 and t.exchange("readers_wait", 0) != 0:
        exo_wake(t)


def wait_and_read(t):
    """stream_poll_in with a waiter, then waiter_sleep."""
    t.store("readers_wait", 1, seq_cst)  # libos/posix/stream.c: atomic_store(&r->readers_wait, 1)
    tail = t.load("tail", seq_cst)  # libos/posix/stream.c: waiter_add(w, &r->tail, atomic_load(&r->tail))
    if tail == 0:
        exo_wait(t, "tail", 0)


def read_and_wake(t):
    """ring_read, then ring_wake_writers."""
    t.store("head", 1, seq_cst)  # libos/posix/ring.c: atomic_store(&r->head, head + (uint32_t)moved)
    waits = t.load("writers_wait", seq_cst)  # libos/posix/ring.h: atomic_load(&r->writers_wait) != 0
    if waits != 0 and t.exchange("writers_wait", 0) != 0:
        exo_wake(t)


def wait_and_write(t):
    """stream_poll_out with a waiter, then waiter_sleep."""
    t.store("writers_wait", 1, seq_cst)  # libos/posix/stream.c: atomic_store(&r->writers_wait, 1)
    head = t.load("head", seq_cst)  # libos/posix/stream.c: waiter_add(w, &r->head, atomic_load(&r->head))
    if head == 0:
        exo_wait(t, "head", 0)


# ---- the end of the writer ---------------------------------------------------------------------------

def last_writer(t):
    """Writes, and ends; the kernel tells (pair.c, tell)."""
    t.store("tail", 1)
    t.store("writer_gone", 1, release)  # kernel/ipc/pair.c: atomic_store_explicit((_Atomic uint32_t *)((char *)hal_frame_ptr(f) + within), 1, memory_order_release)


def reader_at_end(t):
    """pipe_read: `gone` is read before the ring is found empty."""
    gone = t.load("writer_gone", acquire)  # libos/posix/pipe.c: stream_take(r, user, bytes, atomic_load(&r->writer_gone) != 0)
    t.note(end=gone == 1 and t.load("tail") == 0)


# ---- two pipes, one each way --------------------------------------------------------------------------

def write_and_look(mine, other):
    """ring_write, then ring_used of the other ring (stream_take, stream_poll_in)."""
    def run(t):
        t.store(mine, 1, seq_cst)  # libos/posix/ring.c: atomic_store(&r->tail, tail + (uint32_t)bytes)
        t.note(**{mine: t.load(other, seq_cst)})  # libos/posix/ring.h: return atomic_load(&r->tail) - head
    return run


# ---- somebody who holds no claim looks at both positions ----------------------------------------------

def moves_tail(t):
    t.store("tail", 1)


def moves_head(t):
    """Another reader, as in ring_read."""
    t.assume(t.load("tail") == 1)
    t.store("head", 1, release)  # libos/posix/ring.c: atomic_store(&r->head, head + (uint32_t)moved)


def ring_used(t):
    head = t.load("head", acquire)  # libos/posix/ring.h: uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire)
    t.note(broken=head == 1 and t.load("tail") == 0)


PROTOCOLS = [
    Protocol("bytes", "what is read is what was written, also when the place is used again",
             [writer, reader], lambda o: (o["first"], o["second"]) != (1, 2)),
    Protocol("reader-wakes", "no reader sleeps beside bytes", [write_and_wake, wait_and_read],
             overslept),
    Protocol("writer-wakes", "no writer sleeps beside room", [read_and_wake, wait_and_write],
             overslept),
    Protocol("end", "the end of a file is not seen before its last bytes",
             [last_writer, reader_at_end], lambda o: o["end"]),
    Protocol("count", "no ring seems to hold less than nothing", [moves_tail, moves_head, ring_used],
             lambda o: o["broken"]),
    Protocol("crossing", "of two who write to each other and then look, one sees it",
             [write_and_look("tail", "other"), write_and_look("other", "tail")],
             lambda o: o["tail"] == o["other"] == 0),
]
