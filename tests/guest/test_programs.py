# SPDX-License-Identifier: MIT
"""Unmodified Debian programs, doing what people do with them."""

import hashlib
import json
import re
import stat

from guest import (PROGRAMS, check, check_match, check_output, check_status, guest_programs, image, run,
                   sh)


def sort_of_100000_numbers():
    check_output(sh("seq 1 100000 | sort -rn | head -1"), "100000\n")


def every_file_of_the_image_has_its_sum():
    """The guest's files against the archive, read on the host."""
    result = sh("find / -xdev -type f | sort | xargs md5sum")
    check_status(result, 0)
    there = dict(reversed(line.split("  ", 1)) for line in result.lines)
    expected = {"/" + path: hashlib.md5(entry.data).hexdigest()
                for path, entry in image().items() if stat.S_ISREG(entry.mode)}
    moving = ("/run/", "/proc/", "/sys/", "/dev/")
    there = {path: value for path, value in there.items() if not path.startswith(moving)}
    lacking = sorted(set(expected) - set(there))
    added = sorted(set(there) - set(expected))
    wrong = sorted(path for path in expected if there.get(path, expected[path]) != expected[path])
    check(not lacking, f"not found in the guest: {lacking[:10]} ({len(lacking)})")
    check(not added, f"only in the guest: {added[:10]} ({len(added)})")
    check(not wrong, f"other contents: {wrong[:10]} ({len(wrong)})")


def tar_through_gzip_and_bzip2_twice():
    result = sh("cd / && tar c usr/bin | gzip | gzip -d | bzip2 | bzip2 -d | tar t")
    check_status(result, 0)
    names = {line.rstrip("/") for line in result.lines}
    expected = {path for path in image() if path == "usr/bin" or path.startswith("usr/bin/")}
    check(names == expected, f"differ: {sorted(names ^ expected)[:10]}")


def tar_pipeline_of_the_issue():
    result = sh("tar c /usr/bin 2>/dev/null | gzip | bzip2 | bzip2 -d | tar tz | wc -l")
    expected = sum(path == "usr/bin" or path.startswith("usr/bin/") for path in image())
    check_output(result, f"{expected}\n")


def here_documents():
    check_output(sh("name=exo; cat <<A; cat <<'B'\nhello $name $((1 + 1))\nA\nkept $name\nB\n"),
                 "hello exo 2\nkept $name\n")


def here_document_larger_than_a_pipe():
    script = "seq 1 30000 > /tmp/n; { echo 'cat <<END | tail -n 1'; cat /tmp/n; echo END; } | sh"
    check_output(sh(script), "30000\n")


def trap_runs_at_exit_and_on_a_signal():
    check_output(sh("trap 'echo usr1' USR1; trap 'echo bye' EXIT; kill -USR1 $$; echo after"),
                 "usr1\nafter\nbye\n")


def wait_returns_the_status_of_a_job():
    check_output(sh("(exit 3) & a=$!; (exit 5) & b=$!; wait $b; echo $?; wait $a; echo $?"),
                 "5\n3\n")


def background_jobs_run_beside_the_shell():
    check_output(sh("(sleep 1; echo later) & echo now; wait; echo end"), "now\nlater\nend\n")


def background_job_can_be_killed():
    check_match(sh("sleep 100 & kill $!; wait $!; echo $?"), r"^143\n\Z")


def ps_shows_itself_and_init():
    result = sh("ps aux")
    check_match(result, r"^USER +PID +%CPU")
    check_match(result, r"^root +1 .*")
    check_match(result, r"ps aux")


def top_runs_once():
    result = sh("TERM=dumb top -bn1")
    check_match(result, r"^top - ")
    check_match(result, r"%Cpu")
    check_match(result, r"top")


def df_shows_the_root():
    check_match(run("df"), r"^\S+ +\d+ +\d+ +\d+ +\d+% /$")


def du_adds_up():
    check_match(sh("mkdir /tmp/d; head -c 100000 /dev/zero > /tmp/d/f; du -s --apparent-size -B1 "
                   "/tmp/d/f"), r"^100000\s+/tmp/d/f$")


def lscpu_and_dmesg_know_the_machine():
    result = sh("lscpu; dmesg; uname -v; cat /proc/version; busybox su -s /bin/sh nobody -c dmesg; true",
                options=["--smp", "2"])
    check_match(result, r"^CPU\(s\): +2$")
    check_match(result, r"^On-line CPU\(s\) list: +0[-,]1$")
    check_match(result, r"^Thread\(s\) per core: +1$")
    check_match(result, r"^Core\(s\) per [^:]+: +2$")
    check_match(result, r"^\[ +\d+\.\d{6}\] exov6: (ExoV6 \S+)$")
    version = re.search(r"^(ExoV6 \S+)$", result.text, re.M)[1]
    check_match(result, rf"^Linux version .* {version}$")
    check_match(result, r"^dmesg: .*Operation not permitted$")


def slabtop_lsns_and_unshare_say_that_there_is_none():
    result = sh("slabtop -o; lsns; unshare -n true; echo $?")
    check_match(result, r"^slabtop: .*No such file or directory$")
    check_match(result, r"^lsns: .*/proc/self/ns/\S+: No such file or directory$")
    check_match(result, r"^unshare: .*: Function not implemented\n1$")


