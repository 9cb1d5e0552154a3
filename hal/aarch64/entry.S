/* SPDX-License-Identifier: MIT */
/*
 * Every way into the kernel from user mode, and the way out.
 *
 * In the kernel TPIDR_EL1 is struct hal_cpu. While a thread is in user mode, SP_EL1 - which is `sp`
 * as soon as an exception is taken - points to its struct hal_context, so registers are stored before
 * one of them is needed. Interrupts are off from the first instruction to the last, except in
 * hal_idle. The kernel keeps nothing on its stack from one entry to the next: all of a thread is in
 * its context, and the way out loads whichever context CPU_CONTEXT points to by then.
 *
 * Ways in:
 *   from_user        exceptions of user mode. `svc #1`: native call (saved, kernel_call); `svc #2`:
 *                    the way back from a foreign call; any other svc: a foreign call (reflected). The
 *                    last two are served right here, with nothing saved but two registers.
 *   from_user_irq    interrupts
 *   in_kernel        an exception of the kernel itself: a fault in user_copy.S, or an error
 *   in_kernel_irq    an interrupt in hal_idle
 *   fatal_*          what cannot happen: they do not return
 *
 * An eret is safe with any program counter: a bad one faults after the return, in user mode. What
 * could harm is PSTATE, so only context.c makes it.
 *
 * Cost in instructions, in and out, without the C between: native call 63, reflection 29, the way back
 * 20.
 */
#include "layout.h"

        .arch   armv8.1-a
        .text

