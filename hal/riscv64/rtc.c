/* SPDX-License-Identifier: MIT */
/*
 * The real-time clock: QEMU's goldfish-rtc, which tells nanoseconds since 1970 in two words. Reading
 * the low one holds the high one.
 */
#include "machine.h"

uint64_t rtc_epoch_ns(void)
{
    const volatile uint32_t *rtc = (const volatile uint32_t *)RTC_VA;

    if (!machine_info.rtc_pa)
        return 0;
    uint64_t low = rtc[0];
    return (uint64_t)rtc[1] << 32 | low;
}
