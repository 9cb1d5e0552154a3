# SPDX-License-Identifier: MIT
"""Power cuts: QEMU logs every write to the disk; images are made from the log as they were at each
flush, and at random points between two, where any write since the flush may be missing. Each must be
consistent once its journal is replayed, and have all that fsync had promised before that point."""

import os
import random
import re
import struct
import subprocess
import tempfile
from pathlib import Path

from guest import PROGRAMS, check, guest_programs, run

SECTOR, VOLUME, DISK = 512, 24 << 20, 25 << 20
MARKS = VOLUME // SECTOR + 64
FLUSH, DISCARD = 1, 4
POWERCUT = f"{PROGRAMS}/powercut"
SBIN = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


# ---- the log (QEMU, docs/devel or block/blklogwrites.c; Linux, admin-guide/device-mapper/log-writes) ----

def _entries(path):
    """(flags, sector, data) of each entry, in order."""
    log = Path(path).read_bytes()
    magic, _, _, size = struct.unpack_from("<QQQI", log)
    check(magic == 0x6a736677736872, "no log of writes")
    at, found = size, []
    while at + size <= len(log):
        sector, sectors, flags, length = struct.unpack_from("<QQQQ", log, at)
        if (sector, sectors, flags, length) == (0, 0, 0, 0):
            break
        at += size
        data = log[at:at + sectors * SECTOR] if sectors and not flags & DISCARD else b""
        at += (len(data) + size - 1) // size * size
        found.append((flags, sector, data))
    return found


def _mark(entry):
    """(cycle, step) of programs/powercut.c, or None."""
    found = re.match(rb"MARK (\d+) (\d+)\n", entry[2]) if entry[1] == MARKS else None
    return found and (int(found[1]), int(found[2]))


# ---- what has to be there: as programs/powercut.c has it ----

