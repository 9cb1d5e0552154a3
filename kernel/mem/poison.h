/* SPDX-License-Identifier: MIT */
/*
 * Debug builds: memory that nobody owns is full of a pattern, and whoever takes it looks whether it
 * still is. So a write through a pointer or a translation that outlived its object is found, at the
 * latest when the memory is used again.
 */
#ifndef KERNEL_MEM_POISON_H
#define KERNEL_MEM_POISON_H

#include <hal/hal.h>

#define POISON 0xdb

#ifdef EXO_DEBUG
static inline void poison_fill(void *memory, size_t bytes)
{
    for (volatile uint8_t *b = memory; bytes > 0; bytes--)
        *b++ = POISON;
}

static inline void poison_check(const void *memory, size_t bytes, const char *what)
{
    const uint8_t *b = memory;

    for (size_t i = 0; i < bytes; i++) {
        if (b[i] != POISON)
            kernel_panic("%s at %lx was written after it was freed: byte %u is %x", what,
                         (unsigned long)(uintptr_t)memory, (unsigned)i, b[i]);
    }
}
#else
static inline void poison_fill(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
}

static inline void poison_check(const void *memory, size_t bytes, const char *what)
{
    (void)memory;
    (void)bytes;
    (void)what;
}
#endif

#endif
