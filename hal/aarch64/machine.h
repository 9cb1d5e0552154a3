/* SPDX-License-Identifier: MIT */
/*
 * What the files of this port tell each other; nothing outside hal/aarch64 includes it.
 */
#ifndef AARCH64_MACHINE_H
#define AARCH64_MACHINE_H

#include <hal/hal.h>

#include "layout.h"

/* ---- the processor ----------------------------------------------------------------------------- */

#define SYSREG_TEXT(name) #name
#define SYSREG_READ(name)                                                           \
    __extension__({                                                                 \
        uint64_t value_;                                                            \
        __asm__ volatile("mrs %0, " SYSREG_TEXT(name) : "=r"(value_) : : "memory"); \
        value_;                                                                     \
    })
#define SYSREG_WRITE(name, value) \
    __asm__ volatile("msr " SYSREG_TEXT(name) ", %x0" : : "rZ"((uint64_t)(value)) : "memory")

/** What follows sees the system registers written before. */
static inline void isb(void)
{
    __asm__ volatile("isb" : : : "memory");
}

/* Optional features, found once by cpu_start (cpu.c). */
struct cpu_features {
    bool access_flag;        /* FEAT_HAFDBS: the processor notes accesses in page table entries, */
    bool dirty_bit;          /* and the first write as well */
    bool random;             /* FEAT_RNG */
    bool asid16;             /* 16 bits of ASID; else 8 */
    uint64_t pstate_allowed; /* what user code may set in PSTATE */
};
extern struct cpu_features cpu_features;
extern uint64_t cpu_zero_block; /* bytes that DC ZVA zeroes; 0: it is not there (page.S) */

/* ---- one CPU's own memory ---------------------------------------------------------------------- */

struct machine_cpu {
    struct hal_cpu cpu;       /* first: TPIDR_EL1 */
    struct hal_space *loaded; /* what TTBR0 has; 0: nothing (space.c) */
    uint64_t mpidr;           /* its affinity, which is its address for PSCI and the GIC */
    uint64_t redistributor;   /* its part of the GIC */
};
extern struct machine_cpu machine_cpus[HAL_CPUS];

static inline struct machine_cpu *machine_cpu(void)
{
    return (struct machine_cpu *)hal_cpu();
}

/* ---- what the device tree says ----------------------------------------------------------------- */

struct device {
    uint64_t pa, bytes; /* bytes 0: not there */
    uint64_t va;        /* set by paging_start */
};

#define REDISTRIBUTORS 4u
struct machine_info {
    struct device distributor, redistributor[REDISTRIBUTORS], uart, rtc;
    uint32_t uart_irq, timer_irq; /* INTIDs of the GIC */
    bool firmware_hvc;            /* PSCI is called by hvc; else by smc */
    uint64_t seed;                /* entropy of the loader's */
};
extern struct machine_info machine_info;

/* ---- the steps of hal_start -------------------------------------------------------------------- */

void cpu_start(void);                       /* cpu.c: features, control registers, vectors */
void boot_info_read(struct hal_boot *boot); /* boot_info.c: the device tree */
void log_start(const char *command_line);   /* log.c: by semihosting, or the UART */
void paging_start(struct hal_boot *boot);   /* paging.c: final tables; takes RAM for them */
void interrupt_start(void);                 /* interrupt.c: GIC */
void interrupt_start_cpu(void);             /* the same, what each CPU has for itself */
void interrupt_stop_cpu(void);              /* none reaches this CPU any more */
void clock_start(void);                     /* clock.c */

/* What another CPU does of it (smp.c). */
void cpu_start_other(void);
void clock_start_other(void);
/** Fills in what trap entry needs, and TPIDR_EL1. */
void smp_this_cpu(unsigned number);
_Noreturn void smp_arrive(unsigned number); /* called by boot.S, on the CPU's own stack */
_Noreturn void smp_stop_here(void);

/* Interrupts of one CPU by another: the GIC's software-generated ones (interrupt.c). */
enum signal { SIGNAL_IPI, SIGNAL_STOP, SIGNAL_WAKE, SIGNALS };
void signal_send(unsigned cpu, enum signal signal);
void signal_forget(enum signal signal); /* one that is pending for this CPU, before it is taken */

