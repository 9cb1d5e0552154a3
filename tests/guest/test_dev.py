# SPDX-License-Identifier: MIT
"""The image `dev`: compilers, build tools, languages and databases, as Debian ships them. It is not
part of every build; without it the tests are skipped."""

import re
import subprocess
import tempfile
from pathlib import Path

from guest import BUILD, Skipped, check, check_output, check_status, run


def _dev(script):
    if not (BUILD / "image" / "dev.cpio").exists():
        raise Skipped("there is no image dev: `image/build update dev`, then "
                      f"`cmake --build {BUILD} --target image-dev`")
    return run("sh", "-c", f"cd /tmp\n{script}",
               options=("--image", "dev", "--mem", "6144", "--timeout", "500"), host_limit=560)


HELLO = r"""
cat >h.c <<E
#include <stdio.h>
int main(void) { printf("%d\n", 6 * 7); return 0; }
E
cat >h.cc <<E
#include <iostream>
#include <string>
int main() { std::cout << std::string("forty") + "two" << std::endl; }
E
"""


def dev_compilers_make_programs_that_run():
    result = _dev(HELLO + """
        cc -O2 h.c && ./a.out; clang h.c -o b && ./b; g++ h.cc -o c && ./c; clang++ h.cc -o d && ./d
        cc -c h.c && ar rcs libh.a h.o && nm libh.a | grep -c main; strip a.out && ./a.out""")
    check_output(result, "42\n42\nfortytwo\nfortytwo\n1\n42\n")


PROJECT = r"""
mkdir p && cd p
for i in 1 2 3 4 5 6; do echo "int f$i(void) { return $i; }" >f$i.c; done
cat >main.c <<E
#include <stdio.h>
int f1(void), f2(void), f3(void), f4(void), f5(void), f6(void);
int main(void) { printf("%d\n", f1() + f2() + f3() + f4() + f5() + f6()); }
E
printf 'OBJ = main.o f1.o f2.o f3.o f4.o f5.o f6.o\nprog: $(OBJ)\n\tcc -o prog $(OBJ)\n' >Makefile
cat >CMakeLists.txt <<E
cmake_minimum_required(VERSION 3.10)
project(p C)
add_executable(prog main.c f1.c f2.c f3.c f4.c f5.c f6.c)
E
"""


def dev_make_and_cmake_build_a_project():
    result = _dev(PROJECT + """
        make -s -j2 && ./prog; sleep 1; touch f3.c; make -j2 | grep -c ' -c '
        cmake -B b . >log && cmake --build b -j2 >>log && ./b/prog || tail log""")
    check_output(result, "21\n1\n21\n")


PYTHON = r"""
import asyncio, multiprocessing, os, pty, signal, socket, sqlite3, subprocess, threading
def square(x): return x * x
async def echo():
    async def serve(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    server = await asyncio.start_unix_server(serve, "s")
    r, w = await asyncio.open_unix_connection("s")
    w.write(b"abc\n"); answer = await r.readline(); w.close(); server.close()
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    return answer, (await child.communicate(b"xyz"))[0]
def threads():
    seen = []; all = [threading.Thread(target=seen.append, args=(i,)) for i in range(9)]
    [t.start() for t in all]; [t.join() for t in all]
    return sorted(seen) == list(range(9))
def database():
    c = sqlite3.connect("d"); c.execute("pragma journal_mode=wal"); c.execute("create table t(a)")
    c.executemany("insert into t values(?)", [(i,) for i in range(1000)]); c.commit()
    return c.execute("select sum(a) from t").fetchone()[0]
def descriptors():
    a, b = socket.socketpair(); r, w = os.pipe(); socket.send_fds(a, [b"x"], [w])
    os.write(socket.recv_fds(b, 1, 1)[1][0], b"passed"); return os.read(r, 9)
def processes(how):
    with multiprocessing.get_context(how).Pool(2) as p: return p.map(square, range(4))
def terminal():
    pid, fd = pty.fork()
    if pid == 0: os.execvp("echo", ["echo", "hello"])
    got = os.read(fd, 99); os.waitpid(pid, 0); return got
if __name__ == "__main__":
    print(threads(), asyncio.run(echo()), database(), descriptors(), terminal(), flush=True)
    print(subprocess.run("echo a | tr a b", shell=True, capture_output=True).stdout, flush=True)
    for how in "fork", "forkserver", "spawn": print(how, processes(how), flush=True)
"""


