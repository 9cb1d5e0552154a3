/* SPDX-License-Identifier: MIT */
/*
 * From the loader to main().
 *
 * The PVH boot protocol (Xen, docs/misc/pvh.pandoc; QEMU's -kernel) finds the note at the end of
 * this file and jumps to the physical address in it: 32-bit protected mode, flat segments, paging
 * and interrupts off, ebx = physical address of struct hvm_start_info. There is no stack.
 *
 * Here only what long mode needs is built: tables of 2 MiB pages that map the first 4 GiB three
 * times - one to one for these very instructions, in the direct map, and the first GiB at
 * KERNEL_BASE. Everything is writable and executable for the moment; paging_start (paging.c)
 * replaces them by the final tables.
 */
#include "layout.h"

#define PA(symbol) ((symbol) - KERNEL_BASE) /* everything is linked high, but runs low for now */

#define CR0_PE_MP_ET_NE_WP_AM_PG 0x80050033
#define CR4_PAE 0x20
#define EFER_SCE_LME 0x101
#define MSR_EFER 0xc0000080
#define EARLY_PAGE 0x83 /* present, writable, large */
#define EARLY_TABLE 0x03

        .section .text.boot, "ax", @progbits
        .code32
        .globl pvh_start
pvh_start:
        cld
        mov     %ebx, PA(boot_start_info)

        /* 4 tables of 512 pages of 2 MiB; the address overflows to 0 just at the end. */
        mov     $PA(early_pd), %edi
        mov     $EARLY_PAGE, %eax
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x200000, %eax
        jnc     1b

        movl    $PA(early_pd + EARLY_TABLE), PA(early_pdpt)
        movl    $PA(early_pd + 0x1000 + EARLY_TABLE), PA(early_pdpt + 8)
        movl    $PA(early_pd + 0x2000 + EARLY_TABLE), PA(early_pdpt + 16)
        movl    $PA(early_pd + 0x3000 + EARLY_TABLE), PA(early_pdpt + 24)
        movl    $PA(early_pd + EARLY_TABLE), PA(early_pdpt_high + 510 * 8)
        movl    $PA(early_pdpt + EARLY_TABLE), PA(early_pml4)
        movl    $PA(early_pdpt + EARLY_TABLE), PA(early_pml4 + 256 * 8)
        movl    $PA(early_pdpt_high + EARLY_TABLE), PA(early_pml4 + 511 * 8)

        /* Long mode (SDM volume 3, 10.8.5): PAE, CR3, EFER.LME, then paging. */
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $PA(early_pml4), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     $EFER_SCE_LME, %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_PE_MP_ET_NE_WP_AM_PG, %eax
        mov     %eax, %cr0
        lgdt    PA(early_gdt_pointer)
        ljmp    $KERNEL_CS, $PA(long_mode)

        .code64
long_mode:
        movabs  $high, %rax
        jmp     *%rax
high:   xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        lea     kernel_stacks + KERNEL_STACK_STEP(%rip), %rsp
        xor     %ebp, %ebp              /* back traces end here */
        call    main
1:      cli                             /* main does not return */
        hlt
        jmp     1b

        .section .rodata.boot, "a", @progbits
        .balign 8
early_gdt:
        .quad   0, 0
        .quad   0x00af9b000000ffff      /* KERNEL_CS: 64-bit code */
early_gdt_end:
early_gdt_pointer:
        .word   early_gdt_end - early_gdt - 1
        .long   PA(early_gdt)

        .data
        .balign 8
        .globl boot_start_info
boot_start_info:
        .quad   0

        .section .bss.pages, "aw", @nobits
        .balign 4096
early_pml4:
        .skip   4096
early_pdpt:
        .skip   4096
early_pdpt_high:
        .skip   4096
early_pd:
        .skip   4 * 4096

        /* A guard page and a stack for each CPU. The final tables leave the guard pages out, so that
         * an overflow is a double fault (on a stack of its own) and not a silent overwriting of what
         * lies below. */
        .globl kernel_stacks, fatal_stacks
kernel_stacks:
        .skip   MAX_CPUS * KERNEL_STACK_STEP
fatal_stacks:                           /* of each CPU: NMI, double fault, machine check; likewise */
        .skip   MAX_CPUS * 3 * FATAL_STACK_STEP

        .section .note.Xen, "a", @note
        .balign 4
        .long   4                       /* bytes of the name */
        .long   8                       /* bytes of the value */
        .long   18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .quad   PA(pvh_start)

        .section .note.GNU-stack, "", @progbits
