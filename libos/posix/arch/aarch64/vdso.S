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

#define MONOTONIC_CLOCKS 0xd2 /* 1 monotonic, 4 raw, 6 coarse, 7 boottime */
#define REAL_CLOCKS      0x21 /* 0 real time, 5 coarse */

    .section .vdso, "ax"
    .balign 4096
    .globl vdso_image
vdso_image:
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short 3, 183 /* ET_DYN, aarch64 */
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
    .long 1, 5
    .long 1
    .long 0, 2, 3, 4, 0

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
    symbol rt_sigreturn

strings:
    .byte 0
name_soname:        .asciz "linux-vdso.so.1"
name_version:       .asciz "LINUX_2.6.39"
name_clock_gettime: .asciz "__kernel_clock_gettime"
name_gettimeofday:  .asciz "__kernel_gettimeofday"
name_clock_getres:  .asciz "__kernel_clock_getres"
name_rt_sigreturn:  .asciz "__kernel_rt_sigreturn"
strings_end:

    .balign 4
versions:
    .short 0, 2, 2, 2, 2

    .balign 4
definitions: /* struct verdef, each followed by its name */
    .short 1, 1, 1, 1
    .long 0x0deebfa1, 20, 28
    .long name_soname - strings, 0
    .short 1, 0, 2, 1
    .long 0x075fcb89, 20, 0
    .long name_version - strings, 0

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
vdso_clock_gettime_end:

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
vdso_gettimeofday_end:

    .balign 16
vdso_clock_getres: /* (clock, struct timespec *) */
    mov x8, #SYS_clock_getres
    svc #0
    ret
vdso_clock_getres_end:

/* Where a signal handler returns to. Unwinders know it by these two instructions. */
    .balign 16
    .globl vdso_rt_sigreturn
vdso_rt_sigreturn:
    mov x8, #139
    svc #0
vdso_rt_sigreturn_end:
vdso_end:

    .section .note.GNU-stack, "", @progbits
