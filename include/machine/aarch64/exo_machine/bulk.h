/* SPDX-License-Identifier: MIT */
/*
 * aarch64: moving and filling many words, 32 bytes a turn by load and store pair. A pair need not be
 * aligned on ordinary memory.
 */
#ifndef EXO_MACHINE_BULK_H
#define EXO_MACHINE_BULK_H

#include <stddef.h>
#include <stdint.h>

/** Copies `words` 8-byte words upwards; any alignment; overlap is fine if `to` is below `from`. */
static inline void bulk_copy(void *to, const void *from, size_t words)
{
    uint64_t a, b, c, d;

    for (; words >= 4; words -= 4) /* all four are read before one is written */
        __asm__ volatile("ldp %2, %3, [%1], #32\n\t"
                         "ldp %4, %5, [%1, #-16]\n\t"
                         "stp %2, %3, [%0], #32\n\t"
                         "stp %4, %5, [%0, #-16]"
                         : "+r"(to), "+r"(from), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
                         :
                         : "memory");
    for (; words > 0; words--)
        __asm__ volatile("ldr %2, [%1], #8\n\t"
                         "str %2, [%0], #8"
                         : "+r"(to), "+r"(from), "=&r"(a)
                         :
                         : "memory");
}

/** Stores `value` into `words` 8-byte words. */
static inline void bulk_fill(void *to, uint64_t value, size_t words)
{
    for (; words >= 4; words -= 4)
        __asm__ volatile("stp %1, %1, [%0], #32\n\t"
                         "stp %1, %1, [%0, #-16]"
                         : "+r"(to)
                         : "r"(value)
                         : "memory");
    for (; words > 0; words--)
        __asm__ volatile("str %1, [%0], #8" : "+r"(to) : "r"(value) : "memory");
}

#endif
