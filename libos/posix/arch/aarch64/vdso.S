/* SPDX-License-Identifier: MIT */
/* The functions of the vDSO; vdso.inc says what that is. Signal handlers return through it too. */
#include "vdso.inc"

#define SYS_clock_gettime       113
#define SYS_clock_getres        114

    vdso_file 183, 0, __kernel_, LINUX_2.6.39, 0x075fcb89, \
        clock_gettime, gettimeofday, clock_getres, rt_sigreturn

/* ---- functions --------------------------------------------------------------------------------- */

/* x9 = nanoseconds since start + x13; uses x10-x12; x14 = VIEW */
    .macro read_time
    isb /* or the counter is read early */
    mrs x9, cntvct_el0
    ldr x10, [x14, #VIEW_BASE]
    ldr x11, [x14, #VIEW_MULT]
    ldr w12, [x14, #VIEW_SHIFT]
    sub x9, x9, x10
    umulh x10, x9, x11
    mul x9, x9, x11
    lsr x9, x9, x12
    lsl x10, x10, #1
    mvn x12, x12
    lsl x10, x10, x12 /* by 63 - shift */
    orr x9, x9, x10
    add x9, x9, x13
    .endm

/* x10 = seconds, x11 = nanoseconds of x9; x12 = 10^9 */
    .macro split_time
    movz w12, #(1000000000 & 0xffff)
    movk w12, #(1000000000 >> 16), lsl #16
    udiv x10, x9, x12
    msub x11, x10, x12, x9
    .endm

    .macro load_view
    movz x14, #(VIEW & 0xffff)
    movk x14, #(VIEW >> 16 & 0xffff), lsl #16
    movk x14, #(VIEW >> 32), lsl #32
    .endm

    .balign 16
vdso_clock_gettime: /* (clock, struct timespec *) */
    cmp w0, #7
    b.hi .Lclock_call
    load_view
    mov x13, #0
    mov w9, #MONOTONIC_CLOCKS
    lsr w9, w9, w0
    tbnz w9, #0, .Lclock_read
    mov w9, #REAL_CLOCKS
    lsr w9, w9, w0
    tbz w9, #0, .Lclock_call
    ldr x13, [x14, #VIEW_EPOCH]
.Lclock_read:
    read_time
    split_time
    stp x10, x11, [x1]
    mov w0, #0
    ret
.Lclock_call:
    mov x8, #SYS_clock_gettime
    svc #0
    ret
vdso_end_clock_gettime:

    .balign 16
vdso_gettimeofday: /* (struct timeval *, struct timezone *) */
    cbz x0, 1f
    load_view
    ldr x13, [x14, #VIEW_EPOCH]
    read_time
    split_time
    mov w12, #1000
    udiv x11, x11, x12
    stp x10, x11, [x0]
1:  cbz x1, 2f
    str xzr, [x1]
2:  mov w0, #0
    ret
vdso_end_gettimeofday:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    mov x8, #SYS_clock_getres
    svc #0
    ret
vdso_end_clock_getres:

/* Where a signal handler returns to. Unwinders know it by these two instructions. */
    .balign 16
    .globl vdso_rt_sigreturn
vdso_rt_sigreturn:
    mov x8, #139
    svc #0
vdso_end_rt_sigreturn:
vdso_end:

    .section .note.GNU-stack, "", @progbits
