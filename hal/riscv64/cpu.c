/* SPDX-License-Identifier: MIT */
/*
 * The processor's features and control registers.
 *
 * Required: RV64IMAC and Sv48 (boot.S refuses without). Everything else is used where the device tree
 * reports it or a try shows it. Vector registers are left off: no thread's context has room for them.
 */
#include "machine.h"

#define COUNTER_TIME 2u /* scounteren, bit 1: user code reads the time */

struct machine_cpu machine_cpus[HAL_CPUS];
struct cpu_features cpu_features;
uint32_t zero_block;

/* What each hart has of its own. */
void cpu_start_other(void)
{
    csr_write(stvec, trap_entry);
    csr_write(scounteren, COUNTER_TIME);
}

void cpu_start(void)
{
    cpu_start_other();
    csr_set(sstatus, STATUS_FS);
    cpu_features.fpu = csr_read(sstatus) & STATUS_FS; /* reads 0 where there is none (3.1.6.6) */
    csr_clear(sstatus, STATUS_FS);
    cpu_features.stimecmp = probe_stimecmp();
    if (!cpu_features.zicboz || (zero_block & (zero_block - 1)) || zero_block > EXO_PAGE_SIZE)
        zero_block = 0;
}

uint64_t hal_entropy(void)
{
    static uint64_t state;

    /* Splitmix64 over everything seen so far: an output never shows the counter itself. */
    state += (machine_info.seed ^ csr_read(time)) + 0x9e3779b97f4a7c15u;
    uint64_t value = state;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}
