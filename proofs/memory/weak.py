# SPDX-License-Identifier: MIT
"""An exhaustive explorer of small concurrent programs under a weak memory model.

The one idea: there is one global order in which the accesses of all threads take effect, and a thread's
accesses may stand in it in any order that nothing forbids. What forbids (README.md says why each holds
on aarch64, riscv64 and x86_64 alike):

    an acquire (load, or the load of a read-modify-write) comes before everything after it in its thread
    a release (store, or the store of a read-modify-write) comes after everything before it
    a fence: acquire   loads before it come before everything after it
             release   everything before it comes before stores after it
             acq_rel   both;   seq_cst   everything before, everything after
    a seq_cst store comes before later seq_cst loads
    a store comes after earlier accesses of the same location, and after the loads its value is made of
    of one location, a later load never returns an older store than an earlier load did

A load returns the latest store of its location in the global order, or the thread's own earlier store
that is not in it yet (it is still in the store buffer). Nobody writes between the two halves of a
read-modify-write. A branch orders nothing (unless control=True): a compiler may undo what it tests.

A thread is a Python function that is run again and again, with every value that a load could return;
what the values of a run need is then looked for in all global orders, by depth-first search."""

import collections
import itertools
import sys
from dataclasses import dataclass, field

relaxed, acquire, release, acq_rel, seq_cst = "relaxed", "acquire", "release", "acq_rel", "seq_cst"

# One step weaker.
WEAKER = {
    "load": {seq_cst: (acquire,), acquire: (relaxed,)},
    "store": {seq_cst: (release,), release: (relaxed,)},
    "rmw": {seq_cst: (acq_rel,), acq_rel: (acquire, release), acquire: (relaxed,),
            release: (relaxed,)},
    "fence": {seq_cst: (acq_rel,), acq_rel: (acquire, release), acquire: (None,), release: (None,)},
}
ACQUIRES = (acquire, acq_rel, seq_cst)
RELEASES = (release, acq_rel, seq_cst)


class Discard(Exception):
    """This run of a thread is not one to look at."""


class Value:
    """A number, and the loads that it was made of."""

    def __init__(self, thread, number, loads=frozenset()):
        self.thread, self.number, self.loads = thread, number, loads

    def _with(self, other, do):
        if isinstance(other, Value):
            return Value(self.thread, do(self.number, other.number), self.loads | other.loads)
        return Value(self.thread, do(self.number, other), self.loads)

    def __add__(self, other): return self._with(other, lambda a, b: a + b)
    def __sub__(self, other): return self._with(other, lambda a, b: a - b)
    def __and__(self, other): return self._with(other, lambda a, b: a & b)
    def __or__(self, other): return self._with(other, lambda a, b: a | b)
    def __eq__(self, other): return self._with(other, lambda a, b: a == b)
    def __ne__(self, other): return self._with(other, lambda a, b: a != b)
    def __lt__(self, other): return self._with(other, lambda a, b: a < b)
    def __ge__(self, other): return self._with(other, lambda a, b: a >= b)
    __hash__ = None

    def __bool__(self):
        self.thread.tested |= self.loads
        return bool(self.number)

    def __index__(self):
        return int(self.number)


@dataclass
class Event:
    kind: str                # "R" or "W"
    place: str
    value: int
    order: str
    site: int                # line of the model
    data: frozenset = frozenset()
    tested: frozenset = frozenset()
    pair: int = -1           # the load of this store, if both are one read-modify-write


@dataclass
class Fence:
    order: str