/* ---- memory ------------------------------------------------------------------------------------ */

extern uint64_t boot_device_tree, boot_image_pa; /* boot.S: physical addresses */

/** The physical address of something in the image. */
static inline uint64_t image_pa(const void *address)
{
    return (uint64_t)address - KERNEL_BASE + boot_image_pa;
}

/* The early tables map the GiBs of image and device tree; the final ones all RAM. */
static inline void *direct_ptr(uint64_t pa)
{
    return (void *)(DIRECT_BASE + pa);
}

/* The image, from kernel.ld. All page aligned. */
extern char image_start[], text_end[], rodata_end[], image_end[];
extern char empty_root[], kernel_stacks[], fatal_stacks[];
extern char secondary_start[]; /* boot.S: where other CPUs begin, at its physical address */
/** boot.S, to be called at its physical address: loads TTBR1 anew, with nothing left of the old. */
void kernel_root_replace(uint64_t root_pa, uint64_t empty_root_pa);
extern uint64_t kernel_root; /* the final tables' top, physical (hal/tables/kernel.h) */

/* ---- page tables (hal/tables; DDI 0487, D8.2) -------------------------------------------------- */

#define TABLE_TOP  39u  /* four levels */
#define TABLE_USER 256u /* the other half of the top table has no use: EXO_USER_TOP */

/* The leaf alone decides what is allowed. */
static inline hal_pte_t table_entry(pfn_t frame)
{
    return (uint64_t)frame << 12 | PTE_PAGE;
}

static inline hal_pte_t *table_of(hal_pte_t entry)
{
    return (hal_pte_t *)(DIRECT_BASE + (entry & PTE_FRAME));
}

/* The early tables map the GiB that the image is in. */
#define TABLE_LARGEST    30u
#define TABLE_EARLY_END  (((boot_image_pa >> 30) + 1) << 30)
#define KERNEL_CONSTANTS (PTE_VALID | PTE_INNER | PTE_AF | PTE_UXN | PTE_PXN | PTE_RDONLY)
#define KERNEL_DATA      (PTE_VALID | PTE_INNER | PTE_AF | PTE_UXN | PTE_PXN)

static inline hal_pte_t table_leaf(uint64_t pa, uint64_t rights, unsigned shift)
{
    return pa | rights | (shift > 12 ? 0 : PTE_PAGE);
}

/* Nothing: the kernel's own tables are those of TTBR1. */
static inline void table_begin(hal_pte_t *root)
{
    (void)root;
}

/* ---- traps ------------------------------------------------------------------------------------- */

extern char vectors[]; /* entry.S */

/* Called by entry.S (trap.c). */
void trap_from_user(struct hal_context *context, uint64_t esr, uint64_t far);
void trap_from_kernel(struct hal_context *frame, uint64_t esr, uint64_t far);
_Noreturn void trap_unexpected(unsigned which, struct hal_context *frame);

void interrupt_serve(void); /* interrupt.c: whatever the GIC has for this CPU */
void clock_interrupt(void); /* clock.c: the timer's */

/** Notes in the entry for va that the page was used, and with `write`, if it is a writable page, that it
 *  was written: what a processor without FEAT_HAFDBS leaves to us. False: there is no such page. (space.c) */
bool space_note_use(uint64_t va, bool write);

/** A call of the firmware (PSCI; log.c). */
int64_t firmware_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

/* Vector registers (page.S). */
void fpu_save(struct hal_fpu *fpu);
void fpu_load(const struct hal_fpu *fpu);

/* Pieces of a panic message (log.c). */
void log_text(const char *text);
void log_hex(const char *label, uint64_t value);

/* user_copy.S: a fault at `fault` continues at `fixup` if the page cannot be had. */
struct fault_fixup {
    uint64_t fault, fixup;
};
extern const struct fault_fixup fault_fixups[], fault_fixups_end[];

/* ---- device registers -------------------------------------------------------------------------- */

static inline uint32_t read32(uint64_t va)
{
    return *(volatile uint32_t *)va;
}

static inline void write32(uint64_t va, uint32_t value)
{
    *(volatile uint32_t *)va = value;
}

#endif
