# SPDX-License-Identifier: MIT
"""Disks: what the guest writes the host finds in the image, and nothing but that."""

import contextlib
import hashlib
import os
import random
import signal
import struct
import tempfile
import zlib

from guest import (BUILD, PROGRAMS, check, check_match, check_output, check_status,
                   guest_programs, run, sh, start)

SECTOR, MIB = 512, 1 << 20


@contextlib.contextmanager
def _image(data, suffix=".img"):
    """A file with these bytes; its path."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        yield file.name


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def _pattern(seed, length):
    return random.Random(seed).randbytes(length)


def _sh(script, *drives, more=()):
    options = [word for drive in drives for word in ("--drive", drive)]
    return sh(script, options=[*options, *more])


def _qcow2(size):
    """An empty qcow2 image of version 2 (QEMU, docs/interop/qcow2.txt): header, a table of nothing, one
    block of reference counts for the four clusters that there are."""
    cluster = 65536
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, 1, 3 * cluster,
                         cluster, 1, 0, 0)
    counts = struct.pack(">Q", 2 * cluster)
    return b"".join(part.ljust(cluster, b"\0")
                    for part in (header, counts, struct.pack(">4H", 1, 1, 1, 1), b""))


def _mbr(image, *entries):
    """Puts partitions (type, first, sectors) into an image."""
    for number, (kind, first, sectors) in enumerate(entries):
        struct.pack_into("<4xB3xII", image, 446 + 16 * number, kind, first, sectors)
    image[510:512] = b"\x55\xaa"


def _gpt(image, *parts):
    """The same as GPT, with the table at the disk's end as well."""
    last = len(image) // SECTOR - 1
    _mbr(image, (0xee, 1, last))
    entries = b"".join(struct.pack("<16s16sQQQ72s", b"\x11" * 16, bytes([n]) * 16, first,
                                   first + sectors - 1, 0, b"")
                       for n, (first, sectors) in enumerate(parts)).ljust(128 * 128, b"\0")
    for here, other, at in ((1, last, 2), (last, 1, last - 32)):
        header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other, 34,
                             last - 33, b"\x22" * 16, at, 128, 128, zlib.crc32(entries))
        header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
        image[here * SECTOR:here * SECTOR + 92] = header
        image[at * SECTOR:at * SECTOR + len(entries)] = entries


def disks_are_read_and_written():
    first, second = _pattern(1, 8 * MIB), bytes(4 * MIB)
    with _image(first) as a, _image(second) as b, _image(_qcow2(64 * MIB), ".any") as c:
        result = _sh("sha256sum < /dev/vda; blockdev --getsize64 /dev/vda /dev/vdb /dev/vdc;"
                     "dd if=/dev/vda of=/dev/vdb bs=70001 seek=3 count=20 2>&1 | grep -c copied;"
                     "dd if=/dev/vda of=/dev/vdc bs=1M seek=40 count=8 conv=fsync 2> /dev/null;"
                     "dd if=/dev/vdc bs=1M skip=40 count=8 2> /dev/null | cmp - /dev/vda;"
                     "dd if=/dev/vdc bs=1M skip=1 count=4 2> /dev/null | tr -d '\\0' | wc -c", a, b, c)
        check_output(result, f"{hashlib.sha256(first).hexdigest()}  -\n{8 * MIB}\n{4 * MIB}\n"
                             f"{64 * MIB}\n1\n0\n")
        moved, at = 20 * 70001, 3 * 70001
        check(_bytes(a) == first, "a disk that was only read has changed")
        check(_bytes(b) == second[:at] + first[:moved] + second[at + moved:], "what was written")
        check(b"QFI\xfb" == _bytes(c)[:4], "the qcow2 image is one no more")


def flushed_data_survives_the_machine():
    data = bytes(MIB)
    with _image(data) as path:
        machine = start("sh", "-c", "yes 0123456 | dd of=/dev/vda bs=4096 seek=3 count=9 conv=fsync "
                        "iflag=fullblock 2> /dev/null; echo flushed; sleep 100",
                        options=["--drive", path])
        line = machine.stdout.readline()
        machine.send_signal(signal.SIGINT)
        machine.communicate()
        check(line == b"flushed\n", f"the guest said {line}")
        written = b"0123456\n" * (9 * 512)
        check(_bytes(path) == (bytes(3 * 4096) + written).ljust(MIB, b"\0"), "what was flushed")


def discarded_sectors_are_given_back():
    data = _pattern(7, 4 * MIB)
    with _image(data) as path:
        check_output(_sh(f"blkdiscard -o {MIB} -l {MIB} /dev/vda", path), "")
        check(_bytes(path) == data[:MIB] + bytes(MIB) + data[2 * MIB:], "what was discarded")
        check(os.stat(path).st_blocks * 512 < 4 * MIB, "the host has got nothing back")


