/* SPDX-License-Identifier: MIT */
/* x86_64: the machine's own counter, which runs from reset, and its rate in Hz (0: not known). */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdint.h>

static inline uint64_t machine_counter(uint64_t *hertz)
{
    uint32_t low, high;

    *hertz = 0; /* under QEMU's -icount the counter is the virtual clock in nanoseconds */
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32) | low;
}

#endif
