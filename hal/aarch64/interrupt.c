/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller: GICv3 (Arm IHI 0069), its CPU interface by system registers.
 *
 * A line is a shared peripheral interrupt, numbered from 0: INTID less 32. All are level-triggered
 * here. A line is delivered once and then disabled in the distributor until somebody unmasks it; a
 * device that still wants service then raises it again by itself.
 */
#include "machine.h"

/* Distributor. One bit a line: 32 to a register. */
#define GICD_CTLR       0x0000u
#define GICD_TYPER      0x0004u
#define GICD_IGROUPR    0x0080u
#define GICD_ISENABLER  0x0100u
#define GICD_ICENABLER  0x0180u
#define GICD_ICPENDR    0x0280u
#define GICD_IPRIORITYR 0x0400u     /* one byte a line */
#define GICD_ICFGR      0x0c00u     /* two bits a line */
#define GICD_IROUTER    0x6000u     /* 8 bytes a line */
#define CTLR_GROUP1     0x02u       /* non-secure group 1 */
#define CTLR_ROUTING    0x10u       /* affinity routing */
#define CTLR_PENDING    0x80000000u /* a write has not taken effect yet */

/* Redistributor: 64 KiB of control, then 64 KiB for the 32 lines of a CPU's own. */
#define GICR_TYPER     0x0008u
#define GICR_WAKER     0x0014u
#define GICR_OWN       0x10000u
#define GICR_STRIDE    0x20000u
#define GICR_STRIDE_V4 0x40000u
#define TYPER_VIRTUAL  0x2u  /* GICv4: twice as large */
#define TYPER_LAST     0x10u /* of its region */
#define WAKER_SLEEP    0x2u
#define WAKER_ASLEEP   0x4u

#define PRIORITIES_ALL 0xa0a0a0a0u
#define PRIORITY_MASK  0xf0u
#define INTID_SPECIAL  1020u

/* CPU interface (IHI 0069, 12.2). */
#define ICC_SGI1R   s3_0_c12_c11_5
#define ICC_PMR     s3_0_c4_c6_0
#define ICC_IAR1    s3_0_c12_c12_0
#define ICC_EOIR1   s3_0_c12_c12_1
#define ICC_BPR1    s3_0_c12_c12_3
#define ICC_CTLR    s3_0_c12_c12_4
#define ICC_SRE     s3_0_c12_c12_5
#define ICC_IGRPEN1 s3_0_c12_c12_7

static uint32_t intids; /* that the distributor has: this many, from 0 on */

static void distributor_write(uint32_t where, uint32_t value)
{
    write32(machine_info.distributor.va + where, value);
}

/* What was written to ENABLE or CTLR registers is in force. */
static void distributor_settle(void)
{
    while (read32(machine_info.distributor.va + GICD_CTLR) & CTLR_PENDING)
        ;
}

static void distributor_start(void)
{
    uint32_t blocks = (read32(machine_info.distributor.va + GICD_TYPER) & 31) + 1;
    uint64_t router = machine_info.distributor.va + GICD_IROUTER;

    intids = blocks * 32 < INTID_SPECIAL ? blocks * 32 : INTID_SPECIAL;
    distributor_write(GICD_CTLR, 0);
    distributor_settle();
    for (uint32_t i = 1; i < blocks; i++) { /* block 0 is each CPU's own */
        distributor_write(GICD_ICENABLER + 4 * i, UINT32_MAX);
        distributor_write(GICD_IGROUPR + 4 * i, UINT32_MAX);
        distributor_write(GICD_ICPENDR + 4 * i, UINT32_MAX);
        for (uint32_t k = 0; k < 8; k++)
            distributor_write(GICD_IPRIORITYR + 32 * i + 4 * k, PRIORITIES_ALL);
        distributor_write(GICD_ICFGR + 8 * i, 0);
        distributor_write(GICD_ICFGR + 8 * i + 4, 0);
    }
    distributor_settle();
    distributor_write(GICD_CTLR, CTLR_ROUTING | CTLR_GROUP1);
    distributor_settle();
    for (uint32_t i = 32; i < intids; i++)
        *(volatile uint64_t *)(router + 8 * i) = machine_cpus[0].mpidr;
}

/* The redistributor whose affinity is this CPU's; they lie in a row in each region. */
static uint64_t redistributor_find(uint64_t mpidr)
{
    uint64_t affinity = (mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff);

    for (unsigned i = 0; i < REDISTRIBUTORS; i++) {
        const struct device *region = &machine_info.redistributor[i];
        uint64_t va = region->va, end = va + region->bytes, type = 0;
        for (; va + GICR_STRIDE <= end && !(type & TYPER_LAST);
             va += type & TYPER_VIRTUAL ? GICR_STRIDE_V4 : GICR_STRIDE) {
            type = *(volatile uint64_t *)(va + GICR_TYPER);
            if (type >> 32 == affinity)
                return va;
        }
    }
    kernel_panic("no GIC redistributor for CPU %lx", (unsigned long)mpidr);
}