def dev_python_runs_its_standard_modules():
    result = _dev(f"cat >p.py <<'END'\n{PYTHON}END\npython3 -W ignore p.py 2>&1")
    check_output(result, "True (b'ABC\\n', b'xyz') 499500 b'passed' b'hello\\r\\n'\nb'b\\n'\n"
                         "fork [0, 1, 4, 9]\nforkserver [0, 1, 4, 9]\nspawn [0, 1, 4, 9]\n")


def dev_git_keeps_a_history():
    result = _dev("""
        export HOME=/tmp; git config --global user.email a@b; git config --global user.name n
        mkdir g && cd g && git init -q . 2>/dev/null
        for i in $(seq 1000); do echo $i >>f; echo $i >f$((i % 50)); git add -A; git commit -qm c$i; done
        git gc -q && git fsck --full 2>/dev/null; git log --oneline | wc -l; git status --short | wc -l
        git clone -q . ../h && cd ../h && git checkout -q HEAD~10 && wc -l <f""")
    check_output(result, "1000\n0\n990\n")


def dev_sqlite_has_four_writers():
    result = _dev("""
        sqlite3 w "pragma journal_mode=wal; create table t(a);"
        for w in 1 2 3 4; do (for i in $(seq 25); do
            sqlite3 -cmd ".timeout 60000" w "insert into t values($i)" || echo failed; done) & done; wait
        sqlite3 w "select count(*), sum(a) from t; pragma integrity_check" """)
    check_output(result, "wal\n100|1300\nok\n")


def dev_scripting_languages_work():
    result = _dev(r"""
        perl -e 'my $p = fork; exit 3 if !$p; waitpid $p, 0; print $? >> 8, "\n"; $| = 1;
            $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 5'
        echo 'puts [exec echo tcl]; after 10 {set x 1}; vwait x; puts $x' >t; tclsh t
        lua -e 'local f = io.popen("echo lua") io.write(f:read("a"))'
        gawk 'BEGIN { "echo gawk" |& getline x; print x }'; echo 'define(x, m4)x' | m4""")
    check_output(result, "3\nalarm\ntcl\n1\nlua\ngawk\nm4\n")


def dev_large_files_are_sorted_and_packed():
    result = _dev("""
        awk 'BEGIN { srand(1); for (i = 0; i < 1000000; i++) print int(rand() * 1e9) }' >n
        sort -n --parallel=2 n >s; sort -nc s && wc -l <s; xz -1 -T2 -k n && xz -dc n.xz | cmp - n
        tar cJf t.txz /usr/share/perl 2>/dev/null; mkdir u; tar xJf t.txz -C u
        diff -r /usr/share/perl u/usr/share/perl && echo same""")
    check_output(result, "1000000\nsame\n")


CRASH = r"""
cat >c.c <<E
int global = 77;
static int inner(int x) { global += x; *(volatile int *)16 = x; return x; }
int outer(int y) { return inner(y + 1) + 1; }
int main(void) { return outer(5); }
E
"""


def dev_gdb_reads_a_core():
    result = _dev(CRASH + """ulimit -c unlimited; cc -g -O0 c.c -o c; ./c
        gdb -batch -ex bt -ex 'p global' c core 2>/dev/null | tail -4""")
    check(re.search(r"#0 .* inner \(x=6\) at c.c:2\n.*\n.*\n?#2 .* main \(\) at c.c:4\n\$1 = 83", result.text),
          str(result))


