/* SPDX-License-Identifier: MIT */
/*
 * aarch64: the general registers in the order of Linux's struct user_pt_regs (and of its struct
 * sigcontext behind fault_address), so that a signal frame is one copy. The vector registers stay in
 * the processor across an upcall.
 *
 * Calls: `svc #1` is a native one (x8 the number, x0-x5 arguments, x0 the result; every other
 * register is kept), `svc #2` is reflect_return, any other svc is a foreign call. When that arrives at
 * the LibOS, x16 is the UTCB's address, x17 is undefined, what they were is in
 * utcb->reflect_saved[0] and [1], and every other register is as it was.
 */
#ifndef EXO_MACHINE_CONTEXT_H
#define EXO_MACHINE_CONTEXT_H

#include <stdint.h>

struct exo_context {
    uint64_t regs[31], sp, pc, pstate;
};

#define EXO_CONTEXT_PC(context)       ((context)->pc)
#define EXO_CONTEXT_SP(context)       ((context)->sp)
#define EXO_CONTEXT_ARGUMENT(context) ((context)->regs[0]) /* the first argument register */

/* The highest address a user mapping may end at, and where the kernel's view is mapped. */
#define EXO_USER_TOP 0x00007ffffffff000u
#define EXO_VIEW_VA  0x00007fffffff0000u

#endif
