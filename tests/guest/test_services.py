# SPDX-License-Identifier: MIT
"""Services: what rsctl says of them, and that it supervises an ordinary program."""

import json

from guest import BUILD, PROGRAMS, check, check_match, check_output, check_status, guest_programs, run, sh

SERVERS = ("pci", "virtio_blk", "proc", "fs", "tty")


def rsctl_tells_of_every_server():
    result = sh("rsctl status; rsctl status --json; rsctl status nobody; echo $?")
    check_status(result, 0)
    text = result.output.decode()
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    for name in SERVERS:
        check(rows.get(name, ["", ""])[1] == "running", f"{name} in {text}")
    table = json.loads(text[text.index("["):text.rindex("]") + 1])
    check([entry["name"] for entry in table] == list(SERVERS), f"names in {table}")
    check({entry["name"]: entry["needs"] for entry in table}["tty"] == ["proc", "fs"], f"{table}")
    check(text.endswith("1\n"), f"status of an unknown service in {text}")


def rsctl_shows_dependencies_as_a_tree():
    check_output(sh("rsctl deps | sed -n '/^tty/,$p'"),
                 "tty\n    proc\n    fs\n        virtio_blk\n            pci\n        proc\n")


def rsctl_supervises_an_unmodified_program():
    script = ("rsctl run --limit 3 -- sh -c 'echo x >> /tmp/n; exit 7' 2> /tmp/log; echo $?; "
              "wc -l < /tmp/n; wc -l < /tmp/log; "
              "rsctl run --policy on-failure -- true; echo $?; "
              "rsctl run --policy never -- false; echo $?; "
              "rsctl run --policy sometimes -- true 2> /tmp/log; echo $?")
    check_output(sh(script), "7\n4\n4\n0\n1\n2\n")


def rsctl_ends_lives_and_starts_them():
    script = ("rsctl kill fs && rsctl restart fs && rsctl status --json fs; "
              "rsctl stop virtio_blk && rsctl status --json virtio_blk; "
              "rsctl start virtio_blk && rsctl status --json virtio_blk; "
              "rsctl policy pci on-failure && rsctl limit pci 3 10 && rsctl status --json pci; "
              "rsctl kill fs & rsctl kill fs & wait; rsctl status --json fs")
    output = sh(script).output.decode()
    rows = [json.loads(row)[0] for row in output.splitlines()]
    check([(row["name"], row["state"], row["lives"], row["cause"]) for row in rows] ==
          [("fs", "running", 3, "restarted"), ("virtio_blk", "stopped", 1, "stopped"),
           ("virtio_blk", "running", 2, "stopped"), ("pci", "running", 1, "-"),
           ("fs", "running", 5, "destroyed")], output)
    check((rows[3]["policy"], rows[3]["limit"], rows[3]["window_ns"]) == ("on-failure", 3, 10**10),
          output)


def rsctl_refuses_what_makes_no_sense():
    words = ("kill", "kill pci fs", "kill -9 pci", "policy pci", "policy pci sometimes", "limit pci x 1",
             "limit pci 1", "start", "nonsense")
    script = "".join(f"rsctl {each} 2> /dev/null; echo $?; " for each in words)
    check_output(sh(script), "2\n" * len(words))
    words = ("kill nobody", "stop fs", "stop tty", "limit pci 17 1", "limit pci 1 0",
             "start 123456789012345678901234")
    script = "".join(f"rsctl {each} 2> /dev/null; echo $?; " for each in words)
    check_output(sh(script), "1\n" * len(words))
    words = ("", "kill", "kill nobody", "kill pci pci", "dance pci", "limit pci 17 1", "limit pci 1 0",
             "limit pci 99999999999999999999 1", "a b c d e", "x" * 5000)
    script = "".join(f"echo '{each}' > /proc/exo/services; echo $?; " for each in words)
    check_output(sh(f"{{ {script} }} 2> /dev/null"), "1\n" * len(words))
    check_output(sh("rsctl status --json pci | grep -c '\"lives\":1,'"), "1\n")


def rsctl_stops_even_what_it_runs_on():
    result = sh("rsctl stop --force fs; echo $?; ls /; echo $?")
    check_match(result, r"^0$")
    check_match(result, r"ls: Input/output error$")
    check_match(result, r"^127$")


def only_root_controls_services():
    script = ("rsctl kill pci; echo $?; rsctl status pci > /tmp/s; echo $?; "
              "echo kill pci > /proc/exo/services; echo $?")
    result = sh(f"busybox su -s /bin/sh nobody -c '{script}' 2>&1", options=["--image", "busybox"])
    check("only root may do this\n1\n0\n" in result.output.decode(), f"{result.output}")
    check("ermission denied\n" in result.output.decode(), f"{result.output}")


def posix_programs_resurrect_services():
    result = run(f"{PROGRAMS}/resurrect", options=[*guest_programs(), "--initrd",
                                                    str(BUILD / "tests" / "services.cpio")])
    check_status(result, 0)
    check_match(result, r"^ok 11 - ")


def rsctl_refreshes_and_shows_what_others_registered():
    script = (f"{PROGRAMS}/resurrect register odd /usr/lib/exo/service/odd; rsctl start odd; sleep 1; "
              "rsctl kill odd; rsctl status --json odd; rsctl refresh odd; echo $?; sleep 1; "
              "rsctl status --json odd; rsctl refresh pci; echo $?; "
              f"{PROGRAMS}/resurrect register none /usr/lib/exo/service/none; rsctl start none; sleep 1; "
              "rsctl status none")
    result = sh(script + " 2>&1", options=[*guest_programs(), "--initrd",
                                            str(BUILD / "tests" / "services.cpio")])
    check_status(result, 0)
    text = result.output.decode()
    check('"state":"running","policy":"always","lives":2' in text, text)
    check('"state":"running","policy":"always","lives":3' in text, text)
    check_match(result, r"^none +failed .* no-program$")
