/* SPDX-License-Identifier: MIT */
/* aarch64: registers and exceptions as programs see them (programs/machine.c). */
#ifndef MACHINE_REGISTERS_H
#define MACHINE_REGISTERS_H

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define MACHINE_NAME "aarch64"

/* Registers that must come through a call as bits of n: all but x0, and x1-x5 and x8, which have
 * values of their own. */
#define KEPT        (~(0x3full | 1ull << 8) & 0x7fffffffull)
#define FLOATS_KEPT 0xffffffffull
#define ARGUMENTS        \
    {                    \
        0, 1, 2, 3, 4, 5 \
    } /* where the arguments are */

#define CONTEXT_PC(u)     ((u)->uc_mcontext.pc)
#define CONTEXT_SP(u)     ((u)->uc_mcontext.sp)
/* A register that a program gets a value in, by a handler's change. */
#define CONTEXT_RESULT(u) ((u)->uc_mcontext.regs[0])
static inline uint64_t fault_here(void *at)
{
    register uint64_t result __asm__("x0") = (uint64_t)at;

    __asm__ volatile("ldr x0, [x0]" : "+r"(result));
    return result;
}
#define FAULT_BYTES 4

#define DO_ILLEGAL()  __asm__ volatile(".inst 0")
#define ILLEGAL_BYTES 4
#define ILLEGAL_CODE  ILL_ILLOPC
#define DO_BREAK()    __asm__ volatile("brk #0")
#define BREAK_BYTES   4
#define BREAK_CODE    TRAP_BRKPT
#define CLOBBER_FLOAT() \
    __asm__ volatile("fmov d8, xzr; fmov d0, xzr; fmov d31, xzr" ::: "d8", "d0", "d31")
#define SIGRETURN(at) __asm__ volatile("mov sp, %0; mov x8, #139; svc #0" : : "r"(at))

#define VDSO_CLOCK "__kernel_clock_gettime"

#endif
