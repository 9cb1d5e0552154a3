# SPDX-License-Identifier: MIT
"""The newc archive ("cpio -H newc"): reading, and writing with page-aligned file data.

The one idea: ExoV6 adopts the pages of its boot archive as the pages of its files, without
copying. So the data of every regular file starts on a page of the archive. The format leaves one
place where bytes can be added unseen by any reader: after the name, which ends at its first NUL.

    header (110) | name, NUL, more NULs | data | up to 3 bytes to a multiple of 4
                  <----- namesize ----->  ^ a multiple of 4096 from the archive's start
"""

import stat

PAGE, WORD = 4096, 4
HEADER = 110
TRAILER = "TRAILER!!!"


class Entry:
    """One file of an archive. `links` lists the further names of a hard-linked regular file."""

    __slots__ = ("name", "mode", "uid", "gid", "mtime", "data", "rdev", "links")

    def __init__(self, name, mode, data=b"", uid=0, gid=0, mtime=0, rdev=(0, 0)):
        self.name, self.mode, self.data = name, mode, data
        self.uid, self.gid, self.mtime, self.rdev = uid, gid, mtime, rdev
        self.links = []


class Writer:
    """Writes entries to a binary file, which must begin at a page boundary of the archive.

    `align` is PAGE for ExoV6, or WORD for readers that refuse a name of over 4,096 bytes (Linux)."""

    def __init__(self, output, align=PAGE):
        self.output = output
        self.align = align
        self.offset = 0
        self.inode = 0

    def _put(self, data):
        self.output.write(data)
        self.offset += len(data)

    def _record(self, entry, name, inode, links, data):
        encoded = name.encode("utf-8", "surrogateescape") + b"\0"
        end = self.offset + HEADER + len(encoded)
        encoded += b"\0" * (-end % (self.align if data else WORD))
        fields = (inode, entry.mode, entry.uid, entry.gid, links, int(entry.mtime), len(data),
                  0, 0, entry.rdev[0], entry.rdev[1], len(encoded), 0)
        self._put(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        self._put(data)
        self._put(b"\0" * (-self.offset % 4))

    def add(self, entry):
        """Adds a file under all its names; the data goes with the last one, as in any newc."""
        self.inode += 1
        names = [entry.name, *entry.links]
        links = 2 if stat.S_ISDIR(entry.mode) else len(names)
        for name in names[:-1]:
            self._record(entry, name, self.inode, links, b"")
        self._record(entry, names[-1], self.inode, links, entry.data)

    def close(self):
        """Writes the trailer; what is appended after it starts at a multiple of 4 bytes."""
        self._record(Entry(TRAILER, 0), TRAILER, 0, 1, b"")


def read(archive):
    """Yields the entries of the bytes of one archive or of several put one behind another."""
    offset, by_inode = 0, {}
    while offset < len(archive):
        if archive[offset] == 0:
            offset += 1
            continue
        if archive[offset:offset + 6] not in (b"070701", b"070702"):
            raise ValueError(f"no newc header at offset {offset}")
        field = [int(archive[offset + 6 + 8 * n:offset + 14 + 8 * n], 16) for n in range(13)]
        inode, mode, uid, gid, links, mtime, size = field[:7]
        start = offset + HEADER
        name = archive[start:start + field[11]].split(b"\0", 1)[0]
        name = name.decode("utf-8", "surrogateescape")
        start += field[11] + (-(start + field[11]) % 4)
        offset = start + size + (-size % 4)
        if name == TRAILER:
            yield from by_inode.values()
            by_inode = {}
            continue
        entry = Entry(name, mode, archive[start:start + size], uid, gid, mtime,
                      (field[9], field[10]))
        if stat.S_ISREG(mode) and links > 1:
            first = by_inode.setdefault(inode, entry)
            if first is not entry:
                first.links.append(name)
                first.data = first.data or entry.data
        else:
            yield entry
    yield from by_inode.values()
