/* SPDX-License-Identifier: MIT */
/* The one place on aarch64 that holds the trap instruction of native calls. */
#ifndef EXO_TRAP_H
#define EXO_TRAP_H

#include <exo/calls.h>
#include <exo/utcb.h>
#include <libos/exo/trap_site.h>

/** The calling thread's UTCB: the kernel keeps its address in a register that we can only read. */
static inline struct exo_utcb *exo_utcb(void)
{
    struct exo_utcb *utcb;

    __asm__("mrs %0, tpidrro_el0" : "=r"(utcb));
    return utcb;
}

/* Arguments travel as in Linux's calls; the kernel keeps every register but x0. */
static inline int64_t exo_trap(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                               uint64_t a4, uint64_t a5)
{
    register uint64_t x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = a0;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;
    register uint64_t x4 __asm__("x4") = a4;
    register uint64_t x5 __asm__("x5") = a5;

    __asm__ volatile(EXO_TRAP_SITE "svc #1"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return (int64_t)x0;
}

static inline int64_t exo_trap3(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
    register uint64_t x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = a0;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;

    __asm__ volatile(EXO_TRAP_SITE "svc #1" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return (int64_t)x0;
}

/* The two message calls: words go out and come back in the argument registers. */
static inline int64_t exo_trap_message(uint64_t number, uint64_t endpoint, uint64_t tag,
                                       uint64_t words[4])
{
    register uint64_t x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = endpoint;
    register uint64_t x1 __asm__("x1") = tag;
    register uint64_t x2 __asm__("x2") = words[0];
    register uint64_t x3 __asm__("x3") = words[1];
    register uint64_t x4 __asm__("x4") = words[2];
    register uint64_t x5 __asm__("x5") = words[3];

    __asm__ volatile(EXO_TRAP_SITE "svc #1"
                     : "+r"(x0), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5)
                     : "r"(x8), "r"(x1)
                     : "memory");
    words[0] = x2;
    words[1] = x3;
    words[2] = x4;
    words[3] = x5;
    return (int64_t)x0;
}

#endif
