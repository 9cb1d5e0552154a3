/* SPDX-License-Identifier: MIT */
/*
 * riscv64: words at any alignment. One move each: user code may rely on it, and the machine or its
 * firmware sees to it; the compiler, which does not know, would take eight.
 */
#ifndef EXO_MACHINE_UNALIGNED_H
#define EXO_MACHINE_UNALIGNED_H

#include <stdint.h>

struct any8 {
    uint64_t word;
} __attribute__((packed));
struct any4 {
    uint32_t word;
} __attribute__((packed));

static inline uint64_t load8(const unsigned char *at)
{
    uint64_t word;

    __asm__("ld %0, %1" : "=r"(word) : "m"(*(const struct any8 *)(const void *)at));
    return word;
}

static inline void store8(unsigned char *at, uint64_t word)
{
    __asm__("sd %1, %0" : "=m"(*(struct any8 *)(void *)at) : "r"(word));
}

static inline uint32_t load4(const unsigned char *at)
{
    uint32_t word;

    __asm__("lw %0, %1" : "=r"(word) : "m"(*(const struct any4 *)(const void *)at));
    return word;
}

static inline void store4(unsigned char *at, uint32_t word)
{
    __asm__("sw %1, %0" : "=m"(*(struct any4 *)(void *)at) : "r"(word));
}

#endif