def pmap_shows_the_memory_of_another_process():
    """Of one that sleeps and of one that computes and never asks anybody for anything."""
    result = sh("sleep 100 & p=$!; while :; do :; done & q=$!; sleep 0.3; pmap -x $p; pmap $q; "
                "ls -l /proc/$p/fd | wc -l; kill $p $q")
    check_match(result, r"^\S+ +\d\d+ +\d+ +0 r-x-- sleep$")
    check_match(result, r"libc\.so\.6$")
    check_match(result, r"^total kB +\d{4,} +\d{3,} +\d+$")
    check_match(result, r"^ total +\d{4,}K$")
    check_match(result, r"^4$")


def free_shows_the_memory():
    result = run("free", "-m", options=["--mem", "512"])
    check_status(result, 0)
    total = int(re.search(r"^Mem: +(\d+)", result.text, re.M)[1])
    check(300 <= total <= 512, f"free says {total} MiB of 512")


def pgrep_and_pkill_find_by_name():
    check_match(sh("sleep 100 & pgrep -x sleep | wc -l; pkill -x sleep; wait $!; echo $?"),
                r"^1\n(Terminated\n)?143\n$")  # dash says so, or not, as the signal comes in


def kill_0_tests_for_a_process():
    check_output(sh("kill -0 $$ && echo here; kill -0 99999 2>/dev/null || echo gone"),
                 "here\ngone\n")


def urandom_gives_a_million_bytes():
    check_output(sh("cat /dev/urandom | head -c 1000000 | wc -c"), "1000000\n")


def urandom_does_not_repeat():
    check_output(sh("for i in 1 2 3 4; do head -c 16 /dev/urandom | od -An -tx1; done | sort -u | "
                    "wc -l"), "4\n")


def less_copies_when_not_on_a_terminal():
    check_output(sh("seq 1 3 | less"), "1\n2\n3\n")


def diff_grep_sed_awk_work():
    check_output(sh("cd /tmp; seq 1 5 > a; sed s/3/three/ a > b; diff a b; grep -n three b; "
                    "awk '{ s += $1 } END { print s }' a"),
                 "3c3\n< 3\n---\n> three\n3:three\n15\n")


def busybox_is_there_as_well():
    check_output(run("busybox", "echo", "static"), "static\n")


def exo_trace_tells_every_call():
    """As text, with the calls of children and threads of control; as sums; for Chrome; what is missing."""
    result = sh("exo-trace -n sh -c 'cat /etc/hostname | wc; (exit 3)' 2>&1; echo status $?")
    check_match(result, r'(?m)^\d+ \d\.\d{6} openat\(AT_FDCWD, "/etc/hostname", 0x0, 0x0\) = 3 <')
    check_match(result, r"(?m)^\d+ \d\.\d{6}     exo_map\(0x0, ")
    check_match(result, r"(?m)^\d+ \d\.\d{6} execve\(\"[a-z/]*/wc\", \[\"wc\"\]")
    check_match(result, r"(?m)^\d+ \d\.\d{6} exit_group\(3\) = \?")
    check_match(result, r"(?m)^status 3$")
    result = sh("exo-trace --summary -o /tmp/t true; cat /tmp/t")
    check_match(result, r"(?m)^ *\d+\.\d\d +0\.\d{6} +\d+ +0 +\d+ mmap$")
    result = sh("exo-trace --json -o /tmp/t true; cat /tmp/t")
    events = json.loads(result.text)
    check({event["cat"] for event in events} == {"linux", "native"}, str(events[:3]))
    result = sh("exo-trace -m busybox unshare -n true 2>&1; true")
    check_match(result, r"(?m)^exo: busybox \(\d+\): unshare\(.*\) = -1 ENOSYS: no such call$")


def musl_static_pie_shell_runs():
    check_output(run("mksh-static", "-c", "echo $((6*7)) | cat"), "42\n")


def scripts_run_by_their_first_line():
    check_output(sh("printf '#!/bin/mksh\\necho \"$0 $1\"\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s x"),
                 "/tmp/s x\n")


def ids_and_permissions_hold():
    check_output(sh("id -un; umask 077; touch /tmp/p; stat -c %a /tmp/p; "
                    "chroot --userspec=1000:1000 / cat /tmp/p 2>&1; echo $?"),
                 "root\n600\ncat: /tmp/p: Permission denied\n1\n")


def lslocks_tells_who_has_locked_what():
    result = sh("cd /tmp; flock f sh -c 'echo $PPID; exec <&-; cat /proc/locks; lslocks -n -o command,type,mode,start,path'")
    pid = result.text.split("\n")[0]
    check(re.fullmatch(rf"{pid}\n1: FLOCK  ADVISORY  WRITE {pid} [0-9a-f]+:[0-9a-f]+:[0-9]+ 0 EOF\nflock +FLOCK +WRITE +0 .*\n",
                       result.text), str(result))


def su_runs_a_command_as_somebody_else():
    result = sh("su user -c 'id -un; su -c id 2>&1 </dev/null' | sed 's/Password: //'; busybox grep -c root: /etc/shadow")
    check_output(result, "user\nsu: Authentication failure\n1\n")


def links_are_made_and_counted():
    check_output(sh("cd /tmp; echo x > a; ln a b; ln -s a c; stat -c %h a; cat c; rm a; "
                    "stat -c %h b; cat c 2>/dev/null || echo dangling"), "2\nx\n1\ndangling\n")


def registers_signals_and_clocks_are_as_on_linux():
    """programs/machine.c; the same program passes on Linux."""
    result = run(f"{PROGRAMS}/machine", options=guest_programs())
    check("not ok" not in result.text and result.status == 0, result)
