# SPDX-License-Identifier: MIT
"""Signals from proc to a process: servers/proc/after.c (bit_put, queue_put) and libos/posix/signal.c
(signal_collect), over struct proc_shared; and the event bit that announces them (kernel/ipc/event.c)."""

from weak import acquire, release, Protocol


# ---- standard signals: a bit, and the note that belongs to it ---------------------------------------

def bit_put(t, note):
    pending = t.load("pending", acquire)  # servers/proc/after.c: if (atomic_load_explicit(&shared->pending, memory_order_acquire) & bit)
    if pending == 1:
        return
    t.store("pid", note)
    t.store("uid", note)
    t.rmw("pending", lambda old: old | 1, release)  # servers/proc/after.c: atomic_fetch_or_explicit(&shared->pending, bit, memory_order_release)


def two_signals(t):
    bit_put(t, 1)
    bit_put(t, 2)


def collect(t, name):
    bits = t.load("pending", acquire)  # libos/posix/signal.c: atomic_load_explicit(&shared->pending, memory_order_acquire)
    if bits == 1:
        t.note(**{name + "pid": t.load("pid"), name + "uid": t.load("uid")})
        t.rmw("pending", lambda old: old & 0, release)  # libos/posix/signal.c: atomic_fetch_and_explicit(&shared->pending, ~bit, memory_order_release)


def process(t):
    collect(t, "first ")
    collect(t, "second ")


def torn(o):
    return any(o.get(n + "pid", 1) != o.get(n + "uid", 1) or o.get(n + "pid", 1) == 0
               for n in ("first ", "second "))


# ---- real-time signals: a ring of notes (one here) --------------------------------------------------

def queue_put(t, tail, note):
    t.until("head", tail, acquire)  # servers/proc/signal.c: atomic_load_explicit(&p->shared->head, memory_order_acquire)
    t.store("queue", note)
    t.store("tail", tail + 1, release)  # servers/proc/after.c: atomic_store_explicit(&shared->tail, tail + 1, memory_order_release)


def queue_take(t, head):
    t.until("tail", head + 1, acquire)  # libos/posix/signal.c: atomic_load_explicit(&shared->tail, memory_order_acquire)
    note = t.load("queue")
    t.store("head", head + 1, release)  # libos/posix/signal.c: atomic_store_explicit(&shared->head, ++head, memory_order_release)
    return note


def queue_two(t):
    queue_put(t, 0, 1)
    queue_put(t, 1, 2)


def take_two(t):
    t.note(first=queue_take(t, 0))
    t.note(second=queue_take(t, 1))


# ---- the announcement --------------------------------------------------------------------------------

def announces(t):
    """post, and the kernel's event_raise, here for a thread that just runs on."""
    t.store("signals", 1)
    t.rmw("utcb pending", lambda old: old | 1, release)  # kernel/ipc/event.c: atomic_fetch_or_explicit(&t->utcb->pending, bits, memory_order_release)


def is_told(t):
    """events_serve, then signal_collect's first look."""
    bits = t.exchange("utcb pending", 0, acquire)  # libos/posix/wait.c: atomic_exchange(&t->utcb->pending, 0)
    t.note(bits=bits, signals=t.load("signals"))


PROTOCOLS = [
    Protocol("bits", "a signal's note is whole, and not the next one's half", [two_signals, process],
             torn, most=2),
    Protocol("queue", "so are the queued ones", [queue_two, take_two],
             lambda o: (o["first"], o["second"]) != (1, 2)),
    Protocol("event", "who takes the event bit finds the signal", [announces, is_told],
             lambda o: o["bits"] == 1 and o["signals"] == 0),
]
