/* SPDX-License-Identifier: MIT */
/* riscv64: registers and exceptions as programs see them (programs/machine.c). */
#ifndef MACHINE_REGISTERS_H
#define MACHINE_REGISTERS_H

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define MACHINE_NAME "riscv64"

/* Registers that must come through a call as bits of n: all but zero, a0, and sp, a1-a5, a7, which
 * have values of their own. */
#define KEPT        (~(1ull | 1ull << 2 | 0x3full << 10 | 1ull << 17) & 0xffffffffull)
#define FLOATS_KEPT 0xffffffffull
#define ARGUMENTS              \
    {                          \
        10, 11, 12, 13, 14, 15 \
    } /* where the arguments are */

#define CONTEXT_PC(u)     ((u)->uc_mcontext.__gregs[0])
#define CONTEXT_SP(u)     ((u)->uc_mcontext.__gregs[2])
/* A register that a program gets a value in, by a handler's change. */
#define CONTEXT_RESULT(u) ((u)->uc_mcontext.__gregs[10])
static inline uint64_t fault_here(void *at)
{
    register uint64_t result __asm__("a0") = (uint64_t)at;

    __asm__ volatile(".option push\n.option norvc\nld a0, (a0)\n.option pop" : "+r"(result));
    return result;
}
#define FAULT_BYTES 4

#define DO_ILLEGAL()  __asm__ volatile(".4byte 0xc0001073")
#define ILLEGAL_BYTES 4
#define ILLEGAL_CODE  ILL_ILLOPC
#define DO_BREAK()    __asm__ volatile(".4byte 0x00100073")
#define BREAK_BYTES   4
#define BREAK_CODE    TRAP_BRKPT
#define CLOBBER_FLOAT() \
    __asm__ volatile("fmv.d.x f8, zero; fmv.d.x f0, zero; fmv.d.x f31, zero" ::: "f8", "f0", "f31")
#define SIGRETURN(sp) __asm__ volatile("mv sp, %0; li a7, 139; ecall" : : "r"(sp))

#define VDSO_CLOCK "__vdso_clock_gettime"

#endif
