/* SPDX-License-Identifier: MIT */
/*
 * Copies between the kernel and the current user space.
 *
 * A user page may be absent (zero-fill or copy-on-write that has not happened yet), so each
 * instruction that touches user memory is in a table with the place to go on at when the page
 * cannot be had; trap.c reads it. A string move that faults has its registers at the failing
 * element, so after the page was brought in the same instruction simply goes on.
 *
 * The range check keeps every address below EXO_USER_TOP. That makes a fault at one of these
 * instructions a page fault of the user's address and nothing else: addresses that are not
 * canonical never get here.
 */
#include "layout.h"
#include "smap.inc"

        .macro FIXUP fault, fixup
        .pushsection .fault_fixups, "a", @progbits
        .quad   \fault, \fixup
        .popsection
        .endm

/* Refuses rdx bytes from `start` on unless they end at EXO_USER_TOP or below. */
        .macro CHECK_RANGE start
        mov     \start, %rax
        add     %rdx, %rax
        jc      refused
        movabs  $USER_TOP, %rcx
        cmp     %rcx, %rax
        ja      refused
        .endm

/* Moves rdx bytes from rsi to rdi: words, then what is left. */
        .macro MOVE_BYTES
        STAC
        mov     %rdx, %rcx
        shr     $3, %rcx
1:      rep movsq
        mov     %edx, %ecx
        and     $7, %ecx
2:      rep movsb
        CLAC
        mov     $1, %eax
        ret
        FIXUP   1b, failed
        FIXUP   2b, failed
        .endm

        .text
/* bool hal_copy_in(void *to, uint64_t from_va, size_t bytes) */
        .globl hal_copy_in
hal_copy_in:
        CHECK_RANGE %rsi
        MOVE_BYTES

/* bool hal_copy_out(uint64_t to_va, const void *from, size_t bytes) */
        .globl hal_copy_out
hal_copy_out:
        CHECK_RANGE %rdi
        MOVE_BYTES

/* bool hal_word_in(uint32_t *value, uint64_t va): aligned, so it ends below EXO_USER_TOP too */
        .globl hal_word_in
hal_word_in:
        movabs  $USER_TOP, %rcx
        cmp     %rcx, %rsi
        jae     refused
        STAC
1:      mov     (%rsi), %eax
        CLAC
        mov     %eax, (%rdi)
        mov     $1, %eax
        ret
        FIXUP   1b, failed

failed: CLAC
refused:
        xor     %eax, %eax
        ret

        .section .note.GNU-stack, "", @progbits
