/* SPDX-License-Identifier: MIT */
/*
 * Time: the TSC as the clock, the local APIC's timer as the alarm.
 *
 * Neither tells its frequency, so both are measured at once against the old timer chip (8254),
 * whose frequency is the same in every PC. Under `qemu -icount shift=0`, which the kernel line
 * announces as icount=1, they are known: one tick of either is one instruction is one nanosecond.
 * Then nothing is measured, so that two boots are alike instruction by instruction.
 */
#include "machine.h"

#define NS_PER_S     1000000000u
#define PIT_HZ       1193182u
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PIT_LOAD     0xb0           /* channel 2, low then high byte, mode 0: counts down once */
#define PIT_LATCH    0x80           /* channel 2: hold the count for reading */
#define PIT_GATE     0x61           /* bit 0: channel 2 counts; bit 1: loudspeaker */
#define MEASURE_PIT  (PIT_HZ / 100) /* 10 ms */

#define TICK_SHIFT 32 /* of hal_clock: 1 in 2^31 exact for any counter above 1 GHz */
#define RATE_SHIFT 31 /* of `rate`: room for counters up to 8 GHz */

struct hal_clock hal_clock;
static uint64_t rate; /* timer ticks = nanoseconds * rate >> RATE_SHIFT */

static uint64_t scale(uint64_t value, uint64_t factor, unsigned shift)
{
    return (uint64_t)((unsigned __int128)value * factor >> shift);
}

static uint64_t now_ns(void)
{
    return scale(hal_ticks() - hal_clock.base, hal_clock.mult, hal_clock.shift);
}

/* ---- calibration ------------------------------------------------------------------------------- */

struct sample {
    uint64_t tsc, gap; /* when, and how long the reading took */
    uint32_t pit, lapic;
};

static struct sample sample_once(void)
{
    struct sample s;
    uint64_t before = hal_ticks();
    outb(PIT_COMMAND, PIT_LATCH);
    s.lapic = lapic_timer_left();
    uint64_t after = hal_ticks();
    s.pit = inb(PIT_CHANNEL2);
    s.pit |= (uint32_t)inb(PIT_CHANNEL2) << 8;
    s.gap = after - before;
    s.tsc = before + s.gap / 2;
    return s;
}

/* A hypervisor may take the processor away in the middle of a reading: the quickest is the best. */
static struct sample sample_best(void)
{
    struct sample best = sample_once();
    for (unsigned i = 0; i < 8; i++) {
        struct sample s = sample_once();
        if (s.gap < best.gap)
            best = s;
    }
    return best;
}

static void measure(uint64_t *tsc_hz, uint64_t *lapic_hz)
{
    outb(PIT_GATE, (inb(PIT_GATE) & ~2) | 1);
    outb(PIT_COMMAND, PIT_LOAD);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_CHANNEL2, 0xff);
    lapic_timer_start(UINT32_MAX);

    struct sample start = sample_best(), end;
    do
        end = sample_best();
    while (start.pit - end.pit < MEASURE_PIT);
    lapic_timer_start(0);

    uint64_t pit = start.pit - end.pit;
    *tsc_hz = (end.tsc - start.tsc) * PIT_HZ / pit;
    *lapic_hz = (uint64_t)(start.lapic - end.lapic) * PIT_HZ / pit;
}

void clock_start(bool icount)
{
    uint64_t tsc_hz = NS_PER_S, lapic_hz = NS_PER_S;

    if (icount) {
        hal_clock.mult = 1;
        hal_clock.shift = 0;
        cpu_features.tsc_deadline = false;
    } else {
        measure(&tsc_hz, &lapic_hz);
        hal_clock.mult = ((uint64_t)NS_PER_S << TICK_SHIFT) / tsc_hz;
        hal_clock.shift = TICK_SHIFT;
    }
    rate = ((cpu_features.tsc_deadline ? tsc_hz : lapic_hz) << RATE_SHIFT) / NS_PER_S;
    clock_start_other();
}

/* All CPUs have counters and timers of the same frequency. */
void clock_start_other(void)
{
    machine_cpu()->deadline = EXO_FOREVER;
    lapic_timer_mode(cpu_features.tsc_deadline);
}

/* ---- the alarm --------------------------------------------------------------------------------- */

static void deadline_set(uint64_t ns)
{
    wrmsr(MSR_TSC_DEADLINE,
          ns == EXO_FOREVER ? 0 : hal_clock.base + scale(ns, rate, RATE_SHIFT) + 1);
}

static void countdown_set(uint64_t ns)
{
    uint64_t now = now_ns();

    if (ns == EXO_FOREVER) {
        lapic_timer_start(0);
        return;
    }
    uint64_t count = ns > now ? scale(ns - now, rate, RATE_SHIFT) + 1 : 1;
    /* Too far for 32 bits: clock_interrupt finds that the time has not come, and starts again. */
    lapic_timer_start(count < UINT32_MAX ? (uint32_t)count : UINT32_MAX);
}

void hal_timer(uint64_t ns)
{
    machine_cpu()->deadline = ns;
    if (cpu_features.tsc_deadline)
        deadline_set(ns);
    else
        countdown_set(ns);
}

void clock_interrupt(void)
{
    lapic_acknowledge();
    if (now_ns() < machine_cpu()->deadline)
        hal_timer(machine_cpu()->deadline);
    else
        kernel_timer();
}
