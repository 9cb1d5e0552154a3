/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started one after the other by the firmware (SBI, hart state management), which also
 * carries the interrupts between them. Their counters need no comparison: all harts' are synchronized
 * to within a tick (unprivileged architecture, 10.1).
 */
#include <stdatomic.h>

#include "machine.h"

#define MS          1000000u
#define ARRIVE_WAIT (1000 * MS)
#define STOP_WAIT   (100 * MS)
#define SSIP        (1u << INTERRUPT_CPU)
#define PAUSE       ".word 0x0100000f" /* Zihintpause; a fence of nothing elsewhere */

#define HART_START 0 /* functions of SBI_HART */

unsigned hal_cpu_count = 1;

static _Atomic unsigned arrived = 1; /* CPUs that have come so far, the boot CPU included */
static _Atomic unsigned stopper;     /* 1 + the CPU that called hal_cpus_stop; 0: none */
static _Atomic unsigned stopped;
static _Atomic bool asked[HAL_CPUS]; /* by hal_ipi, and not served yet */

static uint64_t now_ns(void)
{
    return (uint64_t)((unsigned __int128)(hal_ticks() - hal_clock.base) * hal_clock.mult >>
                      hal_clock.shift);
}

/* ---- starting ---------------------------------------------------------------------------------- */

_Noreturn void smp_arrive(void)
{
    csr_write(satp, (uint64_t)SATP_SV48 << 60 | kernel_root >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
    cpu_start_other();
    clock_start_other();
    csr_set(sie, SSIP);
    /* Release: hal_cpus_start goes on only after all of this. */
    atomic_store_explicit(&arrived, hal_cpu()->number + 1, memory_order_release);
    kernel_cpu();
}

/* Looks every millisecond, and sleeps in between: an emulator with one thread for all harts runs the other
 * one then. Nobody has set an alarm yet. */
static bool arrives_within(unsigned number, uint64_t ns)
{
    uint64_t end = now_ns() + ns;
    bool there;

    while (!(there = atomic_load_explicit(&arrived, memory_order_acquire) > number) &&
           now_ns() < end) {
        hal_timer(now_ns() + MS);
        __asm__ volatile("wfi" : : : "memory");
    }
    hal_timer(EXO_FOREVER);
    return there;
}

/* Answers the firmware's error; 0: it is on its way. */
static int64_t cpu_start_at(unsigned number, uint64_t hart)
{
    struct machine_cpu *cpu = &machine_cpus[number];
    uint64_t entry = (uint64_t)secondary_start - KERNEL_BASE - IMAGE_OFFSET + boot_image;

    cpu->hart = hart;
    cpu->cpu.number = number;
    cpu->cpu.kernel_stack = (uint64_t)kernel_stacks + (number + 1) * KERNEL_STACK_STEP;
    boot_awaited = (struct boot_awaited){hart, cpu};
    __asm__ volatile("fence w, w" : : : "memory");
    return sbi_call4(SBI_HART, HART_START, hart, entry, (uint64_t)cpu, 0);
}

/* One that is on its way and does not come could come later, so its number and stack are not used for
 * another; all behind it are left out. */
void hal_cpus_start(void)
{
    unsigned there = hal_cpu_count;
    uint64_t harts[HAL_CPUS];

    csr_set(sie, SSIP);
    for (unsigned i = 0; i < there; i++)
        harts[i] = machine_cpus[i].hart;
    hal_cpu_count = 1;
    for (unsigned i = 1; i < there; i++) {
        if (cpu_start_at(hal_cpu_count, harts[i]) != 0) {
            log_hex("a processor does not start: hart", harts[i]);
        } else if (!arrives_within(hal_cpu_count, ARRIVE_WAIT)) {
            log_hex("a processor does not arrive: hart", harts[i]);
            return;
        } else {
            hal_cpu_count++;
        }
    }
}

/* ---- interrupting, waiting, stopping ----------------------------------------------------------- */

/* The fence: what this CPU wrote comes before the interrupt (the firmware writes a device's register). */
void hal_ipi(unsigned number)
{
    atomic_store_explicit(&asked[number], true, memory_order_seq_cst);
    __asm__ volatile("fence rw, ow" : : : "memory");
    sbi_call(SBI_IPI, 0, 1, machine_cpus[number].hart);
}

void smp_interrupt(void)
{
    csr_clear(sip, SSIP);
    smp_stop_if_asked();
    if (atomic_exchange_explicit(&asked[hal_cpu()->number], false, memory_order_seq_cst))
        kernel_ipi();
}

/* Flushes need nobody's help here: see space.c. */
void hal_relax(void)
{
    __asm__ volatile(PAUSE);
    smp_stop_if_asked();
}

/*
 * WFI ends for any pending interrupt that sie lets through, though sstatus.SIE is off. There is one
 * interrupt from other CPUs, so `asked` says whether it is more than a wake: then it stays pending, to be
 * taken when interrupts are on again, and until then the sleep is none.
 */
void hal_doze(void)
{
    __asm__ volatile("wfi" : : : "memory");
    csr_clear(sip, SSIP);
    /* Sequentially consistent: hal_ipi sets the word, then raises the interrupt; either this sees the
     * word, or the interrupt comes after it was cleared here. */
    if (atomic_load_explicit(&asked[hal_cpu()->number], memory_order_seq_cst))
        csr_set(sip, SSIP);
    hal_relax();
}

void hal_wake(unsigned number)
{
    __asm__ volatile("fence rw, ow" : : : "memory"); /* as in hal_ipi */
    sbi_call(SBI_IPI, 0, 1, machine_cpus[number].hart);
}

static _Noreturn void stop_here(void)
{
    atomic_fetch_add_explicit(&stopped, 1, memory_order_relaxed);
    csr_write(sie, 0);
    for (;;)
        __asm__ volatile("wfi");
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
    for (unsigned i = 0; i <= others; i++) {
        if (i != self - 1)
            hal_ipi(i);
    }
    uint64_t end = now_ns() + STOP_WAIT;
    while (atomic_load_explicit(&stopped, memory_order_relaxed) < others && now_ns() < end)
        __asm__ volatile(PAUSE);
}