def _pattern(cycle, length):
    return bytes((cycle * 31 + i * 7 + i // 256) & 255 for i in range(length))


class _Files:
    """What the image has."""

    def __init__(self, folder):
        self.folder = folder

    def get(self, cycle, renamed):
        place, kind = ((cycle + 1) % 5, "r") if renamed else (cycle % 5, "f")
        path = Path(self.folder, f"d{place}", f"{kind}{cycle}")
        return path.read_bytes() if path.exists() else None


def _wrong(files, cycle, step):
    """What is wrong with a file of which `step` was promised, and perhaps begun the next one."""
    first, more = cycle * 7919 % 30000 + 1, cycle * 104729 % 9000 + 1
    old, new = files.get(cycle, False), files.get(cycle, True)
    whole, have = _pattern(cycle, first + more), new if old is None else old

    if step == 4:
        expected = {0: None, 1: whole[:first // 2], 2: whole}[cycle % 3]
        return "" if old is None and new == expected else "its last state"
    if have is None:
        return "" if step == 3 and cycle % 3 == 0 else "gone"
    if old is not None and (new is not None or step == 3):
        return "has its old name"
    if new is not None and step == 1:
        return "has its new name"
    least = first if step == 1 else first + more
    if step == 3 and cycle % 3 == 1:  # what is to be cut off may be zero already
        return "" if have[:first // 2] == whole[:first // 2] else "has other bytes"
    return "" if len(have) >= least and whole.startswith(have) else f"has {len(have)} bytes"


def _check_image(image, last, what):
    """Replays the journal, and looks at everything."""
    done = subprocess.run(["e2fsck", "-p", image], capture_output=True, text=True, check=False, env=SBIN)
    check(done.returncode in (0, 1), f"{what}: the journal cannot be replayed:\n{done.stdout}")
    done = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False, env=SBIN)
    check(done.returncode == 0, f"{what}: e2fsck finds:\n{done.stdout}{done.stderr}")
    if last is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["debugfs", "-R", f"rdump / {folder}", image], capture_output=True, check=True,
                       env=SBIN)
        files = _Files(folder)
        for cycle in range(last[0] + 1):
            step = last[1] if cycle == last[0] else 4
            wrong = _wrong(files, cycle, step) if step else ""
            check(not wrong, f"{what}: file {cycle}, promised up to step {step}: {wrong}")


# ---- cutting ----

def _points(entries, flushes, between, chance):
    """Where to cut: numbers of entries, and whether writes behind the last flush may be missing."""
    every = [i + 1 for i, entry in enumerate(entries) if entry[0] & FLUSH]
    begin = next(i for i, entry in enumerate(entries) if _mark(entry))
    some = every if flushes is None else chance.sample(every, min(flushes, len(every)))
    return sorted([(point, False) for point in some] +
                  [(chance.randrange(begin, len(entries)), True) for _ in range(between)])


def _apply(image, entry):
    if entry[2]:
        image[entry[1] * SECTOR:entry[1] * SECTOR + len(entry[2])] = entry[2]


def _cut_everywhere(empty, entries, folder, points, chance):
    """`image` holds what the last flush before the point has made sure of."""
    image, at, pending, last = bytearray(empty), 0, [], None
    path = Path(folder, "cut")

    for point, loses in points:
        for entry in entries[at:point]:
            last = _mark(entry) or last
            pending.append(entry)
            if entry[0] & FLUSH:
                for each in pending:
                    _apply(image, each)
                pending = []
        at = point
        cut = bytearray(image)
        for entry in pending:
            if not loses or chance.random() < 0.5:
                _apply(cut, entry)
        path.write_bytes(cut)
        _check_image(str(path), last, f"cut behind write {point} of {len(entries)}")


def _empty(image):
    """Makes a volume, and room behind it for marks."""
    image.write_bytes(bytes(DISK))
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", str(image),
                    f"{VOLUME >> 10}K"], check=True, env=SBIN)
    return image.read_bytes()


def _work(image, filters, cycles, words="", more=()):
    return run(POWERCUT, "/mnt", "/dev/vda", str(MARKS), str(cycles),
               options=[*guest_programs(), *more, "--timeout", "100", "--drive", f"{image}{filters}",
                        "--append", "mount=/dev/vda:/mnt " + words])


def _power_cuts(cycles, flushes, between, words="", more=()):
    chance = random.Random(6)
    with tempfile.TemporaryDirectory() as folder:
        image, log = Path(folder, "image"), Path(folder, "log")
        empty = _empty(image)
        result = _work(image, f",log={log}", cycles, words, more)
        check(result.output == b"done\n", f"{result}")
        entries = _entries(log)
        written = bytearray(empty)
        for entry in entries:
            _apply(written, entry)
        check(written == image.read_bytes(), "the log is not what was written")
        points = _points(entries, flushes, between, chance)
        _cut_everywhere(empty, entries, folder, points, chance)
        print(f"{len(points)} cut points, {len(entries)} writes and flushes")
        _check_image(str(image), (cycles - 1, 4), "at the end")
        return result


def power_cuts_lose_nothing_that_was_synced():
    _power_cuts(12, 30, 40)


def power_cuts_at_1000_points():
    _power_cuts(80, None, 1000)


def power_cuts_while_servers_die():
    """First fs is killed 100 times, then the driver."""
    for server, period in (("fs", 6_000_003), ("virtio_blk", 4_000_037)):
        result = _power_cuts(60, 150, 150, f"kill_{server}_from_ns=100000000 kill_{server}_ns={period} "
                                           f"kill_{server}_count=100", ["--icount"])
        deaths = len(re.findall(rb"%s died: was destroyed" % server.encode(), result.log))
        check(deaths == 100, f"{server} died {deaths} times")


# ---- a disk that fails ----

def _errors(cycles, cases):
    """One write to some place fails, again and again: the guest is told, and nothing else is lost."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        image, log, rules = (Path(folder, name) for name in ("image", "log", "rules"))
        places, told = [], 0
        for case in range(cases + 1):
            empty = _empty(image)
            sector = chance.choice(places) if places else 0
            rules.write_text("[inject-error]\nevent = \"none\"\niotype = \"write\"\nerrno = \"5\"\n"
                             f"sector = \"{sector}\"\n" if places else "", encoding="utf-8")
            result = _work(image, f",errors={rules},log={log}", cycles)
            entries = _entries(log)
            if not places:
                check(result.output == b"done\n", f"{result}")
                places = sorted({entry[1] for entry in entries if entry[2]} - {MARKS})
                check(len(places) > cases and len(empty) == DISK, f"{len(places)} places")
                continue
            told += result.status != 0
            last = [mark for mark in map(_mark, entries) if mark]
            check(result.status == 0 or b"Input/output error" in result.output or
                  b"Read-only file system" in result.output, f"sector {sector}: {result}")
            _check_image(str(image), last[-1] if last else None,
                         f"writes to sector {sector} failed, the guest said {result.text.strip()}")
        print(f"{cases} places, of which {told} ended the guest's work")


def write_errors_are_told_and_lose_nothing_else():
    _errors(6, 6)


def write_errors_at_200_places():
    _errors(20, 200)
