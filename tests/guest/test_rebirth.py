# SPDX-License-Identifier: MIT
"""Servers that die and come back while programs use them (the boot options kill_NAME_ns, kill_NAME_count)."""

import re

from guest import check, check_output, sh

# Ends with the sums of what tar unpacked, of what it packed, and whether both are the same.
_TAR = """
mkdir /tmp/s; cd /tmp/s; i=0
while [ $i -lt FILES ]; do
    [ $((i % 100)) = 0 ] && mkdir d$((i / 100))
    echo "file $i $((i * i))" > d$((i / 100))/f$i; i=$((i + 1))
done
cp /usr/bin/m* /usr/bin/t* .
tar cf /tmp/t.tar .; mkdir /tmp/x; cd /tmp/x; tar xf /tmp/t.tar
a=$(find . -type f | sort | xargs md5sum | md5sum)
cd /tmp/s; b=$(find . -type f | sort | xargs md5sum | md5sum)
[ "$a" = "$b" ] && echo sums; diff -r /tmp/s /tmp/x && echo same; find /tmp/x -type f | grep -c /f
rm -r /tmp/x /tmp/s && ls /tmp
"""


def _tar_while_fs_dies(files, period, times):
    """The kills are at the same instructions each time, and everywhere in fs."""
    result = sh(_TAR.replace("FILES", str(files)),
                options=["--icount", "--append", 
                         f"kill_fs_from_ns=10000000 kill_fs_ns={period} kill_fs_count={times}"])
    check_output(result, f"sums\nsame\n{files}\nt.tar\n")
    lives = re.findall(r"fs died: was destroyed; life (\d+) began", result.log.decode(errors="replace"))
    check(int(lives[-1]) == times + 1, f"{times + 1} lives, not {lives[-1:]}")


def fs_dies_200_times_under_tar():
    _tar_while_fs_dies(200, 300_017, 200)


def fs_dies_2000_times_under_tar():
    _tar_while_fs_dies(2000, 300_007, 2000)
