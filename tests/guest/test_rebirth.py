# SPDX-License-Identifier: MIT
"""Servers that die and come back while programs use them (the boot options kill_NAME_ns, kill_NAME_count)."""

import re
import time

from guest import Failed, Terminal, check, check_match, check_output, sh

PROMPT = r"#> $"

# Ends with the sums of what tar unpacked, of what it packed, and whether both are the same.
_TAR = """
mkdir /tmp/s; cd /tmp/s; i=0
while [ $i -lt FILES ]; do
    [ $((i % 100)) = 0 ] && mkdir d$((i / 100))
    echo "file $i $((i * i))" > d$((i / 100))/f$i; i=$((i + 1))
done
cp /usr/bin/m* /usr/bin/t* .
tar cf /tmp/t.tar .; mkdir /tmp/x; cd /tmp/x; tar xf /tmp/t.tar
a=$(find . -type f | sort | xargs md5sum | md5sum)
cd /tmp/s; b=$(find . -type f | sort | xargs md5sum | md5sum)
[ "$a" = "$b" ] && echo sums; diff -r /tmp/s /tmp/x && echo same; find /tmp/x -type f | grep -c /f
rm -r /tmp/x /tmp/s && ls /tmp
"""


def _kill(server, period, times):
    """The kills are at the same instructions each time with --icount, and everywhere in the server."""
    return ["--append", f"kill_{server}_from_ns=10000000 kill_{server}_ns={period} "
                        f"kill_{server}_count={times}"]


def _deaths(result, server):
    lives = re.findall(server + r" died: was destroyed; life (\d+) began",
                       result.log.decode(errors="replace"))
    return int(lives[-1]) - 1 if lives else 0


def _tar_while_fs_dies(files, period, times):
    result = sh(_TAR.replace("FILES", str(files)), options=["--icount", *_kill("fs", period, times)])
    check_output(result, f"sums\nsame\n{files}\nt.tar\n")
    check(_deaths(result, "fs") == times, f"{_deaths(result, 'fs')} deaths, not {times}")


def fs_dies_200_times_under_tar():
    _tar_while_fs_dies(200, 300_017, 200)


def fs_dies_2000_times_under_tar():
    _tar_while_fs_dies(2000, 300_007, 2000)


# What a process can go through, and what its parent is told of it.
_FORKS = """
i=0; while [ $i -lt ROUNDS ]; do i=$((i + 1))
    (exit $((i % 7))); [ $? = $((i % 7)) ] || echo wrong status $i
    /bin/false && echo wrong exec $i
    sh -c "kill -$((i % 2 * 6 + 9)) \\$\\$" 2>/tmp/e
    [ $? = $((i % 2 * 6 + 137)) ] || echo wrong signal $i
    sleep 9 & p=$!; kill -STOP $p; kill $p; kill -CONT $p; wait $p 2>/tmp/e
    [ $? = 143 ] || echo wrong stop $i
    (sleep 0.001; exit 3) & (exit 4) & wait $!; [ $? = 4 ] || echo wrong wait $i; wait
done
n=0; trap 'n=$((n + 1))' USR1; for i in 1 2 3 4 5 6 7 8 9 10; do kill -USR1 $$; done; echo $n signals
seq 1 200 | sort -rn | head -1
ps -e -o stat= | grep -c Z
"""


def _forks_while_proc_dies(rounds, period, least):
    result = sh(_FORKS.replace("ROUNDS", str(rounds)),
                options=["--icount", *_kill("proc", period, 100000)])
    check_output(result, "10 signals\n200\n0\n", 1)
    check(_deaths(result, "proc") >= least, f"only {_deaths(result, 'proc')} deaths")


def proc_dies_400_times_under_forks_and_signals():
    _forks_while_proc_dies(20, 100_003, 400)


def proc_dies_everywhere_under_forks_and_signals():
    for period in (33_331, 53_777, 71_993, 237_777, 1_000_003):
        _forks_while_proc_dies(60, period, 60)