class Thread:
    """What a model's function gets: the operations of C's <stdatomic.h>, and a few of its own."""

    def __init__(self, protocol, script, changed):
        self.protocol, self.script, self.changed = protocol, script, changed
        self.options = []    # how many there were at each choice
        self.steps = []      # Event and Fence
        self.tested = frozenset()
        self.notes = {}
        self.discarded = False

    # -- machinery

    def choose(self, count):
        """Any of 0 .. count - 1: what nobody decides, such as when an interrupt comes."""
        at = len(self.options)
        self.options.append(count)
        return self.script[at] if at < len(self.script) else 0

    def _order(self, kind, order):
        frame = sys._getframe(2)
        while frame.f_code.co_filename == __file__:
            frame = frame.f_back
        site = (frame.f_code.co_filename, frame.f_lineno)
        if order not in (relaxed, None):
            known = self.protocol.sites.setdefault(site, (kind, order))
            if known != (kind, order):
                raise SystemExit(f"{site[0]}:{site[1]}: two barriers on one line of the model")
        if self.changed and self.changed[0] == site:
            order = self.changed[1]
        return order, site[1]

    def _read(self, place, order, site):
        values = self.protocol.values[place]
        number = values[self.choose(len(values))]
        self.steps.append(Event("R", place, number, order, site))
        return Value(self, number, frozenset([len(self.steps) - 1]))

    def _write(self, place, value, order, site, pair=-1):
        number = int(value)
        if not 0 <= number <= self.protocol.most:
            raise Discard
        loads = value.loads if isinstance(value, Value) else frozenset()
        self.steps.append(Event("W", place, number, order, site, loads, self.tested, pair))

    # -- operations

    def load(self, place, order=relaxed):
        return self._read(place, *self._order("load", order))

    def store(self, place, value, order=relaxed):
        self._write(place, value, *self._order("store", order))

    def rmw(self, place, change, order=relaxed):
        """Stores change(old); returns the old value."""
        order, site = self._order("rmw", order)
        old = self._read(place, order, site)
        self._write(place, change(old), order, site, len(self.steps) - 1)
        return old

    def exchange(self, place, value, order=relaxed):
        return self.rmw(place, lambda old: value, order)

    def add(self, place, count, order=relaxed):
        return self.rmw(place, lambda old: old + count, order)

    def compare_exchange(self, place, expected, value, order=relaxed):
        """Whether it stored."""
        order, site = self._order("rmw", order)
        old = self._read(place, order, site)
        if old != expected:
            return False
        self._write(place, value, order, site, len(self.steps) - 1)
        return True

    def fence(self, order):
        order, _ = self._order("fence", order)
        if order:
            self.steps.append(Fence(order))

    def until(self, place, wanted, order=relaxed):
        """The last turn of a loop that waits for a value."""
        order, site = self._order("load", order)
        value = self._read(place, order, site)
        self.assume(value == wanted)

    def assume(self, condition):
        """Only the runs in which it holds are looked at: a loop that waits ends by it. A run in which
        it does not goes on, because the stores that follow may be what makes it hold elsewhere."""
        if not condition:
            self.discarded = True

    def note(self, **notes):
        """What `forbidden` is told."""
        self.notes.update({k: int(v) for k, v in notes.items()})


@dataclass
class Run:
    """One run of one thread: its accesses, and which must come before which."""
    events: list
    before: list             # for each event a mask of earlier ones
    notes: dict


def ordered(a, b, between, control):
    """Does access a come before the later access b of its thread, whatever others do?"""
    (i, x), (_, y) = a, b
    if x.kind == "R" and x.order in ACQUIRES or y.kind == "W" and y.order in RELEASES:
        return True
    if x.kind == "W" and y.kind == "R" and x.order == y.order == seq_cst:
        return True
    for f in between:
        if (f.order == seq_cst or f.order in ACQUIRES and x.kind == "R"
                or f.order in RELEASES and y.kind == "W"):
            return True
    if y.kind == "W":
        return x.place == y.place or i in y.data or y.pair == i or control and i in y.tested
    return False


def make_run(thread, control):
    steps = list(enumerate(thread.steps))
    accesses = [(i, s) for i, s in steps if isinstance(s, Event)]
    number = {i: n for n, (i, _) in enumerate(accesses)}
    before = []
    for n, (j, y) in enumerate(accesses):
        mask = 0
        for m, (i, x) in enumerate(accesses[:n]):
            fences = [s for k, s in steps[i + 1:j] if isinstance(s, Fence)]
            if ordered((i, x), (j, y), fences, control):
                mask |= 1 << m
        before.append(mask)
    events = [Event(e.kind, e.place, e.value, e.order, e.site,
                    frozenset(number[i] for i in e.data), frozenset(),
                    number.get(e.pair, -1)) for _, e in accesses]
    return Run(events, before, thread.notes)


