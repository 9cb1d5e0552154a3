# SPDX-License-Identifier: MIT
"""Power cuts: what a disk may hold if the power goes at some moment of a run.

QEMU's blklogwrites keeps all writes and flushes of a run in their order (`exo-run --drive IMG,log=FILE`), in
the format of Linux's dm-log-writes: a header, then entries with their data, each from a sector on.
A flush promises the writes before it; of those behind the last flush a disk may have done any. So an
image at a cut is the image at a flush, and a random choice of the writes up to the cut.
"""

import random
import struct

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = 512


class Log:
    """The entries of a log: (sector, flags, data) in their order."""

    def __init__(self, path):
        raw = path.read_bytes()
        magic, _, count, sector_bytes = struct.unpack_from("<QQQI", raw)
        if magic != MAGIC:
            raise ValueError(f"{path}: no log of writes")
        self.entries, at = [], sector_bytes
        for _ in range(count):
            sector, sectors, flags, _ = struct.unpack_from("<QQQQ", raw, at)
            at += sector_bytes
            size = 0 if flags & DISCARD else sectors * sector_bytes
            self.entries.append((sector * sector_bytes, flags, raw[at:at + size]))
            at += size


def _write(image, entry):
    offset, _, data = entry
    image[offset:offset + len(data)] = data


class Cuts:
    """The images of a run, cut by cut. `before`: the disk at its start, as a bytearray."""

    def __init__(self, before, log, seed):
        self.flushed, self.log, self.random = before, log, random.Random(seed)
        self.pending = []  # writes behind the last flush

    def each(self, wanted):
        """Yields (entry number, image) for every flush, and for `wanted` moments between them."""
        moments = set(self.random.sample(range(len(self.log.entries)),
                                         min(wanted, len(self.log.entries))))
        for number, entry in enumerate(self.log.entries):
            if entry[1] & FLUSH:
                for each in self.pending:
                    _write(self.flushed, each)
                self.pending = []
                yield number, self.flushed
            if entry[2]:
                self.pending.append(entry)
            if number in moments and self.pending:
                image = bytearray(self.flushed)
                for each in self.random.sample(self.pending,
                                               self.random.randrange(len(self.pending) + 1)):
                    _write(image, each)
                yield number, image
