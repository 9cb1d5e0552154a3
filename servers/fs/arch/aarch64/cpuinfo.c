// SPDX-License-Identifier: MIT
/* /proc/cpuinfo as Linux writes it on aarch64; the features are those of AT_HWCAP. */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/view.h>

/* Linux's names of the bits of AT_HWCAP and AT_HWCAP2. */
static const char *const names[2][32] = {
    {"fp",      "asimd", "evtstrm", "aes",   "pmull",    "sha1",   "sha2", "crc32",
     "atomics", "fphp",  "asimdhp", "cpuid", "asimdrdm", "jscvt",  "fcma", "lrcpc",
     "dcpop",   "sha3",  "sm3",     "sm4",   "asimddp",  "sha512", "sve",  "asimdfhm",
     "dit",     "uscat", "ilrcpc",  "flagm", "ssbs",     "sb",     "paca", "pacg"},
    {[0] = "dcpodp",
     [7] = "flagm2",
     [8] = "frint",
     [13] = "i8mm",
     [14] = "bf16",
     [15] = "dgh",
     [16] = "rng"},
};

static void add_features(struct text *text, const struct exo_view *view)
{
    text_add(text, "Features\t:");
    for (unsigned i = 0; i < 64; i++) {
        if (view->features[i / 32] >> i % 32 & 1 && names[i / 32][i % 32])
            text_add(text, " %s", names[i / 32][i % 32]);
    }
    text_add(text, "\n");
}

#define CPUS_SHOWN 64u /* what the text has room for */

int64_t text_cpuinfo(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    /* The counter's frequency is what Linux calls the speed here: two beats a tick, in millions. */
    uint64_t khz = view->tick_mult ? (1000000ull << view->tick_shift) / view->tick_mult : 0;
    uint64_t bogomips = khz * 2 / 10; /* hundredths */

    uint32_t midr = (uint32_t)view->features[2];

    (void)of;
    for (uint32_t i = 0; i < view->cpus && i < CPUS_SHOWN; i++) {
        text_add(text, "processor\t: %u\nBogoMIPS\t: %llu.%02u\n", i,
                 (unsigned long long)(bogomips / 100), (unsigned)(bogomips % 100));
        add_features(text, view);
        text_add(text, "CPU implementer\t: 0x%02x\nCPU architecture: 8\nCPU variant\t: 0x%x\n",
                 midr >> 24 & 0xff, midr >> 20 & 15);
        text_add(text, "CPU part\t: 0x%03x\nCPU revision\t: %u\n\n", midr >> 4 & 0xfff, midr & 15);
    }
    return 0;
}
