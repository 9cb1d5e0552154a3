/* SPDX-License-Identifier: MIT */
/* riscv64: the machine's own counter, which runs from reset, and its rate in Hz (0: not known). */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdint.h>

static inline uint64_t machine_counter(uint64_t *hertz)
{
    uint64_t value;

    *hertz = 10000000; /* the timebase of QEMU's virt machine */
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

#endif
