/* SPDX-License-Identifier: MIT */
/*
 * From the loader to main().
 *
 * The boot protocol is Linux's (Documentation/arch/arm64/booting.rst): the image begins with the
 * header below and lies at a multiple of 2 MiB; x0 is the physical address of the device tree; the
 * CPU is in EL1 or EL2, MMU and interrupts off. There is no stack.
 *
 * Here only what the MMU needs is built: for TTBR1 the image at KERNEL_BASE in 2 MiB pages, and in
 * the direct map the GiBs in which the image and the device tree lie; for TTBR0 the image's GiB one
 * to one, for the instructions that switch the MMU on. Everything is writable and executable for the
 * moment; paging_start (paging.c) replaces it by the final tables.
 *
 * With the MMU off, stores go past the caches. What is stored is therefore also thrown out of the
 * caches (dc ivac), or a stale line could come to light once they are on.
 */
#include "layout.h"

#define EARLY_BLOCK 0x701 /* valid block, attribute 0, inner shareable, accessed; EL1 read-write */
#define EARLY_TABLE 0x3
#define EL2         0x8   /* CurrentEL */

/* SPSR_EL2 and registers of EL2 (DDI 0487, D17.2). */
#define HCR_RW           0x80000000 /* EL1 is AArch64; nothing is trapped */
#define CPTR_EL2_NONE    0x33ff     /* RES1 bits: no trap of FP and SIMD */
#define CNTHCTL_EL1_OPEN 3          /* EL1 may use counter and timer */
#define SRE_EL2_OPEN     0xf        /* GIC system registers, for EL1 too */

        .arch   armv8.1-a

        .section .text.head, "ax", %progbits
        .globl  image_start
        b       primary_start
        .long   0
        .quad   0                       /* offset from a multiple of 2 MiB */
        .quad   image_bytes             /* what must be free, data without contents included */
        .quad   0xa                     /* little-endian, 4 KiB pages, anywhere in memory */
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

/* From EL2 to EL1, with nothing of EL1 trapped. Returns to x30 in EL1. Uses x1, x2. */
drop_to_el1:
        mrs     x1, CurrentEL
        cmp     x1, #EL2
        b.ne    1f
        mov     x1, #HCR_RW
        msr     hcr_el2, x1
        isb                             /* E2H, if it was on, is off for what follows */
        mov     x1, #CPTR_EL2_NONE
        msr     cptr_el2, x1
        msr     hstr_el2, xzr
        msr     mdcr_el2, xzr
        msr     cntvoff_el2, xzr        /* the virtual counter is the physical one */
        mov     x1, #CNTHCTL_EL1_OPEN
        msr     cnthctl_el2, x1
        mrs     x1, midr_el1            /* EL1 sees the processor's own numbers */
        msr     vpidr_el2, x1
        mrs     x1, mpidr_el1
        msr     vmpidr_el2, x1
        mrs     x1, id_aa64pfr0_el1
        ubfx    x1, x1, #24, #4
        cbz     x1, 2f                  /* no GIC system registers */
        mov     x1, #SRE_EL2_OPEN
        msr     S3_4_C12_C9_5, x1       /* ICC_SRE_EL2 */
        isb
2:      mov     x1, #PSTATE_EL1H
        msr     spsr_el2, x1
        msr     elr_el2, x30
        ldr     w1, =SCTLR_OFF
        msr     sctlr_el1, x1
        eret
1:      ldr     w1, =SCTLR_OFF
        msr     sctlr_el1, x1
        isb
        ret

/*
 * Switches the MMU on: x0 = TTBR1, x1 = TTBR0 (both physical); continues at x2, a kernel address.
 * Uses x3, x4.
 */
mmu_on:
        ldr     x3, =MAIR_VALUE
        msr     mair_el1, x3
        ldr     x3, =TCR_VALUE
        mrs     x4, id_aa64mmfr0_el1
        and     x4, x4, #0xf            /* PARange: the physical addresses that there are */
        cmp     x4, #5
        b.ls    1f
        mov     x4, #5                  /* 48 bits: more does not fit these page tables */
1:      orr     x3, x3, x4, lsl #TCR_IPS_SHIFT
        msr     tcr_el1, x3
        msr     ttbr1_el1, x0
        msr     ttbr0_el1, x1
        isb                             /* the registers above are in force before ... */
        tlbi    vmalle1
        dsb     nsh                     /* ... the flush is complete ... */
        isb
        ldr     w3, =SCTLR_VALUE
        msr     sctlr_el1, x3
        isb                             /* ... and the next instruction is fetched by the MMU */
        ic      iallu                   /* lines that were fetched while the cache was "off" */
        dsb     nsh
        isb
        br      x2

/*
 * void kernel_root_replace(uint64_t root_pa, uint64_t empty_root_pa), called at its physical address.
 * Between the early tables and the final ones TTBR1 has none at all and the TLB is emptied: the same
 * addresses are mapped by pages of other sizes, and the two must never meet there (DDI 0487, D8.14.1,
 * break-before-make).
 */
        .globl  kernel_root_replace
