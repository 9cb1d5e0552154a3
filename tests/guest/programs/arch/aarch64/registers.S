/* SPDX-License-Identifier: MIT */
/*
 * int64_t registers_through(uint64_t number, const uint64_t arguments[6], uint64_t seen[64]): makes a
 * call with a value of its own in every register, and stores what is there afterwards: seen[n] of xn,
 * seen[31] of the flags, seen[32 + n] of dn. The value is n * 0x0101010101010101, of the flags
 * 0x60000000; but x8 is the number, x0-x5 the arguments.
 */
    .text
    .balign 4
    .macro value register, n
    movz \register, #(0x0101 * \n)
    movk \register, #(0x0101 * \n), lsl #16
    movk \register, #(0x0101 * \n), lsl #32
    movk \register, #(0x0101 * \n), lsl #48
    .endm
    .globl registers_through
registers_through:
    stp x29, x30, [sp, #-240]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x2, [sp, #160]
    mov x8, x0
    mov x9, x1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
    value x10, \n
    fmov d\n, x10
    .endr
    .irp n, 24, 25, 26, 27, 28, 29, 30, 31
    value x10, \n
    fmov d\n, x10
    .endr
    ldp x0, x1, [x9]
    ldp x2, x3, [x9, #16]
    ldp x4, x5, [x9, #32]
    mov x10, #0x60000000
    msr nzcv, x10
    .irp n, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    value x\n, \n
    .endr
    svc #0
    str x9, [sp, #168]
    str x10, [sp, #176]
    mrs x10, nzcv
    ldr x9, [sp, #160]
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26
    str x\n, [x9, #(8 * \n)]
    .endr
    .irp n, 27, 28, 29, 30
    str x\n, [x9, #(8 * \n)]
    .endr
    str x10, [x9, #(8 * 31)]
    ldp x11, x12, [sp, #168]
    stp x11, x12, [x9, #(8 * 9)]
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
    str d\n, [x9, #(256 + 8 * \n)]
    .endr
    .irp n, 24, 25, 26, 27, 28, 29, 30, 31
    str d\n, [x9, #(256 + 8 * \n)]
    .endr
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #240
    ret

    .section .note.GNU-stack, "", @progbits
