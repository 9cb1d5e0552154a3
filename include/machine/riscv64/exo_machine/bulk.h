/* SPDX-License-Identifier: MIT */
/*
 * riscv64: moving and filling many words. Without vector registers two instructions a word are the
 * least a copy can take, so the loops are unrolled until their own cost is small beside that.
 */
#ifndef EXO_MACHINE_BULK_H
#define EXO_MACHINE_BULK_H

#include <stddef.h>
#include <stdint.h>

/** Copies `words` 8-byte words upwards; any alignment; overlap is fine if `to` is below `from`. */
static inline void bulk_copy(void *to, const void *from, size_t words)
{
    for (; words >= 8; words -= 8, to = (char *)to + 64, from = (const char *)from + 64)
        __asm__ volatile("ld t0, 0(%1)\n\tld t1, 8(%1)\n\tld t2, 16(%1)\n\tld t3, 24(%1)\n\t"
                         "sd t0, 0(%0)\n\tsd t1, 8(%0)\n\tsd t2, 16(%0)\n\tsd t3, 24(%0)\n\t"
                         "ld t0, 32(%1)\n\tld t1, 40(%1)\n\tld t2, 48(%1)\n\tld t3, 56(%1)\n\t"
                         "sd t0, 32(%0)\n\tsd t1, 40(%0)\n\tsd t2, 48(%0)\n\tsd t3, 56(%0)"
                         :
                         : "r"(to), "r"(from)
                         : "t0", "t1", "t2", "t3", "memory");
    for (; words > 0; words--, to = (char *)to + 8, from = (const char *)from + 8)
        __asm__ volatile("ld t0, 0(%1)\n\tsd t0, 0(%0)" : : "r"(to), "r"(from) : "t0", "memory");
}

/** Stores `value` into `words` 8-byte words. */
static inline void bulk_fill(void *to, uint64_t value, size_t words)
{
    for (; words >= 8; words -= 8, to = (char *)to + 64)
        __asm__ volatile("sd %1, 0(%0)\n\tsd %1, 8(%0)\n\tsd %1, 16(%0)\n\tsd %1, 24(%0)\n\t"
                         "sd %1, 32(%0)\n\tsd %1, 40(%0)\n\tsd %1, 48(%0)\n\tsd %1, 56(%0)"
                         :
                         : "r"(to), "r"(value)
                         : "memory");
    for (; words > 0; words--, to = (char *)to + 8)
        __asm__ volatile("sd %1, 0(%0)" : : "r"(to), "r"(value) : "memory");
}

#endif