def partitions_end_where_their_table_says():
    image = bytearray(_pattern(2, 4 * MIB))
    image[:34 * SECTOR] = bytes(34 * SECTOR)
    _gpt(image, (1001, 999), (2000, 3000))
    with _image(image) as path:
        result = _sh("ls /dev/vd*; blockdev --getsize64 /dev/vda1 /dev/vda2;"
                     "dd if=/dev/zero of=/dev/vda1 bs=10000 2>&1 | tail -n 1 | cut -d ' ' -f 1;"
                     "dd if=/dev/zero of=/dev/vda1 bs=512 seek=998 count=2 2>&1 | grep -o 'No space.*';"
                     "dd if=/dev/vda2 bs=4096 2> /dev/null | wc -c;"
                     "dd if=/dev/zero of=/dev/vda2 bs=512 seek=2999 2>&1 | grep -c 'No space'", path)
        check_output(result, f"/dev/vda\n/dev/vda1\n/dev/vda2\n{999 * 512}\n{3000 * 512}\n{999 * 512}\n"
                             f"No space left on device\n{3000 * 512}\n1\n")
        image[1001 * SECTOR:2000 * SECTOR] = bytes(999 * SECTOR)
        image[4999 * SECTOR:5000 * SECTOR] = bytes(SECTOR)
        check(_bytes(path) == image, "sectors outside of the partitions have changed")
        image = bytearray(image)
    image[SECTOR:2 * SECTOR] = bytes(SECTOR)
    with _image(image) as path:
        check_output(_sh("ls /dev/vd*", path), "/dev/vda\n/dev/vda1\n/dev/vda2\n")  # the copy's
    _mbr(image, (0x83, 64, 1000), (0x05, 2000, 2000), (0x83, 4500, 100), (0x83, 8000, 1000))
    image[2000 * SECTOR:2001 * SECTOR] = bytes(SECTOR)
    logical = bytearray(SECTOR)
    _mbr(logical, (0x83, 100, 900))
    image[2000 * SECTOR:2001 * SECTOR] = logical
    with _image(image) as path:
        check_output(_sh("ls /dev/vd*; blockdev --getsize64 /dev/vda5", path),
                     f"/dev/vda\n/dev/vda1\n/dev/vda3\n/dev/vda5\n{900 * 512}\n")


def extents_are_all_that_a_holder_reaches():
    """programs/extents.c: native calls on the capability behind a partition."""
    image = bytearray(_pattern(6, 4 * MIB))
    _mbr(image, (0x83, 1000, 1000), (0, 0, 0), (0, 0, 0), (0, 0, 0))
    with _image(image) as path:
        result = run("sh", "-c", f"{PROGRAMS}/extents /dev/vda1 && dd if=/dev/vda bs=64k 2> /dev/null | wc -c",
                     options=["--drive", path, *guest_programs()])
        check("not ok" not in result.text, result)
        check_match(result, rf"^1\.\.6\n{4 * MIB}$")
        now = _bytes(path)
        check(now[:1000 * SECTOR] == image[:1000 * SECTOR] and
              now[2000 * SECTOR:] == image[2000 * SECTOR:], "sectors outside have changed")


def only_root_opens_a_disk():
    with _image(bytes(MIB)) as path:
        check_output(_sh("stat -c '%F %a %U %G %t:%T' /dev/vda;"
                         "chroot --userspec=1000:1000 / cat /dev/vda 2>&1", path),
                     "block special file 660 root disk fe:0\ncat: /dev/vda: Permission denied\n", 1)


def read_only_disks_refuse_to_be_written():
    data = _pattern(3, MIB)
    with _image(data) as path:
        check_output(_sh("cmp -n 4096 /dev/vda /dev/vda && blockdev --getro /dev/vda;"
                         "echo x 2>&1 > /dev/vda", f"{path},ro"),
                     "1\nsh: 1: cannot create /dev/vda: Read-only file system\n", 2)
        check(_bytes(path) == data, "a read-only disk has changed")


