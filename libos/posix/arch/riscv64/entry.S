/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel and the program meet the LibOS on riscv64.
 *
 * A foreign call arrives at `foreign` with every register as the program left it, but tp and t0. tp
 * is the thread's UTCB, as it is in all our code; the program's tp and t0 are in reflect_saved[0]
 * and [1], and we put a7 into [2], because the way back needs it: reflect_return takes these three,
 * and the program counter from reflect_pc. `masked` is 1 already: no upcall comes. reflect_return
 * clears it and looks at `pending` in one, so that an event that came meanwhile is not left lying:
 * then it does not leave, but goes on behind the call, masked, with the three still where they were.
 * No interrupted context is ever between our last instruction and the program's next.
 *
 * The C functions are compiled without floating-point registers, so those stay the program's
 * throughout. So does gp, which no code of ours uses.
 *
 * Stack of a call: struct call_frame (arch/riscv64/machine.h) at the upper end, below struct thread.
 */
#include "numbers.h"

#define UTCB_REFLECT   8
#define UTCB_THREAD    16 /* libos[0] */
#define UTCB_STACK     24 /* libos[1] */
#define UTCB_USER_SP   32 /* libos[2] */
#define UTCB_MASKED    112
#define UTCB_PENDING   120
#define UTCB_SAVED_TP  232 /* reflect_saved */
#define UTCB_SAVED_T0  240
#define UTCB_SAVED_A7  248
#define UTCB_CONTEXT0  304 /* frame[0].context */
#define UTCB_FRAME0_PC (UTCB_CONTEXT0 + 0)
#define UTCB_FRAME0_SP (UTCB_CONTEXT0 + 16)
#define UTCB_FRAME0_A0 (UTCB_CONTEXT0 + 80)
#define UTCB_FRAME0_A1 (UTCB_CONTEXT0 + 88)

#define CALL_FRAME_BYTES 128
#define CONTEXT_BYTES    256 /* struct exo_context */

#define NR_resume         0x45580029
#define NR_reflect_return 0x4558002f

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
    sd a7, UTCB_SAVED_A7(tp)
    sd sp, UTCB_USER_SP(tp)
    ld sp, UTCB_STACK(tp)
    addi sp, sp, -CALL_FRAME_BYTES
    sd a7, 0(sp)
    sd a0, 8(sp) /* for a call that is to be made again */
    sd a1, 16(sp)
    sd a2, 24(sp)
    sd a3, 32(sp)
    sd a4, 40(sp)
    sd a5, 48(sp)
    sd a6, 56(sp)
    sd ra, 64(sp)
    sd t1, 72(sp)
    sd t2, 80(sp)
    sd t3, 88(sp)
    sd t4, 96(sp)
    sd t5, 104(sp)
    sd t6, 112(sp)
    li t1, NUMBER_LIMIT
    bgeu a7, t1, .Lunknown
    slli t1, a7, 3
    lla t0, dispatch_table
    add t0, t0, t1
    ld t0, (t0)
    andi t1, t0, 1 /* an odd address: one that wants the lock; jalr does without the bit */
    bnez t1, .Llocked
    jalr t0

call_return:
    ld a1, 16(sp)
    ld a2, 24(sp)
    ld a3, 32(sp)
    ld a4, 40(sp)
    ld a5, 48(sp)
    ld a6, 56(sp)
    ld ra, 64(sp)
    ld t1, 72(sp)
    ld t2, 80(sp)
    ld t3, 88(sp)
    ld t4, 96(sp)
    ld t5, 104(sp)
    ld t6, 112(sp)
    ld sp, UTCB_USER_SP(tp)
    li a7, NR_reflect_return
    ecall
    /* Something is pending: a struct exo_context of the finished call, and attention to that. The
     * call frame stays where it is, because context_restart wants the first argument. */
    ld sp, UTCB_STACK(tp)
    addi sp, sp, -(CALL_FRAME_BYTES + CONTEXT_BYTES)
    ld t0, UTCB_REFLECT(tp)
    sd t0, 0(sp) /* pc */
    sd ra, 8(sp)
    ld t0, UTCB_USER_SP(tp)
    sd t0, 16(sp)
    sd gp, 24(sp)
    ld t0, UTCB_SAVED_TP(tp)
    sd t0, 32(sp)
    ld t0, UTCB_SAVED_T0(tp)
    sd t0, 40(sp)
    sd t1, 48(sp)
    sd t2, 56(sp)
    sd s0, 64(sp)
    sd s1, 72(sp)
    sd a0, 80(sp)
    sd a1, 88(sp)
    sd a2, 96(sp)
    sd a3, 104(sp)
    sd a4, 112(sp)
    sd a5, 120(sp)
    sd a6, 128(sp)
    ld a1, UTCB_SAVED_A7(tp) /* the number of the call */
    sd a1, 136(sp)
    sd s2, 144(sp)
    sd s3, 152(sp)
    sd s4, 160(sp)
    sd s5, 168(sp)
    sd s6, 176(sp)
    sd s7, 184(sp)
    sd s8, 192(sp)
    sd s9, 200(sp)
    sd s10, 208(sp)
    sd s11, 216(sp)
    sd t3, 224(sp)
    sd t4, 232(sp)
    sd t5, 240(sp)
    sd t6, 248(sp)
    mv a0, sp
    call attend
    unimp

