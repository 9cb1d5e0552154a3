/* SPDX-License-Identifier: MIT */
/*
 * What the files of this port tell each other; nothing outside hal/riscv64 includes it.
 */
#ifndef RISCV64_MACHINE_H
#define RISCV64_MACHINE_H

#include <hal/hal.h>

#include "layout.h"

/* ---- the processor ----------------------------------------------------------------------------- */

/* Control and status registers by name; the assembler knows them (privileged architecture, table 4). */
#define csr_read(name)                                         \
    ({                                                         \
        uint64_t csr_value;                                    \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value)); \
        csr_value;                                             \
    })
#define csr_write(name, value) \
    __asm__ volatile("csrw " #name ", %0" : : "rK"((uint64_t)(value)) : "memory")
#define csr_set(name, bits) \
    __asm__ volatile("csrs " #name ", %0" : : "rK"((uint64_t)(bits)) : "memory")
#define csr_clear(name, bits) \
    __asm__ volatile("csrc " #name ", %0" : : "rK"((uint64_t)(bits)) : "memory")

/* Bits of sie and sip, and numbers of causes with the topmost bit set (4.1.3). */
#define INTERRUPT_CPU    1u /* from another hart */
#define INTERRUPT_TIMER  5u
#define INTERRUPT_DEVICE 9u
#define CAUSE_INTERRUPT  ((uint64_t)1 << 63)

enum cause { /* 4.1.8, table 16 */
             CAUSE_ILLEGAL = 2,
             CAUSE_BREAKPOINT = 3,
             CAUSE_FETCH_PAGE = 12,
             CAUSE_LOAD_PAGE = 13,
             CAUSE_STORE_PAGE = 15,
};

/* Optional features, found once by boot_info_read (the device tree's word) and cpu_start. */
struct cpu_features {
    bool zicboz;   /* cbo.zero */
    bool fpu;      /* F and D */
    bool stimecmp; /* Sstc: the timer is a register */
    bool
        notes_use; /* the processor sets A and D of an entry itself; else the access faults (Svade) */
};
extern struct cpu_features cpu_features;
extern uint32_t zero_block; /* bytes that cbo.zero clears; 0: there is none (page.S) */

/* ---- the firmware (SBI specification) ---------------------------------------------------------- */

enum sbi {                    /* extension numbers */
           SBI_PUTCHAR = 0x1, /* legacy */
           SBI_TIME = 0x54494d45,
           SBI_IPI = 0x735049,
           SBI_HART = 0x48534d,    /* hart state management */
           SBI_FENCE = 0x52464e43, /* fences on other harts */
           SBI_RESET = 0x53525354,
};

static inline int64_t sbi_call4(enum sbi extension, uint64_t function, uint64_t arg0, uint64_t arg1,
                                uint64_t arg2, uint64_t arg3)
{
    register uint64_t a2 __asm__("a2") = arg2;
    register uint64_t a3 __asm__("a3") = arg3;
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return (int64_t)a0;
}

static inline int64_t sbi_call(enum sbi extension, uint64_t function, uint64_t arg0, uint64_t arg1)
{
    return sbi_call4(extension, function, arg0, arg1, 0, 0);
}

/* ---- one CPU's own memory ---------------------------------------------------------------------- */

struct machine_cpu {
    struct hal_cpu cpu;      /* first: tp in the kernel */
    uint64_t hart;           /* the processor's name for it */
    struct hal_space *space; /* the one that is loaded */
    uint64_t
        tag_generation;  /* of the address space identifiers that its translations have (space.c) */
    uint64_t code_epoch; /* hal_code_epoch at its last fence.i */
};
extern struct machine_cpu machine_cpus[HAL_CPUS];

static inline struct machine_cpu *machine_cpu(void)
{
    return (struct machine_cpu *)hal_cpu();
}

/* ---- the steps of hal_start -------------------------------------------------------------------- */

void boot_info_read(struct hal_boot *boot); /* boot_info.c: the device tree */
void cpu_start(void);                       /* cpu.c: features, control registers */
void paging_start(struct hal_boot *boot);   /* paging.c: final tables; takes RAM for them */
void tags_start(void);                      /* space.c: address space identifiers */
void interrupt_start(void);                 /* interrupt.c: PLIC */
void clock_start(void);                     /* clock.c */
uint64_t rtc_epoch_ns(void);                /* rtc.c */
void log_start(bool semihosting);           /* port.c: where the log goes */

/* From the device tree; an address of 0: there is none. */
struct machine_info {
    uint64_t timebase_hz;
    uint64_t plic_pa, plic_bytes, rtc_pa;
    uint32_t plic_lines;   /* the highest number of a source */
    uint32_t plic_context; /* the boot hart's, in supervisor mode */
    uint64_t seed;         /* what the loader had for entropy */
};
extern struct machine_info machine_info;

/* ---- memory as the steps before paging_start see it -------------------------------------------- */

/* The early tables map the first 512 GiB; false for anything that does not lie in there. */
static inline bool early_reachable(uint64_t pa, uint64_t bytes)
{
    return pa != 0 && pa < DIRECT_LIMIT && bytes <= DIRECT_LIMIT - pa;
}
static inline const void *early_ptr(uint64_t pa)
{
    return (const void *)(DIRECT_BASE + pa);
}

/* boot.S. */
extern uint64_t boot_hart, boot_device_tree, boot_image;
/* The hart that is being started (smp.c), for one that came to image_start instead. */
extern struct boot_awaited {
    uint64_t hart;
    struct machine_cpu *cpu;
} boot_awaited;

/* The image, from kernel.ld. All page aligned. */
extern char image_start[], text_end[], rodata_end[], image_end[];
extern char kernel_stacks[], kernel_stacks_end[], fatal_stack_top[];
extern char secondary_start[]; /* boot.S */

extern uint64_t
    kernel_root; /* the top table without any user space, physical (hal/tables/kernel.h) */

/* Device registers, mapped by paging_start. */
#define RTC_VA  DEVICE_BASE
#define PLIC_VA (DEVICE_BASE + 0x200000)

/* ---- page tables (hal/tables; privileged architecture 4.5, Sv48) ------------------------------- */

#define TABLE_TOP  39u  /* four levels */
#define TABLE_USER 256u /* the other half of the top table is the kernel's */

/* Without rights it points to a table. */
static inline hal_pte_t table_entry(pfn_t frame)
{
    return (uint64_t)frame << PTE_PPN_SHIFT | PTE_V;
}

static inline hal_pte_t *table_of(hal_pte_t entry)
{
    return (hal_pte_t *)(DIRECT_BASE + ((entry & PTE_PPN) << 2));
}

/** The physical address of something in the image. */
static inline uint64_t image_pa(const void *address)
{
    return (uint64_t)address - KERNEL_BASE - IMAGE_OFFSET + boot_image;
}

#define TABLE_LARGEST    30u
#define TABLE_EARLY_END  DIRECT_LIMIT
#define KERNEL_CONSTANTS (PTE_V | PTE_R | PTE_G | PTE_A)
#define KERNEL_DATA      (KERNEL_CONSTANTS | PTE_W | PTE_D)

static inline hal_pte_t table_leaf(uint64_t pa, uint64_t rights, unsigned shift)
{
    (void)shift; /* rights make a leaf, on each level */
    return pa >> 2 | rights;
}

/* The kernel's half never changes after paging_start, and that uses two entries. */
static inline void table_begin(hal_pte_t *root)
{
    const hal_pte_t *kernel = (const hal_pte_t *)(DIRECT_BASE + kernel_root);

    root[256] = kernel[256];
    root[511] = kernel[511];
}

/* ---- other CPUs (smp.c) ------------------------------------------------------------------------ */

_Noreturn void smp_arrive(void);
void smp_interrupt(void); /* another CPU's */
void smp_stop_if_asked(void);
void cpu_start_other(void);   /* cpu.c */
void clock_start_other(void); /* clock.c */

/* ---- traps ------------------------------------------------------------------------------------- */

void trap_entry(void); /* entry.S */

/* Called by entry.S (trap.c). */
void trap_from_user(struct hal_context *context, uint64_t cause, uint64_t value);
void trap_from_kernel(struct hal_context *frame, uint64_t cause, uint64_t value);

void interrupt_serve(void); /* interrupt.c: all that are pending */
void clock_interrupt(void); /* clock.c */
bool fpu_wanted(void); /* context.c: an illegal instruction: switches the FPU on if it was off */
/* space.c: sets A, and D for a store, where an access to va that its entry allows (EXO_MAP_*) lacks them;
 * false: it lacks something else. */
bool space_note_use(uint64_t va, uint32_t access);

/* Forgets a translation on this hart. */
static inline void translation_forget(uint64_t va)
{
    __asm__ volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}

/* fpu.S: all of the floating-point registers and fcsr; sstatus.FS must not be off. */
void fpu_save(struct hal_fpu *fpu);
void fpu_load(const struct hal_fpu *fpu);
void fpu_zero(void);

int64_t semihosting(uint64_t operation, const void *argument); /* semihosting.S */

/* Pieces of a panic message (port.c). */
void log_text(const char *text);
void log_hex(const char *label, uint64_t value);

/* user_copy.S */
extern char user_copy_start[], user_copy_end[], user_copy_failed[];
/* probe.S: a fault in there is an answer. */
extern char probe_start[], probe_end[], probe_failed[];
bool probe_stimecmp(void);
bool probe_store(uint64_t va);

#endif