def _says(terminal, command, pattern):
    terminal.line(command)
    terminal.expect(pattern, 60)


def _work_with_jobs(terminal, rounds):
    """What job control is for: stopped and continued, in the foreground and behind it."""
    for i in range(rounds):
        _says(terminal, f"sh -c 'echo be''gun; sleep 0.1; kill -STOP $$; exit {i + 20}'",
              r"begun.*(Stopped|Suspended).*#> $")
        _says(terminal, "jobs", r"(Stopped|Suspended).*#> $")
        _says(terminal, "fg; echo st''atus $?", rf"status {i + 20}\r\n#> $")
        terminal.line("echo re''ady; cat")
        terminal.expect(r"ready\r\n", 60)
        _says(terminal, f"line {i}", rf"line {i}\r\nline {i}\r\n")
        terminal.type("\x1a")
        terminal.expect(r"(Stopped|Suspended).*#> $", 60)
        _says(terminal, "bg; kill -KILL %%; wait; jobs; echo no''ne", r"none\r\n#> $")
    _says(terminal, "ps -e -o stat= | grep -c Z", r"\n0\r\n#> $")


def proc_dies_while_jobs_are_controlled():
    """How often depends on the host, so the work goes on until it was often enough."""
    with Terminal("env", "PS1=#> ", "ENV=/dev/null", "mksh", "-i", log=False,
                  options=_kill("proc", 5_000_000, 100000)) as terminal:
        lives = 0
        terminal.expect(PROMPT, 60)
        for _ in range(10):
            _work_with_jobs(terminal, 5)
            terminal.line("rsctl status --json | tr '}' '\\n' | grep '\"proc'")
            lives = int(terminal.expect(r'"lives": *(\d+).*#> $', 60).group(1))
            if lives > 200:
                break
        check(lives > 200, f"only {lives} lives")
        terminal.line("exit 7")
        check(terminal.wait() == 7, "the status of the shell is not exo-run's")


def tty_dies_300_times_under_output():
    """What is stored is neither lost nor doubled."""
    result = sh("seq 1 3000", options=["--icount", "--append",
                                       "kill_tty_from_ns=5000000 kill_tty_ns=20011 kill_tty_count=300"])
    check_output(result, "".join(f"{i}\n" for i in range(1, 3001)))
    check(result.log.count(b"tty died") == 300, "not 300 deaths")


class _Typist:
    """Types commands; one whose keys did not all arrive (a death may lose one) is typed again."""

    def __init__(self, kills, *environment):
        self.lost = 0
        self.terminal = Terminal("env", "PS1=#> ", "ENV=/dev/null", *environment, "mksh", "-i",
                                 options=["--append", kills])
        self.terminal.expect(r"#> $", 60)

    def says(self, command, pattern, seconds=10):
        for _ in range(5):
            self.terminal.line(command)
            try:
                return self.terminal.expect(pattern, seconds)
            except Failed:
                self.lost += 1
                self.terminal.type("\x03\r")
        check(False, f"{command}: no answer on {self.terminal.screen[-300:]!r}")


def _kills(period, times, *servers):
    return " ".join(f"kill_{s}_from_ns=2000000000 kill_{s}_ns={period + 1009 * i} kill_{s}_count={times}"
                    for i, s in enumerate(servers))


def tty_dies_200_times_while_somebody_types():
    typist = _Typist(_kills(20_000_003, 200, "tty"))
    with typist.terminal as terminal:
        for i in range(60):
            typist.says(f"echo $(({i} * 7))-", rf"\n{i * 7}-\r\n#> ")
        terminal.line("sleep 8; echo wo''ke")
        time.sleep(2)
        terminal.type("\x1a")
        terminal.expect(r"(Stopped|Suspended).*> ")
        typist.says("jobs", r"(Stopped|Suspended).*> ")
        typist.says("fg", r"sleep 8.*> ")
        check(typist.lost <= 3, f"{typist.lost} lines had to be typed again")


