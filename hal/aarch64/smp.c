/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started by the firmware (PSCI, DEN 0022), stopped by an interrupt.
 *
 * Translations need no shoot-down here: a flush reaches all CPUs by itself (space.c).
 */
#include <stdatomic.h>

#include "machine.h"

#define PSCI_CPU_ON    0xc4000003u
#define MS             1000000u
#define ARRIVE_WAIT    (1000 * MS)
#define STOP_WAIT      (100 * MS)
#define MPIDR_AFFINITY 0xff00ffffffu

unsigned hal_cpu_count = 1;
struct machine_cpu machine_cpus[HAL_CPUS];

static _Atomic unsigned arrived = 1; /* 1 + the number of the CPU that came last */
static _Atomic unsigned stopper;     /* 1 + the CPU that called hal_cpus_stop; 0: none */
static _Atomic unsigned stopped;

static uint64_t now_ns(void)
{
    return (uint64_t)((unsigned __int128)(hal_ticks() - hal_clock.base) * hal_clock.mult >>
                      hal_clock.shift);
}

void smp_this_cpu(unsigned number)
{
    struct machine_cpu *cpu = &machine_cpus[number];

    cpu->cpu.number = number;
    cpu->cpu.kernel_stack = (uint64_t)kernel_stacks + (number + 1) * KERNEL_STACK_STEP;
    cpu->cpu.scratch[0] = (uint64_t)fatal_stacks + (number + 1) * FATAL_STACK_STEP;
    cpu->mpidr = SYSREG_READ(mpidr_el1) & MPIDR_AFFINITY;
    SYSREG_WRITE(tpidr_el1, cpu);
    SYSREG_WRITE(vbar_el1, vectors);
    isb();
}

/* ---- starting ---------------------------------------------------------------------------------- */

_Noreturn void smp_arrive(unsigned number)
{
    smp_this_cpu(number);
    cpu_start_other();
    hal_space_switch(0); /* the one-to-one map is gone, and what was kept of it: */
    __asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory");
    interrupt_start_cpu();
    clock_start_other();
    /* Release: hal_cpus_start goes on only after all of this. */
    atomic_store_explicit(&arrived, number + 1, memory_order_release);
    kernel_cpu();
}

static bool arrives(unsigned number)
{
    uint64_t end = now_ns() + ARRIVE_WAIT;

    while (now_ns() < end) {
        if (atomic_load_explicit(&arrived, memory_order_acquire) > number)
            return true;
        __asm__ volatile("yield");
    }
    return false;
}

/* A CPU that is late must not come under another's number, and cannot be called back: so after one
 * that does not come, no other is started. */
void hal_cpus_start(void)
{
    unsigned there = hal_cpu_count;

    /* The others read it with their caches off. */
    __asm__ volatile("dc cvac, %0\n\tdsb sy" : : "r"(&kernel_root) : "memory");
    hal_cpu_count = 1;
    for (unsigned i = 1; i < there; i++) {
        uint64_t mpidr = machine_cpus[i].mpidr;
        machine_cpus[hal_cpu_count].mpidr = mpidr;
        if (firmware_call(PSCI_CPU_ON, mpidr, image_pa(secondary_start), hal_cpu_count) != 0) {
            log_hex("a processor cannot be started: MPIDR", mpidr);
            continue;
        }
        if (!arrives(hal_cpu_count)) {
            log_hex("a processor does not start: MPIDR", mpidr);
            break;
        }
        hal_cpu_count++;
    }
}

/* ---- waiting and stopping ---------------------------------------------------------------------- */

_Noreturn void smp_stop_here(void)
{
    atomic_fetch_add_explicit(&stopped, 1, memory_order_relaxed);
    interrupt_stop_cpu(); /* a pending one, masked or not, would keep WFI from sleeping */
    for (;;)
        __asm__ volatile("msr daifset, #0xf\n\twfi");
}

void hal_relax(void)
{
    __asm__ volatile("yield");
    if (atomic_load_explicit(&stopper, memory_order_relaxed) != 0)
        smp_stop_here();
}

/* WFI ends for any pending interrupt, masked ones too; a wake is forgotten, the others are taken when
 * interrupts are on again, and until then the sleep is none. A wake that comes between the forgetting
 * and the next sleep is pending then. */
void hal_doze(void)
{
    __asm__ volatile("dsb sy\n\twfi" : : : "memory");
    signal_forget(SIGNAL_WAKE);
    hal_relax();
}

void hal_wake(unsigned cpu)
{
    signal_send(cpu, SIGNAL_WAKE);
}

/* A CPU that stays in the kernel without waiting for a lock is not reached: it has no interrupts. */
void hal_cpus_stop(void)
{
    unsigned others = atomic_load_explicit(&arrived, memory_order_relaxed) - 1, none = 0;
    unsigned self = hal_cpu()->number;

    if (others == 0)
        return;
    if (!atomic_compare_exchange_strong_explicit(&stopper, &none, self + 1, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        if (none != self + 1)
            smp_stop_here();
        return; /* again, by a panic while powering off */
    }
    for (unsigned cpu = 0; cpu <= others; cpu++) {
        if (cpu != self)
            signal_send(cpu, SIGNAL_STOP);
    }
    uint64_t end = now_ns() + STOP_WAIT;
    while (atomic_load_explicit(&stopped, memory_order_relaxed) < others && now_ns() < end)
        __asm__ volatile("yield");
}
