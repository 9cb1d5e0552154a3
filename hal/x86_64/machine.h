/* SPDX-License-Identifier: MIT */
/*
 * What the files of this port tell each other; nothing outside hal/x86_64 includes it.
 */
#ifndef X86_64_MACHINE_H
#define X86_64_MACHINE_H

#include <hal/hal.h>

#include "layout.h"

/* ---- the processor ----------------------------------------------------------------------------- */

/* Model-specific registers (SDM volume 4). */
enum msr {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_SFMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102, /* the other of the two that swapgs exchanges */
    MSR_TSC_AUX = 0xc0000103,        /* what rdtscp and rdpid tell user code: the CPU's number */
};

static inline uint64_t rdmsr(enum msr number)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(enum msr number, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/* Optional features, found once by cpu_start (cpu.c). */
struct cpu_features {
    bool avx; /* switched on in XCR0; first, for page.S */
    bool xsave;
    bool quick_switch; /* xsave, and rdfsbase and its family */
    bool rdrand;
    bool rdtscp;
    bool tsc_deadline; /* the local APIC's timer takes a TSC value */
    bool gigabyte;     /* 1 GiB pages */
};
extern struct cpu_features cpu_features;

/* ---- one CPU's own memory ---------------------------------------------------------------------- */

/* Task state segment (SDM volume 3, 8.7): only the stacks for traps are left of it. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

struct machine_cpu {
    struct hal_cpu cpu; /* first: gs:0 */
    uint64_t gdt[16];
    struct tss tss;
    uint8_t apic_id;
    uint64_t deadline;       /* what hal_timer was asked for last */
    struct hal_space *space; /* loaded, or 0 */
};
extern struct machine_cpu machine_cpus[HAL_CPUS];

static inline struct machine_cpu *machine_cpu(void)
{
    return (struct machine_cpu *)hal_cpu();
}

/* ---- the steps of hal_start -------------------------------------------------------------------- */

void descriptors_start(unsigned number);    /* descriptors.c: GDT, TSS, IDT, gs base */
void cpu_start(void);                       /* cpu.c: features, control registers */
void boot_info_read(struct hal_boot *boot); /* boot_info.c: what the loader handed over */
void paging_start(struct hal_boot *boot);   /* paging.c: final tables; takes RAM for them */
void interrupt_start(void);                 /* interrupt.c: PIC off, APICs on */
void clock_start(bool icount);              /* clock.c: calibrates */
uint64_t cmos_epoch_ns(void);               /* cmos.c */

/* What another CPU does of it (smp.c). */
void smp_count(void); /* how many there are */
void cpu_start_other(void);
void lapic_start(void);
void clock_start_other(void);
_Noreturn void smp_arrive(unsigned number); /* called by trampoline.S, on the CPU's own stack */
/** Stops this CPU if that is why an NMI came (hal_cpus_stop). */
void smp_stop_if_asked(void);
/** Another CPU's demand on this one's translations (space.c). */
void flush_serve(void);

/* trampoline.S, as paging_start puts it to TRAMPOLINE_PA. */
extern const char trampoline_start[], trampoline_end[];
extern const char trampoline_root[]; /* where in it the tables' address belongs */
extern uint64_t trampoline_number;   /* of the CPU that is being started */

/* From the ACPI tables (acpi.c), or the values every PC has. */
struct acpi_info {
    uint32_t lapic_pa, ioapic_pa;
    struct {
        uint32_t gsi;    /* global interrupt number */
        bool level, low; /* trigger and polarity */
    } isa[16];           /* where the 16 lines of the old bus are wired to */
    uint8_t cpu_apic_id[HAL_CPUS];
    unsigned cpu_count; /* as many of them are filled in; in the tables' order */
};
void acpi_read(uint64_t rsdp_pa, struct acpi_info *info);
extern struct acpi_info acpi_info;

/* ---- memory as the steps before paging_start see it -------------------------------------------- */

/* The early tables map the first 4 GiB; false for anything that does not lie in there. */
#define EARLY_LIMIT ((uint64_t)1 << 32)
static inline bool early_reachable(uint64_t pa, uint64_t bytes)
{
    return pa != 0 && pa < EARLY_LIMIT && bytes <= EARLY_LIMIT - pa;
}
static inline const void *early_ptr(uint64_t pa)
{
    return (const void *)(DIRECT_BASE + pa);
}

/* The image, from kernel.ld. All page aligned. */
extern char image_start[], text_end[], rodata_end[], image_end[];
extern char kernel_stacks[], fatal_stacks[];