@dataclass
class Protocol:
    name: str
    says: str                # the property, in one line
    threads: list
    forbidden: object        # of the notes of all threads: is this what must not happen?
    start: dict = field(default_factory=dict)
    final: object = None     # of the memory at the end, and the notes: must hold as well, if there
    control: bool = False
    barriers: bool = True    # are there any to take away?
    allowed: bool = False    # a litmus test whose outcome the model must show
    most: int = 3            # no execution stores more, or less than 0: a run that does is none
    sites: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)

    # -- the runs of each thread

    def _runs_once(self, function, changed):
        runs, script = {}, []
        while True:
            thread = Thread(self, script, changed)
            try:
                function(thread)
                if not thread.discarded:
                    run = make_run(thread, self.control)
                    runs[repr((run.events, run.before, run.notes))] = run
            except Discard:
                pass
            for e in thread.steps:
                if isinstance(e, Event) and e.kind == "W":
                    self.stored.setdefault(e.place, set()).add(e.value)
            script = (script + [0] * len(thread.options))[:len(thread.options)]
            while script and script[-1] + 1 == thread.options[len(script) - 1]:
                script.pop()
            if not script:
                return list(runs.values())
            script[-1] += 1

    def runs(self, changed=None):
        """All runs of each thread, with every value that some run of any thread stores."""
        self.values = Values({place: [value] for place, value in self.start.items()})
        while True:
            self.stored = {}
            found = [self._runs_once(function, changed) for function in self.threads]
            grown = False
            for place, values in self.stored.items():
                new = sorted(values - set(self.values[place]))
                grown |= bool(new)
                self.values[place] += new
                if len(self.values[place]) > 12:
                    raise SystemExit(f"{self.name}: {place} has too many values: bound the model")
            if not grown and not self.values.grown():
                return found

    # -- the search

    def reachable(self, changed=None):
        """An execution that ends as forbidden, as a list of lines; None: there is none."""
        same = [n for n in range(1, len(self.threads)) if self.threads[n] is self.threads[n - 1]]
        for choice in itertools.product(*(enumerate(found) for found in self.runs(changed))):
            if any(choice[n - 1][0] > choice[n][0] for n in same):
                continue     # the same with the threads exchanged
            runs = [run for _, run in choice]
            notes = {}
            for run in runs:
                notes.update(run.notes)
            if not self.forbidden(notes):
                continue
            if not self.supplied(runs):
                continue
            found = search(self, runs, notes)
            if found is not None:
                return found
        return None

    def supplied(self, runs):
        """A quick look: is each value that is read also stored, and often enough? No two
        read-modify-writes read the same store."""
        stores = collections.Counter((p, v[0]) for p, v in self.values.items())
        loads, swaps = set(), collections.Counter()
        for run in runs:
            for e in run.events:
                (stores.update if e.kind == "W" else loads.update)([(e.place, e.value)])
                if e.pair >= 0:
                    swaps[e.place, run.events[e.pair].value] += 1
        return all(stores[key] for key in loads) and all(swaps[key] <= stores[key] for key in swaps)

    def mutants(self):
        """(site, kind, order, weaker) of every barrier, one step weaker."""
        self.runs()
        for site, (kind, order) in sorted(self.sites.items()):
            for weaker in WEAKER[kind][order]:
                yield site, kind, order, weaker


class Values(dict):
    """place -> the values it can have; 0 at first, unless `start` says otherwise."""

    def __init__(self, known):
        super().__init__(known)
        self.size = len(self)

    def __missing__(self, place):
        self[place] = [0]
        return self[place]

    def grown(self):
        size, self.size = self.size, len(self)
        return size != self.size


