/* SPDX-License-Identifier: MIT */
/*
 * Time: the virtual counter as the clock, the virtual timer as the alarm (DDI 0487, D11.2). Both have
 * the frequency that CNTFRQ_EL0 tells, and all CPUs have one counter.
 */
#include "machine.h"

#define NS_PER_S     1000000000u
#define TICK_SHIFT   32 /* of hal_clock: 1 in 2^32 exact for a counter below 1 GHz */
#define RATE_SHIFT   32 /* of `rate` */
#define TIMER_ON     1u
#define TIMER_MASKED 2u

struct hal_clock hal_clock;
static uint64_t rate; /* ticks = nanoseconds * rate >> RATE_SHIFT */

void clock_start(void)
{
    uint64_t hz = (uint32_t)SYSREG_READ(cntfrq_el0);

    if (hz == 0)
        kernel_panic("the firmware has not set the counter's frequency");
    hal_clock.mult = ((uint64_t)NS_PER_S << TICK_SHIFT) / hz;
    hal_clock.shift = TICK_SHIFT;
    rate = (hz << RATE_SHIFT) / NS_PER_S;
    clock_start_other();
}

/* The counter is one for all CPUs (DDI 0487, D11.1.2); each has a timer of its own. */
void clock_start_other(void)
{
    SYSREG_WRITE(cntv_ctl_el0, TIMER_MASKED);
}

/* The tick after the one in which `ns` lies, so that the time has come when the alarm goes off. */
void hal_timer(uint64_t ns)
{
    if (ns == EXO_FOREVER) {
        SYSREG_WRITE(cntv_ctl_el0, TIMER_MASKED);
        return;
    }
    unsigned __int128 ticks = ((unsigned __int128)ns * rate >> RATE_SHIFT) + hal_clock.base + 1;
    SYSREG_WRITE(cntv_cval_el0, ticks > INT64_MAX ? INT64_MAX : (uint64_t)ticks);
    SYSREG_WRITE(cntv_ctl_el0, TIMER_ON);
}

/* The line is a level: it goes down when the timer is masked. */
void clock_interrupt(void)
{
    SYSREG_WRITE(cntv_ctl_el0, TIMER_MASKED);
    isb(); /* before the GIC is told that it was served */
}
