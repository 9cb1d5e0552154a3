/* SPDX-License-Identifier: MIT */
/* x86_64: registers and exceptions as programs see them (programs/machine.c). */
#ifndef MACHINE_REGISTERS_H
#define MACHINE_REGISTERS_H

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define MACHINE_NAME "x86_64"

/* Registers that must come through a call as bits of n: rbx, rbp, r12-r15. */
#define KEPT        (1ull << 3 | 1ull << 5 | 0xfull << 12)
#define FLOATS_KEPT 0xffffull
#define ARGUMENTS         \
    {                     \
        7, 6, 2, 10, 8, 9 \
    } /* where the arguments are */

#define CONTEXT_PC(u)     ((u)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(u)     ((u)->uc_mcontext.gregs[REG_RSP])
/* A register that a program gets a value in, by a handler's change. */
#define CONTEXT_RESULT(u) ((u)->uc_mcontext.gregs[REG_RAX])
static inline uint64_t fault_here(void *at)
{
    uint64_t result = (uint64_t)at;

    __asm__ volatile("movq (%%rax), %%rax" : "+a"(result));
    return result;
}
#define FAULT_BYTES 3

#define DO_ILLEGAL()  __asm__ volatile("ud2")
#define ILLEGAL_BYTES 2
#define ILLEGAL_CODE  ILL_ILLOPN
#define DO_BREAK()    __asm__ volatile("int3")
#define BREAK_BYTES   0
#define BREAK_CODE    SI_KERNEL
#define CLOBBER_FLOAT() \
    __asm__ volatile("pxor %%xmm8, %%xmm8; pxor %%xmm0, %%xmm0" ::: "xmm8", "xmm0")
#define SIGRETURN(at) __asm__ volatile("movq %0, %%rsp; movl $15, %%eax; syscall" : : "r"(at))

#define VDSO_CLOCK "__vdso_clock_gettime"

#endif
