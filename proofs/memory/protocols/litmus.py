# SPDX-License-Identifier: MIT
"""The classic litmus tests: what the model itself must show, and what it must forbid.

The verdicts are those of both architectures' own models for the C orders as clang compiles them, except
where a comment says that the model allows more. (Names: Maranget, Sarkar, Sewell: "A Tutorial
Introduction to the ARM and POWER Relaxed Memory Models", 2012.)"""

from weak import acq_rel, acquire, relaxed, release, seq_cst, Protocol

PROTOCOLS = []


def litmus(name, says, threads, forbidden, allowed, **more):
    """`allowed`: the outcome must be found; else it must not, and weakening any barrier must show it."""
    PROTOCOLS.append(Protocol(name, says, threads, forbidden, allowed=allowed, **more))


def pair(first, second):
    return [first, second]


# ---- MP: message passing -------------------------------------------------------------------------

def mp(stores, loads, w_fence=None, r_fence=None):
    def writer(t):
        t.store("data", 1)
        if w_fence:
            t.fence(w_fence)
        t.store("flag", 1, stores)

    def reader(t):
        flag = t.load("flag", loads)
        if r_fence:
            t.fence(r_fence)
        t.note(flag=flag, data=t.load("data"))
    return [writer, reader]


def stale(o):
    return o["flag"] == 1 and o["data"] == 0


litmus("MP", "no barrier", mp(relaxed, relaxed), stale, True)
litmus("MP+rel", "release alone", mp(release, relaxed), stale, True)
litmus("MP+acq", "acquire alone", mp(relaxed, acquire), stale, True)
litmus("MP+rel+acq", "release and acquire", mp(release, acquire), stale, False)
litmus("MP+fences", "release and acquire fence", mp(relaxed, relaxed, release, acquire), stale, False)


# ---- SB: store buffering -------------------------------------------------------------------------

def sb(stores, loads, fence=None):
    def side(mine, other):
        def run(t):
            t.store(mine, 1, stores)
            if fence:
                t.fence(fence)
            t.note(**{mine: t.load(other, loads)})
        return run
    return [side("x", "y"), side("y", "x")]


def both_old(o):
    return o["x"] == o["y"] == 0


litmus("SB", "no barrier", sb(relaxed, relaxed), both_old, True)
litmus("SB+rel+acq", "release and acquire do not help", sb(release, acquire), both_old, True)
litmus("SB+acq_rel", "nor does an acq_rel fence", sb(relaxed, relaxed, acq_rel), both_old, True)
litmus("SB+sc", "seq_cst accesses", sb(seq_cst, seq_cst), both_old, False)
litmus("SB+fences", "seq_cst fences", sb(relaxed, relaxed, seq_cst), both_old, False)


def sb_rmw(loads, order):
    def side(mine, other):
        def run(t):
            t.exchange(mine, 1, order)
            t.note(**{mine: t.load(other, loads)})
        return run
    return [side("x", "y"), side("y", "x")]


# x86_64 forbids it; LDAXR/STLXR and LR/SC do not.
litmus("SB+rmw", "a seq_cst exchange is no fence for relaxed loads", sb_rmw(relaxed, seq_cst),
       both_old, True)
litmus("SB+rmw+sc", "a seq_cst exchange, and seq_cst loads", sb_rmw(seq_cst, seq_cst), both_old, False)


# ---- LB: load buffering --------------------------------------------------------------------------

def lb(loads, stores, depends=False, tests=False):
    def side(mine, other):
        def run(t):
            value = t.load(other, loads)
            if tests:
                t.assume(value == 1)
            t.store(mine, value if depends else 1, stores)
            t.note(**{mine: value})
        return run
    return [side("x", "y"), side("y", "x")]


def both_new(o):
    return o["x"] == o["y"] == 1


