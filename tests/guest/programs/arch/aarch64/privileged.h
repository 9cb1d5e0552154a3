/* SPDX-License-Identifier: MIT */
/* aarch64: instructions that a program may not carry out, and an address in the kernel. */
#ifndef HOSTILE_PRIVILEGED_H
#define HOSTILE_PRIVILEGED_H

#include <stdint.h>

static const uintptr_t kernel_address = (uintptr_t)0xffffff8000200000;

#define PRIVILEGED(name, text, ...)             \
    static void name(void)                      \
    {                                           \
        __asm__ volatile(text : : __VA_ARGS__); \
    }
PRIVILEGED(do_ttbr, "msr ttbr0_el1, %0", "r"(0ul))
PRIVILEGED(do_sctlr, "msr sctlr_el1, %0", "r"(0ul))
PRIVILEGED(do_read_sctlr, "mrs x0, sctlr_el1", "r"(0) : "x0")
PRIVILEGED(do_vbar, "msr vbar_el1, %0", "r"(0ul))
PRIVILEGED(do_elr, "msr elr_el1, %0", "r"(0ul))
PRIVILEGED(do_utcb, "msr tpidrro_el0, %0", "r"(0ul))
PRIVILEGED(do_mask, "msr daifset, #2", "r"(0))
PRIVILEGED(do_tlbi, "tlbi vmalle1", "r"(0))
PRIVILEGED(do_eret, "eret", "r"(0))
PRIVILEGED(do_hvc, "hvc #0", "r"(0))
PRIVILEGED(do_smc, "smc #0", "r"(0))
PRIVILEGED(do_host, "hlt #0xf000", "r"(0))

static void (*const privileged_ways[])(void) = {do_ttbr, do_sctlr, do_read_sctlr, do_vbar,
                                                do_elr,  do_utcb,  do_mask,       do_tlbi,
                                                do_eret, do_hvc,   do_smc,        do_host};

#endif