def _lives(result, server):
    return int(re.search(rf"^{server} running always (\d+) ", result.output.decode(), re.M).group(1))


def _survives(kills, lives):
    """The system comes up and works, and the table tells how many lives that took."""
    options = ["--icount", "--append", " ".join(f"kill_{name}={value}" for name, value in kills.items())]
    result = sh("sleep 0.1; seq 1 20000 | md5sum; ls / >/tmp/l && sort -u /tmp/l | grep -c tmp; cat /proc/exo/services",
                options=options)
    check_match(result, r"\Ae071f707df7bbeee2a6a1eb48011ddd0  -\n1\n")
    for server, least in lives.items():
        check(_lives(result, server) >= least, f"{server}: {_lives(result, server)} lives, not {least}")


def servers_die_at_every_point_of_their_start():
    """Each life is killed a little later than the one before: in the rebirth, then in the start."""
    _survives({"fs_ns": 50, "fs_step_ns": 1499, "fs_count": 150, "proc_ns": 50, "proc_step_ns": 997,
               "proc_count": 150, "tty_ns": 50, "tty_step_ns": 811, "tty_count": 150},
              {"fs": 20, "proc": 20, "tty": 20})


def servers_die_again_in_every_piece_of_a_rebirth():
    """A second death comes 1, 64, 127, ... instructions after the first: before the next life, and in it."""
    for server in ("fs", "proc", "tty"):
        _survives({f"{server}_from_ns": 10_000_000, f"{server}_ns": 1, f"{server}_step_ns": 63,
                   f"{server}_count": 300}, {server: 50})  # a death of the dead begins no life


def two_servers_die_at_once():
    """And what one needs dies while it is being reborn: fs needs proc, tty needs both."""
    for late in (0, 1000, 4000):
        _survives({"fs_from_ns": 8_000_000 + late, "fs_ns": 100_003, "fs_count": 30,
                   "proc_from_ns": 8_000_000, "proc_ns": 100_003, "proc_count": 30,
                   "tty_from_ns": 8_000_000 + late // 2, "tty_ns": 100_003, "tty_count": 30},
                  {"fs": 2, "proc": 2, "tty": 2})


def all_die_200_times_under_tar_find_and_typing():
    """fs, proc and tty; and afterwards the table tells of it."""
    find = "find /usr -type f | sort | xargs md5sum | md5sum"
    work = ("mkdir /tmp/s /tmp/x; cd /tmp/s; i=0; while [ $i -lt 2000 ]; do echo $i $((i * i)) >f$i; i=$((i + 1));"
            " done; cp /usr/bin/m* .; tar cf /tmp/t .; cd /tmp/x; tar xf /tmp/t; diff -r /tmp/s /tmp/x && ls | grep -c ^f")
    typist = _Typist(_kills(40_000_003, 200, "fs", "proc", "tty"), f"A={find} >/tmp/a", f"B={find} >/tmp/b",
                     f"C=({work}; echo done) >/tmp/out 2>&1")
    with typist.terminal as terminal:
        for job in ('eval "$A"', 'eval "$B" &', 'eval "$C" &'):
            typist.says(job, re.escape(job) + r"\r+\n.*#> ", 60)  # all its keys arrived, or it is typed again
        for i in range(100):
            typist.says(f"echo $(({i} * 7))-", rf"\n{i * 7}-\r\n#> ")
        typist.says("wait; cmp /tmp/a /tmp/b && echo sa''me; cat /tmp/out", r"same\r\n2000\r\ndone\r\n", 240)
        for server in ("fs", "proc", "tty"):
            typist.says(f"grep '^{server} ' /proc/exo/services", rf"\n{server} running always 201 0 ")
        check(typist.lost <= 6, f"{typist.lost} lines had to be typed again")
        terminal.line("exit 0")