litmus("LB", "no barrier", lb(relaxed, relaxed), both_new, True)
litmus("LB+acq", "acquire loads", lb(acquire, relaxed), both_new, False, barriers=False)
litmus("LB+rel", "release stores", lb(relaxed, release), both_new, False, barriers=False)
litmus("LB+data", "values do not come from nowhere", lb(relaxed, relaxed, depends=True), both_new,
       False, barriers=False)
# Machines forbid it, a compiler may undo the branch: so the model allows it.
litmus("LB+ctrl", "a branch orders nothing in C", lb(relaxed, relaxed, tests=True), both_new, True)
litmus("LB+ctrl+machine", "but it does in the machine", lb(relaxed, relaxed, tests=True), both_new,
       False, barriers=False, control=True)


# ---- IRIW, WRC: do all see stores in one order? --------------------------------------------------

def iriw(order):
    def writer(place):
        return lambda t: t.store(place, 1)

    def reader(name, first, second):
        def run(t):
            a = t.load(first, order)
            t.note(**{name: a == 1, name + "2": t.load(second)})
        return run
    return [writer("x"), writer("y"), reader("p", "x", "y"), reader("q", "y", "x")]


def disagree(o):
    return o["p"] and not o["p2"] and o["q"] and not o["q2"]


litmus("IRIW", "no barrier", iriw(relaxed), disagree, True)
# Both architectures are multi-copy atomic (C alone would allow it).
litmus("IRIW+acq", "acquire loads", iriw(acquire), disagree, False)


def wrc(middle, last):
    def first(t):
        t.store("x", 1)

    def second(t):
        t.assume(t.load("x") == 1)
        t.store("y", 1, middle)

    def third(t):
        t.note(y=t.load("y", last), x=t.load("x"))
    return [first, second, third]


litmus("WRC", "no barrier", wrc(relaxed, relaxed), lambda o: o["y"] and not o["x"], True)
litmus("WRC+rel+acq", "release and acquire", wrc(release, acquire),
       lambda o: o["y"] and not o["x"], False)


# ---- one location, S, R, 2+2W --------------------------------------------------------------------

def corr_reader(t):
    t.note(first=t.load("x"), second=t.load("x"))


litmus("CoRR", "loads of one location", [lambda t: t.store("x", 1), corr_reader],
       lambda o: o["first"] == 1 and o["second"] == 0, False, barriers=False)


def own_store(t):
    t.store("x", 1)
    t.note(x=t.load("x"))


litmus("CoWR", "a thread sees its own store", [own_store], lambda o: o["x"] == 0, False,
       barriers=False)


def increment(t):
    t.add("x", 1)


litmus("RMW", "no increment is lost", [increment, increment, increment], lambda o: True, False,
       final=lambda m, o: m["x"] != 3, barriers=False)


def two_stores(first, second, order):
    def run(t):
        t.store(first, 1)
        t.store(second, 2, order)
    return run


for order, shown in ((relaxed, True), (release, False)):
    litmus(f"2+2W+{order}", "two stores each, crossed",
           [two_stores("x", "y", order), two_stores("y", "x", order)], lambda o: True, shown,
           final=lambda m, o: m["x"] == m["y"] == 1, barriers=not shown)


def forwarding(t):
    t.store("x", 1, release)
    own = t.load("x", acquire)
    t.assume(own == 1)
    t.note(y=t.load("y"))


def forwarded(t):
    t.store("y", 1)
    t.fence(seq_cst)
    t.note(x=t.load("x"))


# Reading one's own store early does not wait for others to see it.
litmus("SB+rfi", "a store buffer is read by its owner first", [forwarding, forwarded],
       lambda o: o["x"] == o["y"] == 0, True)


def relocks(t):
    """Gives a lock back and takes it again, between two stores."""
    t.store("data", 1)
    t.store("lock", 0, release)
    t.assume(t.load("lock", acquire) == 0)
    t.store("flag", 1)


litmus("MP+rfi", "nor does an acquire of what one has released oneself order two stores",
       [relocks, mp(relaxed, acquire)[1]], stale, True)
