# SPDX-License-Identifier: MIT
"""Volumes of disks in the tree: images that the host's mke2fs made."""

import contextlib
import hashlib
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

from guest import BUILD, PROGRAMS, check, check_output, guest_programs, run, sh

MOUNT = "mount=/dev/vda:/mnt"
MKE2FS = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4"]


def ext4_volume_is_read_as_the_host_made_it():
    with tempfile.TemporaryDirectory() as folder:
        source, image = Path(folder, "source"), Path(folder, "image")
        Path(source, "many").mkdir(parents=True)
        Path(source, "big").write_bytes(os.urandom(3_000_000))
        Path(source, "text").write_text("from the host\n", encoding="utf-8")
        Path(source, "link").symlink_to("text")
        os.link(Path(source, "text"), Path(source, "again"))
        for number in range(300):
            Path(source, "many", f"file{number}").write_text(f"{number}\n", encoding="utf-8")
        subprocess.run([*MKE2FS, "-d", str(source), str(image), "64M"], check=True)
        made = image.read_bytes()
        result = sh("cd /mnt; cat link again; ls many | wc -l; cat many/* | sort -n | tail -1; "
                    "stat -c %h text; sha256sum <big; grep -c ext4 /proc/mounts; "
                    "for change in 'touch x' 'rm text' 'chmod 0 big'; do "
                    "$change 2>&1 | grep -o Read-only; done",
                    options=["--drive", f"{image},ro", "--append", MOUNT])
        digest = hashlib.sha256(Path(source, "big").read_bytes()).hexdigest()
        check_output(result, f"from the host\nfrom the host\n300\n299\n2\n{digest}  -\n1\n"
                             + "Read-only\n" * 3)
        check(image.read_bytes() == made, "the image was changed")


