/* SPDX-License-Identifier: MIT */
/*
 * Where a thread of a native program begins: its argument in rdi, a stack in rsp, and no return
 * address. The stack is aligned as the ABI wants it at a call; rbp 0 ends a debugger's back-trace.
 */
    .text
    .globl _start
    .type _start, @function
_start:
    xorl %ebp, %ebp
    andq $-16, %rsp
    call start
    ud2
    .size _start, . - _start

/* The same for the threads of thread.c. */
    .globl thread_enter
    .type thread_enter, @function
thread_enter:
    xorl %ebp, %ebp
    andq $-16, %rsp
    call thread_begin
    ud2
    .size thread_enter, . - thread_enter

    .section .note.GNU-stack, "", @progbits
