# SPDX-License-Identifier: MIT
"""Volumes of disks in the tree: images that the host's mke2fs made."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from guest import check, check_output, sh

MKE2FS = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4"]


def ext4_volume_is_read_as_the_host_made_it():
    with tempfile.TemporaryDirectory() as folder:
        source, image = Path(folder, "source"), Path(folder, "image")
        Path(source, "many").mkdir(parents=True)
        Path(source, "big").write_bytes(os.urandom(3_000_000))
        Path(source, "text").write_text("from the host\n", encoding="utf-8")
        Path(source, "link").symlink_to("text")
        os.link(Path(source, "text"), Path(source, "again"))
        for number in range(300):
            Path(source, "many", f"file{number}").write_text(f"{number}\n", encoding="utf-8")
        subprocess.run([*MKE2FS, "-d", str(source), str(image), "64M"], check=True)
        made = image.read_bytes()
        result = sh("cd /mnt; cat link again; ls many | wc -l; cat many/* | sort -n | tail -1; "
                    "stat -c %h text; sha256sum <big; grep -c ext4 /proc/mounts; "
                    "for change in 'touch x' 'rm text' 'chmod 0 big'; do "
                    "$change 2>&1 | grep -o Read-only; done",
                    options=["--drive", f"{image},ro", "--append", "mount=/dev/vda:/mnt"])
        digest = hashlib.sha256(Path(source, "big").read_bytes()).hexdigest()
        check_output(result, f"from the host\nfrom the host\n300\n299\n2\n{digest}  -\n1\n"
                             + "Read-only\n" * 3)
        check(image.read_bytes() == made, "the image was changed")