/* \op is stp or ldp: registers that every way in and out moves, to or from the context at sp. */
        .macro X4_TO_X15 op
        \op     x4, x5, [sp, #CTX_X(4)]
        \op     x6, x7, [sp, #CTX_X(6)]
        \op     x8, x9, [sp, #CTX_X(8)]
        \op     x10, x11, [sp, #CTX_X(10)]
        \op     x12, x13, [sp, #CTX_X(12)]
        \op     x14, x15, [sp, #CTX_X(14)]
        .endm
        .macro X18_TO_X29 op
        \op     x18, x19, [sp, #CTX_X(18)]
        \op     x20, x21, [sp, #CTX_X(20)]
        \op     x22, x23, [sp, #CTX_X(22)]
        \op     x24, x25, [sp, #CTX_X(24)]
        \op     x26, x27, [sp, #CTX_X(26)]
        \op     x28, x29, [sp, #CTX_X(28)]
        .endm

/* x16 and x17 are saved already. Leaves x29 = 0, sp = the kernel's stack, x20 = the context, x21 =
 * struct hal_cpu. */
        .macro SAVE
        stp     x0, x1, [sp, #CTX_X(0)]
        stp     x2, x3, [sp, #CTX_X(2)]
        X4_TO_X15 stp
        X18_TO_X29 stp
        mrs     x17, sp_el0
        stp     x30, x17, [sp, #CTX_X30]
        mrs     x18, elr_el1
        mrs     x19, spsr_el1
        stp     x18, x19, [sp, #CTX_PC]
        mov     x20, sp
        mrs     x21, tpidr_el1
        ldr     x17, [x21, #CPU_STACK]
        mov     sp, x17
        mov     x29, #0
        .endm

        .macro VECTOR target
        .balign 128
        b       \target
        .endm

/* x16 and x17 into the context. */
        .macro VECTOR_USER target
        .balign 128
        stp     x16, x17, [sp, #CTX_X(16)]
        b       \target
        .endm

        .balign 2048
        .globl  vectors
vectors:                                /* DDI 0487, D1.3.2 */
        VECTOR  fatal_sp0               /* the kernel with the user's stack pointer: never */
        VECTOR  fatal_sp0
        VECTOR  fatal_sp0
        VECTOR  fatal_sp0
        VECTOR  in_kernel
        VECTOR  in_kernel_irq
        VECTOR  fatal_fiq
        VECTOR  fatal_serror
        /* From user mode, exceptions: the quick ways are decided before anything else. */
        .balign 128
        stp     x16, x17, [sp, #CTX_X(16)]
        mrs     x16, esr_el1
        mov     w17, #ESR_SVC
        sub     w16, w16, w17           /* of an svc: its immediate */
        lsr     w17, w16, #16
        cbnz    w17, from_user
        cmp     w16, #SVC_NATIVE
        b.eq    native_call
        cmp     w16, #SVC_RETURN
        b.eq    reflect_return
        b       reflect
        VECTOR_USER from_user_irq
        VECTOR_USER fatal_user_fiq
        VECTOR_USER fatal_user_serror
        VECTOR  fatal_sp0               /* 32-bit user mode does not exist here: PSTATE says so */
        VECTOR  fatal_sp0
        VECTOR  fatal_sp0
        VECTOR  fatal_sp0

/* ---- foreign calls ----------------------------------------------------------------------------- */

/*
 * Into the LibOS at foreign_pc, with the return address and the mask in the UTCB, and every register
 * but x16 and x17, which the UTCB keeps, as it was. No stack, no lock; x14 and x15 are borrowed.
 */
        .balign 64
reflect:
        mrs     x17, tpidr_el1
        ldr     x16, [x17, #CPU_UTCB]
        stp     x14, x15, [sp, #CTX_X(14)]
        ldr     x15, [x17, #CPU_FOREIGN_PC]
        cbz     x15, no_reflection
        mrs     x14, elr_el1
        msr     elr_el1, x15
        str     x14, [x16, #UTCB_REFLECT_PC]
        ldr     x14, [x17, #CPU_REFLECTIONS]
        add     x14, x14, #1
        str     x14, [x17, #CPU_REFLECTIONS]
        ldp     x14, x15, [sp, #CTX_X(16)]
        stp     x14, x15, [x16, #UTCB_REFLECT_SAVED]
        mov     w14, #1
        str     w14, [x16, #UTCB_MASKED]
        ldp     x14, x15, [sp, #CTX_X(14)]
        mrs     x16, tpidrro_el0
        eret

/*
 * The way back: unmasked, unless an event is pending; then masked again, and on after the svc in the
 * state in which a foreign call arrives. What comes from the UTCB is the thread's own.
 */
        .balign 64
reflect_return:
        mrs     x17, tpidr_el1
        ldr     x16, [x17, #CPU_UTCB]
        str     wzr, [x16, #UTCB_MASKED]
        dmb     ish                     /* an event sets `pending`, then looks at `masked` */
        ldr     w17, [x16, #UTCB_PENDING]
        cbnz    w17, 1f
        ldr     x17, [x16, #UTCB_REFLECT_PC]
        msr     elr_el1, x17
        ldp     x16, x17, [x16, #UTCB_REFLECT_SAVED]
        eret
1:      mov     w17, #1
        str     w17, [x16, #UTCB_MASKED]
        mrs     x16, tpidrro_el0
        eret

/*
 * The thread takes no foreign calls: svc is an invalid instruction for it, with its own address as
 * for any fault.
 */
no_reflection:
        mrs     x14, elr_el1
        sub     x14, x14, #4
        msr     elr_el1, x14
        ldp     x14, x15, [sp, #CTX_X(14)]

/* ---- everything else from user mode ------------------------------------------------------------ */

        .globl  from_user
from_user:
        SAVE
        mov     x0, x20
        mrs     x1, esr_el1
        mrs     x2, far_el1
        bl      trap_from_user
        b       leave_to_user

from_user_irq:
        SAVE
        bl      interrupt_serve

/*
 * Out to user mode with the current thread. Context synchronization comes with the eret (DDI 0487,
 * D1.4.4), so the system registers written here need no isb.
 */
        .globl  leave_to_user
leave_to_user:
        mrs     x21, tpidr_el1
leave:  ldr     x0, [x21, #CPU_CONTEXT]
        mov     sp, x0
        ldp     x16, x17, [sp, #CTX_PC]
        msr     elr_el1, x16
        msr     spsr_el1, x17
        ldp     x30, x16, [sp, #CTX_X30]
        msr     sp_el0, x16
        ldp     x0, x1, [sp, #CTX_X(0)]
        ldp     x2, x3, [sp, #CTX_X(2)]
        X4_TO_X15 ldp
        ldp     x16, x17, [sp, #CTX_X(16)]
        X18_TO_X29 ldp
        eret

/* _Noreturn void hal_enter_user(void): nothing of the C that called is needed any more. */
        .globl  hal_enter_user
hal_enter_user:
        b       leave_to_user

/* `svc #1`: the number must be a native one; it is no foreign call in any case. */
        .balign 64
native_call:
        SAVE
        mov     w0, #(NR_BASE & 0xffff)
        movk    w0, #(NR_BASE >> 16), lsl #16
        sub     w0, w8, w0
        cmp     w0, #NR_LIMIT
        b.hs    1f
        mov     x1, x20
        bl      kernel_call
        b       leave
1:      mov     x0, #-ENOSYS
        str     x0, [x20, #CTX_X(0)]
        b       leave

/* ---- from the kernel itself -------------------------------------------------------------------- */

/* A struct hal_context on the kernel's stack; x0 points to it. x0 and x1 are saved, and sp is below
 * the frame already. */
        .macro SAVE_KERNEL
        stp     x2, x3, [sp, #CTX_X(2)]
        X4_TO_X15 stp
        stp     x16, x17, [sp, #CTX_X(16)]
        X18_TO_X29 stp
        add     x2, sp, #CTX_BYTES
        stp     x30, x2, [sp, #CTX_X30]
        mrs     x2, elr_el1
        mrs     x3, spsr_el1
        stp     x2, x3, [sp, #CTX_PC]
        mov     x0, sp
        .endm

        .macro LEAVE_KERNEL
        ldp     x16, x17, [sp, #CTX_PC]
        msr     elr_el1, x16
        msr     spsr_el1, x17
        ldp     x0, x1, [sp, #CTX_X(0)]
        ldp     x2, x3, [sp, #CTX_X(2)]
        X4_TO_X15 ldp
        ldp     x16, x17, [sp, #CTX_X(16)]
        ldp     x18, x19, [sp, #CTX_X(18)]
        ldr     x30, [sp, #CTX_X30]
        add     sp, sp, #CTX_BYTES      /* x20 .. x29 are as C left them: unchanged */
        eret
        .endm

/*
 * sp may have run out of the stack. Adding and subtracting exchanges x0 and sp without memory, to
 * test the bit that is set within every stack (layout.h). Tests twice, as the frame starts at `top`.
 */
in_kernel:
        sub     sp, sp, #CTX_BYTES
        add     sp, sp, x0              /* sp = sp + x0 */
        sub     x0, sp, x0              /* x0 = sp */
        tbz     x0, #KERNEL_STACK_SHIFT, fatal_overflow
        sub     x0, sp, x0              /* x0 as it was */
        sub     sp, sp, x0
        stp     x0, x1, [sp, #CTX_X(0)]
        SAVE_KERNEL
        mrs     x1, esr_el1
        mrs     x2, far_el1
        bl      trap_from_kernel
        LEAVE_KERNEL

in_kernel_irq:
        sub     sp, sp, #CTX_BYTES
        stp     x0, x1, [sp, #CTX_X(0)]
        SAVE_KERNEL
        bl      interrupt_serve
        LEAVE_KERNEL

/* Nobody knows what state these find, so they take a stack of their own and never return. w1: what
 * it was. */
        .macro FATAL name, which
\name:  msr     tpidrro_el0, x0         /* nobody needs that any more */
        mrs     x0, tpidr_el1
        str     x1, [x0, #CPU_SCRATCH]
        mov     w1, #\which
        b       fatal
        .endm
        FATAL   fatal_sp0, 0
        FATAL   fatal_fiq, 1
        FATAL   fatal_user_fiq, 1
        FATAL   fatal_serror, 2
        FATAL   fatal_user_serror, 2
fatal_overflow:
        sub     x0, sp, x0              /* as above */
        sub     sp, sp, x0
        FATAL   fatal_stack, 3
fatal:  ldr     x0, [x0, #CPU_FATAL_STACK]
        sub     x0, x0, #CTX_BYTES
        stp     x2, x3, [x0, #CTX_X(2)]
        mov     x2, sp
        str     x2, [x0, #CTX_SP]
        mov     sp, x0
        mov     w3, w1
        mrs     x0, tpidrro_el0
        mrs     x1, tpidr_el1
        ldr     x1, [x1, #CPU_SCRATCH]
        stp     x0, x1, [sp, #CTX_X(0)]
        mov     w0, w3
        X4_TO_X15 stp
        stp     x16, x17, [sp, #CTX_X(16)]
        X18_TO_X29 stp
        str     x30, [sp, #CTX_X30]
        mrs     x1, elr_el1
        mrs     x2, spsr_el1
        stp     x1, x2, [sp, #CTX_PC]
        mov     x1, sp
        mov     x29, #0
        bl      trap_unexpected

        .section .note.GNU-stack, "", %progbits
