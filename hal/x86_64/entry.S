/* SPDX-License-Identifier: MIT */
/*
 * Every way into the kernel from user mode, and the way out.
 *
 * In the kernel gs is struct hal_cpu; in user mode it is the thread's UTCB; swapgs exchanges them,
 * once on each way in from user mode and once on each way out. Interrupts are off from the first
 * instruction to the last. The kernel keeps nothing on its stack from one entry to the next: all of
 * a thread is in its struct hal_context, and the way out loads whichever context gs:CPU_CONTEXT
 * points to by then.
 *
 * Ways in:
 *   syscall_entry   a system call: native (saved, kernel_call) or foreign (reflected, nothing saved)
 *   trap_stubs      exceptions and interrupts; the processor has pushed into the thread's context,
 *                   where TSS.rsp0 points (context.c), or on the kernel's stack if it was in the
 *                   kernel (a fault in user_copy.S, an interrupt in hal_idle)
 *   fatal_*         NMI, double fault, machine check: on stacks of their own; they do not return
 *
 * Cost in instructions, in and out, without the C between: native call 46, reflection 13.
 */
#include "layout.h"
#include "smap.inc"

        .text

/* Completes a trap frame below the vector, and points rdi at it. */
        .macro PUSH_ALL
        push    %rcx
        push    %rax
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r15
        push    %r14
        push    %r13
        push    %r12
        push    %r11
        push    %r10
        push    %r9
        push    %r8
        cld
        CLAC                            /* user code may set AC; a trap leaves it set */
        mov     %rsp, %rdi
        .endm

/*
 * SYSCALL left the return address in rcx and the flags in r11, masked the flags (cpu.c) and changed
 * nothing else; rsp is the user's. So r11 is the only register that is free.
 */
        .balign 64
        .globl syscall_entry
syscall_entry:
        swapgs
        lea     -NR_BASE(%rax), %r11d
        cmp     $NR_LIMIT, %r11d
        jae     reflect

        mov     %gs:CPU_CONTEXT, %r11
        mov     %r8, CTX_R8(%r11)
        mov     %r9, CTX_R9(%r11)
        mov     %r10, CTX_R10(%r11)
        mov     %r12, CTX_R12(%r11)
        mov     %r13, CTX_R13(%r11)
        mov     %r14, CTX_R14(%r11)
        mov     %r15, CTX_R15(%r11)
        mov     %rdi, CTX_RDI(%r11)
        mov     %rsi, CTX_RSI(%r11)
        mov     %rbp, CTX_RBP(%r11)
        mov     %rbx, CTX_RBX(%r11)
        mov     %rdx, CTX_RDX(%r11)
        mov     %rax, CTX_RAX(%r11)
        mov     %rcx, CTX_RIP(%r11)
        mov     %rsp, CTX_RSP(%r11)
        movq    $0, CTX_CS(%r11)        /* "in a call": rcx, r11 and the flags are dead */
        mov     %gs:CPU_STACK, %rsp
        lea     -NR_BASE(%rax), %edi
        mov     %r11, %rsi
        call    kernel_call

/*
 * Out to user mode with the current thread. sysret is safe only for a canonical rip (SDM volume 2,
 * SYSRET: otherwise it faults in the kernel with the user's stack): the rip of a context in a call
 * is either the address after a syscall instruction, which lies below EXO_USER_TOP because nothing
 * else is mapped, or one that hal_context_redirect checked.
 */
        .globl leave_to_user
leave_to_user:
        mov     %gs:CPU_CONTEXT, %r11
        cmpl    $0, CTX_CS(%r11)
        jne     leave_complete
        mov     CTX_R8(%r11), %r8
        mov     CTX_R9(%r11), %r9
        mov     CTX_R10(%r11), %r10
        mov     CTX_R12(%r11), %r12
        mov     CTX_R13(%r11), %r13
        mov     CTX_R14(%r11), %r14
        mov     CTX_R15(%r11), %r15
        mov     CTX_RDI(%r11), %rdi
        mov     CTX_RSI(%r11), %rsi
        mov     CTX_RBP(%r11), %rbp
        mov     CTX_RBX(%r11), %rbx
        mov     CTX_RDX(%r11), %rdx
        mov     CTX_RAX(%r11), %rax
        mov     CTX_RIP(%r11), %rcx
        mov     CTX_RSP(%r11), %rsp
        mov     $USER_FLAGS, %r11d
        swapgs
        sysretq

