/* SPDX-License-Identifier: MIT */
/*
 * Numbers that C and assembly share: where things lie in memory and in structures.
 *
 * Assembly cannot ask the compiler for an offset, so the offsets stand here as plain numbers and
 * checks.c compares each one with the structure it describes. Every macro here must be acceptable
 * to the assembler: no casts and no suffixes. "DDI 0487" is the Arm Architecture Reference Manual
 * for A-profile, issue J.a.
 *
 * The kernel's half of the address space, the one of TTBR1 (DDI 0487, D8.2: 48 bits, 4 KiB pages):
 *
 *   ffff800000000000  DIRECT_BASE  all RAM, physical address p at DIRECT_BASE + p; 512 GiB
 *   ffffffff80000000  KERNEL_BASE  the kernel image, wherever the loader put it; 1 GiB
 *   ffffffffc0000000  DEVICE_BASE  registers of the devices that the kernel uses itself
 */
#ifndef AARCH64_LAYOUT_H
#define AARCH64_LAYOUT_H

#define DIRECT_BASE 0xffff800000000000
#define KERNEL_BASE 0xffffffff80000000
#define DEVICE_BASE 0xffffffffc0000000

#define DIRECT_LIMIT 0x8000000000 /* 512 GiB */

/*
 * A CPU's stack is the upper half of a piece of twice its size that is aligned to its size, so one
 * bit of the stack pointer tells an overflow (entry.S). The page below it is not mapped.
 */
#define MAX_CPUS           8     /* HAL_CPUS */
#define KERNEL_STACK_STEP  32768 /* from one CPU's stack to the next */
#define KERNEL_STACK_SHIFT 14
#define KERNEL_STACK_BYTES 16384
#define FATAL_STACK_STEP   8192 /* a page, and the guard page below it */

/* struct hal_context. The first 34 words are those of struct exo_context. */
#define CTX_X(n)   (8 * (n))
#define CTX_X30    240
#define CTX_SP     248
#define CTX_PC     256
#define CTX_PSTATE 264
#define CTX_BYTES  288

/* struct hal_cpu, which TPIDR_EL1 points to. */
#define CPU_CONTEXT     0
#define CPU_UTCB        8
#define CPU_FOREIGN_PC  16
#define CPU_REFLECTIONS 24
#define CPU_STACK       32
#define CPU_FATAL_STACK 40 /* scratch[0]: top of the stack for errors of the kernel */
#define CPU_SCRATCH     48 /* scratch[1] */

/* struct exo_utcb. */
#define UTCB_REFLECT_PC    8
#define UTCB_MASKED        112
#define UTCB_PENDING       120
#define UTCB_REFLECT_SAVED 232

/* Repeated from include/exo for the assembler. */
#define NR_BASE  0x45580000
#define NR_LIMIT 0x80
#define ENOSYS   5
#define USER_TOP 0x00007ffffffff000

/* ESR_EL1 of `svc #0` in AArch64 state (DDI 0487, D17.2.37): class 0x15, IL; the rest is the
 * immediate. */
#define ESR_SVC    0x56000000
#define SVC_NATIVE 1
#define SVC_RETURN 2

/* System registers as boot.S sets them before the MMU is on (DDI 0487, D17.2). */

/* MAIR_EL1: 0 ordinary memory (write-back), 1 device registers (nGnRE: no gathering, no reordering). */
#define MAIR_VALUE  0x04ff
#define ATTR_NORMAL 0
#define ATTR_DEVICE 1

/*
 * TCR_EL1: T0SZ = T1SZ = 16 (48 bits), walks write-back and inner shareable, granules of 4 KiB
 * (TG0 0, TG1 2), TBI0 (Linux's ABI: the top byte of a user's data address means nothing). cpu.c and
 * boot.S add IPS, AS, HA and HD, as the processor has them.
 */
#define TCR_VALUE     0x20b5103510
#define TCR_IPS_SHIFT 32
#define TCR_AS        0x1000000000
#define TCR_HA        0x8000000000
#define TCR_HD        0x10000000000

/*
 * SCTLR_EL1: M C I (MMU, caches), SA SA0 (stack pointers are checked), nTLSMD LSMAOE EIS EOS TSCXT
 * ITD SED (the values without the features that change them), and for user mode as Linux has it: DZE
 * UCT UCI (cache maintenance, CTR_EL0), nTWI nTWE. SPAN is 0: every exception sets PAN. WXN is 0,
 * because a user's mapping may be writable and executable; the kernel has no such page.
 * SCTLR_OFF is the same without M, C and I.
 */
#define SCTLR_VALUE 0x3455d99d
#define SCTLR_OFF   0x3455c998

/* SPSR values: EL1 with its own stack pointer, or user mode; D A I F masked for the former. */
#define PSTATE_EL1H 0x3c5

#endif
