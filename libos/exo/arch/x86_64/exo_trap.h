/* SPDX-License-Identifier: MIT */
/* The one place on x86_64 that holds the trap instruction of native calls. */
#ifndef EXO_TRAP_H
#define EXO_TRAP_H

#include <exo/calls.h>
#include <exo/utcb.h>
#include <libos/exo/trap_site.h>

/** The calling thread's UTCB: the gs base points at it, and its first word is its address. */
static inline struct exo_utcb *exo_utcb(void)
{
    struct exo_utcb *utcb;

    __asm__("mov %%gs:0, %0" : "=r"(utcb));
    return utcb;
}

/* Arguments travel as in Linux's calls; the kernel keeps every register but rax, rcx, r11. */
static inline int64_t exo_trap(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                               uint64_t a4, uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    register uint64_t r9 __asm__("r9") = a5;
    int64_t result;

    __asm__ volatile(EXO_TRAP_SITE "syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t exo_trap3(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
    int64_t result;

    __asm__ volatile(EXO_TRAP_SITE "syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a0), "S"(a1), "d"(a2)
                     : "rcx", "r11", "memory");
    return result;
}

/* The two message calls: words go out and come back in the argument registers. */
static inline int64_t exo_trap_message(uint64_t number, uint64_t endpoint, uint64_t tag,
                                       uint64_t words[4])
{
    register uint64_t r10 __asm__("r10") = words[1];
    register uint64_t r8 __asm__("r8") = words[2];
    register uint64_t r9 __asm__("r9") = words[3];
    uint64_t rdx = words[0];
    int64_t result;

    __asm__ volatile(EXO_TRAP_SITE "syscall"
                     : "=a"(result), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "a"(number), "D"(endpoint), "S"(tag)
                     : "rcx", "r11", "memory");
    words[0] = rdx;
    words[1] = r10;
    words[2] = r8;
    words[3] = r9;
    return result;
}

#endif