/* All registers, by iretq straight from the context. */
leave_complete:
        mov     %r11, %rsp
        swapgs
pop_and_return:
        pop     %r8
        pop     %r9
        pop     %r10
        pop     %r11
        pop     %r12
        pop     %r13
        pop     %r14
        pop     %r15
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rax
        pop     %rcx
        add     $CTX_RIP - CTX_VECTOR, %rsp
        iretq

/* _Noreturn void hal_enter_user(void): nothing of the C that called is needed any more. */
        .globl hal_enter_user
hal_enter_user:
        mov     %gs:CPU_STACK, %rsp
        xor     %ebp, %ebp
        jmp     leave_to_user

/*
 * A foreign call: into the LibOS at foreign_pc, with the return address and the mask in the UTCB,
 * and every register but rcx and r11 (which SYSCALL had destroyed) as it was. No stack, no context,
 * no lock.
 */
        .balign 16
reflect:
        mov     %gs:CPU_UTCB, %r11
        mov     %rcx, UTCB_REFLECT_PC(%r11)
        mov     %gs:CPU_FOREIGN_PC, %rcx
        jrcxz   no_reflection
        movl    $1, UTCB_MASKED(%r11)
        incq    %gs:CPU_REFLECTIONS
        mov     $USER_FLAGS, %r11d
        swapgs
        sysretq

/*
 * The thread takes no foreign calls: SYSCALL is an invalid opcode for it. Makes the context look as
 * if that exception had happened. The return address comes back from user memory, where another
 * thread may have changed it, so it is checked for what sysret and iretq cannot take.
 */
no_reflection:
        mov     UTCB_REFLECT_PC(%r11), %rcx
        mov     %gs:CPU_CONTEXT, %r11
        mov     %rsp, CTX_RSP(%r11)
        lea     CTX_RIP(%r11), %rsp
        sub     $2, %rcx                /* the syscall instruction itself, as for any fault */
        mov     %rcx, CTX_RIP(%r11)
        shr     $47, %rcx
        jz      1f
        movq    $0, CTX_RIP(%r11)
1:      movq    $USER_CS, CTX_CS(%r11)
        movq    $USER_FLAGS, CTX_RFLAGS(%r11)
        movq    $USER_DS, CTX_SS(%r11)
        xor     %r11d, %r11d
        push    $0
        push    $VECTOR_INVALID_OPCODE
        jmp     save_from_user

/*
 * One stub a vector, 16 bytes each: makes the frames alike (the processor pushes an error code for
 * some exceptions only; SDM volume 3, 6.3.1) and tells the vector.
 */
        .balign 16
        .globl trap_stubs
trap_stubs:
        vector = 0
        .rept 256
        .balign 16
        .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
              vector == 29 || vector == 30)
        push    $0
        .endif
        push    $vector
        jmp     trap
        vector = vector + 1
        .endr

        .balign 16
trap:
        testb   $3, CTX_CS - CTX_VECTOR(%rsp)
        jz      trap_in_kernel
        swapgs
save_from_user:
        PUSH_ALL
        mov     %gs:CPU_STACK, %rsp
        xor     %ebp, %ebp
        call    trap_from_user
        jmp     leave_to_user

/* The kernel was interrupted itself: the frame is on the current stack, and gs is right already. */
trap_in_kernel:
        PUSH_ALL
        call    trap_from_kernel
        jmp     pop_and_return

/* Nobody knows what state these find, so they trust nothing and never return. */
        .macro FATAL name, vector, has_error
        .globl \name
\name:
        .if !\has_error
        push    $0
        .endif
        push    $\vector
        jmp     fatal
        .endm
        FATAL   fatal_nmi, 2, 0
        FATAL   fatal_double_fault, 8, 1
        FATAL   fatal_machine_check, 18, 0
fatal:
        PUSH_ALL
        call    trap_fatal

        .section .note.GNU-stack, "", @progbits
