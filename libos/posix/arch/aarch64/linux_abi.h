/* SPDX-License-Identifier: MIT */
/* Linux's structures and values that differ between machines, as they are on aarch64. */
#ifndef LINUX_ABI_H
#define LINUX_ABI_H

#include <lib/linux/signal.h>
#include <linux/generic_abi.h>

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
#define LINUX_MINSIGSTKSZ 5120u

/** Flags of open as this machine's Linux has them, into lib/linux/fcntl.h's, and back: O_DIRECT and
 *  O_LARGEFILE (bits 14 and 15) have changed places with O_DIRECTORY and O_NOFOLLOW. */
static inline uint32_t linux_open_flags(uint32_t flags)
{
    return (flags & ~0x3c000u) | (flags & 0x0c000u) << 2 | (flags & 0x30000u) >> 2;
}

#endif
