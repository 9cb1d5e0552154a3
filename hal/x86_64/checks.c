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
                  #field ": the contexts begin alike (words_copy in context.c)")

SHARED(r8);
SHARED(r9);
SHARED(r10);
SHARED(r11);
SHARED(r12);
SHARED(r13);
SHARED(r14);
SHARED(r15);
SHARED(rdi);
SHARED(rsi);
SHARED(rbp);
SHARED(rbx);
SHARED(rdx);
SHARED(rax);
SHARED(rcx);

SAME(CTX_R8, struct hal_context, r8);
SAME(CTX_R9, struct hal_context, r9);
SAME(CTX_R10, struct hal_context, r10);
SAME(CTX_R11, struct hal_context, r11);
SAME(CTX_R12, struct hal_context, r12);
SAME(CTX_R13, struct hal_context, r13);
SAME(CTX_R14, struct hal_context, r14);
SAME(CTX_R15, struct hal_context, r15);
SAME(CTX_RDI, struct hal_context, rdi);
SAME(CTX_RSI, struct hal_context, rsi);
SAME(CTX_RBP, struct hal_context, rbp);
SAME(CTX_RBX, struct hal_context, rbx);
SAME(CTX_RDX, struct hal_context, rdx);
SAME(CTX_RAX, struct hal_context, rax);
SAME(CTX_RCX, struct hal_context, rcx);
SAME(CTX_VECTOR, struct hal_context, vector);
SAME(CTX_ERROR, struct hal_context, error);
SAME(CTX_RIP, struct hal_context, rip);
SAME(CTX_CS, struct hal_context, cs);
SAME(CTX_RFLAGS, struct hal_context, rflags);
SAME(CTX_RSP, struct hal_context, rsp);
SAME(CTX_SS, struct hal_context, ss);
static_assert(CTX_FRAME_END == CTX_SS + 8 && CTX_FRAME_END % 16 == 0, "rsp0 (entry.S)");

SAME(CPU_CONTEXT, struct hal_cpu, thread_context);
SAME(CPU_UTCB, struct hal_cpu, utcb);
SAME(CPU_FOREIGN_PC, struct hal_cpu, foreign_pc);
SAME(CPU_REFLECTIONS, struct hal_cpu, reflections);
SAME(CPU_STACK, struct hal_cpu, kernel_stack);
SAME(CPU_SELF, struct hal_cpu, scratch);
static_assert(CPU_SELF == 40, "hal_cpu() in hal_machine.h");
static_assert(offsetof(struct cpu_features, avx) == 0, "page.S");
static_assert(offsetof(struct machine_cpu, cpu) == 0, "gs:0");

SAME(UTCB_REFLECT_PC, struct exo_utcb, reflect_pc);
SAME(UTCB_MASKED, struct exo_utcb, masked);

static_assert(NR_BASE == EXO_NR_BASE && NR_LIMIT == EXO_NR_LIMIT, "layout.h");
static_assert(USER_TOP == EXO_USER_TOP && DIRECT_BASE == HAL_DIRECT_BASE, "layout.h");
static_assert(MAX_CPUS == HAL_CPUS, "layout.h");
static_assert(KERNEL_STACK_STEP == KERNEL_STACK_BYTES + EXO_PAGE_SIZE, "layout.h");
static_assert(sizeof(struct tss) == 104, "SDM volume 3, figure 8-11");
static_assert(HAL_SOFT_OWNED == 1 && HAL_SOFT_COW == 2, "two soft bits (hal_machine.h)");