@contextlib.contextmanager
def _volume(size="64M"):
    """An empty volume; when the test is over, what the guest left is consistent."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image")
        subprocess.run([*MKE2FS, str(image), size], check=True)
        yield image
        _check_clean(image)


def _check_clean(image):
    done = subprocess.run(["/sbin/e2fsck", "-fn", str(image)], capture_output=True, text=True,
                          check=False)
    check(done.returncode == 0, f"e2fsck finds:\n{done.stdout}{done.stderr}")


def _debugfs(image, command):
    return subprocess.run(["/sbin/debugfs", "-R", command, str(image)], capture_output=True,
                          check=True).stdout


def _on(image, script, *words, append=MOUNT):
    return sh(script, options=["--drive", str(image), *words, "--append", append])


def ext4_keeps_what_the_guest_writes():
    with _volume() as image:
        made = _on(image, """cd /mnt; echo one >a; ln a b; ln -s a l; mkdir -p d/e; mkfifo f
            seq 1 50000 >d/n; mv d/n d/e/numbers; echo two >>a; echo gone >g; rm g; mkdir r; rmdir r
            truncate -s 3M hole; printf x | dd of=hole bs=1 seek=2000000 conv=notrunc 2>/dev/null
            echo old >o; echo new >n; mv n o; chmod 640 a; chown 7:8 a; touch -d @1000000000 o
            mknod z c 1 5; mkdir d/x y; echo in >d/x/in; echo ex >y/ex; mv -T --exchange y d/x
            mv -T --exchange y z; mv -T --exchange y z; cat y/in d/x/ex; rm -r y d/x
            grep -c 'mnt ext4 rw' /proc/mounts""")
        check_output(made, "in\nex\n1\n")
        _check_clean(image)
        check(_debugfs(image, "cat /d/e/numbers") == "".join(
            f"{n}\n" for n in range(1, 50001)).encode(), "the host reads other numbers")
        again = _on(image, """cd /mnt; cat b l o; find . ! -name lost+found | sort | tr '\n' ' '
            stat -c '%a %u:%g %h' a; stat -c '%s %b' hole; tr -d '\\0' <hole; echo; stat -c %Y o
            stat -c '%F %t:%T' z; stat -c %F f; tail -1 d/e/numbers""")
        check_output(again, "one\ntwo\none\ntwo\nnew\n"
                     ". ./a ./b ./d ./d/e ./d/e/numbers ./f ./hole ./l ./o ./z 640 7:8 2\n"
                     "3145728 8\nx\n1000000000\ncharacter special file 1:5\nfifo\n50000\n")


def _make_files(folder):
    """10,000 of 0 bytes to 64 MiB, some with holes."""
    chance = random.Random(5)
    for number in range(10_000):
        place = Path(folder, f"d{number % 97}", f"e{number % 7}")
        place.mkdir(parents=True, exist_ok=True)
        power = 26 if number == 5000 else 20 if number % 200 == 0 else 13
        size = 1 << 26 if power == 26 else int(2 ** chance.uniform(0, power)) - 1
        with open(place / f"file{number}", "wb") as file:
            if number % 100 == 50:
                file.seek(size * 3)
            file.write(chance.randbytes(size))


def ext4_10000_files_go_to_and_fro():
    """The host writes them, the guest copies them to another disk, the host reads that."""
    with tempfile.TemporaryDirectory() as folder, _volume("400M") as target:
        source, image, back = Path(folder, "source"), Path(folder, "image"), Path(folder, "back")
        source.mkdir()
        back.mkdir()
        _make_files(source)
        subprocess.run([*MKE2FS, "-d", str(source), str(image), "400M"], check=True)
        check_output(_on(image, "mkdir /a; mount /dev/vdb /a; cp -a --sparse=always /mnt/d* /a && sync; umount /a",
                         "--drive", str(target), "--timeout", "900"), "")
        _check_clean(image)
        _check_clean(target)
        _debugfs(target, f"rdump / {back}")
        (back / "lost+found").rmdir()
        subprocess.run(["diff", "-r", str(source), str(back)], check=True)


def ext4_that_is_full_says_so():
    with _volume("8M") as image:
        result = _on(image, """cd /mnt; head -c 20M /dev/zero >big 2>/dev/null; echo $?
            echo more >small 2>/dev/null || echo full; rm -f big small; sync
            head -c 2M /dev/zero >again && stat -c %s again""")
        check(result.text.startswith("1\n") and result.text.endswith("2097152\n"), f"{result}")


def _keeps_files_when(kills, deaths):
    """A tree is copied to a disk, changed, and read again by a machine that boots."""
    script = """mkdir /tmp/s; cd /tmp/s; i=0
        while [ $i -lt 400 ]; do echo "file $i" >f$i; i=$((i + 1)); done
        cp /usr/bin/m* .; mkdir -p d/e; ln f1 d/hard; ln -s ../f3 d/soft
        cd /mnt; (cd /tmp/s; tar c .) | tar x; sync; diff -r /tmp/s /mnt | grep -v lost+found
        rm f1*; mv f2 d/e; mv d c; echo late >>f3; sync; echo later >>f3; """
    sums = "find . -type f | sort | xargs md5sum | md5sum; cat f3; cat c/hard; ls | wc -l"
    with _volume() as image:
        result = _on(image, script + sums, "--icount", append=f"{MOUNT} {kills}")
        died = len(re.findall(rb"died: was destroyed", result.log))
        check(died >= deaths, f"{deaths} deaths, not {died}")
        check(result.status == 0 and "later" in result.text, f"{result}")
        _check_clean(image)
        check_output(_on(image, "cd /mnt; " + sums), result.output)


def ext4_loses_nothing_when_fs_dies():
    for period, deaths in ((700_001, 200), (5_000_011, 20), (20_000_003, 3)):
        _keeps_files_when(f"kill_fs_from_ns=50000000 kill_fs_ns={period} kill_fs_count=300", deaths)


def ext4_loses_nothing_when_the_driver_dies():
    _keeps_files_when("kill_virtio_blk_from_ns=50000000 kill_virtio_blk_ns=700001 "
                      "kill_virtio_blk_count=150", 50)


def _random_operations(operations, words="", more=()):
    """Two files at a time, beside each other; the host then reads what the guest's models say."""
    script = " ".join(f"{PROGRAMS}/fsx /mnt/f{seed} {operations} {seed} & fsx{seed}=$!;" for seed in (1, 2))
    with _volume() as image:
        result = _on(image, f"{script} wait $fsx1 && wait $fsx2", *guest_programs(), *more,
                     append=f"{MOUNT} {words}")
        check_output(result, f"{operations} operations\n" * 2)
        _check_clean(image)
        for seed in (1, 2):
            check(_debugfs(image, f"cat /f{seed}") == _debugfs(image, f"cat /f{seed}.model"),
                  "the host reads something else")
        return result


def ext4_random_operations_are_as_a_model_says():
    _random_operations(3000)
    check_output(run(f"{PROGRAMS}/fsx", "/tmp/f", "10000", "3", options=guest_programs()), "10000 operations\n")


