# SPDX-License-Identifier: MIT
"""Messages between CPUs: kernel/ipc/endpoint.c copies a message under the kernel lock; the receiver runs
on another CPU, which finds it ready under the same lock (kernel/sched/sched.c)."""

from kernel import give, take
from weak import Protocol


def sender(t):
    t.store("sender's msg", 1)
    take(t)
    t.store("receiver's msg", t.load("sender's msg"))
    t.store("ready", 1)
    give(t)


def receiver(t):
    take(t)
    t.note(ready=t.load("ready"))
    give(t)
    t.note(msg=t.load("receiver's msg"))


PROTOCOLS = [
    Protocol("message", "who was made ready by a message has it",
             [sender, receiver], lambda o: o["ready"] == 1 and o["msg"] == 0),
]
