# SPDX-License-Identifier: MIT
"""Someone at a terminal, typing: through a real pseudo-terminal, as on Linux."""

import os
import time

from guest import Terminal, check

CTRL_A, CTRL_C, CTRL_D, CTRL_Z, CTRL_U, CTRL_BACKSLASH = "\x01", "\x03", "\x04", "\x1a", "\x15", "\x1c"
UP, LEFT, BACKSPACE = "\x1b[A", "\x1b[D", "\x7f"
PROMPT = r"> $"


def _shell(**how):
    """An interactive mksh with a prompt that is easy to wait for (root's must have a #)."""
    terminal = Terminal("env", "PS1=#> ", "ENV=/dev/null", "mksh", "-i", **how)
    terminal.expect(PROMPT, 60)
    return terminal


def _says(terminal, command, pattern, seconds=30):
    """Types a command whose echo does not match the pattern, and waits for its answer."""
    terminal.line(command)
    return terminal.expect(pattern, seconds)


def _start(terminal, command):
    """Types a command that will read or wait, and gives it the time to begin."""
    terminal.line(command)
    time.sleep(2)


def typed_commands_are_echoed_and_run():
    with _shell() as terminal:
        _says(terminal, "echo $((6 * 7))", r"echo \$\(\(6 \* 7\)\)\r+\n42\r\n#> ")
        terminal.line("exit 5")
        check(terminal.wait() == 5, "the status of the shell is not exo-run's")


def ctrl_c_at_the_prompt_gives_a_new_prompt():
    with _shell() as terminal:
        terminal.type("echo not")
        terminal.expect("echo not")
        terminal.type(CTRL_C)
        terminal.expect(r"\n#> ")
        _says(terminal, "echo a''fter $?", r"\nafter 130\r\n")
        check(b"\nnot" not in terminal.screen, "the line was run all the same")


def ctrl_c_ends_cat():
    with _shell() as terminal:
        _start(terminal, "cat")
        _says(terminal, "echoed", r"echoed\r\nechoed\r\n")
        terminal.type(CTRL_C)
        terminal.expect(r"\^C.*> ")
        _says(terminal, "echo st$?", r"\nst130\r\n")


def ctrl_c_ends_a_pipeline():
    with _shell() as terminal:
        _start(terminal, "cat | cat | cat")
        terminal.type(CTRL_C)
        terminal.expect(r"\^C.*> ")
        _says(terminal, "pgrep -x cat | wc -l", r"\n *0\r\n")


def ctrl_c_ends_sleep():
    with _shell() as terminal:
        _start(terminal, "sleep 100")
        began = time.monotonic()
        terminal.type(CTRL_C)
        terminal.expect(r"\^C.*> ")
        check(time.monotonic() - began < 10, "Ctrl-C took more than 10 s")
        _says(terminal, "echo st$?", r"\nst130\r\n")


def ctrl_c_is_left_to_a_program_that_ignores_it():
    with _shell() as terminal:
        _start(terminal, "sh -c 'trap \"\" INT; sleep 3; echo sur''vived'")
        terminal.type(CTRL_C)
        terminal.expect(r"survived\r\n", 30)


def ctrl_backslash_quits():
    with _shell() as terminal:
        _start(terminal, "sleep 100")
        terminal.type(CTRL_BACKSLASH)
        terminal.expect(r"> ")
        _says(terminal, "echo st$?", r"\nst131\r\n")


def ctrl_z_fg_and_bg():
    with _shell() as terminal:
        _start(terminal, "sleep 8; echo wo''ke")
        terminal.type(CTRL_Z)
        terminal.expect(r"(Stopped|Suspended).*> ")
        _says(terminal, "jobs", r"(Stopped|Suspended).*> ")
        _says(terminal, "bg", r"> ")
        _says(terminal, "jobs", r"Running.*> ")
        terminal.line("fg")
        terminal.expect(r"> $", 60)
        _says(terminal, "jobs; echo no''ne", r"none\r\n")


