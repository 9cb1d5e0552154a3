/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel and the program meet the LibOS on aarch64.
 *
 * A foreign call arrives at `foreign` with every register as the program left it, but x16, which is
 * the thread's UTCB, and x17. The program's x16 and x17 are in reflect_saved; reflect_return (svc #2)
 * takes them, and the program counter from reflect_pc. `masked` is 1 already: no upcall comes.
 * reflect_return clears it and looks at `pending` in one, so that an event that came meanwhile is
 * not left lying: then it does not leave, but goes on behind the svc, masked, as a call arrives. No
 * interrupted context is ever between our last instruction and the program's next.
 *
 * The C functions are compiled without vector registers and without x18, so those stay the program's
 * throughout. The flags are kept, too: svc is no call to a compiler.
 *
 * Stack of a call: struct call_frame (arch/aarch64/machine.h) at the upper end, below struct thread.
 */
#include "numbers.h"

#define UTCB_REFLECT   8
#define UTCB_THREAD    16 /* libos[0] */
#define UTCB_STACK     24 /* libos[1] */
#define UTCB_USER_SP   32 /* libos[2] */
#define UTCB_MASKED    112
#define UTCB_PENDING   120
#define UTCB_SAVED     232 /* reflect_saved: x16, x17 */
#define UTCB_CONTEXT0  304 /* frame[0].context */
#define UTCB_FRAME0_X0 (UTCB_CONTEXT0 + 0)
#define UTCB_FRAME0_SP (UTCB_CONTEXT0 + 248)
#define UTCB_FRAME0_PC (UTCB_CONTEXT0 + 256)

#define CALL_FRAME_BYTES 144
#define CONTEXT_BYTES    272 /* struct exo_context */

#define NR_resume 0x45580029

    .macro address register, symbol
    adrp \register, \symbol
    add \register, \register, :lo12:\symbol
    .endm

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
    mov x17, sp
    str x17, [x16, #UTCB_USER_SP]
    ldr x17, [x16, #UTCB_STACK]
    sub sp, x17, #CALL_FRAME_BYTES
    stp x0, x1, [sp, #0] /* x0: for a call that is to be made again */
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    mrs x17, nzcv
    stp x30, x17, [sp, #128]
    cmp w8, #NUMBER_LIMIT
    b.hs .Lunknown
    address x16, dispatch_table
    ldr x16, [x16, w8, uxtw #3]
    tbnz x16, #0, .Llocked /* an odd address: one that wants the lock */
    blr x16

call_return:
    ldr x1, [sp, #8]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x30, x17, [sp, #128]
    msr nzcv, x17
    mrs x16, tpidrro_el0
    ldr x17, [x16, #UTCB_USER_SP]
    mov sp, x17
    svc #2
    /* Something is pending: a struct exo_context of the finished call, and attention to that. The
     * call frame stays where it is, because context_restart wants the first argument. */
    ldr x17, [x16, #UTCB_STACK]
    sub sp, x17, #(CALL_FRAME_BYTES + CONTEXT_BYTES)
    stp x0, x1, [sp, #0]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    ldur x0, [x16, #UTCB_SAVED]
    ldur x1, [x16, #UTCB_SAVED + 8]
    stp x0, x1, [sp, #128] /* x16, x17 */
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    ldr x0, [x16, #UTCB_USER_SP]
    stp x30, x0, [sp, #240]
    ldr x0, [x16, #UTCB_REFLECT]
    mrs x1, nzcv
    stp x0, x1, [sp, #256] /* pc, pstate */
    mov x0, sp
    mov w1, w8 /* the number of the call */
    bl attend
    udf #0

.Llocked:
    address x17, image_state /* struct image begins with its lock */
    mov w9, #1
    swpal w9, w9, [x17]
    cbnz w9, .Lcontended
.Lhave_lock:
    sub x16, x16, #1
    blr x16
    address x17, image_state
    swpal wzr, w9, [x17]
    cmp w9, #1
    b.eq call_return
    str x0, [sp, #-16]! /* someone waits for the lock */
    bl image_lock_wake
    ldr x0, [sp], #16
    b call_return

.Lcontended:
    str x16, [sp, #-16]!
    bl image_lock_wait
    ldr x16, [sp], #16
    ldp x0, x1, [sp, #0]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    b .Lhave_lock

.Lunknown:
    bl posix_unknown
    b call_return

/* Calls that make a new thread of control need the registers that C preserves, too, and what of the
 * call is in the UTCB: they are put into struct thread, whose first words are for this, before the C
 * function runs. clone's last two arguments are in the other order than on x86_64. */
    .macro keep_registers
    mrs x16, tpidrro_el0
    ldr x9, [x16, #UTCB_THREAD]
    stp x18, x19, [x9, #0]
    stp x20, x21, [x9, #16]
    stp x22, x23, [x9, #32]
    stp x24, x25, [x9, #48]
    stp x26, x27, [x9, #64]
    stp x28, x29, [x9, #80]
    ldur x10, [x16, #UTCB_SAVED]
    ldur x11, [x16, #UTCB_SAVED + 8]
    stp x10, x11, [x9, #96]
    ldr x10, [x16, #UTCB_REFLECT]
    str x10, [x9, #112]
    .endm
    .balign 16
    .globl posix_clone, clone_saved
posix_clone:
    keep_registers
clone_saved:
    mov x9, x3
    mov x3, x4
    mov x4, x9
    b clone_call
    .balign 16
    .globl posix_trace
posix_trace:
    keep_registers
    b trace_call

/* ---- upcalls: x0 is the kind; the interrupted registers are in frame[0] of the UTCB ------------- */

    .balign 16
upcall:
    /* A new thread that was interrupted at its very first instructions has its stack already in
     * use, and is not masked yet: it goes on behind them, masked; the event waits. */
    mrs x16, tpidrro_el0
    ldr x9, [x16, #UTCB_FRAME0_PC]
    address x10, thread_start
    sub x9, x9, x10
    cmp x9, #(.Lstarted - thread_start)
    b.lo .Lstart_again
    ldr x9, [x16, #UTCB_STACK]
    mov sp, x9
    bl upcall_handle
    udf #0
.Lstart_again:
    mov w9, #1 /* PROC_EVENT_SIGNAL: look at everything later */
    add x10, x16, #UTCB_PENDING
    ldsetal w9, w9, [x10]
    ldr x0, [x16, #UTCB_FRAME0_X0]
    b .Lstarted

    .balign 16
nested: /* a fault of ours: the stack in use is good; frame[1] has the registers */
    bl nested_handle
    udf #0

/* ---- new threads --------------------------------------------------------------------------------- */

/* Every thread that the LibOS makes begins here: x0 is a struct start: function, stack pointer.
 * Upcalls come masked from the fourth instruction on. */
    .balign 16
    .globl thread_start
thread_start:
    mrs x1, tpidrro_el0
    mov w2, #1
    str w2, [x1, #UTCB_MASKED]
.Lstarted:
    ldp x1, x2, [x0]
    mov sp, x2
    br x1

/* int64_t fork_point(struct start *s): like setjmp. Answers 0 now; a thread that starts with `s`
 * on a copy of this stack goes on from here too, with the answer 1, and with the call's registers in
 * its own UTCB. */
    .globl fork_point
fork_point:
    adr x9, .Lforked
    mov x10, sp
    stp x9, x10, [x0, #0]
    stp x18, x19, [x0, #16]
    stp x20, x21, [x0, #32]
    stp x22, x23, [x0, #48]
    stp x24, x25, [x0, #64]
    stp x26, x27, [x0, #80]
    stp x28, x29, [x0, #96]
    mrs x16, tpidrro_el0
    ldur x9, [x16, #UTCB_SAVED]
    ldur x10, [x16, #UTCB_SAVED + 8]
    stp x9, x10, [x0, #112]
    ldr x9, [x16, #UTCB_REFLECT]
    stp x9, x30, [x0, #128]
    mov x0, #0
    ret
.Lforked:
    ldp x18, x19, [x0, #16]
    ldp x20, x21, [x0, #32]
    ldp x22, x23, [x0, #48]
    ldp x24, x25, [x0, #64]
    ldp x26, x27, [x0, #80]
    ldp x28, x29, [x0, #96]
    mrs x16, tpidrro_el0
    ldp x9, x10, [x0, #112]
    stur x9, [x16, #UTCB_SAVED]
    stur x10, [x16, #UTCB_SAVED + 8]
    ldp x9, x30, [x0, #128]
    str x9, [x16, #UTCB_REFLECT]
    mov x0, #1
    ret

/* A thread made by clone or vfork begins here, below the call frame that was copied for it; its
 * struct thread lies above that and holds the other registers. It returns 0 to the program. */
    .globl clone_start
clone_start:
    bl clone_started
    mrs x16, tpidrro_el0
    ldr x9, [x16, #UTCB_THREAD]
    sub sp, x9, #CALL_FRAME_BYTES
    ldp x18, x19, [x9, #0]
    ldp x20, x21, [x9, #16]
    ldp x22, x23, [x9, #32]
    ldp x24, x25, [x9, #48]
    ldp x26, x27, [x9, #64]
    ldp x28, x29, [x9, #80]
    ldp x10, x11, [x9, #96]
    stur x10, [x16, #UTCB_SAVED]
    stur x11, [x16, #UTCB_SAVED + 8]
    ldr x10, [x9, #112]
    str x10, [x16, #UTCB_REFLECT]
    mov x0, #0
    b call_return

/* The LibOS's first instruction in a fresh environment (handover.c): not masked, but nobody knows
 * us yet who could raise an event. */
    .balign 16
start:
    mrs x16, tpidrro_el0
    mov w9, #1
    str w9, [x16, #UTCB_MASKED]
    ldr x9, [x16, #UTCB_STACK]
    mov sp, x9
    bl start_process
    udf #0

/* Leaves to a program that was loaded just now: x0 pc, x1 sp; all other registers are 0. */
    .globl enter_program
enter_program:
    mrs x16, tpidrro_el0
    add x9, x16, #UTCB_CONTEXT0
    add x10, x9, #CONTEXT_BYTES
1:  stp xzr, xzr, [x9], #16
    cmp x9, x10
    b.ne 1b
    str x0, [x16, #UTCB_FRAME0_PC]
    str x1, [x16, #UTCB_FRAME0_SP]
    mov x0, #0
    mov w8, #(NR_resume & 0xffff)
    movk w8, #(NR_resume >> 16), lsl #16
    svc #1
    udf #0

    .section .note.GNU-stack, "", @progbits
