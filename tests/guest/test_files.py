# SPDX-License-Identifier: MIT
"""Descriptors, files, pipes, sockets and waiting, as programs rely on them (programs/files.c). The
same program passes on Linux."""

from guest import PROGRAMS, check, check_output, check_status, guest_programs, run, sh


def files_pipes_sockets_and_polls_behave_as_on_linux():
    result = run(f"{PROGRAMS}/files", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def inotify_tells_of_files_as_on_linux():
    result = run(f"{PROGRAMS}/inotify", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


# With -s 100 tail would look by itself after 100 seconds. EXO_TRACE tells of calls that are missing.
TAIL = "EXO_TRACE=1 timeout 10 tail -s 100"


def tail_f_is_woken_by_what_is_appended():
    result = sh(f"cd /tmp; echo one >f; (sleep 1; echo two >>f; sleep 1; echo three >>f) & "
                f"{TAIL} -f f 2>err | head -3; grep inotify err; echo end")
    check_output(result, "one\ntwo\nthree\nend\n")


def tail_follows_a_name_from_file_to_file():
    result = sh(f"cd /tmp; echo one >f; (sleep 1; mv f f.old; sleep 1; echo two >f; sleep 1; "
                f"echo three >g; mv g f; sleep 1; echo four >>f) & {TAIL} --follow=name -F f 2>err | "
                "head -4; grep inotify err; echo end")
    check_output(result, "one\ntwo\nthree\nfour\nend\n")


def timerfds_and_pidfds_behave_as_on_linux():
    result = run(f"{PROGRAMS}/events", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def system_v_ipc_works_as_on_linux():
    result = run(f"{PROGRAMS}/sysv", options=guest_programs())
    check_status(result, 0)
    result = sh("ipcmk -Q; ipcmk -S 5; ipcmk -M 100; ipcs | grep root | wc -l; ipcrm -q 0 -s 0 -m 0; ipcs | grep root | wc -l")
    check_output(result, "Message queue id: 0\nSemaphore id: 0\nShared memory id: 0\n3\n0\n")


def signals_at_fork_and_exec_behave_as_on_linux():
    result = run(f"{PROGRAMS}/signals", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def set_id_programs_get_their_ids_and_nothing_else():
    result = run(f"{PROGRAMS}/setid", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def local_sockets_pass_descriptors_and_keep_records_as_on_linux():
    result = run(f"{PROGRAMS}/sockets", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def mapped_files_end_where_they_end_on_linux():
    result = run(f"{PROGRAMS}/mappings", "/tmp", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)


def times_before_1970_are_kept():
    result = sh("cd /tmp; touch -d '1901-12-13 20:45:51.25 UTC' f; stat -c %.2Y f; ls -l --full-time f |"
                "cut -d' ' -f6,7; touch -d @-0.5 f; stat -c %.1Y f; touch -r f g; stat -c %.1X g")
    check_output(result, "-2147483648.75\n1901-12-13 20:45:51.250000000\n-0.5\n-0.5\n")


def proc_tells_which_open_files_are_deleted():
    result = sh("cd /tmp; exec 3>f 4>g; rm f; readlink /proc/$$/fd/3 /proc/$$/fd/4; ln -s /proc/self/fd/3 h;"
                "exec 5>h; readlink /proc/self/fd/4")
    check_output(result, "/tmp/f (deleted)\n/tmp/g\n/tmp/g\n")
