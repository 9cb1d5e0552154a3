/* SPDX-License-Identifier: MIT */
/*
 * Where a thread of a native program begins: its argument in x0, a stack in sp, and no return
 * address. The stack is aligned as the processor wants it; x29 and x30 of 0 end a back-trace.
 */
    .text
    .globl _start
    .type _start, %function
_start:
    mov x29, sp
    and sp, x29, #-16
    mov x29, #0
    mov x30, #0
    bl start
    brk #1
    .size _start, . - _start

/* The same for the threads of thread.c. */
    .globl thread_enter
    .type thread_enter, %function
thread_enter:
    mov x29, sp
    and sp, x29, #-16
    mov x29, #0
    mov x30, #0
    bl thread_begin
    brk #1
    .size thread_enter, . - thread_enter

    .section .note.GNU-stack, "", %progbits