.Llocked:
    lla t1, image_state /* struct image begins with its lock */
    li t2, 1
    amoswap.w.aqrl t2, t2, (t1)
    bnez t2, .Lcontended
.Lhave_lock:
    jalr t0
    lla t1, image_state
    amoswap.w.aqrl t1, zero, (t1)
    li t2, 1
    beq t1, t2, call_return
    addi sp, sp, -16 /* someone waits for the lock */
    sd a0, (sp)
    call image_lock_wake
    ld a0, (sp)
    addi sp, sp, 16
    j call_return

.Lcontended:
    addi sp, sp, -16
    sd t0, (sp)
    call image_lock_wait
    ld t0, (sp)
    addi sp, sp, 16
    ld a0, 8(sp)
    ld a1, 16(sp)
    ld a2, 24(sp)
    ld a3, 32(sp)
    ld a4, 40(sp)
    ld a5, 48(sp)
    j .Lhave_lock

.Lunknown:
    call posix_unknown
    j call_return

/* Calls that make a new thread of control need the registers that C preserves, too, and what of the
 * call is in the UTCB: they are put into struct thread, whose first words are for this, before the C
 * function runs. clone's last two arguments are in the other order than on x86_64. */
    .macro keep_registers
    ld t0, UTCB_THREAD(tp)
    sd s0, 0(t0)
    sd s1, 8(t0)
    sd s2, 16(t0)
    sd s3, 24(t0)
    sd s4, 32(t0)
    sd s5, 40(t0)
    sd s6, 48(t0)
    sd s7, 56(t0)
    sd s8, 64(t0)
    sd s9, 72(t0)
    sd s10, 80(t0)
    sd s11, 88(t0)
    sd gp, 96(t0)
    ld t1, UTCB_SAVED_T0(tp)
    sd t1, 104(t0)
    ld t1, UTCB_REFLECT(tp)
    sd t1, 112(t0)
    .endm
    .balign 16
    .globl posix_clone, clone_saved
posix_clone:
    keep_registers
clone_saved:
    mv t1, a3
    mv a3, a4
    mv a4, t1
    j clone_call
    .balign 16
    .globl posix_trace
posix_trace:
    keep_registers
    j trace_call

/* ---- upcalls: a0 is the kind; the interrupted registers are in frame[0] of the UTCB ------------- */

    .balign 16
upcall:
    /* A new thread that was interrupted at its very first instructions has its stack already in
     * use, and is not masked yet: it goes on behind them, masked; the event waits. */
    ld t0, UTCB_FRAME0_PC(tp)
    lla t1, thread_start
    lla t2, .Lstarted
    bltu t0, t1, 1f
    bltu t0, t2, .Lstart_again
1:  ld sp, UTCB_STACK(tp)
    call upcall_handle
    unimp
.Lstart_again:
    li t0, 1 /* PROC_EVENT_SIGNAL: look at everything later */
    addi t1, tp, UTCB_PENDING
    amoor.w.aqrl zero, t0, (t1)
    ld a0, UTCB_FRAME0_A0(tp)
    ld a1, UTCB_FRAME0_A1(tp)
    j .Lstarted

    .balign 16
nested: /* a fault of ours: the stack in use is good; frame[1] has the registers */
    andi sp, sp, -16
    call nested_handle
    unimp

