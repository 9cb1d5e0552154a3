# SPDX-License-Identifier: MIT
"""Which files are the project's: those git knows or would add, so that a check never looks at what
a build left behind, and a file is checked before it is committed."""

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def files():
    """Paths from the top folder, sorted; of a tree without git, everything but build folders."""
    listing = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others",
                              "--exclude-standard"], capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        names = set(listing.stdout.split("\0")) - {""}
    else:
        names = set()
        for folder, folders, found in os.walk(TOP):
            folders[:] = [name for name in folders
                          if not name.startswith("build") and name not in (".git", "__pycache__")]
            names.update(os.path.relpath(os.path.join(folder, name), TOP) for name in found)
    return sorted(name for name in names if (TOP / name).is_file())


def c_files():
    return [name for name in files() if name.endswith((".c", ".h"))]
