/* SPDX-License-Identifier: MIT */
/* Hashes for tables whose keys no attacker chooses. FNV-1a, a multiplication a byte. */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return hash;
}

/** Of one number (Fibonacci hashing; the top bits are the best ones). */
static inline uint32_t hash_number(uint64_t number)
{
    return (uint32_t)((number * 0x9e3779b97f4a7c15u) >> 32);
}

#endif
