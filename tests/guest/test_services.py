# SPDX-License-Identifier: MIT
"""Services: what rsctl says of them, and that it supervises an ordinary program."""

import json

from guest import check, check_output, check_status, sh

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
