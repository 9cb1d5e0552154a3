# SPDX-License-Identifier: MIT
"""Several processors: what programs see of them, and programs that get into each other's way on them
(programs/stress.c, which also runs on Linux)."""

import re

from guest import PROGRAMS, check, check_output, check_status, guest_programs, run, sh


def programs_see_all_processors():
    result = sh("nproc; grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat; "
                "taskset -c 1 nproc; taskset -c 0,3 nproc",
                options=["--smp", "4"])
    check_output(result, "4\n4\n4\n1\n2\n")


def _stress(seconds, processors):
    result = run(f"{PROGRAMS}/stress", str(seconds),
                 options=["--smp", str(processors), *guest_programs()])
    check_status(result, 0)
    check(re.search(r" 0 failures$", result.text.strip()), result)


def stress_for_ten_seconds():
    _stress(10, 2)


def stress_for_a_minute():
    _stress(60, 4)
