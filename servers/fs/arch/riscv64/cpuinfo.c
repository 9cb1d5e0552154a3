// SPDX-License-Identifier: MIT
/* /proc/cpuinfo as Linux writes it on riscv64; what the LibOS announces to programs in AT_HWCAP. */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/view.h>

#define CPUS_SHOWN 64u /* what the text has room for */

int64_t text_cpuinfo(struct text *text, const struct synthetic *of)
{
    uint32_t cpus = port_view()->cpus;

    char letters[8];
    size_t count = 0;

    (void)of;
    for (const char *letter = "imafdc"; *letter; letter++) {
        if (port_view()->features[0] >> (*letter - 'a') & 1)
            letters[count++] = *letter;
    }
    letters[count] = 0;
    for (uint32_t i = 0; i < cpus && i < CPUS_SHOWN; i++)
        text_add(text,
                 "processor\t: %u\nhart\t\t: %u\nisa\t\t: rv64%s\nmmu\t\t: sv48\n"
                 "mvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\n\n",
                 i, i, letters);
    return 0;
}
