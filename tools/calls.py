# SPDX-License-Identifier: MIT
"""Reads include/exo/calls.def and errors.def: the calls, with what the comments above them say.

A comment block holds the fields `effect:`, `rights:`, `returns:`, `errors:` in any order, each up
to the next field; one block may stand above several calls."""

import re
from dataclasses import dataclass

from tree import TOP

CALLS = TOP / "include" / "exo" / "calls.def"
ERRORS = TOP / "include" / "exo" / "errors.def"
CALL = re.compile(r"^EXO_CALL(\d|_MSG)\(\s*(0x[0-9a-fA-F]+|\d+)\s*,\s*(\w+)\s*(?:,\s*(.*))?\)\s*$")
FIELDS = ("effect", "rights", "returns", "errors")


@dataclass
class Call:
    number: int
    name: str
    arguments: list  # (type, name)
    text: dict       # field -> text
    message: bool    # carries a message: EXO_CALL_MSG

    def prototype(self):
        arguments = ", ".join(kind + ("" if kind.endswith("*") else " ") + name
                              for kind, name in self.arguments)
        return f"int64_t exo_{self.name}({arguments or 'void'});"


def fields(block):
    """The fields of one comment block."""
    text = re.sub(r"^/\*|\*/$", "", block.strip())
    lines = [re.sub(r"^\s*\*\s?", "", line) for line in text.splitlines()]
    found, field = {}, None
    for line in lines:
        match = re.match(r"\s*(%s):\s*(.*)" % "|".join(FIELDS), line)
        if match:
            field, line = match[1], match[2]
        if field:
            found[field] = (found.get(field, "") + " " + line.strip()).strip()
    return found


def read():
    """Yields every call in the order of the table."""
    comment, text = None, {}
    for line in CALLS.read_text(encoding="utf-8").splitlines():
        if line.startswith("/*"):
            comment = ""
        if comment is not None:
            comment += line + "\n"
            if line.rstrip().endswith("*/"):
                text, comment = fields(comment), None
            continue
        match = CALL.match(line)
        if match:
            words = [word.strip() for word in (match[4] or "").split(",")] if match[4] else []
            yield Call(int(match[2], 0), match[3], list(zip(words[::2], words[1::2])), text,
                       match[1] == "_MSG")
        elif line.startswith("EXO_CALL"):
            raise SystemExit(f"{CALLS.relative_to(TOP)}: not understood: {line}")


def errors():
    """name -> text of every error."""
    found = re.findall(r'^EXO_ERROR\(\s*\d+,\s*(\w+),\s*"([^"]*)"\)',
                       ERRORS.read_text(encoding="utf-8"), re.M)
    return dict(found)