def stopped_cat_goes_on_in_the_foreground():
    with _shell() as terminal:
        _start(terminal, "cat")
        _says(terminal, "one", r"one\r\none\r\n")
        terminal.type(CTRL_Z)
        terminal.expect(r"(Stopped|Suspended).*> ")
        _start(terminal, "fg")
        _says(terminal, "two", r"two\r\ntwo\r\n")
        terminal.type(CTRL_D)
        terminal.expect(r"> ")


def background_job_that_reads_is_stopped():
    with _shell() as terminal:
        terminal.line("cat &")
        terminal.expect(r"> ")
        time.sleep(1)
        _says(terminal, "jobs", r"(Stopped|tty input).*> ")
        terminal.line("kill %1; fg; echo do''ne")
        terminal.expect(r"done\r\n")


def ctrl_d_ends_input_and_the_shell():
    with _shell() as terminal:
        _start(terminal, "cat; echo e''nd")
        _says(terminal, "text", r"text\r\ntext\r\n")
        terminal.type(CTRL_D)
        terminal.expect(r"end\r\n#> ")
        terminal.type(CTRL_D)
        check(terminal.wait() == 0, "Ctrl-D did not end the shell with status 0")


def canonical_line_editing():
    with _shell() as terminal:
        _start(terminal, "cat")
        terminal.type("wronk" + BACKSPACE + "g\r")
        terminal.expect(r"\r\nwrong\r\n")
        terminal.type("all of it" + CTRL_U + "kept\r")
        terminal.expect(r"\r\nkept\r\n")
        terminal.type(CTRL_D)
        terminal.expect(r"> ")


def history_and_cursor_keys_in_mksh():
    with _shell() as terminal:
        _says(terminal, "echo fi''rst", r"\nfirst\r\n#> ")
        terminal.type(UP + LEFT * 5 + CTRL_A)
        terminal.type("true; ")
        terminal.type("\r")
        terminal.expect(r"\nfirst\r\n#> ")


def window_size_is_the_terminals():
    with _shell(rows=33, columns=101) as terminal:
        _says(terminal, "stty size", r"\n33 101\r\n")
        terminal.resize(50, 257)
        _says(terminal, "sleep 0.3; stty size", r"\n50 257\r\n")
        terminal.line("trap 'stty size' WINCH; echo re''ady; sleep 1 & wait; sleep 1")
        terminal.expect(r"ready\r\n")
        terminal.resize(5, 80)
        terminal.expect(r"(^|\n)5 80\r\n")
        terminal.line("stty raw -echo; echo st''art; head -c 2 | od -An -tx1; stty sane")
        terminal.expect(r"start\n")
        os.write(terminal.keys, b"\xff!")  # the byte that begins a word about the size
        terminal.expect(r" ff 21\r?\n")


def raw_mode_gives_single_keys():
    with _shell() as terminal:
        terminal.line("stty -icanon -echo min 1; echo re''ady; head -c 1 | od -An -c; stty sane")
        terminal.expect(r"ready\r\n")
        terminal.type("k")
        terminal.expect(r" k\r?\n")


def login_gives_a_shell_and_poweroff_powers_off():
    for options in (), ("--root", "min"):
        _log_in(options)


def _log_in(options):
    with Terminal(login=True, options=options) as terminal:
        terminal.expect(r"# $", 60)
        _says(terminal, "echo $((6 * 7)) $(tty)", r"\n42 /dev/\w+\r\n")
        terminal.expect(r"# $")
        _says(terminal, "echo $SHELL ${KSH_VERSION%%KSH*} $USER $PWD", r"\n/bin/mksh @\(#\)MIRBSD root /root\r\n")
        terminal.expect(r"# $")
        terminal.line("poweroff")
        check(terminal.wait(30) == 0, "poweroff did not end with status 0")


def ctrl_a_x_leaves_the_machine():
    with Terminal(login=True) as terminal:
        terminal.expect(r"# $", 60)
        terminal.type(CTRL_A + "x")
        check(terminal.wait(30) == 0, "leaving by Ctrl-A X did not end with status 0")
