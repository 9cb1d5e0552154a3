# SPDX-License-Identifier: MIT
"""Descriptors, files, pipes, sockets and waiting, as programs rely on them (programs/files.c). The
same program passes on Linux."""

from guest import PROGRAMS, check, guest_programs, run


def files_pipes_sockets_and_polls_behave_as_on_linux():
    result = run(f"{PROGRAMS}/files", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)
