// SPDX-License-Identifier: MIT
/*
 * Floating-point state: f0-f31 and fcsr. The LibOS never uses it, so it stays in the processor
 * through every call; it is stored where a program sees it (signal frames) and where a second thread
 * of control continues with a copy (fork, clone). There is no vector state: V is not announced.
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

/* One bit a letter, as the kernel found them. */
uint64_t machine_hwcap(void)
{
    return exo_view()->features[0];
}

uint64_t machine_hwcap2(void)
{
    return 0;
}
