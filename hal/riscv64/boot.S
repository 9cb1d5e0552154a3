/* SPDX-License-Identifier: MIT */
/*
 * From the loader to main().
 *
 * The file begins with the header of Linux's boot image (Documentation/riscv/boot-image-header.rst),
 * by which loaders and QEMU's -kernel know what to do with it: load it at a multiple of 2 MiB and
 * jump to its first byte in supervisor mode, paging off, a0 = this hart's number, a1 = physical
 * address of the device tree. There is no stack; the firmware holds all other harts.
 *
 * Here only what C needs is built: tables that map the first 512 GiB twice - one to one for these
 * very instructions, and in the direct map - and the image at KERNEL_BASE. Everything is writable and
 * executable for the moment; paging_start (paging.c) replaces them by the final tables.
 */
#include "layout.h"

#define EARLY_PAGE  0xef        /* D A G, X W R V */
#define EARLY_TABLE 0x21        /* G V */

        .section .text.boot, "ax", @progbits
        .option norvc
        .globl image_start
        .hidden image_start
        j       start
        nop
        .quad   IMAGE_OFFSET    /* from the start of RAM; a multiple of 2 MiB is all that is needed */
        .quad   image_end - image_start
        .quad   0               /* flags: little-endian */
        .word   2               /* version 0.2 */
        .word   0
        .quad   0
        .ascii  "RISCV\0\0\0"
        .ascii  "RSC\005"
        .word   0
        .option rvc

start:  lla     t0, boot_begun
        li      t1, 1
        amoswap.w.aqrl t1, t1, (t0)
        bnez    t1, misled
        csrw    sie, zero
        csrw    sscratch, zero          /* "in the kernel" (entry.S) */
        li      t0, STATUS_FS | STATUS_SUM | STATUS_SPP | 2
        csrc    sstatus, t0
        lla     s2, image_start         /* physical, as the pc is */
        mv      s0, a0
        mv      s1, a1

        lla     t0, bss_start
        lla     t1, image_end
1:      sd      zero, (t0)
        addi    t0, t0, 8
        bltu    t0, t1, 1b

        /* Entry n: (n GiB) | EARLY_PAGE; a gigabyte is 1 << 28 in an entry. */
        lla     t0, early_direct
        li      t1, EARLY_PAGE
        li      t2, 1 << 28
        li      t3, 512
1:      sd      t1, (t0)
        add     t1, t1, t2
        addi    t0, t0, 8
        addi    t3, t3, -1
        bnez    t3, 1b

        /* 512 pages of 2 MiB, from IMAGE_OFFSET before the image on. */
        lla     t0, early_image
        li      t1, IMAGE_OFFSET
        sub     t1, s2, t1
        srli    t1, t1, 2
        addi    t1, t1, EARLY_PAGE
        li      t2, 1 << 19
        li      t3, 512
1:      sd      t1, (t0)
        add     t1, t1, t2
        addi    t0, t0, 8
        addi    t3, t3, -1
        bnez    t3, 1b

        .macro  TABLE_AT table, index, target
        lla     t0, \table
        lla     t1, \target
        srli    t1, t1, 2
        addi    t1, t1, EARLY_TABLE
        li      t2, \index * 8
        add     t0, t0, t2
        sd      t1, (t0)
        .endm
        TABLE_AT early_high, 510, early_image
        TABLE_AT early_root, 0, early_direct
        TABLE_AT early_root, 256, early_direct
        TABLE_AT early_root, 511, early_high

        /* A mode that the hart does not have leaves satp as it is (4.1.11). */
        lla     t0, early_root
        srli    t0, t0, 12
        li      t1, SATP_SV48
        slli    t1, t1, 60
        or      t0, t0, t1
        sfence.vma
        csrw    satp, t0
        csrr    t1, satp
        bne     t0, t1, no_sv48
        sfence.vma

        ld      t0, high_address
        jr      t0
high:   lla     tp, machine_cpus
        lla     sp, kernel_stacks + KERNEL_STACK_STEP
        sd      s0, boot_hart, t0
        sd      s1, boot_device_tree, t0
        sd      s2, boot_image, t0
        li      s0, 0                   /* back traces end here */
        li      ra, 0
        call    main
1:      wfi                             /* main does not return */
        j       1b

/* Says so on the firmware's console (SBI, legacy extension: console_putchar), and stays. */
no_sv48:
        lla     s3, no_sv48_text
1:      lbu     a0, (s3)
        beqz    a0, 2f
        li      a7, 1
        ecall
        addi    s3, s3, 1
        j       1b
2:      wfi
        j       2b
no_sv48_text:
        .asciz  "exov6: the processor has no Sv48 (4-level page tables)\n"
        .balign 8
high_address:
        .quad   high

/*
 * OpenSBI 1.1 marks a hart as started before it stores where it is to go (sbi_hsm_hart_start), so one that
 * wakes up in between comes here like the first. It goes where it was meant to, with what it was to be given.
 */
misled: ld      t0, boot_awaited
        ld      a1, boot_awaited + 8
        beq     a0, t0, secondary_start
1:      wfi                             /* not one that we asked for */
        j       1b

/*
 * Where the firmware starts another hart (SBI, hart state management): supervisor mode, paging off,
 * a0 = its number, a1 = what hal_cpus_start gave: its struct hal_cpu.
 */
        .balign 4
        .globl  secondary_start
secondary_start:
        csrw    sie, zero
        csrw    sscratch, zero
        li      t0, STATUS_FS | STATUS_SUM | STATUS_SPP | 2
        csrc    sstatus, t0
        lla     t0, early_root
        srli    t0, t0, 12
        li      t1, SATP_SV48
        slli    t1, t1, 60
        or      t0, t0, t1
        sfence.vma
        csrw    satp, t0
        sfence.vma
        ld      t0, secondary_address
        jr      t0
secondary_high:
        mv      tp, a1
        ld      sp, CPU_STACK(tp)
        li      s0, 0
        li      ra, 0
        call    smp_arrive
1:      wfi                             /* it does not return */
        j       1b
        .balign 8
secondary_address:
        .quad   secondary_high

        .data
        .balign 8
        .globl boot_hart, boot_device_tree, boot_image
boot_hart:
        .quad   0
boot_device_tree:
        .quad   0                       /* physical */
boot_image:
        .quad   0                       /* image_start, physical */
        .globl boot_awaited
boot_awaited:                           /* the hart that is being started, and its struct machine_cpu */
        .quad   -1, 0
boot_begun:
        .word   0

        .section .bss.pages, "aw", @nobits
        .balign 4096
early_root:
        .skip   4096
early_direct:
        .skip   4096
early_high:
        .skip   4096
early_image:
        .skip   4096

        /* Each behind its guard page, which the final tables leave out, so that an overflow is a fault
         * (which entry.S takes on another stack) and not a silent overwriting of what lies below. */
        .globl kernel_stacks, kernel_stacks_end, fatal_stack_top
kernel_stacks:
        .skip   KERNEL_CPUS * KERNEL_STACK_STEP
kernel_stacks_end:
        .skip   4096 + FATAL_STACK_BYTES
fatal_stack_top:

        .section .note.GNU-stack, "", @progbits
