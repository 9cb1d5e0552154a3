/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: a small shared object that every program finds through AT_SYSINFO_EHDR, for reading
 * clocks without a call, and for the end of signal handlers. It is a page of the LibOS's text, laid
 * out by hand as an ELF file, because it needs no more than a header, a symbol table with Linux's
 * version, and a few functions.
 *
 * Time: struct exo_view (include/exo/view.h) at its fixed address, and the processor's counter.
 * ns = ((ticks - tick_base) * tick_mult) >> tick_shift; real time adds epoch_ns.
 */
#define VIEW        0x7fffffff0000
#define VIEW_BASE   8
#define VIEW_MULT   16
#define VIEW_SHIFT  24
#define VIEW_EPOCH  32

#define SYS_clock_gettime       113
#define SYS_clock_getres        114
#define SYS_getcpu              168
#define SYS_riscv_flush_icache  259

#define MONOTONIC_CLOCKS 0xd2 /* 1 monotonic, 4 raw, 6 coarse, 7 boottime */
#define REAL_CLOCKS      0x21 /* 0 real time, 5 coarse */

    .section .vdso, "ax"
    .balign 4096
    .globl vdso_image
vdso_image:
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short 3, 243 /* ET_DYN, riscv64 */
    .long 1
    .quad 0, program_headers - vdso_image, 0
    .long 5 /* compressed instructions, double-float ABI */
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
    .long 1, 7
    .long 1
    .long 0, 2, 3, 4, 5, 6, 0

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
    symbol clock_getres
    symbol getcpu
    symbol flush_icache
    symbol rt_sigreturn

strings:
    .byte 0
name_soname:        .asciz "linux-vdso.so.1"
name_version:       .asciz "LINUX_4.15"
name_clock_gettime: .asciz "__vdso_clock_gettime"
name_gettimeofday:  .asciz "__vdso_gettimeofday"
name_clock_getres:  .asciz "__vdso_clock_getres"
name_getcpu:        .asciz "__vdso_getcpu"
name_flush_icache:  .asciz "__vdso_flush_icache"
name_rt_sigreturn:  .asciz "__vdso_rt_sigreturn"
strings_end:

    .balign 4, 0xff /* a byte, because no nop is that small */
versions:
    .short 0, 2, 2, 2, 2, 2, 2

    .balign 4, 0xff
definitions: /* struct verdef, each followed by its name */
    .short 1, 1, 1, 1
    .long 0x0deebfa1, 20, 28
    .long name_soname - strings, 0
    .short 1, 0, 2, 1
    .long 0x0ae77f75, 20, 0
    .long name_version - strings, 0

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
vdso_clock_gettime_end:

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
vdso_gettimeofday_end:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    li a7, SYS_clock_getres
    ecall
    ret
vdso_clock_getres_end:

    .balign 16
vdso_getcpu: /* (unsigned *cpu, unsigned *node, unused): a program cannot see its hart */
    li a7, SYS_getcpu
    ecall
    ret
vdso_getcpu_end:

    .balign 16
vdso_flush_icache: /* (start, end, flags) */
    li a7, SYS_riscv_flush_icache
    ecall
    ret
vdso_flush_icache_end:

/* Where a signal handler returns to. Unwinders know it by these two instructions, 32 bits each. */
    .balign 16
    .globl vdso_rt_sigreturn
vdso_rt_sigreturn:
    .option push
    .option norvc
    li a7, 139
    ecall
    .option pop
vdso_rt_sigreturn_end:
vdso_end:

    .section .note.GNU-stack, "", @progbits