void interrupt_start_cpu(void)
{
    struct machine_cpu *cpu = machine_cpu();
    uint64_t base = redistributor_find(cpu->mpidr), own = base + GICR_OWN;

    cpu->redistributor = base;
    write32(base + GICR_WAKER, read32(base + GICR_WAKER) & ~WAKER_SLEEP);
    while (read32(base + GICR_WAKER) & WAKER_ASLEEP)
        ;
    write32(own + GICD_ICENABLER, UINT32_MAX);
    write32(own + GICD_IGROUPR, UINT32_MAX);
    for (uint32_t k = 0; k < 8; k++)
        write32(own + GICD_IPRIORITYR + 4 * k, PRIORITIES_ALL);
    write32(own + GICD_ISENABLER, 1u << machine_info.timer_irq | ((1u << SIGNALS) - 1));

    SYSREG_WRITE(ICC_SRE, SYSREG_READ(ICC_SRE) | 1); /* ICC_SRE_EL1.SRE */
    isb();                                           /* the other registers are there from now on */
    SYSREG_WRITE(ICC_PMR, PRIORITY_MASK);
    SYSREG_WRITE(ICC_BPR1, 0);    /* no groups of priorities */
    SYSREG_WRITE(ICC_CTLR, 0);    /* EOIR drops the priority and deactivates */
    SYSREG_WRITE(ICC_IGRPEN1, 1); /* group 1 */
    isb();
}

void interrupt_stop_cpu(void)
{
    SYSREG_WRITE(ICC_IGRPEN1, 0);
    isb();
}

void interrupt_start(void)
{
    distributor_start();
    interrupt_start_cpu();
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* Messages need a controller that this port does not drive. */
bool hal_irq_message(unsigned number, uint64_t *address, uint32_t *value)
{
    (void)number;
    (void)address;
    (void)value;
    return false;
}

void hal_irq_unmask(unsigned line)
{
    uint32_t intid = line + 32;

    if (intid < intids)
        distributor_write(GICD_ISENABLER + intid / 32 * 4, 1u << intid % 32);
}

void hal_irq_mask(unsigned line)
{
    uint32_t intid = line + 32;

    if (intid >= intids)
        return;
    distributor_write(GICD_ICENABLER + intid / 32 * 4, 1u << intid % 32);
    distributor_settle(); /* it does not arrive any more */
}

/* ICC_EOIR1 must not overtake the accesses to the device and the distributor (IHI 0069, 4.1.1), nor
 * may the service overtake the reading of ICC_IAR1: hence the barriers. */
void interrupt_serve(void)
{
    uint32_t intid = (uint32_t)SYSREG_READ(ICC_IAR1) & 0xffffff; /* ICC_IAR1_EL1 */

    __asm__ volatile("dsb sy\n\tisb" : : : "memory");
    if (intid >= INTID_SPECIAL)
        return; /* none, after all */
    if (intid == machine_info.timer_irq)
        clock_interrupt();
    else if (intid >= 32)
        hal_irq_mask(intid - 32);
    __asm__ volatile("dsb sy" : : : "memory");
    SYSREG_WRITE(ICC_EOIR1, intid); /* ICC_EOIR1_EL1 */
    isb();
    if (intid == machine_info.timer_irq)
        kernel_timer();
    else if (intid >= 32)
        kernel_interrupt(intid - 32);
    else if (intid == SIGNAL_IPI)
        kernel_ipi();
    else if (intid == SIGNAL_STOP)
        smp_stop_here();
}

/* Lines arrive at CPU 0. The registers take single bits, and nothing is noted about lines, so CPUs need
 * no lock against each other. */

/* ---- other CPUs -------------------------------------------------------------------------------- */

void signal_send(unsigned cpu, enum signal signal)
{
    uint64_t mpidr = machine_cpus[cpu].mpidr, last = mpidr & 0xff;

    __asm__ volatile("dsb ishst" : : : "memory"); /* what was written for it is there before */
    SYSREG_WRITE(ICC_SGI1R, (mpidr >> 32 & 0xff) << 48 | (mpidr >> 16 & 0xff) << 32 |
                                (mpidr >> 8 & 0xff) << 16 | last >> 4 << 44 | 1u << (last & 15) |
                                (uint64_t)signal << 24);
    isb();
}

void signal_forget(enum signal signal)
{
    write32(machine_cpu()->redistributor + GICR_OWN + GICD_ICPENDR, 1u << signal);
    __asm__ volatile("dsb sy" : : : "memory"); /* it is gone before anything is looked at again */
}

void hal_ipi(unsigned cpu)
{
    signal_send(cpu, SIGNAL_IPI);
}

/* wfi also ends for an interrupt that is masked in PSTATE, so none can be slept over. The one that
 * ended it is taken between the two changes of the mask. */
void hal_idle(void)
{
    __asm__ volatile("dsb sy\n\t" /* what was written is out before the CPU sleeps */
                     "wfi\n\t"
                     "msr daifclr, #2\n\t"
                     "isb\n\t"
                     "msr daifset, #2"
                     :
                     :
                     : "memory");
}
