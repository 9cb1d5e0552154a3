// SPDX-License-Identifier: MIT
/* /proc/cpuinfo as Linux writes it on aarch64; what the LibOS announces to programs in AT_HWCAP. */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/view.h>

#define CPUS_SHOWN 64u /* what the text has room for */

int64_t text_cpuinfo(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    /* The counter's frequency is what Linux calls the speed here: two beats a tick, in millions. */
    uint64_t khz = view->tick_mult ? (1000000ull << view->tick_shift) / view->tick_mult : 0;
    uint64_t bogomips = khz * 2 / 10; /* hundredths */

    (void)of;
    for (uint32_t i = 0; i < view->cpus && i < CPUS_SHOWN; i++) {
        text_add(text, "processor\t: %u\nBogoMIPS\t: %llu.%02u\n", i,
                 (unsigned long long)(bogomips / 100), (unsigned)(bogomips % 100));
        text_add(text, "Features\t: fp asimd crc32 atomics asimdrdm\n");
        text_add(text, "CPU implementer\t: 0x00\nCPU architecture: 8\nCPU variant\t: 0x0\n");
        text_add(text, "CPU part\t: 0x000\nCPU revision\t: 0\n\n");
    }
    return 0;
}
