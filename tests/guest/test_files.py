# SPDX-License-Identifier: MIT
"""Descriptors, files, pipes, sockets and waiting, as programs rely on them (programs/files.c). The
same program passes on Linux."""

from guest import PROGRAMS, check, check_match, guest_programs, run, sh


def files_pipes_sockets_and_polls_behave_as_on_linux():
    result = run(f"{PROGRAMS}/files", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def tail_f_shows_what_is_appended():
    result = sh("cd /tmp; echo one >f; (sleep 1; echo two >>f) & timeout 3 tail -f f; echo st$?")
    check_match(result, r"\Aone\n(.*\n)?two\nst124\n\Z")
