# SPDX-License-Identifier: MIT
"""What happens when something runs out, and what is left behind: nothing."""

import re

from guest import (PROGRAMS, check, check_match, check_output, check_status, guest_programs, run,
                   sh)

# Where the guest shows the numbers of free frames and kernel objects, one line of NAME NUMBER each.
RESOURCES = "/proc/exo/resources"


def _same_after(work, rounds, options=()):
    """Does `work` again and again, until what is free has been the same after three rounds in a row:
    a leak, however small, never stands still, while the servers' notes on processes that live at
    once grow only until they have seen the most. A shell of its own does the work each time: what
    that one grew by while it lived goes with it."""
    result = sh(f"i=0; while [ $i -lt {rounds} ]; do sh -c '{work}'; i=$((i + 1)); sleep 0.2; "
                f"echo round; cat {RESOURCES}; done", options=["--icount", *options])
    check_status(result, 0)
    states = result.text.split("round\n")[1:]
    check(len(states) == rounds and states[0].strip(), f"not {rounds} rounds: {result.text}")
    still = any(states[i] == states[i + 1] == states[i + 2] for i in range(rounds - 2))
    check(still, f"it never stood still:\n{result.text}")


def thousand_forks_leave_nothing_behind():
    _same_after("i1=0; while [ $i1 -lt 200 ]; do /usr/bin/true; i1=$((i1 + 1)); done", 5)


def sixty_four_piped_processes_leave_nothing_behind():
    _same_after("echo x | " + " | ".join(["cat"] * 63) + " > /dev/null", 12)


def descriptors_on_their_way_leave_nothing_behind():
    _same_after(f"{PROGRAMS}/sockets /tmp >/dev/null; cd /tmp; rm -f inbox client packets s*", 5,
                guest_programs())


def full_tmpfs_says_so():
    result = sh("cat /dev/zero 2>&1 > /tmp/full; echo $?; rm /tmp/full; echo still > /tmp/ok; "
                "cat /tmp/ok", options=["--mem", "256"])
    check_output(result, "cat: write error: No space left on device\n1\nstill\n")


def too_many_open_files_says_so():
    result = sh(f"{PROGRAMS}/exhaust files; echo $?", options=guest_programs())
    check_output(result, "EMFILE\n0\n")


def memory_that_runs_out_hits_only_the_eater():
    result = sh(f"{PROGRAMS}/exhaust memory; echo eater $?; echo shell lives; seq 1 3 | tail -n 1",
                options=guest_programs())
    check_match(result, r"eater (0|137)\nshell lives\n3\n")


def fork_bomb_leaves_the_shell_alive():
    result = sh(f"{PROGRAMS}/exhaust forks & sleep 3; echo shell lives; "
                "pkill -9 exhaust; sleep 1; seq 1 3 | tail -n 1", options=guest_programs())
    check_match(result, r"shell lives\n(.*\n)*3\n")


def resource_limits_and_cpu_timers_work_as_on_linux():
    result = run(f"{PROGRAMS}/limits", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def core_is_written_as_far_as_the_limit_allows():
    result = sh("""cd /tmp; sh -c 'kill -SEGV $$'; ls core; ulimit -c unlimited; sh -c 'kill -QUIT $$'
        head -c 4 core | od -An -c; stat -c '%a %U' core; rm core; sh -c 'kill -TERM $$'; ls core
        ln -s /tmp/other core; sh -c 'kill -QUIT $$'; ls other; true""")
    check_match(result, r"(?m)^ 177   E   L   F\n600 root$")
    check(result.text.count("(core dumped)") == 1, str(result))
    check(result.text.count("No such file or directory") == 3, str(result))
