# SPDX-License-Identifier: MIT
"""Events and `masked`: kernel/ipc/event.c (event_raise, event_deliver), and the end of a foreign call
(libos/posix/arch/*/entry.S, reflect_return).

A thread on another CPU clears `masked` and then looks at `pending`. Whoever raises an event does not ask
whether it is masked: that would be store buffering (litmus.py), and would take a full fence in each call
of a program. It interrupts the CPU; the handler, there, sees its own CPU's `masked`. Interrupts come
between two instructions, so one of the two looks comes after the bits. The kernel lock is all that is
needed between the CPUs, whenever the interrupt comes."""

from kernel import give, take
from weak import Protocol


def raiser(t):
    """event_raise, under the kernel lock."""
    take(t)
    t.rmw("pending", lambda old: old | 1)
    t.store("check_events", 1)
    t.store("interrupt", 1)
    give(t)


def interrupt(t):
    """kernel_ipi and, at its end, event_deliver."""
    t.until("interrupt", 1)
    take(t)
    if t.load("check_events") == 1:
        masked = t.load("masked")
        t.note(upcall=masked == 0 and t.load("pending") == 1)
    give(t)


def leaver(t):
    """call_return: the thread that goes back to its program."""
    comes = t.choose(3)
    if comes == 0:
        interrupt(t)
    t.store("masked", 0)
    if comes == 1:
        interrupt(t)
    t.note(seen=t.load("pending") == 1)
    if comes == 2:
        interrupt(t)


PROTOCOLS = [
    Protocol("delivery", "an event that comes while masked is cleared is seen or delivered",
             [raiser, leaver], lambda o: not o["seen"] and not o.get("upcall", 0),
             start={"masked": 1}),
]