kernel_root_replace:
        msr     ttbr1_el1, x1
        isb
        tlbi    vmalle1
        dsb     nsh
        isb
        msr     ttbr1_el1, x0
        isb
        ret

primary_start:
        msr     daifset, #0xf
        mov     x20, x0                 /* the device tree */
        bl      drop_to_el1

        /* Data without contents is zero. x21 .. x22: what was stored with the caches off. */
        adrp    x21, data_end
        add     x21, x21, :lo12:data_end
        adrp    x22, image_end
        mov     x1, x21
1:      stp     xzr, xzr, [x1], #16
        cmp     x1, x22
        b.lo    1b

        /* x23: the image's physical address, a multiple of 2 MiB. */
        adrp    x23, image_start
        ldr     x9, =EARLY_BLOCK

        /* KERNEL_BASE: 2 MiB blocks as far as the image goes. */
        adrp    x2, early_image
        sub     x3, x22, x23
        mov     x4, #0x1fffff
        add     x3, x3, x4
        lsr     x3, x3, #21
        orr     x4, x23, x9
2:      str     x4, [x2], #8
        add     x4, x4, #0x200000
        subs    x3, x3, #1
        b.ne    2b
        adrp    x2, early_image
        orr     x2, x2, #EARLY_TABLE
        adrp    x3, early_high
        str     x2, [x3, #510 * 8]
        orr     x3, x3, #EARLY_TABLE
        adrp    x0, early_root
        str     x3, [x0, #511 * 8]

        /* The direct map and the one-to-one map share a table of 1 GiB blocks. */
        adrp    x2, early_gib
        lsr     x3, x23, #30
        lsl     x4, x3, #30
        orr     x4, x4, x9
        str     x4, [x2, x3, lsl #3]
        lsr     x3, x20, #30
        cmp     x3, #512                /* beyond the direct map: boot_info.c says so */
        b.hs    3f
        lsl     x4, x3, #30
        orr     x4, x4, x9
        str     x4, [x2, x3, lsl #3]
3:      orr     x2, x2, #EARLY_TABLE
        str     x2, [x0, #256 * 8]
        adrp    x1, early_identity
        str     x2, [x1]                /* the image lies in the first 512 GiB */

        /* Out of the caches, line by line. */
        mrs     x3, ctr_el0
        ubfx    x3, x3, #16, #4         /* DminLine: log2 of words */
        mov     x4, #4
        lsl     x3, x4, x3
        sub     x4, x3, #1
        bic     x4, x21, x4
        dmb     sy                      /* the stores come before the maintenance */
4:      dc      ivac, x4
        add     x4, x4, x3
        cmp     x4, x22
        b.lo    4b
        dsb     sy                      /* all of it is done before a table walk */

        ldr     x2, =high
        b       mmu_on
high:   ldr     x0, =kernel_stacks + KERNEL_STACK_STEP
        mov     sp, x0
        adrp    x0, boot_device_tree
        str     x20, [x0, :lo12:boot_device_tree]
        adrp    x0, boot_image_pa
        str     x23, [x0, :lo12:boot_image_pa]
        mov     x29, #0                 /* back traces end here */
        mov     x30, #0
        bl      main
5:      wfi                             /* main does not return */
        b       5b

/*
 * Where PSCI lets the other CPUs begin (smp.c): x0 is the number of the CPU. The final tables are there
 * already; the one-to-one map of the early ones is needed once more.
 */
        .globl  secondary_start
secondary_start:
        msr     daifset, #0xf
        mov     x20, x0
        bl      drop_to_el1
        adrp    x0, kernel_root
        ldr     x0, [x0, :lo12:kernel_root]
        adrp    x1, early_identity
        ldr     x2, =secondary_high
        b       mmu_on
secondary_high:
        ldr     x1, =kernel_stacks + KERNEL_STACK_STEP
        mov     x2, #KERNEL_STACK_STEP
        madd    x1, x20, x2, x1
        mov     sp, x1
        mov     x0, x20
        mov     x29, #0                 /* back traces end here */
        mov     x30, #0
        bl      smp_arrive

        .ltorg

        .data
        .balign 8
        .globl  boot_device_tree, boot_image_pa
boot_device_tree:
        .quad   0
boot_image_pa:
        .quad   0

        .section .bss.pages, "aw", %nobits
        .balign 4096
early_root:
        .skip   4096
early_high:
        .skip   4096
early_image:
        .skip   4096
early_gib:
        .skip   4096
early_identity:
        .skip   4096

        /* What TTBR0 has while no user space is loaded: nothing. */
        .globl  empty_root
empty_root:
        .skip   4096

        /* The final tables leave the guard pages out (layout.h). */
        .balign KERNEL_STACK_STEP
        .globl  kernel_stacks, fatal_stacks
kernel_stacks:
        .skip   MAX_CPUS * KERNEL_STACK_STEP
fatal_stacks:
        .skip   MAX_CPUS * FATAL_STACK_STEP

        .section .note.GNU-stack, "", %progbits
