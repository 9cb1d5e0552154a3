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
    uint64_t gdt[10];
    struct tss tss;
};
extern struct machine_cpu boot_cpu;

static inline struct machine_cpu *machine_cpu(void)
{
    return (struct machine_cpu *)hal_cpu();
}

/* ---- the steps of hal_start -------------------------------------------------------------------- */

void descriptors_start(struct machine_cpu *cpu); /* descriptors.c: GDT, TSS, IDT, gs base */
void cpu_start(void);                            /* cpu.c: features, control registers */
void boot_info_read(struct hal_boot *boot);      /* boot_info.c: what the loader handed over */
void paging_start(struct hal_boot *boot);        /* paging.c: final tables; takes RAM for them */
void interrupt_start(void);                      /* interrupt.c: PIC off, APICs on */
void clock_start(bool icount);                   /* clock.c: calibrates */
uint64_t cmos_epoch_ns(void);                    /* cmos.c */

/* From the ACPI tables (acpi.c), or the values every PC has. */
struct acpi_info {
    uint32_t lapic_pa, ioapic_pa;
    struct {
        uint32_t gsi;    /* global interrupt number */
        bool level, low; /* trigger and polarity */
    } isa[16];           /* where the 16 lines of the old bus are wired to */
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
extern char kernel_stack_guard[], kernel_stack_top[], fatal_stacks[];

/* Device registers, mapped by paging_start. */
#define LAPIC_VA  DEVICE_BASE
#define IOAPIC_VA (DEVICE_BASE + 4096)
extern uint64_t kernel_root; /* the PML4 without any user space */

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
void lapic_acknowledge(void);
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
