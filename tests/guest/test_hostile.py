# SPDX-License-Identifier: MIT
"""Programs that do what they must not: each harms only itself."""

import re

from guest import PROGRAMS, check, check_match, guest_programs, sh


def _harms_only_itself(what, status):
    result = sh(f"{PROGRAMS}/hostile {what} & wait $!; echo status $?; echo shell lives; "
                "seq 1 3 | sort -rn | head -n 1", options=guest_programs())
    check_match(result, rf"status ({status})\nshell lives\n3\n")


def reading_kernel_memory_is_a_segv():
    _harms_only_itself("read-kernel", 139)


def writing_kernel_memory_is_a_segv():
    _harms_only_itself("write-kernel", 139)


def jumping_into_the_kernel_is_a_segv():
    _harms_only_itself("jump-kernel", 139)


def foreign_memory_is_a_segv():
    _harms_only_itself("read-foreign", 139)


def non_canonical_addresses_are_a_segv():
    _harms_only_itself("non-canonical", 139)


def privileged_instructions_are_a_segv():
    _harms_only_itself("privileged", 0)


def wild_pointers_to_linux_calls_are_errors():
    _harms_only_itself("linux-calls", 0)


def wild_pointers_to_native_calls_are_errors():
    _harms_only_itself("native-calls", 0)


def unknown_calls_are_enosys():
    _harms_only_itself("unknown-calls", 0)


def masked_upcalls_in_a_loop_do_not_stop_others():
    result = sh(f"{PROGRAMS}/hostile loop-masked & sleep 2; echo shell lives; kill -9 $!; wait $!; "
                "echo $?", options=guest_programs())
    check_match(result, r"shell lives\n(Killed\n)?137\n")


def busy_loop_does_not_stop_others():
    result = sh(f"{PROGRAMS}/hostile loop & sleep 2; echo shell lives; kill $!; wait $!; echo $?",
                options=guest_programs())
    check_match(result, r"shell lives\n(Terminated\n)?143\n")


def jumping_to_data_is_a_segv():
    _harms_only_itself("jump-data", 139)


def stack_overflow_is_a_segv():
    _harms_only_itself("stack", 139)


def _random_linux_calls(calls, seed, options=()):
    """Three times as many random calls, by processes that are started again when they end. The
    servers' notes grow with the most that they ever saw; what is lost at each life does not stop.
    A file that is root's stays what it is, though the processes have a link to it."""
    result = sh("cp /etc/passwd /tmp/p; "
                f"for i in 1 2 3; do mkdir /tmp/f; chown 4711:4711 /tmp/f; ln -s /etc/passwd /tmp/f/a; "
                f"{PROGRAMS}/fuzz {calls} $(({seed} + i * 1000000)) /tmp/f; rm -rf /tmp/f; sleep 1; "
                "cat /proc/exo/resources; done; cmp /tmp/p /etc/passwd && ps -o user= -p 1; "
                "echo shell lives; seq 1 3 | sort -rn | head -n 1",
                options=[*guest_programs(), *options])
    check_match(result, r"root\nshell lives\n3\n")
    check(result.text.count(" lives, ") == 3, result)
    frames, objects, caps = ([int(n) for n in re.findall(rf"{name} (\d+)", result.text)]
                             for name in ("frames_free", "objects", "caps"))
    check(frames[2] + 128 > frames[1] and objects[2] < objects[1] + 32 and caps[2] < caps[1] + 96,
          f"something is lost: {result}")


def random_linux_calls_hurt_nobody():
    _random_linux_calls(5000, 1)


def ten_million_random_linux_calls_hurt_nobody():
    _random_linux_calls(3400000, 10000000, ["--timeout", "5000"])
