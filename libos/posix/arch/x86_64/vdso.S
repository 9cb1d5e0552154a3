/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: a small shared object that every program finds through AT_SYSINFO_EHDR, for reading
 * clocks without a call. It is a page of the LibOS's text, laid out by hand as an ELF file, because
 * it needs no more than a header, a symbol table with Linux's version, and a few functions.
 *
 * Time: struct exo_view (include/exo/view.h) at its fixed address, and the processor's counter.
 * ns = ((ticks - tick_base) * tick_mult) >> tick_shift; real time adds epoch_ns.
 */
#define VIEW        0x7fffffff0000
#define VIEW_BASE   8
#define VIEW_MULT   16
#define VIEW_SHIFT  24
#define VIEW_EPOCH  32

#define SYS_clock_gettime 228
#define SYS_clock_getres  229

#define CPU_SELECTOR 0x7b

#define MONOTONIC_CLOCKS 0xd2 /* 1 monotonic, 4 raw, 6 coarse, 7 boottime */
#define REAL_CLOCKS      0x21 /* 0 real time, 5 coarse */

    .section .vdso, "ax"
    .balign 4096
    .globl vdso_image
vdso_image:
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short 3, 62 /* ET_DYN, x86_64 */
    .long 1
    .quad 0, program_headers - vdso_image, 0
    .long 0
    .short 64, 56, 2, 64, 0, 0

program_headers:
    .long 1, 5 /* PT_LOAD, R+X */
    .quad 0, 0, 0, vdso_end - vdso_image, vdso_end - vdso_image, 4096
    .long 2, 4 /* PT_DYNAMIC, R */
    .quad dynamic - vdso_image, dynamic - vdso_image, dynamic - vdso_image
    .quad dynamic_end - dynamic, dynamic_end - dynamic, 8

dynamic:
    .quad 14, name_soname - strings              /* DT_SONAME */
    .quad 4, hash - vdso_image                   /* DT_HASH */
    .quad 5, strings - vdso_image                /* DT_STRTAB */
    .quad 6, symbols - vdso_image                /* DT_SYMTAB */
    .quad 10, strings_end - strings              /* DT_STRSZ */
    .quad 11, 24                                 /* DT_SYMENT */
    .quad 0x6ffffff0, versions - vdso_image      /* DT_VERSYM */
    .quad 0x6ffffffc, definitions - vdso_image   /* DT_VERDEF */
    .quad 0x6ffffffd, 2                          /* DT_VERDEFNUM */
    .quad 0, 0
dynamic_end:

hash: /* one bucket, one chain through all symbols */
    .long 1, 6
    .long 1
    .long 0, 2, 3, 4, 5, 0

    .macro symbol name
    .long name_\name - strings
    .byte 0x12, 0 /* global function */
    .short 1
    .quad vdso_\name - vdso_image
    .quad vdso_\name\()_end - vdso_\name
    .endm
    .balign 8
symbols:
    .quad 0, 0, 0
    symbol clock_gettime
    symbol gettimeofday
    symbol time
    symbol getcpu
    symbol clock_getres

strings:
    .byte 0
name_soname:        .asciz "linux-vdso.so.1"
name_version:       .asciz "LINUX_2.6"
name_clock_gettime: .asciz "__vdso_clock_gettime"
name_gettimeofday:  .asciz "__vdso_gettimeofday"
name_time:          .asciz "__vdso_time"
name_getcpu:        .asciz "__vdso_getcpu"
name_clock_getres:  .asciz "__vdso_clock_getres"
strings_end:

    .balign 4
versions:
    .short 0, 2, 2, 2, 2, 2

    .balign 4
definitions: /* struct verdef, each followed by its name */
    .short 1, 1, 1, 1
    .long 0x0deebfa1, 20, 28
    .long name_soname - strings, 0
    .short 1, 0, 2, 1
    .long 0x03ae75f6, 20, 0
    .long name_version - strings, 0

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
vdso_clock_gettime_end:

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
vdso_gettimeofday_end:

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
vdso_time_end:

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
vdso_getcpu_end:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    movl $SYS_clock_getres, %eax
    syscall
    ret
vdso_clock_getres_end:
vdso_end:

    .section .note.GNU-stack, "", @progbits
