/* SPDX-License-Identifier: MIT */
/*
 * aarch64: words at any alignment. One move each, which the compiler knows.
 */
#ifndef EXO_MACHINE_UNALIGNED_H
#define EXO_MACHINE_UNALIGNED_H

#include <stdint.h>

static inline uint64_t load8(const unsigned char *at)
{
    uint64_t word;

    __builtin_memcpy(&word, at, 8);
    return word;
}

static inline void store8(unsigned char *at, uint64_t word)
{
    __builtin_memcpy(at, &word, 8);
}

static inline uint32_t load4(const unsigned char *at)
{
    uint32_t word;

    __builtin_memcpy(&word, at, 4);
    return word;
}

static inline void store4(unsigned char *at, uint32_t word)
{
    __builtin_memcpy(at, &word, 4);
}

#endif
