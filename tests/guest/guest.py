# SPDX-License-Identifier: MIT
"""Runs commands inside ExoV6 for the guest tests.

Two ways in, both through tools/exo-run, as a user would: run() for a command with its output and
status, Terminal for a person at a terminal who types and waits for what the screen says.

A test is a function of a tests/guest/test_*.py whose name is a sentence; it fails by an exception,
mostly of the check functions below, which say what was expected and what came."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import fcntl
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools"))
import builds  # noqa: E402
import newc  # noqa: E402

EXO_RUN = TOP / "tools" / "exo-run"
BUILD = Path(os.environ.get("EXO_BUILD") or TOP / "build" / "x86_64")
ARCH = builds.arch_of(BUILD) or "x86_64"


class Failed(Exception):
    """What was expected, and what came."""


class Skipped(Exception):
    """What is missing for the test, and how to get it."""


class Result:
    def __init__(self, status, output, log):
        self.status, self.output, self.log = status, output, log

    @property
    def text(self):
        return self.output.decode(errors="replace")

    @property
    def lines(self):
        return self.text.splitlines()

    def __str__(self):
        tail = self.log.decode(errors="replace")[-2000:]
        return f"status {self.status}, output:\n{self.text[-4000:]}\nlog (end):\n{tail}"


def exo_run_line(command, options):
    return [str(EXO_RUN), "--build", str(BUILD), *options, "--", *command]


def run(*command, options=(), host_limit=None):
    """Runs one command in a fresh machine."""
    done = subprocess.run(exo_run_line(command, options), stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=host_limit)
    return Result(done.returncode, done.stdout, done.stderr)


def sh(script, **how):
    """Runs a script of the guest's sh."""
    return run("sh", "-c", script, **how)


def start(*command, options=()):
    """Starts a machine and goes on; the caller waits for it."""
    return subprocess.Popen(exo_run_line(command, options), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def guest_programs():
    """The options that put the test programs of tests/guest/programs into the guest."""
    return ("--initrd", str(BUILD / "tests" / "guest.cpio"))


PROGRAMS = "/usr/lib/exo/tests"


def image(name="min"):
    """path -> entry of every file of an image, hard links under each of their names."""
    found = {}
    for entry in newc.read((BUILD / "image" / f"{name}.cpio").read_bytes()):
        for path in (entry.name, *entry.links):
            found[path] = entry
    return found


def check_status(result, status):
    if result.status != status:
        raise Failed(f"expected status {status}, got {result}")


def check_output(result, output, status=0):
    expected = output.encode() if isinstance(output, str) else output
    if result.output != expected:
        raise Failed(f"expected output:\n{expected.decode(errors='replace')}\ngot {result}")
    check_status(result, status)


def check_match(result, pattern, status=0):
    if not re.search(pattern, result.text, re.M):
        raise Failed(f"expected output like {pattern!r}, got {result}")
    check_status(result, status)


def check(condition, what):
    if not condition:
        raise Failed(what)


class Terminal:
    """A machine on a pseudo-terminal, and someone typing at it."""

    def __init__(self, *command, options=(), login=False, rows=24, columns=80, log=True):
        self.screen = b""   # everything that was shown
        self.seen = 0       # how much of it expect() has gone past
        line = [str(EXO_RUN), "--build", str(BUILD), *options]
        line += ["--login"] if login else ["--tty", "--", *command]
        self.child, self.keys = pty.fork()
        if self.child == 0:
            if not log:  # a screen whose every byte counts
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.execv(line[0], line)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.keys, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, seconds):
        ready, _, _ = select.select([self.keys], [], [], seconds)
        if not ready:
            return False
        try:
            chunk = os.read(self.keys, 65536)
        except OSError:
            chunk = b""  # the other side closed
        self.screen += chunk
        return bool(chunk)

    def type(self, text):
        """Sends keys. Control keys are written as "\\x03" for Ctrl-C and the like."""
        data = text.encode()
        while data:
            data = data[os.write(self.keys, data):]

    def line(self, text):
        self.type(text + "\r")

    def expect(self, pattern, seconds=30):
        """Waits until the screen, after what was expected before, shows the pattern."""
        pattern = re.compile(pattern.encode(), re.M | re.S)
        until = time.monotonic() + seconds
        while True:
            if match := pattern.search(self.screen, self.seen):
                self.seen = match.end()
                return match
            if time.monotonic() >= until or not self._read(until - time.monotonic()):
                if match := pattern.search(self.screen, self.seen):
                    self.seen = match.end()
                    return match
                raise Failed(f"waited for {pattern.pattern!r}; the screen went on with:\n"
                             + self.screen[self.seen:].decode(errors="replace"))

    def expect_not(self, pattern, seconds):
        """Fails if the pattern shows within these seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._read(max(0, until - time.monotonic()))
        if re.search(pattern.encode(), self.screen[self.seen:], re.M):
            raise Failed(f"{pattern!r} should not be shown:\n"
                         + self.screen[self.seen:].decode(errors="replace"))

    def wait(self, seconds=30):
        """The exit status once the machine is off."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done, status = os.waitpid(self.child, os.WNOHANG)
            if done:
                self.child = 0
                return os.waitstatus_to_exitcode(status)
            self._read(0.1)
        raise Failed("the machine did not go off; the screen ended with:\n"
                     + self.screen[-2000:].decode(errors="replace"))

    def close(self):
        if self.child:
            os.kill(self.child, signal.SIGTERM)
            try:
                self.wait(10)
            except Failed:
                os.kill(self.child, signal.SIGKILL)
                os.waitpid(self.child, 0)
        os.close(self.keys)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
