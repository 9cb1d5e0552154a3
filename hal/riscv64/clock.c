/* SPDX-License-Identifier: MIT */
/*
 * Time: the `time` counter as the clock, whose frequency the device tree tells, and a comparison with
 * it as the alarm: the register stimecmp (Sstc) or, without that, the firmware's.
 */
#include "machine.h"

#define NS_PER_S   1000000000u
#define TICK_SHIFT 32 /* of hal_clock, unless fewer bits tell the same */
#define RATE_SHIFT 31 /* of `rate`: room for counters up to 8 GHz */
#define STIE       (1u << INTERRUPT_TIMER)

struct hal_clock hal_clock;
static uint64_t rate; /* ticks = nanoseconds * rate >> RATE_SHIFT */

void clock_start(void)
{
    uint64_t hz = machine_info.timebase_hz;

    if (hz == 0 || hz > (uint64_t)8 * NS_PER_S)
        kernel_panic("the device tree has no frequency of the clock");
    hal_clock.mult = ((uint64_t)NS_PER_S << TICK_SHIFT) / hz;
    hal_clock.shift = TICK_SHIFT;
    for (; hal_clock.shift > 0 && !(hal_clock.mult & 1); hal_clock.shift--)
        hal_clock.mult >>= 1;
    rate = (hz << RATE_SHIFT) / NS_PER_S;
    clock_start_other();
}

/* What each hart has of its own. */
void clock_start_other(void)
{
    hal_timer(EXO_FOREVER);
    if (cpu_features.stimecmp)
        csr_set(sie, STIE);
}

static uint64_t deadline_ticks(uint64_t ns)
{
    if (ns == EXO_FOREVER)
        return UINT64_MAX;
    return hal_clock.base + (uint64_t)((unsigned __int128)ns * rate >> RATE_SHIFT) + 1;
}

/* Without stimecmp a call of the firmware takes an alarm back; it is cheaper not to listen. */
void hal_timer(uint64_t ns)
{
    if (cpu_features.stimecmp) {
        csr_write(0x14d, deadline_ticks(ns));
    } else if (ns == EXO_FOREVER) {
        csr_clear(sie, STIE);
    } else {
        sbi_call(SBI_TIME, 0, deadline_ticks(ns), 0);
        csr_set(sie, STIE);
    }
}

/* An alarm stays pending until it is set anew, and the kernel may want none. The tick of the deadline
 * lies behind it, so it is never early. */
void clock_interrupt(void)
{
    hal_timer(EXO_FOREVER);
    kernel_timer();
}
