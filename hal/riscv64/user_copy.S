/* SPDX-License-Identifier: MIT */
/*
 * Copies between the kernel and the current user space.
 *
 * A user page may be absent (zero-fill or copy-on-write that has not happened yet). A fault anywhere
 * between user_copy_start and user_copy_end is one of these: trap.c brings the page in and the same
 * instruction goes on, or, if the page cannot be had, user_copy_failed does. SUM is set only in there.
 *
 * The range check keeps every address below EXO_USER_TOP, so a fault is a page fault of the user's
 * address and nothing else.
 */
#include "layout.h"

        .text
        .globl user_copy_start, user_copy_end, user_copy_failed

/* bool hal_copy_in(void *to, uint64_t from_va, size_t bytes) */
        .globl hal_copy_in
hal_copy_in:
        mv      t0, a1
        j       copy

/* bool hal_copy_out(uint64_t to_va, const void *from, size_t bytes) */
        .globl hal_copy_out
hal_copy_out:
        mv      t0, a0

/* a2 bytes from a1 to a0; t0 is the user's of the two. Refused unless they end at EXO_USER_TOP or
 * below. Words if both are aligned alike, after the bytes that get them there. */
copy:
        add     t1, t0, a2
        bltu    t1, t0, refused
        li      t2, USER_TOP
        bltu    t2, t1, refused
        li      t6, STATUS_SUM
        csrs    sstatus, t6
user_copy_start:
        xor     t0, a0, a1
        andi    t0, t0, 7
        bnez    t0, bytes
1:      andi    t0, a0, 7
        beqz    t0, words
        beqz    a2, copied
        lbu     t0, (a1)
        sb      t0, (a0)
        addi    a1, a1, 1
        addi    a0, a0, 1
        addi    a2, a2, -1
        j       1b

words:  li      t1, 32
        bltu    a2, t1, 2f
1:      ld      t2, (a1)
        ld      t3, 8(a1)
        ld      t4, 16(a1)
        ld      t5, 24(a1)
        sd      t2, (a0)
        sd      t3, 8(a0)
        sd      t4, 16(a0)
        sd      t5, 24(a0)
        addi    a1, a1, 32
        addi    a0, a0, 32
        addi    a2, a2, -32
        bgeu    a2, t1, 1b
2:      li      t1, 8
        bltu    a2, t1, bytes
1:      ld      t2, (a1)
        sd      t2, (a0)
        addi    a1, a1, 8
        addi    a0, a0, 8
        addi    a2, a2, -8
        bgeu    a2, t1, 1b

bytes:  beqz    a2, copied
        add     t1, a0, a2
1:      lbu     t2, (a1)
        sb      t2, (a0)
        addi    a1, a1, 1
        addi    a0, a0, 1
        bltu    a0, t1, 1b
copied: csrc    sstatus, t6
        li      a0, 1
        ret

/* The word that hal_word_in reads. */
word:   lw      t0, (a1)
        csrc    sstatus, t6
        sw      t0, (a0)
        li      a0, 1
        ret
user_copy_end:

/* bool hal_word_in(uint32_t *value, uint64_t va): aligned, so it ends below EXO_USER_TOP too */
        .globl hal_word_in
hal_word_in:
        li      t2, USER_TOP
        bgeu    a1, t2, refused
        li      t6, STATUS_SUM
        csrs    sstatus, t6
        j       word

user_copy_failed:
        li      t6, STATUS_SUM
        csrc    sstatus, t6
refused:
        li      a0, 0
        ret

        .section .note.GNU-stack, "", @progbits
