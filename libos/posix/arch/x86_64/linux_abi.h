/* SPDX-License-Identifier: MIT */
/* Linux's structures for files that differ between machines, as they are on x86_64. */
#ifndef LINUX_ABI_H
#define LINUX_ABI_H

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

/* Packed on this machine alone. */
struct linux_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
static_assert(sizeof(struct linux_epoll_event) == 12, "Linux ABI: struct epoll_event");

#endif
