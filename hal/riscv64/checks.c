/* SPDX-License-Identifier: MIT */
/*
 * The numbers of layout.h, which assembly uses, against the structures they stand for.
 */
#include <exo/calls.h>

#include "machine.h"

#define SAME(number, type, field) \
    static_assert((number) == offsetof(type, field), #number " in layout.h")

SAME(CTX_PC, struct exo_context, pc);
SAME(CTX_RA, struct exo_context, ra);
SAME(CTX_SP, struct exo_context, sp);
SAME(CTX_GP, struct exo_context, gp);
SAME(CTX_TP, struct exo_context, tp);
SAME(CTX_T0, struct exo_context, t0);
SAME(CTX_T1, struct exo_context, t1);
SAME(CTX_T2, struct exo_context, t2);
SAME(CTX_S0, struct exo_context, s0);
SAME(CTX_S1, struct exo_context, s1);
SAME(CTX_A0, struct exo_context, a0);
SAME(CTX_A1, struct exo_context, a1);
SAME(CTX_A2, struct exo_context, a2);
SAME(CTX_A3, struct exo_context, a3);
SAME(CTX_A4, struct exo_context, a4);
SAME(CTX_A5, struct exo_context, a5);
SAME(CTX_A6, struct exo_context, a6);
SAME(CTX_A7, struct exo_context, a7);
SAME(CTX_S2, struct exo_context, s2);
SAME(CTX_S3, struct exo_context, s3);
SAME(CTX_S4, struct exo_context, s4);
SAME(CTX_S5, struct exo_context, s5);
SAME(CTX_S6, struct exo_context, s6);
SAME(CTX_S7, struct exo_context, s7);
SAME(CTX_S8, struct exo_context, s8);
SAME(CTX_S9, struct exo_context, s9);
SAME(CTX_S10, struct exo_context, s10);
SAME(CTX_S11, struct exo_context, s11);
SAME(CTX_T3, struct exo_context, t3);
SAME(CTX_T4, struct exo_context, t4);
SAME(CTX_T5, struct exo_context, t5);
SAME(CTX_T6, struct exo_context, t6);
static_assert(offsetof(struct hal_context, user) == 0, "entry.S");
static_assert(CTX_BYTES >= sizeof(struct hal_context) && CTX_BYTES % 16 == 0, "entry.S");

SAME(CPU_CONTEXT, struct hal_cpu, thread_context);
SAME(CPU_UTCB, struct hal_cpu, utcb);
SAME(CPU_FOREIGN_PC, struct hal_cpu, foreign_pc);
SAME(CPU_REFLECTIONS, struct hal_cpu, reflections);
SAME(CPU_STACK, struct hal_cpu, kernel_stack);
SAME(CPU_SCRATCH0, struct hal_cpu, scratch[0]);
SAME(CPU_SCRATCH1, struct hal_cpu, scratch[1]);
static_assert(offsetof(struct machine_cpu, cpu) == 0, "tp");

SAME(UTCB_SELF, struct exo_utcb, self);
SAME(UTCB_REFLECT_PC, struct exo_utcb, reflect_pc);
SAME(UTCB_MASKED, struct exo_utcb, masked);
SAME(UTCB_PENDING, struct exo_utcb, pending);
SAME(UTCB_SAVED, struct exo_utcb, reflect_saved);

static_assert(KERNEL_CPUS == HAL_CPUS, "layout.h");
static_assert(NR_BASE == EXO_NR_BASE && NR_LIMIT == EXO_NR_LIMIT, "layout.h");
static_assert(NR_BASE % NR_LIMIT == 0 && NR_LIMIT == 1 << 7, "one shift tests both (entry.S)");
static_assert(NR_BASE + NR_REFLECT_RETURN == EXO_NR_reflect_return, "layout.h");
static_assert(USER_TOP == EXO_USER_TOP && DIRECT_BASE == HAL_DIRECT_BASE, "layout.h");
static_assert(HAL_SOFT_OWNED == 1 && HAL_SOFT_COW == 2, "two soft bits (hal_machine.h)");
static_assert(offsetof(struct hal_fpu, fcsr) == 256, "fpu.S");
