/* SPDX-License-Identifier: MIT */
/*
 * Numbers that C and assembly share: where things lie in memory and in structures.
 *
 * Assembly cannot ask the compiler for an offset, so the offsets stand here as plain numbers and
 * checks.c compares each one with the structure it describes. Every macro here must be acceptable
 * to the assembler: no casts and no suffixes.
 *
 * The kernel's half of every address space (RISC-V privileged architecture, 4.5: Sv48):
 *
 *   ffff800000000000  DIRECT_BASE  all RAM, frame n at n * 4096; 512 GiB, one root entry
 *   ffffffff80000000  KERNEL_BASE  the kernel image, from 2 MiB before where it was loaded; 1 GiB
 *   ffffffffc0000000  DEVICE_BASE  registers of the interrupt controller and the clock
 */
#ifndef RISCV64_LAYOUT_H
#define RISCV64_LAYOUT_H

#define DIRECT_BASE 0xffff800000000000
#define KERNEL_BASE 0xffffffff80000000
#define DEVICE_BASE 0xffffffffc0000000

#define IMAGE_OFFSET 0x200000     /* of the image behind KERNEL_BASE; a loader aligns it to that */
#define DIRECT_LIMIT 0x8000000000 /* 512 GiB */

#define KERNEL_STACK_BYTES 16384
#define KERNEL_STACK_STEP  (4096 + KERNEL_STACK_BYTES) /* one CPU's, behind its guard page */
#define KERNEL_CPUS        8
#define FATAL_STACK_BYTES  4096

/* struct hal_context. Register xN is at 8 * N, the pc at 0. */
#define CTX_PC    0
#define CTX_RA    8
#define CTX_SP    16
#define CTX_GP    24
#define CTX_TP    32
#define CTX_T0    40
#define CTX_T1    48
#define CTX_T2    56
#define CTX_S0    64
#define CTX_S1    72
#define CTX_A0    80
#define CTX_A1    88
#define CTX_A2    96
#define CTX_A3    104
#define CTX_A4    112
#define CTX_A5    120
#define CTX_A6    128
#define CTX_A7    136
#define CTX_S2    144
#define CTX_S3    152
#define CTX_S4    160
#define CTX_S5    168
#define CTX_S6    176
#define CTX_S7    184
#define CTX_S8    192
#define CTX_S9    200
#define CTX_S10   208
#define CTX_S11   216
#define CTX_T3    224
#define CTX_T4    232
#define CTX_T5    240
#define CTX_T6    248
#define CTX_BYTES 272 /* a multiple of 16, for one on the stack */

/* struct hal_cpu, at tp in the kernel. */
#define CPU_CONTEXT     0
#define CPU_UTCB        8
#define CPU_FOREIGN_PC  16
#define CPU_REFLECTIONS 24
#define CPU_STACK       32
#define CPU_SCRATCH0    40
#define CPU_SCRATCH1    48

/* struct exo_utcb. */
#define UTCB_SELF       0
#define UTCB_REFLECT_PC 8
#define UTCB_MASKED     112
#define UTCB_PENDING    120
#define UTCB_SAVED      232

/* Repeated from include/exo for the assembler. */
#define NR_BASE           0x45580000
#define NR_LIMIT          0x80
#define NR_REFLECT_RETURN 0x2f
#define USER_TOP          0x00007ffffffff000

#define CAUSE_USER_CALL 8

#define SATP_SV48  9       /* satp.MODE, bits 60-63 */
#define STATUS_SPP 0x100   /* sstatus: where sret goes; 0: user mode */
#define STATUS_SUM 0x40000 /* sstatus: the kernel may touch user pages */
#define STATUS_FS  0x6000  /* sstatus: floating-point state; 0 off, 1 initial, 2 clean, 3 dirty */

#endif
