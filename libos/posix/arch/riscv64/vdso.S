/* SPDX-License-Identifier: MIT */
/* The functions of the vDSO; vdso.inc says what that is. Signal handlers return through it too. */
#include "vdso.inc"

#define SYS_clock_gettime       113
#define SYS_clock_getres        114
#define SYS_getcpu              168
#define SYS_riscv_flush_icache  259

/* flags: compressed instructions, double-float ABI */
    vdso_file 243, 5, __vdso_, LINUX_4.15, 0x0ae77f75, \
        clock_gettime, gettimeofday, clock_getres, getcpu, flush_icache, rt_sigreturn

/* ---- functions --------------------------------------------------------------------------------- */

/* a0 = nanoseconds since start + t4; uses t0-t3; t5 = VIEW */
    .macro read_time
    rdtime t0
    ld t1, VIEW_BASE(t5)
    ld t2, VIEW_MULT(t5)
    lw t3, VIEW_SHIFT(t5)
    sub t0, t0, t1
    mul a0, t0, t2
    mulhu t1, t0, t2
    srl a0, a0, t3
    slli t1, t1, 1
    not t3, t3
    sll t1, t1, t3 /* by 63 - shift */
    or a0, a0, t1
    add a0, a0, t4
    .endm

    .balign 16
vdso_clock_gettime: /* (clock, struct timespec *) */
    li t0, 7
    bgtu a0, t0, .Lclock_call
    li t5, VIEW
    li t4, 0
    li t0, MONOTONIC_CLOCKS
    srl t0, t0, a0
    andi t0, t0, 1
    bnez t0, .Lclock_read
    li t0, REAL_CLOCKS
    srl t0, t0, a0
    andi t0, t0, 1
    beqz t0, .Lclock_call
    ld t4, VIEW_EPOCH(t5)
.Lclock_read:
    read_time
    li t0, 1000000000
    divu t1, a0, t0
    remu t2, a0, t0
    sd t1, 0(a1)
    sd t2, 8(a1)
    li a0, 0
    ret
.Lclock_call:
    li a7, SYS_clock_gettime
    ecall
    ret
vdso_end_clock_gettime:

    .balign 16
vdso_gettimeofday: /* (struct timeval *, struct timezone *) */
    beqz a0, 1f
    mv a3, a0
    li t5, VIEW
    ld t4, VIEW_EPOCH(t5)
    read_time
    li t0, 1000000000
    divu t1, a0, t0
    remu t2, a0, t0
    li t0, 1000
    divu t2, t2, t0
    sd t1, 0(a3)
    sd t2, 8(a3)
1:  beqz a1, 2f
    sd zero, (a1)
2:  li a0, 0
    ret
vdso_end_gettimeofday:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    li a7, SYS_clock_getres
    ecall
    ret
vdso_end_clock_getres:

    .balign 16
vdso_getcpu: /* (unsigned *cpu, unsigned *node, unused): a program cannot see its hart */
    li a7, SYS_getcpu
    ecall
    ret
vdso_end_getcpu:

    .balign 16
vdso_flush_icache: /* (start, end, flags) */
    li a7, SYS_riscv_flush_icache
    ecall
    ret
vdso_end_flush_icache:

/* Where a signal handler returns to. Unwinders know it by these two instructions, 32 bits each. */
    .balign 16
    .globl vdso_rt_sigreturn
vdso_rt_sigreturn:
    .option push
    .option norvc
    li a7, 139
    ecall
    .option pop
vdso_end_rt_sigreturn:
vdso_end:

    .section .note.GNU-stack, "", @progbits
