/* SPDX-License-Identifier: MIT */
/*
 * Where the other CPUs begin: a STARTUP interrupt sets them to real mode at a page below 1 MiB (SDM
 * volume 3, 9.4). paging_start copies this code there. It goes to long mode in one step, on tables that
 * map this page and the kernel, and then leaves it for good.
 *
 * Everything is addressed from the start of the page: cs is the page, and so is ds.
 */
#include "layout.h"

#define HERE(symbol) ((symbol) - trampoline_start)
#define PA(symbol) (TRAMPOLINE_PA + HERE(symbol))

#define CR0_PE_MP_ET_NE_WP_AM_PG 0x80050033
#define CR4_PAE 0x20
#define EFER_SCE_LME_NXE 0x901 /* the kernel's tables have NX bits */
#define MSR_EFER 0xc0000080

        .section .rodata.trampoline, "a", @progbits
        .balign 16
        .globl trampoline_start, trampoline_end
        .code16
trampoline_start:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   HERE(gdt_pointer)
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     HERE(trampoline_root), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     $EFER_SCE_LME_NXE, %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_PE_MP_ET_NE_WP_AM_PG, %eax
        mov     %eax, %cr0
        ljmpl   $KERNEL_CS, $PA(long_mode)

        .code64
long_mode:
        movabs  $trampoline_high, %rax
        jmp     *%rax

        .balign 8
gdt:    .quad   0, 0
        .quad   0x00af9b000000ffff      /* KERNEL_CS, as in boot.S and descriptors.c */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   PA(gdt)
        .balign 4
        .globl  trampoline_root
trampoline_root:
        .long   0                       /* paging_start writes it into the copy */
trampoline_end:

        .text
trampoline_high:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     trampoline_number(%rip), %rdi
        imul    $KERNEL_STACK_STEP, %rdi, %rax
        lea     kernel_stacks + KERNEL_STACK_STEP(%rip), %rsp
        add     %rax, %rsp
        xor     %ebp, %ebp              /* back traces end here */
        call    smp_arrive
1:      cli                             /* it does not return */
        hlt
        jmp     1b

        .section .note.GNU-stack, "", @progbits
