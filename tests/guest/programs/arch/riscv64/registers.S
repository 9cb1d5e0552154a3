/* SPDX-License-Identifier: MIT */
/*
 * int64_t registers_through(uint64_t number, const uint64_t arguments[6], uint64_t seen[64]): makes a
 * call with a value of its own in every register, and stores what is there afterwards: seen[n] of xn,
 * seen[32 + n] of fn. The value is n * 0x0101010101010101; but sp is what it is, a7 the number, a0-a5
 * the arguments.
 */
    .text
    .balign 4
    .globl registers_through
registers_through:
    addi sp, sp, -640
    .irp n, 1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    sd x\n, 8*\n(sp)
    .endr
    .irp n, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    fsd f\n, 256 + 8*\n(sp)
    .endr
    sd a2, 512(sp)
    mv a7, a0
    mv t6, a1
    li t5, 0x0101010101010101
    li t4, 0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    fmv.d.x f\n, t4
    add t4, t4, t5
    .endr
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.d.x f\n, t4
    add t4, t4, t5
    .endr
    ld a0, 0(t6)
    ld a1, 8(t6)
    ld a2, 16(t6)
    ld a3, 24(t6)
    ld a4, 32(t6)
    ld a5, 40(t6)
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    li x\n, 0x0101010101010101 * \n
    .endr
    ecall
    sd t0, 520(sp)
    ld t0, 512(sp)
    .irp n, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    sd x\n, 8*\n(t0)
    .endr
    .irp n, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\n, 8*\n(t0)
    .endr
    ld t1, 520(sp)
    sd t1, 40(t0)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    fsd f\n, 256 + 8*\n(t0)
    .endr
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd f\n, 256 + 8*\n(t0)
    .endr
    .irp n, 1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    ld x\n, 8*\n(sp)
    .endr
    .irp n, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    fld f\n, 256 + 8*\n(sp)
    .endr
    addi sp, sp, 640
    ret

    .section .note.GNU-stack, "", @progbits
