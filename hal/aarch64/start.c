/* SPDX-License-Identifier: MIT */
/*
 * hal_start: the boot CPU from the state that boot.S left to the one that hal.h promises. The order
 * is forced: traps first; the device tree while the early tables still map it; the log as soon as it
 * is known where to; device registers only after paging_start has mapped them.
 */
#include "machine.h"

static struct hal_boot boot;

/* The real-time clock (PL031, DDI 0224, 3.3.1): a word of seconds since 1970. */
static uint64_t rtc_epoch_ns(void)
{
    return machine_info.rtc.va ? read32(machine_info.rtc.va) * (uint64_t)1000000000 : 0;
}

const struct hal_boot *hal_start(void)
{
    hal_clock.base = hal_ticks(); /* time 0 */
    smp_this_cpu(0);              /* whatever faults from here on is told, once the log is there */
    boot_info_read(&boot);
    cpu_start();
    paging_start(&boot);
    interrupt_start();
    clock_start();
    boot.epoch_ns = rtc_epoch_ns();
    return &boot;
}
