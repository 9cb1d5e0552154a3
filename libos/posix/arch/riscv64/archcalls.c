// SPDX-License-Identifier: MIT
/* Calls that only riscv64 has. */
#include "core.h"

#define HWPROBE_KEY_BASE_BEHAVIOR 3
#define HWPROBE_BASE_IMA          1u
#define HWPROBE_KEY_IMA_EXT_0     4
#define HWPROBE_KEY_CPUPERF_0     5
#define HWPROBE_KEYS              6 /* 0-2 are who made the processor: 0, we do not say */

/* What the kernel found in the device tree, of what needs no state that it does not keep. */
static uint64_t hwprobe_value(int64_t key)
{
    switch (key) {
    case HWPROBE_KEY_BASE_BEHAVIOR: return HWPROBE_BASE_IMA;
    case HWPROBE_KEY_IMA_EXT_0: return exo_view()->features[1];
    default: return 0; /* of CPUPERF_0: how fast misaligned accesses are is not known */
    }
}

DEFINE_CALL5(riscv_hwprobe, pairs, count, cpu_bytes, cpus, flags)
{
    struct {
        int64_t key;
        uint64_t value;
    } pair;

    (void)cpu_bytes, (void)cpus; /* all processors are alike */
    if (flags != 0)
        return -EINVAL;
    for (uint64_t i = 0; i < count; i++, pairs += sizeof pair) {
        if (user_read(&pair, pairs, sizeof pair) < 0)
            return -EFAULT;
        if (pair.key < 0 || pair.key >= HWPROBE_KEYS)
            pair.key = -1;
        pair.value = pair.key < 0 ? 0 : hwprobe_value(pair.key);
        if (user_write(pairs, &pair, sizeof pair) < 0)
            return -EFAULT;
    }
    return 0;
}

#define FLUSH_LOCAL 1u
#define FLUSH_VA    (POSIX_HANDOVER_VA + 0x08000000u)

/* Has every hart do a fence.i before it runs this program's code again. The kernel does that for
 * executable pages that come (before the next thread of a hart) and go (on harts that have us loaded
 * now), so one comes and goes. */
static int64_t harts_fence(void)
{
    int64_t st = exo_map(0, FLUSH_VA, 1, 0, 0, EXO_MAP_READ | EXO_MAP_EXEC);

    if (st >= 0) {
        (void)*(const volatile uint32_t *)FLUSH_VA; /* maps it in fact */
        st = exo_unmap(0, FLUSH_VA, 1);
    }
    return errno_of(st);
}

DEFINE_CALL3(riscv_flush_icache, start, end, flags)
{
    (void)start, (void)end;
    if (flags & ~(uint64_t)FLUSH_LOCAL)
        return -EINVAL;
    __asm__ volatile("fence.i" : : : "memory");
    return (flags & FLUSH_LOCAL) || exo_view()->cpus == 1 ? 0 : harts_fence();
}
