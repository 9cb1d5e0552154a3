// SPDX-License-Identifier: MIT
/*
 * /proc/cpuinfo as Linux writes it on x86_64; programs look for the model, the clock, the flags and how
 * many there are. What CPUID says is what programs may use: it is not filtered, and state that the kernel
 * does not switch on (XCR0) is told there as well (SDM volume 2, CPUID; volume 1, 13.2).
 */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/view.h>
#include <lib/string.h>

#define CPUS_SHOWN 64u /* what the text has room for */

struct registers {
    uint32_t a, b, c, d;
};

static struct registers cpuid(uint32_t leaf)
{
    struct registers r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

/* Linux's names, from bit 0 on; a - has none. */
static const char leaf1_d[] =
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 "
    "pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe";
static const char leaf1_c[] =
    "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 "
    "xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt - aes xsave - avx "
    "f16c rdrand hypervisor";
static const char leaf7_b[] =
    "fsgsbase tsc_adjust - bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx "
    "rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb "
    "intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl";
static const char leaf7_c[] =
    "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq "
    "avx512_vnni avx512_bitalg - avx512_vpopcntdq - la57 - - - - - rdpid";
static const char extended_d[] =
    "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt "
    "pdpe1gb rdtscp - lm 3dnowext 3dnow";
static const char extended_c[] =
    "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse "
    "3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm "
    "topoext perfctr_core perfctr_nb - bpext";

static void add_flags(struct text *text, const char *names, uint32_t bits)
{
    for (; *names; bits >>= 1) {
        size_t length = 0;

        while (names[length] && names[length] != ' ')
            length++;
        if (bits & 1 && names[0] != '-')
            text_add(text, " %.*s", (int)length, names);
        names += length;
        while (*names == ' ')
            names++;
    }
}

static void add_all_flags(struct text *text, uint32_t most, uint32_t most_extended)
{
    struct registers one = cpuid(1), seven = {0}, extended = {0};

    if (most >= 7)
        seven = cpuid(7);
    if (most_extended >= 0x80000001)
        extended = cpuid(0x80000001);
    text_add(text, "flags\t\t:");
    add_flags(text, leaf1_d, one.d);
    add_flags(text, extended_d, extended.d);
    add_flags(text, leaf1_c, one.c);
    add_flags(text, extended_c, extended.c);
    add_flags(text, leaf7_b, seven.b);
    add_flags(text, leaf7_c, seven.c);
}

/* A text of CPUID's: words of four characters. */
static void words_set(char *to, const uint32_t *words, unsigned count)
{
    memcpy(to, words, count * sizeof *words);
    to[count * sizeof *words] = 0;
}

static void add_model(struct text *text, uint32_t most_extended)
{
    struct registers r = cpuid(0);
    uint32_t signature = cpuid(1).a, family = signature >> 8 & 15, model = signature >> 4 & 15;
    char vendor[13], name[49] = "unknown";
    const char *start = name;

    words_set(vendor, (uint32_t[]){r.b, r.d, r.c}, 3);
    if (family == 15 || family == 6)
        model += signature >> 12 & 0xf0;
    if (family == 15)
        family += signature >> 20 & 0xff;
    for (uint32_t i = 0; i < 3 && most_extended >= 0x80000004; i++) {
        r = cpuid(0x80000002 + i);
        words_set(name + 16 * i, &r.a, 4);
    }
    while (*start == ' ')
        start++;
    text_add(text,
             "vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
             vendor, family, model, start, signature & 15);
}

int64_t text_cpuinfo(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    uint64_t khz = view->tick_mult ? (1000000ull << view->tick_shift) / view->tick_mult : 0;
    uint32_t most = cpuid(0).a, most_extended = cpuid(0x80000000).a;
    uint32_t sizes = most_extended >= 0x80000008 ? cpuid(0x80000008).a : 0x3024;

    (void)of;
    for (uint32_t i = 0; i < view->cpus && i < CPUS_SHOWN; i++) {
        text_add(text, "processor\t: %u\n", i);
        add_model(text, most_extended);
        text_add(text, "cpu MHz\t\t: %llu.%03u\nphysical id\t: 0\nsiblings\t: %u\n",
                 (unsigned long long)(khz / 1000), (unsigned)(khz % 1000), view->cpus);
        text_add(text,
                 "core id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
                 i, view->cpus, most);
        add_all_flags(text, most, most_extended);
        text_add(text, "\nbogomips\t: %llu.%02u\nclflush size\t: %u\n",
                 (unsigned long long)(khz / 500), (unsigned)(khz % 500 / 5),
                 (cpuid(1).b >> 8 & 0xff) * 8);
        text_add(text, "address sizes\t: %u bits physical, %u bits virtual\n\n", sizes & 0xff,
                 sizes >> 8 & 0xff);
    }
    return 0;
}
