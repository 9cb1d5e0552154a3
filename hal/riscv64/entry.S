/* SPDX-License-Identifier: MIT */
/*
 * Every way into the kernel, and the way out to user mode.
 *
 * In the kernel tp is struct hal_cpu and sscratch is 0; in user mode tp is the thread's and sscratch
 * is struct hal_cpu. The first instruction exchanges them, and so learns where the trap came from.
 * Interrupts are off from there to the last instruction. The kernel keeps nothing on its stack from
 * one entry to the next: all of a thread is in its struct hal_context, and the way out loads
 * whichever context hal_cpu()->thread_context points to by then.
 *
 * sstatus needs no care: SPP is 0 all the time but in trap_in_kernel, the user's interrupt enable means
 * nothing while user code runs, and FS belongs to the thread (context.c).
 *
 * Cost in instructions, in and out, without the C between: native call 90, reflection 34,
 * reflect_return 23.
 */
#include "layout.h"

        .text

/* All registers but tp, t0 and the pc, to the context at t0. */
        .macro  SAVE_MOST
        sd      ra, CTX_RA(t0)
        sd      sp, CTX_SP(t0)
        sd      gp, CTX_GP(t0)
        sd      t1, CTX_T1(t0)
        sd      t2, CTX_T2(t0)
        sd      s0, CTX_S0(t0)
        sd      s1, CTX_S1(t0)
        sd      a0, CTX_A0(t0)
        sd      a1, CTX_A1(t0)
        sd      a2, CTX_A2(t0)
        sd      a3, CTX_A3(t0)
        sd      a4, CTX_A4(t0)
        sd      a5, CTX_A5(t0)
        sd      a6, CTX_A6(t0)
        sd      a7, CTX_A7(t0)
        sd      s2, CTX_S2(t0)
        sd      s3, CTX_S3(t0)
        sd      s4, CTX_S4(t0)
        sd      s5, CTX_S5(t0)
        sd      s6, CTX_S6(t0)
        sd      s7, CTX_S7(t0)
        sd      s8, CTX_S8(t0)
        sd      s9, CTX_S9(t0)
        sd      s10, CTX_S10(t0)
        sd      s11, CTX_S11(t0)
        sd      t3, CTX_T3(t0)
        sd      t4, CTX_T4(t0)
        sd      t5, CTX_T5(t0)
        sd      t6, CTX_T6(t0)
        .endm

/* The same registers, from the context at t0. */
        .macro  LOAD_MOST
        ld      ra, CTX_RA(t0)
        ld      sp, CTX_SP(t0)
        ld      gp, CTX_GP(t0)
        ld      t1, CTX_T1(t0)
        ld      t2, CTX_T2(t0)
        ld      s0, CTX_S0(t0)
        ld      s1, CTX_S1(t0)
        ld      a0, CTX_A0(t0)
        ld      a1, CTX_A1(t0)
        ld      a2, CTX_A2(t0)
        ld      a3, CTX_A3(t0)
        ld      a4, CTX_A4(t0)
        ld      a5, CTX_A5(t0)
        ld      a6, CTX_A6(t0)
        ld      a7, CTX_A7(t0)
        ld      s2, CTX_S2(t0)
        ld      s3, CTX_S3(t0)
        ld      s4, CTX_S4(t0)
        ld      s5, CTX_S5(t0)
        ld      s6, CTX_S6(t0)
        ld      s7, CTX_S7(t0)
        ld      s8, CTX_S8(t0)
        ld      s9, CTX_S9(t0)
        ld      s10, CTX_S10(t0)
        ld      s11, CTX_S11(t0)
        ld      t3, CTX_T3(t0)
        ld      t4, CTX_T4(t0)
        ld      t5, CTX_T5(t0)
        ld      t6, CTX_T6(t0)
        .endm

/* The rest of a trap from user mode: t0, where it was put, and tp, from sscratch, which becomes "in the
 * kernel". Leaves the pc in t1, and the kernel's stack. */
        .macro  SAVE_REST
        ld      t1, CPU_SCRATCH0(tp)
        sd      t1, CTX_T0(t0)
        csrrw   t1, sscratch, zero
        sd      t1, CTX_TP(t0)
        csrr    t1, sepc
        ld      sp, CPU_STACK(tp)
        .endm

/*
 * The vector (stvec). The two tests of a7 are one comparison with the number of reflect_return: equal,
 * or equal in all bits but those that count the native calls.
 */
        .balign 64
        .globl trap_entry
trap_entry:
        csrrw   tp, sscratch, tp
        beqz    tp, trap_in_kernel
        sd      t0, CPU_SCRATCH0(tp)
        csrr    t0, scause
        addi    t0, t0, -CAUSE_USER_CALL
        bnez    t0, trap
        li      t0, NR_BASE + NR_REFLECT_RETURN
        beq     a7, t0, reflect_return
        xor     t0, a7, t0
        srli    t0, t0, 7               /* NR_LIMIT is 1 << 7 */
        bnez    t0, reflect

        ld      t0, CPU_CONTEXT(tp)
        SAVE_MOST
        SAVE_REST
        addi    t1, t1, 4               /* behind the ecall */
        sd      t1, CTX_PC(t0)
        andi    a0, a7, NR_LIMIT - 1
        mv      a1, t0
        call    kernel_call

