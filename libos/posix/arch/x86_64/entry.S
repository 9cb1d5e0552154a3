/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel and the program meet the LibOS on x86_64.
 *
 * A foreign call arrives at `foreign` with every register as the program left it, but rcx and r11,
 * which the syscall instruction spends on Linux too. The gs base is the thread's UTCB; it holds the
 * way back (reflect_pc), our stack, and `masked`, already 1: no upcall comes until we clear it. The
 * way out clears it and then looks at `pending` once more, so that an event that came meanwhile is
 * not left lying. Between clearing it and the program's next instruction lie a few instructions of
 * ours, roll_start .. roll_end: an upcall that finds us there takes the call as finished (rcx is
 * where it returns to, r11 its number).
 *
 * The C functions are compiled without vector registers, so those stay the program's throughout.
 *
 * Stack of a call, from the top (struct thread) down: pc, number, rdi, rsi, rdx, r10, r8, r9
 * (struct call_frame in arch/x86_64/machine.h, which knows these offsets too).
 */
#include "numbers.h"

#define UTCB_REFLECT 8
#define UTCB_THREAD  16 /* libos[0] */
#define UTCB_STACK   24 /* libos[1] */
#define UTCB_USER_SP 32 /* libos[2] */
#define UTCB_MASKED  112
#define UTCB_PENDING 120
#define UTCB_FRAME0_RDI 368
#define UTCB_FRAME0_RIP 432

#define NO_CALL -1

/* The first words of the image: struct libos_header. */
    .section .text.header, "ax"
    .globl libos_header
libos_header:
    .quad 0x36564f58452e6c70
    .quad start, foreign, upcall, nested

    .text

/* ---- a foreign call ---------------------------------------------------------------------------- */

    .balign 64
foreign:
    movq %rsp, %gs:UTCB_USER_SP
    movq %gs:UTCB_STACK, %rsp
    cld
    pushq %gs:UTCB_REFLECT
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r10
    pushq %r8
    pushq %r9
    cmpq $(NUMBER_LIMIT), %rax
    jae .Lunknown
    leaq dispatch_table(%rip), %r11
    movq (%r11,%rax,8), %rax
    movq %r10, %rcx
    testb $1, %al /* an odd address: one that wants the lock */
    jnz .Llocked
    callq *%rax

    .globl call_return
call_return:
    popq %r9
    popq %r8
    popq %r10
    popq %rdx
    popq %rsi
    popq %rdi
    popq %r11 /* number */
    popq %rcx /* pc */
    movq %gs:UTCB_USER_SP, %rsp
    movl $0, %gs:UTCB_MASKED
    .globl roll_start
roll_start:
    cmpl $0, %gs:UTCB_PENDING
    jne .Llate
    jmpq *%rcx
.Llate:
    movl $1, %gs:UTCB_MASKED
    .globl roll_end
roll_end:
    movq %rsp, %gs:UTCB_USER_SP
    movq %gs:UTCB_STACK, %rsp
    /* A struct exo_context of the finished call, and attention to what is pending. */
    pushfq
    pushq %rcx            /* rip */
    pushq %gs:UTCB_USER_SP
    pushq %rcx
    pushq %rax
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    movq %rsp, %rdi
    movq %r11, %rsi
    callq attend
    ud2

.Llocked:
    /* xchg is a full barrier; proofs/memory/protocols/image_lock.py says what a machine needs here. */
    movl $1, %r11d
    xchgl %r11d, image_state(%rip) /* struct image begins with its lock */
    testl %r11d, %r11d
    jnz .Lcontended
.Lhave_lock:
    decq %rax
    callq *%rax
    xorl %ecx, %ecx
    xchgl %ecx, image_state(%rip)
    cmpl $1, %ecx
    je call_return
    pushq %rax /* someone waits for the lock */
    pushq %rax
    callq image_lock_wake
    popq %rax
    popq %rax
    jmp call_return

.Lcontended:
    pushq %rax
    pushq %rax
    callq image_lock_wait
    popq %rax
    popq %rax
    movq 40(%rsp), %rdi
    movq 32(%rsp), %rsi
    movq 24(%rsp), %rdx
    movq 16(%rsp), %rcx
    movq 8(%rsp), %r8
    movq (%rsp), %r9
    jmp .Lhave_lock

.Lunknown:
    callq posix_unknown
    jmp call_return