class Machine:
    """The chosen runs, numbered through, and what the search asks of each access."""

    def __init__(self, protocol, runs):
        self.events, self.before, self.thread, self.first = [], [], [], []
        for number, run in enumerate(runs):
            base = len(self.events)
            for e, mask in zip(run.events, run.before):
                self.events.append(e)
                self.before.append(mask << base)
                self.thread.append(number)
                self.first.append(base)
        places = sorted({e.place for e in self.events})
        self.place = [places.index(e.place) for e in self.events]
        self.places = places
        self.start = [protocol.values[p][0] for p in places]
        count = len(self.events)
        self.data = [sum(1 << self.first[i] + d for d in self.events[i].data) for i in range(count)]
        self.pair = [self.first[i] + e.pair if e.pair >= 0 else -1
                     for i, e in enumerate(self.events)]
        self.own = [self._own(i) for i in range(count)]
        self.later = [self._later(i) for i in range(count)]
        self.remembered = [any(i in later for later in self.later) or i in self.pair
                           for i in range(count)]
        self.alone = [self._alone(i) for i in range(count)]

    def _own(self, i):
        """The last store of the same thread and place before load i; -1: none."""
        for k in range(i - 1, self.first[i] - 1, -1):
            if self.events[k].kind == "W" and self.place[k] == self.place[i]:
                return k
        return -1

    def _later(self, i):
        """Later loads of the place, before its next store: these may not return an older value."""
        found = []
        if self.events[i].kind == "R":
            for k in range(i + 1, len(self.events)):
                if self.thread[k] != self.thread[i]:
                    break
                if self.place[k] == self.place[i]:
                    if self.events[k].kind == "W":
                        break
                    if not self.before[k] >> i & 1:
                        found.append(k)
        return found

    def _alone(self, i):
        """Nobody else can tell when this access takes effect."""
        return not any(self.place[k] == self.place[i] and self.thread[k] != self.thread[i]
                       and "W" in (self.events[k].kind, self.events[i].kind)
                       for k in range(len(self.events)))


def step(m, i, done, memory, seen):
    """Performs access i, if it can be now: the new (memory, seen), or None."""
    e, p = m.events[i], m.place[i]
    if e.kind == "W":
        if m.pair[i] >= 0 and seen[m.pair[i]] != memory[p]:
            return None      # somebody wrote in between
        return memory[:p] + (i,) + memory[p + 1:], seen
    source = memory[p]
    own = m.own[i]
    if own >= 0 and not done >> own & 1:
        if m.data[own] & ~done:
            return None
        source = own
    value = m.start[p] if source < 0 else m.events[source].value
    if value != e.value:
        return None
    for k in m.later[i]:
        if done >> k & 1 and seen[k] != source:
            return None
    if m.remembered[i]:
        seen = seen[:i] + (source,) + seen[i + 1:]
    return memory, seen


def search(protocol, runs, notes):
    m = Machine(protocol, runs)
    count = len(m.events)
    full = (1 << count) - 1
    first = (0, (-1,) * len(m.places), (-2,) * count)
    visited, stack = {first}, [(first, None)]
    while stack:
        state, path = stack.pop()
        done, memory, seen = state
        if done == full:
            values = {p: m.start[k] if memory[k] < 0 else m.events[memory[k]].value
                      for k, p in enumerate(m.places)}
            if protocol.final is None or protocol.final(values, notes):
                return describe(m, path, notes, values)
            continue
        moves = []
        for i in range(count):
            if done >> i & 1 or m.before[i] & ~done:
                continue
            after = step(m, i, done, memory, seen)
            if after is None:
                continue
            if m.alone[i] and not m.later[i]:
                moves = [(i, after)]
                break
            moves.append((i, after))
        for i, (memory2, seen2) in moves:
            new = (done | 1 << i, memory2, seen2)
            if new not in visited:
                visited.add(new)
                stack.append((new, (i, path)))
    return None


def describe(m, path, notes, values):
    lines = []
    while path:
        i, path = path
        e = m.events[i]
        what = "stores" if e.kind == "W" else "loads"
        lines.append(f"thread {m.thread[i]} line {e.site}: {what} {e.place} = {e.value} ({e.order})")
    return lines[::-1] + [f"notes: {notes}", f"memory: {values}"]