COUNTER = r"""
cat >counter.c <<E
#include <exo.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    volatile uint64_t *count = (void *)0x200000000000;
    int64_t region = exo_region_create(0, 1, 1);
    int64_t part = exo_cap_derive((exo_cap)region, EXO_R_READ | EXO_R_WRITE, 0, 0, 0);
    struct exo_cap_info info;

    if (part < 0 || exo_map(0, (uint64_t)count, 1, (exo_cap)part, 0, EXO_MAP_READ | EXO_MAP_WRITE) < 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            __atomic_add_fetch(count, 10, __ATOMIC_SEQ_CST);
            _exit(0);
        }
    }
    while (wait(0) > 0) {
    }
    printf("%lu, %ld\n", (unsigned long)*count, (long)exo_cap_info((exo_cap)part, &info));
    exo_cap_revoke((exo_cap)region); /* the mapping goes with the capability */
    printf("%s\n", exo_cap_info((exo_cap)part, &info) == EXO_ECAP ? "gone" : "still there");
    return 0;
}
E
"""
NATIVE = r"""
cat >native.c <<E
#include <libos/exo/log.h>
#include <libos/exo/start.h>
#include <libos/tiny/tiny.h>
static int program(void) { log_line("hello"); return 3; }
int main(void) { return tiny_run(program); }
E
"""
FREESTANDING = "-ffreestanding -fno-pic -no-pie -nostdlib -static -T /usr/lib/exo/user.ld"


def dev_cc_makes_programs_with_native_calls():
    """Beside Linux's calls, with -lexo; and without any, with libos/tiny: that one is linked only."""
    result = _dev(COUNTER + "cc -O2 counter.c -lexo -o counter && ./counter" + NATIVE +
                  f"cc -O2 {FREESTANDING} native.c -ltiny -lexo -lnative -o native 2>log || cat log; "
                  "readelf -h native | grep -c EXEC")
    check_output(result, "30, 0\ngone\n1\n")


PACKAGE = r"""
mkdir -p p/DEBIAN p/usr/bin p/etc && echo 1 >p/etc/greet.conf
printf '#!/bin/sh\necho greetings\n' >p/usr/bin/greet
printf '#!/bin/sh\necho post $1\n' >p/DEBIAN/postinst
echo /etc/greet.conf >p/DEBIAN/conffiles
chmod 755 p/usr/bin/greet p/DEBIAN/postinst
cat >p/DEBIAN/control <<E
Package: greet
Version: 1.0
Architecture: all
Maintainer: A <a@b>
Depends: libc6 (>= 2.30)
Description: greets
E
dpkg-deb -b p g.deb >/dev/null
"""


def dev_dpkg_installs_and_removes_packages():
    result = _dev(PACKAGE + r"""
        dpkg -l dash | tail -1 | cut -c 1-8; dpkg -S /usr/bin/gdb; dpkg --audit
        dpkg -V dash libc6 | grep -v -e /usr/share -e gconv
        dpkg -i g.deb | grep post; greet; dpkg -S bin/greet; echo 2 >/etc/greet.conf
        dpkg -r greet >/dev/null; greet 2>/dev/null || cat /etc/greet.conf
        dpkg-query -W -f '${Status}\n' greet; dpkg -P greet >/dev/null; cat /etc/greet.conf 2>&1
        dpkg -l greet 2>&1 | tail -1""")
    check_output(result, "ii  dash\ngdb: /usr/bin/gdb\npost configure\ngreetings\n"
                         "greet: /usr/bin/greet\n2\ndeinstall ok config-files\n"
                         "cat: /etc/greet.conf: No such file or directory\n"
                         "dpkg-query: no packages found matching greet\n")


SU = r"""
import os, pty
def talk(command, answers, uid):
    pid, fd = pty.fork()
    if pid == 0:
        os.setgroups([]); os.setgid(uid); os.setuid(uid); os.execvp(command[0], command)
    out = b""
    while True:
        try: got = os.read(fd, 999)
        except OSError: break
        if not got: break
        out += got
        if answers and answers[0][0] in out:
            os.write(fd, answers.pop(0)[1])
    print(out.decode().split("\n")[-2].strip(), os.waitpid(pid, 0)[1], flush=True)
talk(["su", "-", "-c", "id -u"], [(b"assword:", b"secret\n")], 1000)
talk(["su", "-c", "id -u"], [(b"assword:", b"wrong\n")], 1000)
talk(["passwd"], [(b"urrent password:", b"mine\n"), (b"New password:", b"yours-4711\n"),
                  (b"etype new password:", b"yours-4711\n")], 1000)
talk(["su", "user", "-c", "id -un"], [(b"assword:", b"yours-4711\n")], 1000)
"""


