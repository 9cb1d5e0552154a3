# SPDX-License-Identifier: MIT
"""Memory order between threads and processes (programs/litmus.c; the native one is calls/litmus.c)."""

import re

from guest import PROGRAMS, check, guest_programs, run

LINE = re.compile(r"^(MP|SB|LB) (shared|pipe) (threads|processes): .* (forbidden|allowed) \d\d: (\d+)$",
                  re.M)


def _litmus(*words, smp):
    result = run(f"{PROGRAMS}/litmus", *words,
                 options=("--smp", str(smp), "--timeout", "200", *guest_programs()))
    found = LINE.findall(result.text)
    check(len(found) == 12 and result.status == 0, result)
    return found


def litmus_programs_show_no_forbidden_outcome():
    for line in _litmus(smp=1):
        check(line[3:] == ("forbidden", "0"), line)


def litmus_programs_show_no_forbidden_outcome_on_two_cpus():
    for line in _litmus(smp=2):
        check(line[3:] == ("forbidden", "0"), line)


def litmus_programs_without_fences_say_what_they_see():
    """Shared memory may show anything then; pipes keep their order by themselves."""
    for line in _litmus("--weak", smp=2):
        check(line[3] == ("forbidden" if line[1] == "pipe" else "allowed"), line)
