/* SPDX-License-Identifier: MIT */
/* The one place on riscv64 that holds the trap instruction of native calls. */
#ifndef EXO_TRAP_H
#define EXO_TRAP_H

#include <exo/calls.h>
#include <exo/utcb.h>
#include <libos/exo/trap_site.h>

/** The calling thread's UTCB: tp points at it, in native programs and in a LibOS. */
static inline struct exo_utcb *exo_utcb(void)
{
    struct exo_utcb *utcb;

    __asm__("mv %0, tp" : "=r"(utcb));
    return utcb;
}

/* Arguments travel as in Linux's calls; the kernel keeps every register but the result. */
static inline int64_t exo_trap(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2,
                               uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a2 __asm__("a2") = arg2;
    register uint64_t a3 __asm__("a3") = arg3;
    register uint64_t a4 __asm__("a4") = arg4;
    register uint64_t a5 __asm__("a5") = arg5;
    register uint64_t a7 __asm__("a7") = number;

    __asm__ volatile(EXO_TRAP_SITE "ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return (int64_t)a0;
}

static inline int64_t exo_trap3(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a2 __asm__("a2") = arg2;
    register uint64_t a7 __asm__("a7") = number;

    __asm__ volatile(EXO_TRAP_SITE "ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return (int64_t)a0;
}

/* The two message calls: words go out and come back in the argument registers. */
static inline int64_t exo_trap_message(uint64_t number, uint64_t endpoint, uint64_t tag,
                                       uint64_t words[4])
{
    register uint64_t a0 __asm__("a0") = endpoint;
    register uint64_t a1 __asm__("a1") = tag;
    register uint64_t a2 __asm__("a2") = words[0];
    register uint64_t a3 __asm__("a3") = words[1];
    register uint64_t a4 __asm__("a4") = words[2];
    register uint64_t a5 __asm__("a5") = words[3];
    register uint64_t a7 __asm__("a7") = number;

    __asm__ volatile(EXO_TRAP_SITE "ecall"
                     : "+r"(a0), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     : "r"(a1), "r"(a7)
                     : "memory");
    words[0] = a2;
    words[1] = a3;
    words[2] = a4;
    words[3] = a5;
    return (int64_t)a0;
}

#endif
