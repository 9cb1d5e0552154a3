/* SPDX-License-Identifier: MIT */
/*
 * Whole pages: void hal_page_zero(void *page), void hal_page_copy(void *to, const void *from).
 *
 * A store of 8 bytes is the most that one instruction does here, so loops are unrolled until nothing
 * else counts: 512 instructions for a zeroed page and 1,024 for a copy, and a few. With Zicboz one
 * instruction zeroes a cache block.
 */
        .text

        .balign 4
        .globl hal_page_zero
hal_page_zero:
        lw      t0, zero_block
        bnez    t0, 2f
        li      t0, 4096
        add     t0, t0, a0
1:      offset = 0
        .rept   256
        sd      zero, offset(a0)
        offset = offset + 8
        .endr
        addi    a0, a0, 1024
        addi    a0, a0, 1024
        bltu    a0, t0, 1b
        ret

2:      li      t1, 4096
        add     t1, t1, a0
3:      .word   0x0045200f              /* cbo.zero (a0) */
        add     a0, a0, t0
        bltu    a0, t1, 3b
        ret

        .balign 4
        .globl hal_page_copy
hal_page_copy:
        li      t0, 4096
        add     t0, t0, a0
1:      offset = 0
        .rept   64
        ld      t1, offset(a1)
        ld      t2, offset + 8(a1)
        ld      t3, offset + 16(a1)
        ld      t4, offset + 24(a1)
        sd      t1, offset(a0)
        sd      t2, offset + 8(a0)
        sd      t3, offset + 16(a0)
        sd      t4, offset + 24(a0)
        offset = offset + 32
        .endr
        addi    a0, a0, 1024
        addi    a0, a0, 1024
        addi    a1, a1, 1024
        addi    a1, a1, 1024
        bltu    a0, t0, 1b
        ret

        .section .note.GNU-stack, "", @progbits
