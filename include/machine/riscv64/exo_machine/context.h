/* SPDX-License-Identifier: MIT */
/*
 * riscv64: the general registers in the order of Linux's struct user_regs_struct (pc, then x1 .. x31),
 * so that a signal frame is one copy. The floating-point registers stay in the processor across an
 * upcall. Of a foreign call, reflect_saved in the UTCB holds tp and t0, put there by the kernel, and a7,
 * if the LibOS puts it there; exo_reflect_return loads all three.
 */
#ifndef EXO_MACHINE_CONTEXT_H
#define EXO_MACHINE_CONTEXT_H

#include <stdint.h>

struct exo_context {
    uint64_t pc, ra, sp, gp, tp, t0, t1, t2, s0, s1;
    uint64_t a0, a1, a2, a3, a4, a5, a6, a7;
    uint64_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
};

#define EXO_CONTEXT_PC(context)       ((context)->pc)
#define EXO_CONTEXT_SP(context)       ((context)->sp)
#define EXO_CONTEXT_ARGUMENT(context) ((context)->a0) /* the first argument register */

/* The highest address a user mapping may end at, and where the kernel's view is mapped. */
#define EXO_USER_TOP 0x00007ffffffff000u
#define EXO_VIEW_VA  0x00007fffffff0000u

#endif
