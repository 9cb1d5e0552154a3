/* SPDX-License-Identifier: MIT */
/* Linux's struct stat on x86_64. (riscv64 and aarch64 share another.) */
#ifndef LINUX_STAT_H
#define LINUX_STAT_H

#include <assert.h>
#include <stdint.h>

struct linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    int64_t unused[3];
};
static_assert(sizeof(struct linux_stat) == 144, "Linux ABI: struct stat");

#endif
