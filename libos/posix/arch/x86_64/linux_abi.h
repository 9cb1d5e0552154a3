/* SPDX-License-Identifier: MIT */
/* Linux's structures and values that differ between machines, as they are on x86_64. */
#ifndef LINUX_ABI_H
#define LINUX_ABI_H

#include <assert.h>
#include <lib/linux/signal.h>
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

struct linux_sigaction {
    uint64_t handler, flags, restorer, mask;
};

static inline struct linux_sigaction linux_sigaction(uint64_t handler, uint64_t flags,
                                                     uint64_t restorer, uint64_t mask)
{
    return (struct linux_sigaction){handler, flags, restorer, mask};
}

static inline uint64_t linux_restorer(const struct linux_sigaction *a)
{
    return a->restorer;
}

#define LINUX_SA_RESTORER SA_RESTORER
#define LINUX_MINSIGSTKSZ 2048u

/** Flags of open as this machine's Linux has them, into lib/linux/fcntl.h's, and back. */
static inline uint32_t linux_open_flags(uint32_t flags)
{
    return flags;
}

#endif