def disk_errors_are_eio():
    rules = "".join(f'[inject-error]\nevent = "{event}"\nerrno = "5"\nsector = "{sector}"\nonce = "off"\n'
                    for event, sector in (("read_aio", 2048), ("write_aio", 4096)))
    rules += '[inject-error]\nevent = "flush_to_disk"\nerrno = "5"\nonce = "off"\n'
    with _image(bytes(4 * MIB)) as path, _image(rules.encode(), ".conf") as conf:
        os.environ["EXO_QEMU_WORDS"] = (
            f"-drive file=blkdebug:{conf}:{path},format=raw,if=none,id=e "
            "-device virtio-blk-pci,drive=e,disable-legacy=on")
        try:
            result = sh("dd if=/dev/vda of=/dev/null bs=4096 skip=250 count=20 2>&1;"
                        "dd if=/dev/vda bs=4096 skip=300 count=20 2> /dev/null | wc -c;"
                        "yes | dd of=/dev/vda bs=4096 seek=510 count=4 iflag=fullblock 2>&1;"
                        "yes | dd of=/dev/vda bs=4096 seek=600 count=4 iflag=fullblock 2> /dev/null;"
                        "dd if=/dev/vda bs=4096 skip=600 count=4 2> /dev/null | tr -d '\\ny' | wc -c;"
                        "dd if=/dev/zero of=/dev/vda count=1 conv=fsync 2>&1 | head -n 1")
        finally:
            del os.environ["EXO_QEMU_WORDS"]
    check_match(result, r"error reading '/dev/vda': Input/output error\n6\+0 records in")
    check_match(result, r"\n81920\ndd: error writing '/dev/vda': Input/output error\n"
                        r"3\+0 records in\n2\+0 records out(.*\n)+0\n"
                        r"dd: fsync failed for '/dev/vda': Input/output error\n")


def many_requests_at_once_move_the_right_bytes():
    with _image(_pattern(4, 8 * MIB)) as path:
        result = run(f"{PROGRAMS}/disk", "mix", "/dev/vda",
                     options=["--drive", path, *guest_programs()])
        check_status(result, 0)
        data = _bytes(path)
        check(int(result.text) == sum(data[:4 * MIB]), f"the host finds another sum: {result}")
        check(data[4 * MIB:] == _pattern(4, 8 * MIB)[4 * MIB:], "bytes beyond have changed")


def dead_drivers_lose_no_request():
    """programs/disk.c on a driver that dies five times in the middle of its work."""
    with _image(_pattern(5, 8 * MIB)) as path:
        result = run(f"{PROGRAMS}/disk", "mix", "/dev/vda",
                     options=["--drive", path, *guest_programs(), "--initrd",
                              str(BUILD / "tests" / "mortal.cpio")])
        check_status(result, 0)
        deaths = result.log.count(b"virtio_blk died")
        check(deaths == 5, f"the driver died {deaths} times, not 5: {result}")
        data = _bytes(path)
        check(int(result.text) == sum(data[:4 * MIB]), f"the host finds another sum: {result}")
        check(data[4 * MIB:] == _pattern(5, 8 * MIB)[4 * MIB:], "bytes beyond have changed")


def disk_is_given_up_by_those_who_die():
    script = ("i=0; while [ $i -lt 60 ]; do dd if=/dev/vda of=/dev/null bs=64k 2> /dev/null & "
              "p=$!; [ $((i % 3)) -eq 0 ] || kill -9 $p; wait $p; i=$((i + 1)); done 2> /dev/null;"
              "dd if=/dev/vda bs=64k 2> /dev/null | wc -c")
    with _image(bytes(4 * MIB)) as path:
        check_output(_sh(script, path), f"{4 * MIB}\n")


def bad_drives_are_refused_by_name():
    cases = [("/nowhere.img", None), ("/tmp", None), ("short.img", b"x" * 100), ("empty.img", b""),
             ("v.vmdk", b"KDMV".ljust(1024, b"\0")), ("old.qcow2", b"QFI\xfb\0\0\0\1".ljust(1024, b"\0")),
             ("cut.qcow2", b"QFI\xfb\0\0\0\2")]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in cases:
            path = os.path.join(folder, name)
            if data is not None:
                with open(path, "wb") as file:
                    file.write(data)
            result = run("true", options=["--drive", path])
            check_status(result, 125)
            check(path.encode() in result.log, f"{path} is not named: {result}")


def disk_requests_cost_what_they_may():
    """Instructions of one request, the driver's and the kernel's included."""
    with _image(bytes(8 * MIB)) as path:
        result = run(f"{PROGRAMS}/disk", "cost", "/dev/vda",
                     options=["--icount", "--drive", path, *guest_programs()])
    check_status(result, 0)
    print(result.text, end="")
    costs = {name: (int(count), int(entries)) for name, count, entries in
             (line.split() for line in result.lines)}
    for name, most in (("read_4k", 9000), ("write_4k", 9000)):
        check(costs[name][0] <= most, f"{name}: {costs[name][0]} instructions, at most {most}")
