# SPDX-License-Identifier: MIT
"""TLB shoot-down on x86_64: hal/x86_64/space.c (flush_others, flush_serve).

The target has stored through the old translation; the initiator then gives the frame to somebody else.
(aarch64 has TLBI with broadcast, riscv64 an SBI call; both complete in the same sense.)"""

from weak import acquire, release, seq_cst, Protocol


def initiator(t):
    t.store("entry", 1)
    t.store("va", 1)
    t.store("waiting", 1, release)  # hal/x86_64/space.c: atomic_store_explicit(&shoot_down.waiting, cpus, memory_order_release)
    t.until("waiting", 0, acquire)  # hal/x86_64/space.c: if (atomic_load_explicit(&shoot_down.waiting, memory_order_acquire) == 0)
    t.note(frame=t.load("frame"))
    t.store("frame", 2)


def target(t):
    t.store("frame", 1)
    t.until("waiting", 1, acquire)  # hal/x86_64/space.c: if (!(atomic_load_explicit(&shoot_down.waiting, memory_order_acquire) & bit))
    t.note(va=t.load("va"), entry=t.load("entry"))
    t.rmw("waiting", lambda old: old & 0, release)  # hal/x86_64/space.c: atomic_fetch_and_explicit(&shoot_down.waiting, ~bit, memory_order_seq_cst)


def dozes(t):
    """flush_others, after many turns"""
    t.store("dozer", 1, seq_cst)  # hal/x86_64/space.c: atomic_store_explicit(&shoot_down.dozer, 1 + hal_cpu()->number, memory_order_seq_cst)
    waiting = t.load("waiting", seq_cst)  # hal/x86_64/space.c: while (atomic_load_explicit(&shoot_down.waiting, memory_order_seq_cst) != 0)
    t.note(asleep=waiting != 0)


def serves(t):
    """flush_serve of the last CPU"""
    t.rmw("waiting", lambda old: old & 0, seq_cst)  # hal/x86_64/space.c: atomic_fetch_and_explicit(&shoot_down.waiting, ~bit, memory_order_seq_cst)
    dozer = t.load("dozer", seq_cst)  # hal/x86_64/space.c: atomic_load_explicit(&shoot_down.dozer, memory_order_seq_cst)
    t.note(woke=dozer != 0)


PROTOCOLS = [
    Protocol("mailbox", "the right page is forgotten, and nothing reaches its frame afterwards",
             [initiator, target], lambda o: True, most=2,
             final=lambda m, o: m["frame"] == 1 or not (o["frame"] and o["va"] and o["entry"])),
    Protocol("doze", "who dozes until all have flushed is woken by the last", [dozes, serves],
             lambda o: o["asleep"] and not o["woke"], start={"waiting": 1}),
]
