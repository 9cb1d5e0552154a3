# SPDX-License-Identifier: MIT
"""A CPU that arrives: hal/x86_64/smp.c (smp_arrive, arrives_within). Whoever started it counts on all that
it has set up."""

from weak import acquire, release, Protocol


def smp_arrive(t):
    t.store("set up", 1)
    t.store("arrived", 1, release)  # hal/x86_64/smp.c: atomic_store_explicit(&arrived, number + 1, memory_order_release)


def arrives_within(t):
    t.until("arrived", 1, acquire)  # hal/x86_64/smp.c: if (atomic_load_explicit(&arrived, memory_order_acquire) > number)
    t.note(ready=t.load("set up"))


PROTOCOLS = [
    Protocol("arrival", "who has arrived is ready", [smp_arrive, arrives_within],
             lambda o: not o["ready"]),
]
