/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started one after the other by INIT and STARTUP interrupts (SDM volume 3, 9.4.4), and
 * stopped by NMIs, which reach a CPU that has interrupts off as well.
 */
#include <stdatomic.h>

#include "machine.h"

#define MS            1000000u
#define INIT_WAIT     (MS / 10) /* 10 ms in the manual, for processors of the last century */
#define ARRIVE_WAIT   (1000 * MS)
#define STOP_WAIT     (100 * MS)
#define COUNTER_TRIES 16u

unsigned hal_cpu_count = 1;
uint64_t trampoline_number;

static _Atomic unsigned arrived = 1; /* CPUs that have come so far, the boot CPU included */
static _Atomic uint64_t compared;    /* steps of the comparison of the counters */
static _Atomic uint64_t their_counter;
static _Atomic unsigned stopper; /* 1 + the CPU that called hal_cpus_stop; 0: none */
static _Atomic unsigned stopped;

static uint64_t now_ns(void)
{
    return (uint64_t)((unsigned __int128)(hal_ticks() - hal_clock.base) * hal_clock.mult >>
                      hal_clock.shift);
}

/* This CPU first: the table may have it anywhere. */
void smp_count(void)
{
    hal_cpu_count = 1;
    for (unsigned i = 0; i < acpi_info.cpu_count && hal_cpu_count < HAL_CPUS; i++) {
        if (acpi_info.cpu_apic_id[i] != machine_cpus[0].apic_id)
            machine_cpus[hal_cpu_count++].apic_id = acpi_info.cpu_apic_id[i];
    }
}

/* ---- the counters ------------------------------------------------------------------------------ */

/* In turns: the boot CPU makes `compared` odd and reads its counter before, the new one makes it even
 * and reads its own in between, so the three values must come in order. Acquire and release: each
 * reading lies between the steps that it is to lie between. */
static bool counters_agree(void)
{
    bool agree = true;

    for (uint64_t turn = 0; turn < COUNTER_TRIES; turn++) {
        uint64_t before = hal_ticks();

        atomic_store_explicit(&compared, 2 * turn + 1, memory_order_release);
        while (atomic_load_explicit(&compared, memory_order_acquire) != 2 * turn + 2)
            __asm__ volatile("pause");
        uint64_t there = atomic_load_explicit(&their_counter, memory_order_relaxed);
        uint64_t after = hal_ticks();
        agree = agree && before <= there && there <= after;
    }
    atomic_store_explicit(&compared, 0, memory_order_relaxed);
    return agree;
}

static void counters_show(void)
{
    for (uint64_t turn = 0; turn < COUNTER_TRIES; turn++) {
        while (atomic_load_explicit(&compared, memory_order_acquire) != 2 * turn + 1)
            __asm__ volatile("pause");
        atomic_store_explicit(&their_counter, hal_ticks(), memory_order_relaxed);
        atomic_store_explicit(&compared, 2 * turn + 2, memory_order_release);
    }
}

/* ---- starting ---------------------------------------------------------------------------------- */

_Noreturn void smp_arrive(unsigned number)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(kernel_root) : "memory"); /* the trampoline is gone */
    descriptors_start(number);
    cpu_start_other();
    lapic_start();
    clock_start_other();
    /* Release: hal_cpus_start goes on only after all of this (proofs/memory/protocols/cpu_start.py). */
    atomic_store_explicit(&arrived, number + 1, memory_order_release);
    counters_show();
    kernel_cpu();
}

static bool arrives_within(unsigned number, uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (now_ns() < end) {
        if (atomic_load_explicit(&arrived, memory_order_acquire) > number)
            return true;
        __asm__ volatile("pause");
    }
    return false;
}

static bool cpu_start_at(unsigned number, uint8_t apic_id)
{
    trampoline_number = number;
    machine_cpus[number].apic_id = apic_id;
    lapic_signal(apic_id, LAPIC_INIT);
    arrives_within(number, INIT_WAIT);
    lapic_signal(apic_id, LAPIC_STARTUP | TRAMPOLINE_PA >> 12);
    if (arrives_within(number, MS))
        return true;
    lapic_signal(apic_id, LAPIC_STARTUP | TRAMPOLINE_PA >> 12); /* the manual's second one */
    return arrives_within(number, ARRIVE_WAIT);
}

void hal_cpus_start(void)
{
    unsigned there = hal_cpu_count;
    uint8_t apic_ids[HAL_CPUS];

    for (unsigned i = 0; i < there; i++)
        apic_ids[i] = machine_cpus[i].apic_id;
    hal_cpu_count = 1;
    for (unsigned i = 1; i < there; i++) {
        if (!cpu_start_at(hal_cpu_count, apic_ids[i])) {
            log_hex("a processor does not start: APIC", apic_ids[i]);
            lapic_signal(apic_ids[i],
                         LAPIC_INIT); /* it must not come later, under another's number */
            continue;
        }
        if (!counters_agree())
            kernel_panic("the time-stamp counter of CPU %u is not that of CPU 0", hal_cpu_count);
        hal_cpu_count++;
    }
}

/* ---- stopping ---------------------------------------------------------------------------------- */

static _Noreturn void stop_here(void)
{
    atomic_fetch_add_explicit(&stopped, 1, memory_order_relaxed);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void smp_stop_if_asked(void)
{
    if (atomic_load_explicit(&stopper, memory_order_relaxed) != 0)
        stop_here();
}

void hal_cpus_stop(void)
{
    unsigned others = atomic_load_explicit(&arrived, memory_order_relaxed) - 1, none = 0;

    if (others == 0)
        return;
    unsigned self = hal_cpu()->number + 1;
    if (!atomic_compare_exchange_strong_explicit(&stopper, &none, self, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        if (none != self)
            stop_here();
        return; /* again, by a panic while powering off */
    }
    lapic_signal(0, LAPIC_NMI_OTHERS);
    uint64_t end = now_ns() + STOP_WAIT;
    while (atomic_load_explicit(&stopped, memory_order_relaxed) < others && now_ns() < end)
        __asm__ volatile("pause");
}
