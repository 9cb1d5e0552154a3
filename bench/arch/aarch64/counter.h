/* SPDX-License-Identifier: MIT */
/* aarch64: the machine's own counter, which runs from reset, and its rate in Hz (0: not known). */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdint.h>

static inline uint64_t machine_counter(uint64_t *hertz)
{
    uint64_t value;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(*hertz));
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

#endif
