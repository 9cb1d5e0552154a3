/* SPDX-License-Identifier: MIT */
/* riscv64: instructions that a program may not carry out, and an address in the kernel. */
#ifndef HOSTILE_PRIVILEGED_H
#define HOSTILE_PRIVILEGED_H

#include <stdint.h>

static const uintptr_t kernel_address = (uintptr_t)0xffffffff80200000;

#define PRIVILEGED(name, text, ...)             \
    static void name(void)                      \
    {                                           \
        __asm__ volatile(text : : __VA_ARGS__); \
    }
PRIVILEGED(do_satp, "csrw satp, %0", "r"(0ul))
PRIVILEGED(do_sstatus, "csrs sstatus, %0", "r"(0x40102ul))
PRIVILEGED(do_read_sstatus, "csrr t0, sstatus", "r"(0) : "t0")
PRIVILEGED(do_stvec, "csrw stvec, %0", "r"(0ul))
PRIVILEGED(do_sie, "csrw sie, %0", "r"(0ul))
PRIVILEGED(do_sscratch, "csrw sscratch, %0", "r"(0ul))
PRIVILEGED(do_machine, "csrw mtvec, %0", "r"(0ul))
PRIVILEGED(do_sret, "sret", "r"(0))
PRIVILEGED(do_mret, "mret", "r"(0))
PRIVILEGED(do_fence, "sfence.vma", "r"(0))

static void (*const privileged_ways[])(void) = {do_satp, do_sstatus,  do_read_sstatus, do_stvec,
                                                do_sie,  do_sscratch, do_machine,      do_sret,
                                                do_mret, do_fence};

#endif
