# SPDX-License-Identifier: MIT
"""Several processors: what programs see of them, and programs that get into each other's way on them
(programs/stress.c, which also runs on Linux)."""

import re
import statistics

from guest import ARCH, PROGRAMS, check, check_match, check_output, check_status, guest_programs, run, sh


def programs_see_all_processors():
    result = sh("nproc; grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat; "
                "taskset -c 1 nproc; taskset -c 0,3 nproc",
                options=["--smp", "4"])
    check_output(result, "4\n4\n4\n1\n2\n")


def another_process_is_bound_to_processors():
    result = sh("sleep 100 & p=$!; taskset -cp 1 $p; taskset -cp $p; "
                "busybox su -s /bin/sh nobody -c \"taskset -cp 0 $p\"; taskset -cp $p; kill $p",
                options=["--smp", "4"])
    check_match(result, r"^pid \d+'s current affinity list: 0[-,].*3\n"
                        r"pid \d+'s new affinity list: 1\npid \d+'s current affinity list: 1$")
    check_match(result, r"Operation not permitted\n(.*\n)*pid \d+'s current affinity list: 1$")


def _stress(seconds, processors):
    """Under the kernel that checks its locks and what it gave back (cmake/kernel.cmake)."""
    result = run(f"{PROGRAMS}/stress", str(seconds),
                 options=["--kernel", "checked", "--smp", str(processors),
                          "--timeout", str(seconds + 120), *guest_programs()])
    check_status(result, 0)
    check(re.search(r" 0 failures$", result.text.strip()), result)


def stress_for_ten_seconds():
    _stress(10, 4)


def stress_for_a_minute():
    _stress(60, 4)


LOCK_SHARE_MAX = 5.0  # per cent of the time in which some processor holds the kernel lock


def _scaling(runs, *options):
    """Of each run: one process's time, two processes', and the share of that under the lock."""
    result = run(f"{PROGRAMS}/scaling", str(runs),
                 options=["--kernel", "counted", "--smp", "2", "--timeout", "200", *options,
                          *guest_programs()])
    check_status(result, 0)
    found = re.findall(r"^one (\d+) us, two (\d+) us, lock ([\d.]+) %", result.text, re.M)
    check(len(found) == runs, result)
    return [(int(one), int(two), float(lock)) for one, two, lock in found]


def two_processes_scale_on_two_processors():
    """Times are printed only, as hosts differ, and take processors away from a holder of the lock. The gate
    is what was counted: there processors take turns, so that two at once would take half the time."""
    runs = _scaling(5)
    ratio = statistics.median(two / one for one, two, _ in runs)
    clock = statistics.median(lock for _, _, lock in runs)
    counted = 2 * _scaling(1, "--icount")[0][2]
    print(f"scaling on {ARCH}: two processes take {ratio:.2f} of one's time (1: they run at once, "
          f"2: one after the other); under the kernel lock {counted:.1f} % of instructions, "
          f"{clock:.1f} % by the clock")
    check(counted <= LOCK_SHARE_MAX, f"{counted} % under the lock")
