/* SPDX-License-Identifier: MIT */
/*
 * x86_64: the general registers in the order of Linux's struct sigcontext (r8 .. rip, flags), so
 * that a signal frame is one copy. The vector registers stay in the processor across an upcall.
 */
#ifndef EXO_MACHINE_CONTEXT_H
#define EXO_MACHINE_CONTEXT_H

#include <stdint.h>

struct exo_context {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
};

#define EXO_CONTEXT_PC(context)       ((context)->rip)
#define EXO_CONTEXT_SP(context)       ((context)->rsp)
#define EXO_CONTEXT_ARGUMENT(context) ((context)->rdi) /* the first argument register */

/* The highest address a user mapping may end at, and where the kernel's view is mapped. */
#define EXO_USER_TOP 0x00007ffffffff000u
#define EXO_VIEW_VA  0x00007fffffff0000u

#endif