def ext4_100000_random_operations():
    _random_operations(50000, more=["--timeout", "900"])


def ext4_random_operations_while_servers_die():
    for server in ("fs", "virtio_blk"):
        kills = (f"kill_{server}_from_ns=100000000 kill_{server}_ns=5000017 kill_{server}_count=100")
        result = _random_operations(1500, kills, ["--icount"])
        died = len(re.findall(rb"died: was destroyed", result.log))
        check(died >= 20, f"{server}: {died} deaths")


def _block_bytes(image):
    with open(image, "rb") as file:
        return 1024 << int.from_bytes(file.read(1024 + 28)[1024 + 24:], "little")


def _failing(image, rules, script, sections=(), **rule):
    """Runs a script while some requests to the disk fail: rules of QEMU's blkdebug."""
    every = [*sections, ("inject-error", {"event": "none", "errno": 5, **rule})]
    rules.write_text("".join(f"[{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())
                             for name, keys in every), encoding="utf-8")
    return sh(script, options=["--drive", f"{image},errors={rules}", "--append", MOUNT])


def read_errors_are_told_and_hurt_nothing_else():
    """One sector cannot be read: of a file's contents, of a directory."""
    with _volume() as image, tempfile.TemporaryDirectory() as folder:
        check_output(_on(image, "cd /mnt; mkdir d e; seq 1 9000 >f; cp f g; cp f d/f; cp f e/f"), "")
        script = "cd /mnt; for f in f g d/f e/f; do cat $f 2>&1 | md5sum | cut -c1-4; done; touch n && sync && ls n"
        whole = sh(script.replace("/mnt", "/tmp; mkdir d e; seq 1 9000 >f; cp f g; cp f d; cp f e")).text.split()[0]
        for path, lost in (("/f", {0}), ("/d", {2})):
            sector = int(_debugfs(image, f"bmap {path} 0")) * _block_bytes(image) // 512
            result = _failing(image, Path(folder, "rules"), script, iotype="read", sector=sector)
            sums = result.text.split()
            check([i for i, each in enumerate(sums[:4]) if each != whole] == sorted(lost) and sums[4:] == ["n"],
                  f"{path}, sector {sector}: {result}")
            _check_clean(image)


def flush_errors_are_told():
    """From the ninth on all fail: what was synced before is there, and nothing was promised later."""
    passed = [("set-state", {"event": "flush_to_disk", "state": i, "new_state": i + 1}) for i in range(1, 9)]
    with _volume() as image, tempfile.TemporaryDirectory() as folder:
        result = _failing(image, Path(folder, "rules"),
                          "cd /mnt; i=0; while [ $i -lt 20 ] && echo $i >f$i && sync f$i 2>/dev/null; do i=$((i + 1)); done; "
                          "echo $i; sync . 2>&1 | grep -c -e Input/output -e Read-only; "
                          "touch h 2>&1 | grep -c -e Read-only -e Input/output; cat f0", passed, event="flush_to_disk", state=9, iotype="flush")
        count = int(result.text.split()[0])
        check(0 < count < 20 and result.text.split()[1:] == ["1", "1", "0"], f"{result}")
        subprocess.run(["/sbin/e2fsck", "-p", str(image)], capture_output=True, check=False)
        for i in range(count):
            check(_debugfs(image, f"cat /f{i}") == f"{i}\n".encode(), f"f{i} is lost")