/* Out to user mode with the current thread. Whatever pc there is, sret can only fault in user mode. */
        .globl leave_to_user
leave_to_user:
        ld      t0, CPU_CONTEXT(tp)
        ld      t1, CTX_PC(t0)
        csrw    sepc, t1
        csrw    sscratch, tp
        LOAD_MOST
        ld      tp, CTX_TP(t0)
        ld      t0, CTX_T0(t0)
        sret

/* _Noreturn void hal_enter_user(void): nothing of the C that called is needed any more. */
        .globl hal_enter_user
hal_enter_user:
        ld      sp, CPU_STACK(tp)
        j       leave_to_user

/* An exception or interrupt from user mode. */
        .balign 4
trap:
        ld      t0, CPU_CONTEXT(tp)
        SAVE_MOST
        SAVE_REST
        sd      t1, CTX_PC(t0)
        mv      a0, t0
        csrr    a1, scause
        csrr    a2, stval
        li      s0, 0                   /* back traces end here */
        call    trap_from_user
        j       leave_to_user

/*
 * A foreign call: into the LibOS at foreign_pc, with the return address, tp and t0 in the UTCB, tp the
 * UTCB's user address, and every register but t0 as it was. No stack, no context, no lock. What comes
 * back from the UTCB - its own address - is the environment's to spoil, for itself.
 */
        .balign 4
reflect:
        ld      t0, CPU_UTCB(tp)
        sd      t1, CPU_SCRATCH1(tp)
        csrr    t1, sepc
        addi    t1, t1, 4
        sd      t1, UTCB_REFLECT_PC(t0)
        ld      t1, CPU_FOREIGN_PC(tp)
        beqz    t1, no_reflection
        csrw    sepc, t1
        li      t1, 1
        sw      t1, UTCB_MASKED(t0)
        ld      t1, CPU_SCRATCH0(tp)
        sd      t1, UTCB_SAVED + 8(t0)
        csrr    t1, sscratch
        sd      t1, UTCB_SAVED(t0)
        ld      t1, CPU_REFLECTIONS(tp)
        addi    t1, t1, 1
        sd      t1, CPU_REFLECTIONS(tp)
        ld      t1, CPU_SCRATCH1(tp)
        csrw    sscratch, tp
        ld      tp, UTCB_SELF(t0)
        mv      t0, tp                  /* shows nobody the kernel's address */
        sret

/* The thread takes no foreign calls: an exception like any other, at the ecall. */
no_reflection:
        ld      t1, CPU_SCRATCH1(tp)
        j       trap

/*
 * The end of a foreign call. The fence orders "masked = 0" before "look at pending"; an event's sender
 * does it the other way round, so that one of the two sees the other.
 */
        .balign 4
reflect_return:
        ld      t0, CPU_UTCB(tp)
        sd      t1, CPU_SCRATCH1(tp)
        sw      zero, UTCB_MASKED(t0)
        fence   rw, rw
        lw      t1, UTCB_PENDING(t0)
        bnez    t1, stay_reflected
        ld      t1, UTCB_REFLECT_PC(t0)
        csrw    sepc, t1
        ld      t1, CPU_SCRATCH1(tp)
        csrw    sscratch, tp
        ld      tp, UTCB_SAVED(t0)
        ld      a7, UTCB_SAVED + 16(t0)
        ld      t0, UTCB_SAVED + 8(t0)
        sret

stay_reflected:
        li      t1, 1
        sw      t1, UTCB_MASKED(t0)
        csrr    t1, sepc
        addi    t1, t1, 4
        csrw    sepc, t1
        ld      t1, CPU_SCRATCH1(tp)
        csrw    sscratch, tp
        ld      tp, UTCB_SELF(t0)
        mv      t0, tp
        sret

/*
 * The kernel was interrupted itself: a fault in user_copy.S, or an error. The frame is on the kernel's
 * stack; if that is where it should not be, then what happened is that it overflowed.
 */
        .balign 4
trap_in_kernel:
        csrrw   tp, sscratch, tp
        sd      t0, CPU_SCRATCH0(tp)
        ld      t0, CPU_STACK(tp)
        sub     t0, t0, sp
        sd      t1, CPU_SCRATCH1(tp)
        li      t1, KERNEL_STACK_BYTES - CTX_BYTES
        bltu    t1, t0, stack_lost
        ld      t1, CPU_SCRATCH1(tp)
        addi    t0, sp, -CTX_BYTES
frame_save:
        SAVE_MOST
        mv      sp, t0
        ld      t1, CPU_SCRATCH0(tp)
        sd      t1, CTX_T0(t0)
        sd      tp, CTX_TP(t0)
        csrr    t1, sepc
        sd      t1, CTX_PC(t0)
        mv      a0, t0
        csrr    a1, scause
        csrr    a2, stval
        call    trap_from_kernel
        mv      t0, sp
        ld      t1, CTX_PC(t0)
        csrw    sepc, t1
        LOAD_MOST
        ld      t0, CTX_T0(t0)
        sret

stack_lost:
        ld      t1, CPU_SCRATCH1(tp)
        lla     t0, fatal_stack_top - CTX_BYTES
        j       frame_save

        .section .note.GNU-stack, "", @progbits
