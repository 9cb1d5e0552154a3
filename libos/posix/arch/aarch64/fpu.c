// SPDX-License-Identifier: MIT
/*
 * Vector state: v0-v31, fpsr, fpcr. The LibOS never uses it, so it stays in the processor through
 * every call; it is stored where a program sees it (signal frames) and where a second thread of
 * control continues with a copy (fork, clone). There is no SVE state: SVE is not announced.
 */
#include "core.h"

void fpu_save(void *area)
{
    user_fpu_save(area);
}

void fpu_restore(const void *area)
{
    user_fpu_restore((void *)(uintptr_t)area);
}

void fpu_reset(void)
{
    static const uint64_t initial[FPU_BYTES / 8];

    fpu_restore(initial);
}

/* What ARMv8.1 has, which the build itself relies on. User code cannot ask for more: the registers
 * that tell are the kernel's. */
uint64_t machine_hwcap(void)
{
    enum { FP = 1u << 0, ASIMD = 1u << 1, CRC32 = 1u << 7, ATOMICS = 1u << 8, ASIMDRDM = 1u << 12 };

    return FP | ASIMD | CRC32 | ATOMICS | ASIMDRDM;
}

uint64_t machine_hwcap2(void)
{
    return 0;
}