def dev_su_and_passwd_ask_for_passwords():
    result = _dev("echo root:secret | chpasswd; echo user:mine | chpasswd; su user -c 'id; echo $HOME'\n"
                  f"cat >su.py <<'END'\n{SU}END\npython3 -W ignore su.py")
    check(re.sub("unix_chkpwd.*\n", "", result.text) ==  # which goes to the console
          "uid=1000(user) gid=1000(user) groups=1000(user)\n/home/user\n0 0\n"
          "su: Authentication failure 256\npasswd: password updated successfully 0\n"
          "user 0\n", str(result))


# Twenty jobs of user's, each begun again when it ends, of which one process is killed every 100 ms.
DAY = r"""
cat >/tmp/job <<'E'
cd $(mktemp -d /home/user/job.XXXXXX) || exit
case $1 in
0) echo 'int main(void) { return 6; }' >a.c; cc -O2 a.c -o a; ./a;;
1) python3 -c 'import subprocess; subprocess.run("sort /etc/passwd | head -3 >o", shell=True)';;
2) git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m c && git fsck;;
3) tar cf - /usr/share/perl 2>/dev/null | gzip -1 >t.gz;;
4) sqlite3 d 'create table t(a); insert into t values(1); select * from t' >o;;
5) find / -xdev -name '*.h' | wc -l >o;;
6) seq 30000 | sort -rn | tail -1 >o;;
7) awk 'BEGIN { while (i++ < 100000) s += i; print s }' >o;;
8) perl -e 'open F, ">o"; print F $_ x 80, "\n" for 1 .. 20000';;
9) mkfifo p; cat p >o & echo x >p; wait;;
esac
cd /; rm -rf "$OLDPWD"
E
cat >/tmp/killer <<'E'
import os, random, sys, time
end, killed = time.time() + int(sys.argv[1]), 0
while time.time() < end:
    time.sleep(0.1)
    try:
        pids = [int(e.name) for e in os.scandir("/proc") if e.name.isdigit() and e.stat().st_uid == 1000]
        os.kill(random.choice(pids), 9)
        killed += 1
    except (OSError, IndexError): # it has ended by itself, or there is none
        pass
print(killed)
E
day() { # seconds
    touch /run/go
    for i in 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9; do
        (while [ -e /run/go ]; do
            chroot --userspec 1000:1000 / sh /tmp/job $i; done >/dev/null 2>&1) &
    done
    killed=$(python3 /tmp/killer $1)
    rm /run/go; while pkill -9 -u 1000; do sleep 0.2; done; wait 2>/dev/null
    rm -rf /home/user/job.*; sync; sleep 1
    echo $(ps -e | wc -l) $(grep -i object /proc/exo/resources | tr -dc '0-9 ') $killed
}
day 10; day 60; day 60; ls -A /home/user
"""


def dev_a_day_in_a_minute():
    """No process is left over after two days, and the disk is clean. Kernel objects are not compared: how
    many fs keeps for files that it has read (a few hundred) depends on what was killed when."""
    if not (BUILD / "image" / "dev.ext4").exists():
        raise Skipped(f"there is no disk dev: `cmake --build {BUILD} --target disk-dev`")
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder, "disk")
        subprocess.run(["cp", "--sparse=always", BUILD / "image" / "dev.ext4", disk], check=True)
        result = run("mksh", "-c", f"cd /tmp\n{DAY}", host_limit=900,
                     options=("--root", str(disk), "--mem", "4096", "--timeout", "800"))
        done = subprocess.run(["/sbin/e2fsck", "-fn", str(disk)], capture_output=True, text=True,
                              check=False)
        check(done.returncode == 0, f"e2fsck finds:\n{done.stdout}{done.stderr}")
    check_status(result, 0)
    days = [line.split() for line in result.text.splitlines() if re.fullmatch(r"[\d ]+", line)]
    check(len(days) == 3 and days[1][0] == days[2][0] and int(days[2][2]) > 20, str(result))
    check(all(int(day[1]) < 2000 for day in days), f"kernel objects are left behind: {days}")
