/* SPDX-License-Identifier: MIT */
/* aarch64: the counter that the view's tick_* translate into time. */
#ifndef EXO_CLOCK_H
#define EXO_CLOCK_H

#include <stdint.h>

/* The isb keeps the reading from being done ahead of what comes before it in the program (DDI 0487,
 * D11.2.2): otherwise two readings on different CPUs could contradict what they saw of each other. */
static inline uint64_t exo_ticks(void)
{
    uint64_t value;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

#endif
