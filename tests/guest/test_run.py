# SPDX-License-Identifier: MIT
"""exo-run: a command in the guest looks like a command on the host."""

import gzip
import io
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time

from guest import (BUILD, EXO_RUN, TOP, check, check_match, check_output, check_status, newc, run,
                   sh, start)


def shell_computes_42():
    check_output(run("mksh", "-c", "echo $((6*7))"), "42\n")


def exit_status_is_the_commands():
    check_output(sh("exit 7"), "", 7)


def death_by_signal_is_128_and_its_number():
    check_status(sh("kill -9 $$"), 137)


def missing_program_is_127():
    check_status(run("no-such-program"), 127)
    check_status(run(""), 127)


def timeout_is_124():
    began = time.monotonic()
    check_status(run("sleep", "100", options=["--timeout", "5"]), 124)
    check(time.monotonic() - began < 30, "a time-out of 5 s took more than 30 s")


def timeout_counts_guest_time_under_icount():
    check_status(run("sleep", "100", options=["--icount", "--timeout", "5"]), 124)


def output_before_a_timeout_is_kept():
    result = sh("echo early; sleep 100", options=["--timeout", "8"])
    check_output(result, "early\n", 124)


def output_is_raw_bytes():
    every = bytes(range(256))
    octal = "".join(f"\\{byte:03o}" for byte in every)
    check_output(sh(f"printf '{octal}'"), every)


def arguments_arrive_unchanged():
    words = ["a b", "", "*", "$HOME", "\\n", "'\"", "ä"]
    check_output(run("printf", "[%s]\\n", *words), "".join(f"[{word}]\n" for word in words))


def errors_go_to_the_same_output():
    check_output(sh("echo out; echo err >&2"), "out\nerr\n")


def input_is_empty():
    check_output(sh("wc -c < /dev/stdin; cat"), "0\n")


def extra_archives_lie_over_the_root():
    output = io.BytesIO()
    writer = newc.Writer(output)
    writer.add(newc.Entry("etc/hostname", stat.S_IFREG | 0o644, b"other\n"))
    writer.add(newc.Entry("etc/new", stat.S_IFREG | 0o755, b"#!/bin/sh\necho run\n"))
    writer.close()
    with tempfile.NamedTemporaryFile(suffix=".cpio.gz") as archive:
        archive.write(gzip.compress(output.getvalue()))
        archive.flush()
        result = sh("cat /etc/hostname; /etc/new", options=["--initrd", archive.name])
    check_output(result, "other\nrun\n")


def two_runs_at_once_do_not_disturb_each_other():
    script = "i=0; while [ $i -lt 200 ]; do echo {0} $i; i=$((i + 1)); done; exit {0}"
    machines = [start("sh", "-c", script.format(number)) for number in (1, 2)]
    for number, machine in enumerate(machines, 1):
        output, _ = machine.communicate()
        lines = output.decode().splitlines()
        check(lines == [f"{number} {i}" for i in range(200)], f"run {number} printed {lines[-3:]}")
        check(machine.returncode == number, f"run {number} exited {machine.returncode}")


def instruction_counts_repeat():
    command = ("sh", "-c", "cat /proc/uptime; seq 1 1000 | sort -rn | tail -n 1; cat /proc/uptime")
    first, second = (run(*command, options=["--icount"]) for _ in range(2))
    check_status(first, 0)
    check_output(second, first.output)


def wrong_usage_is_status_2():
    for words in ([], ["--smp", "0", "--", "true"], ["--net", "carrier-pigeon", "--", "true"],
                  ["--icount", "--accel", "kvm", "--", "true"], ["--timeout", "0", "--", "true"],
                  ["--initrd", "/nowhere", "--", "true"]):
        done = subprocess.run([EXO_RUN, *words], capture_output=True, check=False)
        check(done.returncode == 2, f"{words}: status {done.returncode}")
        check(b"error:" in done.stderr, f"{words}: no message")


def missing_image_names_the_make_target():
    done = subprocess.run([EXO_RUN, "--build", BUILD, "--image", "no-such", "--", "true"],
                          capture_output=True, check=False)
    check(done.returncode == 125, f"status {done.returncode}")
    check(b"make image" in done.stderr, done.stderr.decode())


def busybox_image_boots_in_48_mib():
    result = run("sh", "-c", "echo small", options=["--image", "busybox", "--mem", "48"])
    check_output(result, "small\n")


def gdb_stops_in_main_with_source():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    machine = subprocess.Popen(
        [EXO_RUN, "--build", BUILD, "--gdb", "--", "true"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "EXO_GDB_PORT": port})
    try:
        time.sleep(3)
        done = subprocess.run(
            [shutil.which("gdb-multiarch") or "gdb", "-nx", "-batch", "-ex", f"target remote localhost:{port}", "-ex", "b main",
             "-ex", "c", "-ex", "info source", "-ex", "bt", "kernel.elf"],
            cwd=TOP if BUILD == TOP / "build" / "x86_64" else BUILD, capture_output=True, text=True,
            check=False, timeout=60, stdin=subprocess.DEVNULL)
    finally:
        machine.terminate()
        machine.wait(20)
    check(re.search(r"Breakpoint 1, .*main .*kernel/main\.c:\d+", done.stdout, re.S),
          done.stdout + done.stderr)


def kernel_banner_is_in_the_log():
    result = run("true")
    check_status(result, 0)
    check(b"exov6" in result.log, f"no word from the kernel: {result}")


def uname_says_linux_and_exov6():
    check_match(run("uname", "-srv"), r"^Linux 6\.1\.0-exov6 .*0\.6")
