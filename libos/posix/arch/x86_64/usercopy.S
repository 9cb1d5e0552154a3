/* SPDX-License-Identifier: MIT */
/*
 * The only instructions of the LibOS that touch program memory at the program's word: those between
 * user_access and user_access_end. If one of them faults and the kernel cannot help, nested_handle
 * sends it to user_access_failed. They are leaves and keep nothing on the stack, so that the failure
 * can return -EFAULT for whichever it was. Callers (usercopy.c) have checked the ranges.
 */
#define EFAULT 14

    .text
    .balign 16
    .globl user_access
user_access:

/* int64_t user_copy(void *to, const void *from, uint64_t bytes): 8 bytes an iteration */
    .globl user_copy
user_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movl %edx, %ecx
    andl $7, %ecx
    rep movsb
    xorl %eax, %eax
    ret

/* int64_t user_fill_zero(void *to, uint64_t bytes) */
    .globl user_fill_zero
user_fill_zero:
    movq %rsi, %rcx
    shrq $3, %rcx
    xorl %eax, %eax
    rep stosq
    movl %esi, %ecx
    andl $7, %ecx
    rep stosb
    ret

/* int64_t user_copy_string(char *to, const char *from, uint64_t limit): bytes copied, the NUL
 * included if it came within the limit */
    .globl user_copy_string
user_copy_string:
    xorl %eax, %eax
1:  cmpq %rdx, %rax
    jae 2f
    movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    incq %rax
    testb %cl, %cl
    jnz 1b
2:  ret

/* int64_t user_load32(const uint32_t *from, uint32_t *to), and the like */
    .globl user_load32
user_load32:
    movl (%rdi), %ecx
    movl %ecx, (%rsi)
    xorl %eax, %eax
    ret

    .globl user_load64
user_load64:
    movq (%rdi), %rcx
    movq %rcx, (%rsi)
    xorl %eax, %eax
    ret

    .globl user_store32
user_store32:
    movl %esi, (%rdi)
    xorl %eax, %eax
    ret

    .globl user_store64
user_store64:
    movq %rsi, (%rdi)
    xorl %eax, %eax
    ret

/* int64_t user_swap32(uint32_t *at, uint32_t *expected, uint32_t value): 1 if it was exchanged;
 * else 0, and *expected is what was found */
    .globl user_swap32
user_swap32:
    movl (%rsi), %eax
    lock cmpxchgl %edx, (%rdi)
    jne 1f
    movl $1, %eax
    ret
1:  movl %eax, (%rsi)
    xorl %eax, %eax
    ret

/* int64_t user_fpu_save(void *area, uint64_t mask), user_fpu_restore likewise: XSAVE's format, or
 * FXSAVE's if the mask is 0; the area is 64-byte aligned and its header zeroed */
    .globl user_fpu_save
user_fpu_save:
    movq %rsi, %rdx
    movl %esi, %eax
    shrq $32, %rdx
    testq %rsi, %rsi
    jz 1f
    xsave64 (%rdi)
    xorl %eax, %eax
    ret
1:  fxsave64 (%rdi)
    ret

    .globl user_fpu_restore
user_fpu_restore:
    movq %rsi, %rdx
    movl %esi, %eax
    shrq $32, %rdx
    testq %rsi, %rsi
    jz 1f
    xrstor64 (%rdi)
    xorl %eax, %eax
    ret
1:  fxrstor64 (%rdi)
    ret

    .globl user_access_end
user_access_end:

    .globl user_access_failed
user_access_failed:
    movq $-EFAULT, %rax
    ret

    .section .note.GNU-stack, "", @progbits