/* ---- new threads --------------------------------------------------------------------------------- */

/* Every thread that the LibOS makes begins here: a0 is a struct start: function, stack pointer; a1
 * the program's thread pointer. Upcalls come masked from the third instruction on. */
    .balign 16
    .globl thread_start
thread_start:
    li t0, 1
    sw t0, UTCB_MASKED(tp)
.Lstarted:
    sd a1, UTCB_SAVED_TP(tp)
    ld sp, 8(a0)
    ld t0, 0(a0)
    jr t0

/* int64_t fork_point(struct start *s): like setjmp. Answers 0 now; a thread that starts with `s`
 * on a copy of this stack goes on from here too, with the answer 1, and with the call's registers in
 * its own UTCB. */
    .globl fork_point
fork_point:
    lla t0, .Lforked
    sd t0, 0(a0)
    sd sp, 8(a0)
    sd s0, 16(a0)
    sd s1, 24(a0)
    sd s2, 32(a0)
    sd s3, 40(a0)
    sd s4, 48(a0)
    sd s5, 56(a0)
    sd s6, 64(a0)
    sd s7, 72(a0)
    sd s8, 80(a0)
    sd s9, 88(a0)
    sd s10, 96(a0)
    sd s11, 104(a0)
    sd gp, 112(a0)
    sd ra, 120(a0)
    ld t0, UTCB_REFLECT(tp)
    sd t0, 128(a0)
    ld t0, UTCB_SAVED_T0(tp)
    sd t0, 136(a0)
    ld t0, UTCB_SAVED_A7(tp)
    sd t0, 144(a0)
    li a0, 0
    ret
.Lforked:
    ld s0, 16(a0)
    ld s1, 24(a0)
    ld s2, 32(a0)
    ld s3, 40(a0)
    ld s4, 48(a0)
    ld s5, 56(a0)
    ld s6, 64(a0)
    ld s7, 72(a0)
    ld s8, 80(a0)
    ld s9, 88(a0)
    ld s10, 96(a0)
    ld s11, 104(a0)
    ld gp, 112(a0)
    ld ra, 120(a0)
    ld t0, 128(a0)
    sd t0, UTCB_REFLECT(tp)
    ld t0, 136(a0)
    sd t0, UTCB_SAVED_T0(tp)
    ld t0, 144(a0)
    sd t0, UTCB_SAVED_A7(tp)
    li a0, 1
    ret

/* A thread made by clone or vfork begins here, below the call frame that was copied for it; its
 * struct thread lies above that and holds the other registers. It returns 0 to the program. */
    .globl clone_start
clone_start:
    call clone_started
    ld t0, UTCB_THREAD(tp)
    addi sp, t0, -CALL_FRAME_BYTES
    ld s0, 0(t0)
    ld s1, 8(t0)
    ld s2, 16(t0)
    ld s3, 24(t0)
    ld s4, 32(t0)
    ld s5, 40(t0)
    ld s6, 48(t0)
    ld s7, 56(t0)
    ld s8, 64(t0)
    ld s9, 72(t0)
    ld s10, 80(t0)
    ld s11, 88(t0)
    ld gp, 96(t0)
    ld t1, 104(t0)
    sd t1, UTCB_SAVED_T0(tp)
    ld t1, 112(t0)
    sd t1, UTCB_REFLECT(tp)
    ld t1, 0(sp)
    sd t1, UTCB_SAVED_A7(tp)
    li a0, 0
    j call_return

/* The LibOS's first instruction in a fresh environment (handover.c): not masked, but nobody knows
 * us yet who could raise an event. */
    .balign 16
start:
    li t0, 1
    sw t0, UTCB_MASKED(tp)
    ld sp, UTCB_STACK(tp)
    call start_process
    unimp

/* Leaves to a program that was loaded just now: a0 pc, a1 sp; all other registers are 0. */
    .globl enter_program
enter_program:
    addi t0, tp, UTCB_CONTEXT0
    addi t1, t0, CONTEXT_BYTES
1:  sd zero, (t0)
    addi t0, t0, 8
    bne t0, t1, 1b
    sd a0, UTCB_FRAME0_PC(tp)
    sd a1, UTCB_FRAME0_SP(tp)
    li a0, 0
    li a7, NR_resume
    ecall
    unimp

    .section .note.GNU-stack, "", @progbits
