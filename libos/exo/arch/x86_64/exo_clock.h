/* SPDX-License-Identifier: MIT */
/* x86_64: the counter that the view's tick_* translate into time. */
#ifndef EXO_CLOCK_H
#define EXO_CLOCK_H

#include <stdint.h>

static inline uint64_t exo_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#endif
