/* SPDX-License-Identifier: MIT */
/*
 * Where a thread of a native program begins: its argument in a0, its UTCB in tp, a stack in sp, and no
 * return address. The stack is aligned as the ABI wants it; ra and s0 0 end a debugger's back-trace.
 */
    .text
    .globl _start
    .type _start, @function
_start:
    li   ra, 0
    li   s0, 0
    andi sp, sp, -16
    call start
    unimp
    .size _start, . - _start

/* The same for the threads of thread.c. */
    .globl thread_enter
    .type thread_enter, @function
thread_enter:
    li   ra, 0
    li   s0, 0
    andi sp, sp, -16
    call thread_begin
    unimp
    .size thread_enter, . - thread_enter

    .section .note.GNU-stack, "", @progbits
