/* SPDX-License-Identifier: MIT */
/* Linux's structures and values that differ between machines, as they are on riscv64. */
#ifndef LINUX_ABI_H
#define LINUX_ABI_H

#include <linux/generic_abi.h>

/* No restorer: a handler returns to the vDSO. */
struct linux_sigaction {
    uint64_t handler, flags, mask;
};

static inline struct linux_sigaction linux_sigaction(uint64_t handler, uint64_t flags,
                                                     uint64_t restorer, uint64_t mask)
{
    (void)restorer;
    return (struct linux_sigaction){handler, flags, mask};
}

static inline uint64_t linux_restorer(const struct linux_sigaction *a)
{
    (void)a;
    return 0;
}

#define LINUX_SA_RESTORER 0u
#define LINUX_MINSIGSTKSZ 2048u

/** Flags of open as this machine's Linux has them, into lib/linux/fcntl.h's, and back. */
static inline uint32_t linux_open_flags(uint32_t flags)
{
    return flags;
}

#endif
