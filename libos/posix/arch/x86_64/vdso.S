/* SPDX-License-Identifier: MIT */
/* The functions of the vDSO; vdso.inc says what that is. */
#include "vdso.inc"

#define SYS_clock_gettime 228
#define SYS_clock_getres  229

#define CPU_SELECTOR 0x7b

    vdso_file 62, 0, __vdso_, LINUX_2.6, 0x03ae75f6, \
        clock_gettime, gettimeofday, time, getcpu, clock_getres

/* ---- functions --------------------------------------------------------------------------------- */

/* rax = nanoseconds since start + r9; uses rcx, rdx, r8 = VIEW */
    .macro read_time
    lfence
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq VIEW_BASE(%r8), %rax
    movl VIEW_SHIFT(%r8), %ecx
    mulq VIEW_MULT(%r8)
    shrdq %cl, %rdx, %rax
    addq %r9, %rax
    .endm

    .balign 16
vdso_clock_gettime: /* (clock, struct timespec *) */
    cmpl $7, %edi
    ja .Lclock_call
    movabsq $VIEW, %r8
    xorl %r9d, %r9d
    movl $MONOTONIC_CLOCKS, %eax
    btl %edi, %eax
    jnc .Lclock_real
.Lclock_read:
    read_time
    xorl %edx, %edx
    movl $1000000000, %ecx
    divq %rcx
    movq %rax, (%rsi)
    movq %rdx, 8(%rsi)
    xorl %eax, %eax
    ret
.Lclock_real:
    movl $REAL_CLOCKS, %eax
    btl %edi, %eax
    movq VIEW_EPOCH(%r8), %r9
    jc .Lclock_read
.Lclock_call:
    movl $SYS_clock_gettime, %eax
    syscall
    ret
vdso_end_clock_gettime:

    .balign 16
vdso_gettimeofday: /* (struct timeval *, struct timezone *) */
    testq %rdi, %rdi
    jz 1f
    movabsq $VIEW, %r8
    movq VIEW_EPOCH(%r8), %r9
    read_time
    xorl %edx, %edx
    movl $1000000000, %ecx
    divq %rcx
    movq %rax, (%rdi)
    movl %edx, %eax
    xorl %edx, %edx
    movl $1000, %ecx
    divl %ecx
    movq %rax, 8(%rdi)
1:  testq %rsi, %rsi
    jz 2f
    movq $0, (%rsi)
2:  xorl %eax, %eax
    ret
vdso_end_gettimeofday:

    .balign 16
vdso_time: /* (time_t *) */
    movabsq $VIEW, %r8
    movq VIEW_EPOCH(%r8), %r9
    read_time
    xorl %edx, %edx
    movl $1000000000, %ecx
    divq %rcx
    testq %rdi, %rdi
    jz 1f
    movq %rax, (%rdi)
1:  ret
vdso_end_time:

    .balign 16
vdso_getcpu: /* (unsigned *cpu, unsigned *node, unused) */
    movl $CPU_SELECTOR, %eax
    lsl %eax, %eax /* a segment whose limit is the CPU's number, as Linux has it */
    testq %rdi, %rdi
    jz 1f
    movl %eax, (%rdi)
1:  xorl %eax, %eax
    testq %rsi, %rsi
    jz 2f
    movl %eax, (%rsi)
2:  ret
vdso_end_getcpu:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    movl $SYS_clock_getres, %eax
    syscall
    ret
vdso_end_clock_getres:
vdso_end:

    .section .note.GNU-stack, "", @progbits
