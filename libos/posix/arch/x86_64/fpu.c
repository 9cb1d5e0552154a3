// SPDX-License-Identifier: MIT
/*
 * Vector state. The LibOS never uses it, so it stays in the processor through every call; it is
 * stored where a program sees it (signal frames) and where a second thread of control continues with
 * a copy (fork, clone). Format: XSAVE's standard form with the parts that XCR0 enables (Intel SDM
 * volume 1, chapter 13), without AMX; FXSAVE where there is no XSAVE (mask 0).
 */
#include "core.h"

#define CPUID_OSXSAVE (1u << 27)
#define PARTS_KNOWN   0xe7u /* x87, SSE, AVX, AVX-512; not MPX, PKRU, AMX */

static uint64_t mask, bytes;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(sub));
}

static void fpu_look(void)
{
    uint32_t r[4], low, high;

    bytes = 512;
    cpuid(1, 0, r);
    if (!(r[2] & CPUID_OSXSAVE))
        return;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    mask = low & PARTS_KNOWN;
    bytes = 576;
    for (uint32_t part = 2; part < 8; part++) {
        if (!(mask & (1u << part)))
            continue;
        cpuid(13, part, r);
        if (r[0] + r[1] > bytes)
            bytes = r[0] + r[1];
    }
    if (bytes > FPU_BYTES_MAX) {
        mask &= 7;
        bytes = 832;
    }
}

uint64_t fpu_bytes(void)
{
    if (!bytes)
        fpu_look();
    return bytes;
}

uint64_t fpu_mask(void)
{
    if (!bytes)
        fpu_look();
    return mask;
}

void fpu_save(void *area)
{
    if (fpu_mask())
        memset((char *)area + 512, 0, 64);
    user_fpu_save(area, mask);
}

void fpu_restore(const void *area)
{
    user_fpu_restore((void *)(uintptr_t)area, fpu_mask());
}

void fpu_reset(void)
{
    /* An area that says "all parts initial", with the control words that a program starts with. */
    struct {
        uint16_t fcw, fsw;
        uint8_t rest[20];
        uint32_t mxcsr;
        uint8_t more[548];
    } __attribute__((aligned(64))) area = {.fcw = 0x37f, .mxcsr = 0x1f80};
    static_assert(sizeof area == 576, "legacy area and header");

    fpu_restore(&area);
}

uint64_t machine_hwcap(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    return r[3];
}

uint64_t machine_hwcap2(void)
{
    return 0;
}
