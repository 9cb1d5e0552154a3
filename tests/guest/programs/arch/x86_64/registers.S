/* SPDX-License-Identifier: MIT */
/*
 * int64_t registers_through(uint64_t number, const uint64_t arguments[6], uint64_t seen[64]): makes a
 * call with a value of its own in every register, and stores what is there afterwards: seen[n] in the
 * machine's order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 ...), seen[32 + n] of xmm n. The value is
 * n * 0x0101010101010101; but rax is the number, and the registers of the arguments have these.
 */
    .text
    .globl registers_through
registers_through:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx /* seen */
    movq %rdi, %rax
    movq %rsi, %r12
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movabsq $(0x0101010101010101 * \n), %rbx
    movq %rbx, %xmm\n
    .endr
    movq (%r12), %rdi
    movq 8(%r12), %rsi
    movq 16(%r12), %rdx
    movq 24(%r12), %r10
    movq 32(%r12), %r8
    movq 40(%r12), %r9
    movabsq $(0x0101010101010101 * 3), %rbx
    movabsq $(0x0101010101010101 * 5), %rbp
    .irp n, 12, 13, 14, 15
    movabsq $(0x0101010101010101 * \n), %r\n
    .endr
    syscall
    movq (%rsp), %rcx
    movq %rax, (%rcx)
    movq %rdx, 16(%rcx)
    movq %rbx, 24(%rcx)
    movq %rbp, 40(%rcx)
    movq %rsi, 48(%rcx)
    movq %rdi, 56(%rcx)
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    movq %r\n, 8*\n(%rcx)
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movq %xmm\n, 256 + 8*\n(%rcx)
    .endr
    popq %rdx
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits
