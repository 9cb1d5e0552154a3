// SPDX-License-Identifier: MIT
/* /proc/cpuinfo as Linux writes it on x86_64; programs look for the model, the clock and how many there are. */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/view.h>

#define CPUS_SHOWN 64u /* what the text has room for */

int64_t text_cpuinfo(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    uint64_t khz = view->tick_mult ? (1000000ull << view->tick_shift) / view->tick_mult : 0;
    uint32_t i;

    (void)of;
    for (i = 0; i < view->cpus && i < CPUS_SHOWN; i++) {
        text_add(text, "processor\t: %u\nvendor_id\t: unknown\nmodel name\t: unknown\n", i);
        text_add(text, "cpu MHz\t\t: %llu.%03u\nphysical id\t: 0\nsiblings\t: %u\n",
                 (unsigned long long)(khz / 1000), (unsigned)(khz % 1000), view->cpus);
        text_add(text, "core id\t\t: %u\ncpu cores\t: %u\n\n", i, view->cpus);
    }
    return 0;
}
