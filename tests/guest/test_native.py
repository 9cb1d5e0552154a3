# SPDX-License-Identifier: MIT
"""Programs without POSIX: libos/tiny's demonstrations, and what the native calls cost."""

import re

from guest import check, check_status, run

# Instructions an operation may cost (issue "ExoV6 boots to a Debian shell", section 6).
LIMITS = {"null_call": 80, "call_reply": 600, "fault_upcall": 400, "map_unmap_page": 150,
          "wake_wait": 800}


def _native(name, *options):
    return run(f"native:{name}", options=options)


def _check_log(result, pattern):
    check(re.search(pattern, result.log.decode()), f"no {pattern!r} in the log of {result}")


def tiny_threads_are_preempted_and_page_their_memory():
    result = _native("tiny-threads")
    check_status(result, 0)
    _check_log(result, r"tiny-threads: 4 threads, 0 wrong sums, many .*, many")


def tiny_pair_calls_and_survives_its_twin():
    result = _native("tiny-pair")
    check_status(result, 0)
    _check_log(result, r"tiny-pair: 1000 calls served, death seen")


def native_operations_cost_what_they_may():
    result = _native("tiny-bench", "--icount")
    check_status(result, 0)
    found = dict(re.findall(r"tiny-bench: (\w+) (\d+)", result.log.decode()))
    for name, limit in LIMITS.items():
        check(int(found.get(name, 10**9)) <= limit,
              f"{name}: {found.get(name)} instructions, {limit} are allowed")


def missing_native_program_is_127():
    check_status(_native("no-such-program"), 127)
