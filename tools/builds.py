# SPDX-License-Identifier: MIT
"""What a build directory was configured for."""

import re
from pathlib import Path


def arch_of(directory):
    """The architecture of a build directory, or None if cmake never ran there."""
    try:
        cached = (Path(directory) / "CMakeCache.txt").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"^EXO_ARCH:\w+=(\w+)$", cached, re.MULTILINE)
    return match and match.group(1)
