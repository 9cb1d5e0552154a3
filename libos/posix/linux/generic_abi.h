/* SPDX-License-Identifier: MIT */
/* Linux's structures as its later machines have them in common; arch/MACHINE/linux_abi.h includes
 * this where it is so. */
#ifndef LINUX_GENERIC_ABI_H
#define LINUX_GENERIC_ABI_H

#include <assert.h>
#include <stdint.h>

struct linux_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad;
    int64_t size;
    int32_t blksize, pad2;
    int64_t blocks;
    int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    int32_t unused[2];
};
static_assert(sizeof(struct linux_stat) == 128, "Linux ABI: struct stat");

struct linux_epoll_event {
    uint32_t events, pad;
    uint64_t data;
};
static_assert(sizeof(struct linux_epoll_event) == 16, "Linux ABI: struct epoll_event");

#endif
