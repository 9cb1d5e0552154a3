# SPDX-License-Identifier: MIT
"""Programs without POSIX: libos/tiny's demonstrations, and what the native calls cost."""

import re

from guest import ARCH, TOP, check, check_status, run

OPERATIONS = ("null_call", "call_reply", "fault_upcall", "map_unmap_page", "wake_wait")


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


def _costs_what_it_may(program, operations):
    result = _native(program, "--icount", "--smp", "1")
    check_status(result, 0)
    found = dict(re.findall(r"tiny-\w+: (\w+) (\d+)", result.log.decode()))
    text = (TOP / "bench" / f"targets.{ARCH}.tsv").read_text(encoding="utf-8")
    limits = dict(re.findall(r"^(\w+)\t(\d+)$", text, re.M))
    for name in operations:
        limit = limits.get(name, 10**6)  # a machine without a target for it: that it works at all
        check(int(found.get(name, 10**9)) <= int(limit),
              f"{name}: {found.get(name)} instructions, {limit} are allowed")


def native_operations_cost_what_they_may():
    _costs_what_it_may("tiny-bench", OPERATIONS)


def rebirth_costs_what_it_may():
    _costs_what_it_may("tiny-rebirth", ("rebirth", "rebirth_page", "rebirth_capability",
                                        "rebirth_caller", "rebirth_descendant"))


def missing_native_program_is_127():
    check_status(_native("no-such-program"), 127)