extern uint64_t
    kernel_root; /* the top table without any user space, physical (hal/tables/kernel.h) */

/* Device registers, mapped by paging_start. */
#define LAPIC_VA  DEVICE_BASE
#define IOAPIC_VA (DEVICE_BASE + 4096)

/* ---- page tables (hal/tables; SDM volume 3, 4.5) ----------------------------------------------- */

#define TABLE_TOP  39u  /* four levels */
#define TABLE_USER 256u /* the other half of the top table is the kernel's */

/* The leaf alone decides what is allowed. */
static inline hal_pte_t table_entry(pfn_t frame)
{
    return (uint64_t)frame << 12 | PTE_P | PTE_W | PTE_U;
}

static inline hal_pte_t *table_of(hal_pte_t entry)
{
    return (hal_pte_t *)(DIRECT_BASE + (entry & PTE_FRAME));
}

/** The physical address of something in the image. */
static inline uint64_t image_pa(const void *address)
{
    return (uint64_t)address - KERNEL_BASE;
}

#define TABLE_LARGEST    (cpu_features.gigabyte ? 30u : 21u)
#define TABLE_EARLY_END  EARLY_LIMIT
#define KERNEL_CONSTANTS (PTE_P | PTE_G | PTE_NX)
#define KERNEL_DATA      (KERNEL_CONSTANTS | PTE_W)

static inline hal_pte_t table_leaf(uint64_t pa, uint64_t rights, unsigned shift)
{
    return pa | rights | (shift > 12 ? PTE_LARGE : 0);
}

/* The kernel's half never changes after paging_start, and that uses two entries. */
static inline void table_begin(hal_pte_t *root)
{
    const hal_pte_t *kernel = (const hal_pte_t *)(DIRECT_BASE + kernel_root);

    root[256] = kernel[256];
    root[511] = kernel[511];
}

/* ---- traps ------------------------------------------------------------------------------------- */

enum vector {
    VECTOR_DEBUG = 1,
    VECTOR_NMI = 2,
    VECTOR_BREAKPOINT = 3,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_EXCEPTIONS = 32, /* first that is no exception */
    VECTOR_PIC = 0x20,      /* 16 that the disabled old controllers may raise by accident */
    VECTOR_LINE = 0x30,     /* HAL_IRQS device lines */
    VECTOR_TIMER = 0xe0,
    VECTOR_IPI = 0xe1,   /* hal_ipi */
    VECTOR_WAKE = 0xf0,  /* hal_wake; these two also get through to a CPU that dozes */
    VECTOR_FLUSH = 0xf1, /* hal_space_flush */
    VECTOR_SPURIOUS = 0xff,
};

/* entry.S */
void syscall_entry(void);
extern char trap_stubs[]; /* 256 stubs, 16 bytes each */
extern char fatal_nmi[], fatal_double_fault[], fatal_machine_check[];

/* Called by entry.S (trap.c). */
void trap_from_user(struct hal_context *context);
void trap_from_kernel(struct hal_context *frame);
_Noreturn void trap_fatal(struct hal_context *frame);

void interrupt_serve(unsigned vector); /* interrupt.c */
void clock_interrupt(void);            /* clock.c: the timer's, not yet acknowledged */

/* The local APIC (interrupt.c). */
uint8_t lapic_id(void);
void lapic_acknowledge(void);
/** Interrupts CPU `cpu`, this one included. */
void lapic_send(unsigned cpu, enum vector vector);
/** INIT, STARTUP with a page number in the low bits, or NMI, to one APIC or all others. */
enum lapic_signal { LAPIC_INIT = 0x4500, LAPIC_STARTUP = 0x4600, LAPIC_NMI_OTHERS = 0xc4400 };
void lapic_signal(uint8_t apic_id, uint32_t signal);
void lapic_timer_mode(bool tsc_deadline);
void lapic_timer_start(uint32_t count); /* bus ticks until VECTOR_TIMER; 0: never */
uint32_t lapic_timer_left(void);

/* Pieces of a panic message (port.c). */
void log_text(const char *text);
void log_hex(const char *label, uint64_t value);

/* user_copy.S: a fault at `fault` continues at `fixup` if the page cannot be had. */
struct fault_fixup {
    uint64_t fault, fixup;
};
extern const struct fault_fixup fault_fixups[], fault_fixups_end[];
/* Addresses of stac and clac instructions, which a processor without SMAP does not know. */
extern const uint64_t smap_sites[], smap_sites_end[];

#endif