def volumes_are_mounted_and_let_go():
    """By root, several at a time, and never while somebody uses one."""
    with _volume() as one, _volume("16M") as two:
        script = """mkdir -p /mnt/a /mnt/b '/mnt/c d'; M='mount -t ext4'
            mount /dev/vda /mnt/a && $M /dev/vdb /mnt/b && grep ext4 /proc/mounts; df -P /mnt/b | tail -1 | cut -d' ' -f1
            mkdir -p /mnt/a/d/e; echo x >/mnt/a/d/e/f; ln /mnt/a/d/e/f /mnt/a/g; cp /mnt/a/g /mnt/b; mv /mnt/b/g /mnt/a/h
            $M /dev/vda /mnt/b 2>&1 | grep -c already; mknod /dev/x c 1 3; $M /dev/x '/mnt/c d' 2>&1 | grep -ci block
            (cd /mnt/a; umount /mnt/a 2>&1 | grep -c busy); umount /mnt/a || echo cannot; ls /mnt/a; ls /mnt/b
            $M -o ro /dev/vda '/mnt/c d'; cat '/mnt/c d/d/e/f' '/mnt/c d/h'; stat -c %h '/mnt/c d/g'
            grep vda /proc/mounts; touch '/mnt/c d/n' 2>&1 | grep -c Read-only
            mount -o remount,rw '/mnt/c d'; touch '/mnt/c d/n' && mount -o remount,ro '/mnt/c d'
            grep -c 'd ext4 ro,' /proc/mounts; $M /dev/vda /mnt/a 2>&1 | grep -c already
            mkdir /mnt/b/over; umount '/mnt/c d'; $M /dev/vda /mnt/b/over; umount /mnt/b 2>&1 | grep -c busy
            busybox su -s /bin/sh nobody -c 'busybox umount /mnt/b/over' 2>&1 | grep -c permitted
            umount /dev/vda; umount /mnt/b; grep -c ext4 /proc/mounts; umount / 2>&1 | grep -c umount
            exec 9>/mnt/a/held; i=0; while [ $i -lt 20 ]; do $M /dev/vda /mnt/b; find /mnt/b >/dev/null; umount /mnt/b
            i=$((i + 1)); done; grep -c ext4 /proc/mounts; true"""
        made = sh(script, options=["--drive", str(one), "--drive", str(two)])
        check_output(made, "/dev/vda /mnt/a ext4 rw,relatime 0 0\n/dev/vdb /mnt/b ext4 rw,relatime 0 0\n/dev/vdb\n"
                     "1\n1\n1\nlost+found\nx\nx\n2\n/dev/vda /mnt/c\\040d ext4 ro,relatime 0 0\n1\n"
                     "1\n1\n1\n1\n0\n1\n0\n")
        check(_debugfs(one, "cat /d/e/f") == b"x\n", "the host reads something else")


def volumes_come_and_go_while_fs_dies():
    script = """i=0; while [ $i -lt 12 ]; do mount /dev/vda /mnt || echo mount; mkdir -p /mnt/d$i/e
        echo $i >/mnt/d$i/e/f; ln /mnt/d$i/e/f /mnt/l$i; find /mnt >/dev/null; umount /mnt || echo umount; ls /mnt
        i=$((i + 1)); done; mount /dev/vda /mnt; cat /mnt/d?/e/f /mnt/l1? | tr '\\n' ' '"""
    with _volume() as image:
        result = _on(image, script, "--icount", append="kill_fs_from_ns=100000000 kill_fs_ns=3000017 kill_fs_count=200")
        check_output(result, "0 1 2 3 4 5 6 7 8 9 10 11 ")
        died = len(re.findall(rb"died: was destroyed", result.log))
        check(died >= 20, f"{died} deaths")


def root_on_a_disk_keeps_changes():
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder, "disk")
        subprocess.run(["cp", "--sparse=always", BUILD / "image" / "min.ext4", disk], check=True)
        first = run("sh", "-c", "grep ' / ' /proc/mounts; echo kept >/root/f; rm /etc/debian_version; ls /run/exo; "
                    "cd /dev/pts; cd ../..; pwd",
                    options=["--root", str(disk)])
        in_memory = sh("find /usr -type f | grep -v /usr/sbin/ | sort | xargs md5sum | md5sum")
        check(first.text.startswith("/dev/vda / ext4 rw,relatime 0 0\ncommand\n/\n"), first)
        check_output(run("sh", "-c", "cat /root/f; test -e /etc/debian_version || echo gone; find /usr -type f | "
                         "grep -v /usr/sbin/ | sort | xargs md5sum | md5sum",
                         options=["--root", str(disk)]), f"kept\ngone\n{in_memory.text}")
        _check_clean(disk)
        check_output(run("ls", "/root", options=["--root", "min"]), "")


def files_of_a_disk_make_room_for_others():
    """44 MB of programs are read, and 48 MB written, where files have 36 MB of memory."""
    sums = "find /usr -type f | grep -v sbin/ | sort | xargs md5sum | md5sum"
    result = run("sh", "-c", f"{sums}; {sums}; head -c 12M /dev/urandom >/root/a; cd /root; cp a b; cp b c; "
                 f"cp c d; cmp a d && {sums}", options=["--root", "min", "--mem", "100"])
    check_output(result, sh(sums).output * 3)
