/* SPDX-License-Identifier: MIT */
/*
 * Numbers that C and assembly share: where things lie in memory and in structures.
 *
 * Assembly cannot ask the compiler for an offset, so the offsets stand here as plain numbers and
 * checks.c compares each one with the structure it describes. Every macro here must be acceptable
 * to the assembler: no casts and no suffixes.
 *
 * The kernel's half of every address space (Intel SDM volume 3, 4.5: 4-level paging):
 *
 *   ffff800000000000  DIRECT_BASE  all RAM, frame n at n * 4096; 512 GiB, one PML4 entry
 *   ffffffff80000000  KERNEL_BASE  the kernel image, physical address 0 on; 1 GiB
 *   ffffffffc0000000  DEVICE_BASE  the interrupt controllers' registers, uncached
 */
#ifndef X86_64_LAYOUT_H
#define X86_64_LAYOUT_H

#define DIRECT_BASE 0xffff800000000000
#define KERNEL_BASE 0xffffffff80000000
#define DEVICE_BASE 0xffffffffc0000000

#define DIRECT_LIMIT 0x8000000000 /* 512 GiB */

#define MAX_CPUS           8 /* HAL_CPUS */
#define KERNEL_STACK_BYTES 16384
#define KERNEL_STACK_STEP  20480 /* from one CPU's stack to the next: the guard page below each */
#define FATAL_STACK_STEP   8192  /* a page, and the guard page below it */

/* Where the other CPUs begin (trampoline.S): a page that real mode reaches, of RAM that hal_boot.ram
 * leaves out. */
#define TRAMPOLINE_PA 0x8000

/*
 * Selectors. The order is what SYSCALL and SYSRET demand (SDM volume 2, SYSRET): user data is
 * STAR[63:48] + 8 and user code + 16. The numbers are Linux's, because signal frames show them.
 */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_BASE 0x23 /* STAR[63:48]; the 32-bit code segment in this slot does not exist */
#define USER_DS   0x2b
#define USER_CS   0x33
#define TSS_SEL   0x40
#define CPU_SEL \
    0x7b /* no segment: its limit is the CPU's number, for lsl in user mode, as on Linux */

/* struct hal_context. The first 15 words are those of struct exo_context. */
#define CTX_R8        0
#define CTX_R9        8
#define CTX_R10       16
#define CTX_R11       24
#define CTX_R12       32
#define CTX_R13       40
#define CTX_R14       48
#define CTX_R15       56
#define CTX_RDI       64
#define CTX_RSI       72
#define CTX_RBP       80
#define CTX_RBX       88
#define CTX_RDX       96
#define CTX_RAX       104
#define CTX_RCX       112
#define CTX_VECTOR    120
#define CTX_ERROR     128
#define CTX_RIP       136
#define CTX_CS        144
#define CTX_RFLAGS    152
#define CTX_RSP       160
#define CTX_SS        168
#define CTX_FRAME_END 176 /* the processor pushes downwards from here */

/* struct hal_cpu, at gs:0 in the kernel. */
#define CPU_CONTEXT     0
#define CPU_UTCB        8
#define CPU_FOREIGN_PC  16
#define CPU_REFLECTIONS 24
#define CPU_STACK       32
#define CPU_SELF        40 /* scratch[0]: the structure's own address */

/* struct exo_utcb. */
#define UTCB_REFLECT_PC 8
#define UTCB_MASKED     112

/* Repeated from include/exo for the assembler. */
#define NR_BASE  0x45580000
#define NR_LIMIT 0x80
#define USER_TOP 0x00007ffffffff000

/* Flags of a thread that has just been reflected or called natively: only IF and the 1 of bit 1. */
#define USER_FLAGS 0x202

#define VECTOR_INVALID_OPCODE 6

#endif
