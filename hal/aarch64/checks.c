/* SPDX-License-Identifier: MIT */
/*
 * The numbers of layout.h, which assembly uses, against the structures they stand for.
 */
#include <exo/calls.h>

#include "machine.h"

#define SAME(number, type, field) \
    static_assert((number) == offsetof(type, field), #number " in layout.h")

#define SHARED(field)                                                                         \
    static_assert(offsetof(struct hal_context, field) == offsetof(struct exo_context, field), \
                  #field ": the contexts begin alike (layout.h)")

SHARED(regs);
SHARED(sp);
SHARED(pc);
SHARED(pstate);

SAME(CTX_X(0), struct hal_context, regs);
SAME(CTX_X30, struct hal_context, regs[30]);
SAME(CTX_SP, struct hal_context, sp);
SAME(CTX_PC, struct hal_context, pc);
SAME(CTX_PSTATE, struct hal_context, pstate);
static_assert(CTX_BYTES == sizeof(struct hal_context) && CTX_BYTES % 16 == 0, "layout.h");

SAME(CPU_CONTEXT, struct hal_cpu, thread_context);
SAME(CPU_UTCB, struct hal_cpu, utcb);
SAME(CPU_FOREIGN_PC, struct hal_cpu, foreign_pc);
SAME(CPU_REFLECTIONS, struct hal_cpu, reflections);
SAME(CPU_STACK, struct hal_cpu, kernel_stack);
SAME(CPU_FATAL_STACK, struct hal_cpu, scratch[0]);
SAME(CPU_SCRATCH, struct hal_cpu, scratch[1]);
static_assert(offsetof(struct machine_cpu, cpu) == 0, "TPIDR_EL1");
static_assert(offsetof(struct hal_fpu, fpsr) == 512, "page.S");

SAME(UTCB_REFLECT_PC, struct exo_utcb, reflect_pc);
SAME(UTCB_MASKED, struct exo_utcb, masked);
SAME(UTCB_PENDING, struct exo_utcb, pending);
SAME(UTCB_REFLECT_SAVED, struct exo_utcb, reflect_saved);

static_assert(NR_BASE == EXO_NR_BASE && NR_LIMIT == EXO_NR_LIMIT && -ENOSYS == EXO_ENOSYS,
              "layout.h");
static_assert(USER_TOP == EXO_USER_TOP && DIRECT_BASE == HAL_DIRECT_BASE, "layout.h");
static_assert(KERNEL_STACK_BYTES == 1 << KERNEL_STACK_SHIFT, "layout.h");
static_assert(KERNEL_STACK_STEP == 2 * KERNEL_STACK_BYTES && MAX_CPUS == HAL_CPUS, "layout.h");
static_assert(HAL_SOFT_OWNED == 1 && HAL_SOFT_COW == 2, "two soft bits (hal_machine.h)");
