/* SPDX-License-Identifier: MIT */
/* riscv64: the counter that the view's tick_* translate into time. */
#ifndef EXO_CLOCK_H
#define EXO_CLOCK_H

#include <stdint.h>

static inline uint64_t exo_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

#endif
