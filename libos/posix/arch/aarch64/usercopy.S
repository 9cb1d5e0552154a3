/* SPDX-License-Identifier: MIT */
/*
 * The only instructions of the LibOS that touch program memory at the program's word: those between
 * user_access and user_access_end. If one of them faults and the kernel cannot help, nested_handle
 * sends it to user_access_failed. They are leaves and keep nothing on the stack, so that the failure
 * can return -EFAULT for whichever it was. Callers (usercopy.c) have checked the ranges.
 */
#define EFAULT 14

    .arch_extension fp /* for the two at the end */
    .arch_extension simd
    .text
    .balign 16
    .globl user_access
user_access:

/* int64_t user_copy(void *to, const void *from, uint64_t bytes): 64 bytes an iteration, then 8, then
 * 1; any alignment */
    .globl user_copy
user_copy:
    subs x2, x2, #64
    b.lo 2f
1:  ldp x3, x4, [x1]
    ldp x5, x6, [x1, #16]
    ldp x7, x8, [x1, #32]
    ldp x9, x10, [x1, #48]
    add x1, x1, #64
    stp x3, x4, [x0]
    stp x5, x6, [x0, #16]
    stp x7, x8, [x0, #32]
    stp x9, x10, [x0, #48]
    add x0, x0, #64
    subs x2, x2, #64
    b.hs 1b
2:  adds x2, x2, #56 /* what is left, less 8 */
    b.lt 4f
3:  ldr x3, [x1], #8
    str x3, [x0], #8
    subs x2, x2, #8
    b.ge 3b
4:  adds x2, x2, #8
    b.eq 6f
5:  ldrb w3, [x1], #1
    strb w3, [x0], #1
    subs x2, x2, #1
    b.ne 5b
6:  mov x0, #0
    ret

/* int64_t user_fill_zero(void *to, uint64_t bytes): the same steps */
    .globl user_fill_zero
user_fill_zero:
    subs x1, x1, #64
    b.lo 2f
1:  stp xzr, xzr, [x0]
    stp xzr, xzr, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    add x0, x0, #64
    subs x1, x1, #64
    b.hs 1b
2:  adds x1, x1, #56
    b.lt 4f
3:  str xzr, [x0], #8
    subs x1, x1, #8
    b.ge 3b
4:  adds x1, x1, #8
    b.eq 6f
5:  strb wzr, [x0], #1
    subs x1, x1, #1
    b.ne 5b
6:  mov x0, #0
    ret

/* int64_t user_copy_string(char *to, const char *from, uint64_t limit): bytes copied, the NUL
 * included if it came within the limit */
    .globl user_copy_string
user_copy_string:
    mov x3, x0
    mov x0, #0
    cbz x2, 2f
1:  ldrb w4, [x1, x0]
    strb w4, [x3, x0]
    add x0, x0, #1
    cbz w4, 2f
    cmp x0, x2
    b.lo 1b
2:  ret

/* int64_t user_load32(const uint32_t *from, uint32_t *to), and the like */
    .globl user_load32
user_load32:
    ldr w2, [x0]
    str w2, [x1]
    mov x0, #0
    ret

    .globl user_load64
user_load64:
    ldr x2, [x0]
    str x2, [x1]
    mov x0, #0
    ret

    .globl user_store32
user_store32:
    str w1, [x0]
    mov x0, #0
    ret

    .globl user_store64
user_store64:
    str x1, [x0]
    mov x0, #0
    ret

/* int64_t user_swap32(uint32_t *at, uint32_t *expected, uint32_t value): 1 if it was exchanged;
 * else 0, and *expected is what was found. Ordered as a whole, before and after. */
    .globl user_swap32
user_swap32:
    ldr w3, [x1]
    mov w4, w3
    casal w4, w2, [x0]
    cmp w4, w3
    b.ne 1f
    mov x0, #1
    ret
1:  str w4, [x1]
    mov x0, #0
    ret

/* int64_t user_fpu_save(void *area), user_fpu_restore likewise: fpsr, fpcr (32 bits each), v0-v31 */
    .altmacro
    .macro all_vectors instruction
    .set n, 0
    .rept 16
    two_vectors \instruction, %n, %(n+1)
    .set n, n + 2
    .endr
    .endm
    .macro two_vectors instruction, n, m
    \instruction q\n, q\m, [x1, #16*\n]
    .endm

    .globl user_fpu_save
user_fpu_save:
    add x1, x0, #8
    all_vectors stp
    mrs x2, fpsr
    mrs x3, fpcr
    stp w2, w3, [x0]
    mov x0, #0
    ret

    .globl user_fpu_restore
user_fpu_restore:
    add x1, x0, #8
    all_vectors ldp
    ldp w2, w3, [x0]
    msr fpsr, x2
    msr fpcr, x3
    mov x0, #0
    ret

    .globl user_access_end
user_access_end:

    .globl user_access_failed
user_access_failed:
    mov x0, #-EFAULT
    ret

    .section .note.GNU-stack, "", @progbits
