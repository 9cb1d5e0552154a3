# SPDX-License-Identifier: MIT
"""TLB shoot-down: hal/ARCH/space.c. On x86_64 our own interrupt (flush_others, flush_serve), on aarch64 TLBI
with broadcast, on riscv64 a call of the firmware.

The target has stored through the old translation; the initiator then gives the frame to somebody else.
What the machine, or the firmware, does of it at the target is written here as if it were our code: its
order is the promise of the instruction that is named."""

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


def broadcast(t):
    """aarch64's hal_space_flush. The second barrier waits until every CPU has forgotten the translation, and
    until what it did by it is seen (DDI 0487, D8.13.5)."""
    t.store("entry", 1)
    t.fence(release)  # hal/aarch64/space.c: "dsb ishst" : : : "memory"); /* the new entry comes before the flush */
    t.store("asked", 1)
    t.until("done", 1, acquire)  # hal/aarch64/space.c: "dsb ish\n\tisb" : : : "memory"); /* done, on every CPU, before we go on */
    t.note(frame=t.load("frame"))
    t.store("frame", 2)


def forgets(t):
    """The target's part of TLBI; the next walk sees the new entry."""
    t.store("frame", 1)
    t.until("asked", 1, acquire)  # hal/aarch64/space.c: "tlbi aside1is, %0" : : "r"(number) : "memory"
    t.note(entry=t.load("entry"))
    t.store("done", 1, release)  # hal/aarch64/space.c: "dsb ish\n\tisb" : : : "memory"); /* done, on every CPU, before we go on */


def firmware_call(t):
    """riscv64's flush_harts: the firmware writes a register of a device, which the fence is for, and waits."""
    t.store("entry", 1)
    t.fence(release)  # hal/riscv64/space.c: "fence rw, ow"
    t.store("asked", 1)
    t.until("done", 1, acquire)  # hal/riscv64/space.c: sbi_call4(SBI_FENCE, 1, 1, machine_cpus[cpu].hart, all ? 0 : va,
    t.note(frame=t.load("frame"))
    t.store("frame", 2)


def firmware_fences(t):
    """The target in the firmware: sfence.vma, then its answer."""
    t.store("frame", 1)
    t.until("asked", 1, acquire)  # hal/riscv64/space.c: sbi_call4(SBI_FENCE, 1, 1, machine_cpus[cpu].hart, all ? 0 : va,
    t.note(entry=t.load("entry"))
    t.store("done", 1, release)  # hal/riscv64/space.c: sbi_call4(SBI_FENCE, 1, 1, machine_cpus[cpu].hart, all ? 0 : va,


def reached(memory, notes):
    """The frame was written by the old translation after somebody else got it, or will be."""
    return memory["frame"] == 1 or not (notes["frame"] and notes["entry"])


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
             final=lambda m, o: reached(m, o) or not o["va"]),
    Protocol("broadcast", "after TLBI and DSB nothing reaches the frame", [broadcast, forgets],
             lambda o: True, most=2, final=reached),
    Protocol("firmware", "after a remote fence nothing reaches the frame",
             [firmware_call, firmware_fences], lambda o: True, most=2, final=reached),
    Protocol("doze", "who dozes until all have flushed is woken by the last", [dozes, serves],
             lambda o: o["asleep"] and not o["woke"], start={"waiting": 1}),
]