/* Calls that make a new thread of control need the registers that C preserves, too: they are put
 * into struct thread, whose first words are for this, before the C function named *_call runs. */
    .macro keep_registers
    movq %gs:UTCB_THREAD, %rax
    movq %rbx, 0(%rax)
    movq %rbp, 8(%rax)
    movq %r12, 16(%rax)
    movq %r13, 24(%rax)
    movq %r14, 32(%rax)
    movq %r15, 40(%rax)
    .endm
    .balign 16
    .globl posix_fork, fork_saved
posix_fork:
    keep_registers
fork_saved:
    jmp fork_call
    .balign 16
    .globl posix_vfork, vfork_saved
posix_vfork:
    keep_registers
vfork_saved:
    jmp vfork_call
    .balign 16
    .globl posix_clone, clone_saved
posix_clone:
    keep_registers
clone_saved:
    jmp clone_call
    .balign 16
    .globl posix_trace
posix_trace:
    keep_registers
    jmp trace_call

/* ---- upcalls: rdi is the kind; the interrupted registers are in frame[0] of the UTCB ------------- */

    .balign 16
upcall:
    /* A new thread that was interrupted at its very first instruction has its stack already in
     * use, and is not masked yet: it goes on after that instruction, masked; the event waits. */
    movq %gs:UTCB_FRAME0_RIP, %rax
    leaq thread_start(%rip), %rcx
    cmpq %rax, %rcx
    je .Lstart_again
    cld
    movq %gs:UTCB_STACK, %rsp
    callq upcall_handle
    ud2
.Lstart_again:
    lock orl $1, %gs:UTCB_PENDING /* PROC_EVENT_SIGNAL: look at everything later */
    movq %gs:UTCB_FRAME0_RDI, %rdi
    jmp .Lstarted

    .balign 16
nested: /* a fault of ours: the stack in use is good; frame[1] has the registers */
    cld
    subq $128, %rsp
    andq $-16, %rsp
    callq nested_handle
    ud2

/* ---- new threads --------------------------------------------------------------------------------- */

/* Every thread that the LibOS makes begins here: rdi is a struct start: function, stack pointer.
 * Upcalls come masked from the first instruction on. */
    .balign 16
    .globl thread_start
thread_start:
    movl $1, %gs:UTCB_MASKED
.Lstarted:
    movq 8(%rdi), %rsp
    jmpq *(%rdi)

/* int64_t fork_point(struct start *s): like setjmp. Answers 0 now; a thread that starts with `s`
 * on a copy of this stack goes on from here too, with the answer 1. */
    .globl fork_point
fork_point:
    leaq .Lforked(%rip), %rax
    movq %rax, (%rdi)
    leaq 8(%rsp), %rax
    movq %rax, 8(%rdi)
    movq (%rsp), %rax /* the stack's copy of it will be overwritten by the next call */
    movq %rax, 64(%rdi)
    movq %rbx, 16(%rdi)
    movq %rbp, 24(%rdi)
    movq %r12, 32(%rdi)
    movq %r13, 40(%rdi)
    movq %r14, 48(%rdi)
    movq %r15, 56(%rdi)
    xorl %eax, %eax
    ret
.Lforked:
    movq 16(%rdi), %rbx
    movq 24(%rdi), %rbp
    movq 32(%rdi), %r12
    movq 40(%rdi), %r13
    movq 48(%rdi), %r14
    movq 56(%rdi), %r15
    movl $1, %eax
    jmpq *64(%rdi)

/* A thread made by clone or vfork begins here, below the call frame that was copied for it; its
 * struct thread lies above that and holds the other registers. It returns 0 to the program. */
    .globl clone_start
clone_start:
    callq clone_started
    movq %gs:UTCB_THREAD, %rbx
    leaq -64(%rbx), %rsp
    movq %rbx, %rax
    movq 0(%rax), %rbx
    movq 8(%rax), %rbp
    movq 16(%rax), %r12
    movq 24(%rax), %r13
    movq 32(%rax), %r14
    movq 40(%rax), %r15
    xorl %eax, %eax
    jmp call_return

/* The LibOS's first instruction in a fresh environment (handover.c): not masked, but nobody knows
 * us yet who could raise an event. */
    .balign 16
start:
    movl $1, %gs:UTCB_MASKED
    movq %gs:UTCB_STACK, %rsp
    callq start_process
    ud2

/* Leaves to a program that was loaded just now: rdi pc, rsi sp; all other registers are 0. */
    .globl enter_program
enter_program:
    movq %rdi, %rcx
    movq %rsi, %gs:UTCB_USER_SP
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    movq $NO_CALL, %r11
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    movq %gs:UTCB_USER_SP, %rsp
    movl $0, %gs:UTCB_MASKED
    jmp roll_start

    .section .note.GNU-stack, "", @progbits
