/* SPDX-License-Identifier: MIT */
/*
 * The only instructions of the LibOS that touch program memory at the program's word: those between
 * user_access and user_access_end. If one of them faults and the kernel cannot help, nested_handle
 * sends it to user_access_failed. They are leaves and keep nothing on the stack, so that the failure
 * can return -EFAULT for whichever it was. Callers (usercopy.c) have checked the ranges.
 */
#define EFAULT 14

    .attribute arch, "rv64imafdc" /* F and D for the two at the end */
    .text
    .balign 16
    .globl user_access
user_access:

/* int64_t user_copy(void *to, const void *from, uint64_t bytes): stores are aligned, and loads, too,
 * if both lie alike; 64 bytes an iteration, then 8, then 1. */
    .globl user_copy
user_copy:
    add a3, a0, a2 /* the end */
    sltiu t0, a2, 16
    bnez t0, .Lcopy_bytes
    neg t0, a0
    andi t0, t0, 7
    add t0, a0, t0 /* the first word */
    beq a0, t0, 2f
1:  lb t1, (a1)
    addi a1, a1, 1
    sb t1, (a0)
    addi a0, a0, 1
    bne a0, t0, 1b
2:  sub t0, a3, a0
    andi t1, t0, -64
    add t1, a0, t1 /* the end of blocks */
    andi t0, t0, -8
    add t0, a0, t0 /* the end of words */
    beq a0, t1, 4f
3:  ld t2, 0(a1)
    ld t3, 8(a1)
    ld t4, 16(a1)
    ld t5, 24(a1)
    ld a4, 32(a1)
    ld a5, 40(a1)
    ld a6, 48(a1)
    ld a7, 56(a1)
    sd t2, 0(a0)
    sd t3, 8(a0)
    sd t4, 16(a0)
    sd t5, 24(a0)
    sd a4, 32(a0)
    sd a5, 40(a0)
    sd a6, 48(a0)
    sd a7, 56(a0)
    addi a1, a1, 64
    addi a0, a0, 64
    bne a0, t1, 3b
4:  beq a0, t0, .Lcopy_bytes
5:  ld t2, (a1)
    addi a1, a1, 8
    sd t2, (a0)
    addi a0, a0, 8
    bne a0, t0, 5b
.Lcopy_bytes:
    beq a0, a3, 7f
6:  lb t1, (a1)
    addi a1, a1, 1
    sb t1, (a0)
    addi a0, a0, 1
    bne a0, a3, 6b
7:  li a0, 0
    ret

/* int64_t user_fill_zero(void *to, uint64_t bytes): the same steps */
    .globl user_fill_zero
user_fill_zero:
    add a3, a0, a1
    sltiu t0, a1, 16
    bnez t0, .Lfill_bytes
    neg t0, a0
    andi t0, t0, 7
    add t0, a0, t0
    beq a0, t0, 2f
1:  sb zero, (a0)
    addi a0, a0, 1
    bne a0, t0, 1b
2:  sub t0, a3, a0
    andi t1, t0, -64
    add t1, a0, t1
    andi t0, t0, -8
    add t0, a0, t0
    beq a0, t1, 4f
3:  sd zero, 0(a0)
    sd zero, 8(a0)
    sd zero, 16(a0)
    sd zero, 24(a0)
    sd zero, 32(a0)
    sd zero, 40(a0)
    sd zero, 48(a0)
    sd zero, 56(a0)
    addi a0, a0, 64
    bne a0, t1, 3b
4:  beq a0, t0, .Lfill_bytes
5:  sd zero, (a0)
    addi a0, a0, 8
    bne a0, t0, 5b
.Lfill_bytes:
    beq a0, a3, 7f
6:  sb zero, (a0)
    addi a0, a0, 1
    bne a0, a3, 6b
7:  li a0, 0
    ret

/* int64_t user_copy_string(char *to, const char *from, uint64_t limit): bytes copied, the NUL
 * included if it came within the limit */
    .globl user_copy_string
user_copy_string:
    add a3, a1, a2
    mv a4, a1
    beq a1, a3, 2f
1:  lb t0, (a1)
    addi a1, a1, 1
    sb t0, (a0)
    addi a0, a0, 1
    beqz t0, 2f
    bne a1, a3, 1b
2:  sub a0, a1, a4
    ret

/* int64_t user_load32(const uint32_t *from, uint32_t *to), and the like */
    .globl user_load32
user_load32:
    lw t0, (a0)
    sw t0, (a1)
    li a0, 0
    ret

    .globl user_load64
user_load64:
    ld t0, (a0)
    sd t0, (a1)
    li a0, 0
    ret

    .globl user_store32
user_store32:
    sw a1, (a0)
    li a0, 0
    ret

    .globl user_store64
user_store64:
    sd a1, (a0)
    li a0, 0
    ret

/* int64_t user_swap32(uint32_t *at, uint32_t *expected, uint32_t value): 1 if it was exchanged;
 * else 0, and *expected is what was found. Ordered as a whole, before and after. */
    .globl user_swap32
user_swap32:
    lw t0, (a1)
1:  lr.w.aqrl t1, (a0)
    bne t1, t0, 2f
    sc.w.rl t2, a2, (a0)
    bnez t2, 1b
    li a0, 1
    ret
2:  sw t1, (a1)
    li a0, 0
    ret

/* int64_t user_fpu_save(void *area), user_fpu_restore likewise: f0-f31, fcsr; 8-byte aligned */
    .altmacro
    .macro all_floats instruction
    .set n, 0
    .rept 32
    one_float \instruction, %n
    .set n, n + 1
    .endr
    .endm
    .macro one_float instruction, n
    \instruction f\n, 8*\n(a0)
    .endm

    .globl user_fpu_save
user_fpu_save:
    all_floats fsd
    frcsr t0
    sw t0, 256(a0)
    li a0, 0
    ret

    .globl user_fpu_restore
user_fpu_restore:
    all_floats fld
    lw t0, 256(a0)
    fscsr t0
    li a0, 0
    ret

    .globl user_access_end
user_access_end:

    .globl user_access_failed
user_access_failed:
    li a0, -EFAULT
    ret

    .section .note.GNU-stack, "", @progbits
