/* SPDX-License-Identifier: MIT */
/* x86_64: instructions that a program may not carry out, and an address in the kernel. */
#ifndef HOSTILE_PRIVILEGED_H
#define HOSTILE_PRIVILEGED_H

#include <stdint.h>

static const uintptr_t kernel_address = (uintptr_t)0xffffffff80100000;

#define PRIVILEGED(name, text, ...)             \
    static void name(void)                      \
    {                                           \
        __asm__ volatile(text : : __VA_ARGS__); \
    }
static uint64_t table[2];
PRIVILEGED(do_hlt, "hlt", "a"(0))
PRIVILEGED(do_cli, "cli", "a"(0))
PRIVILEGED(do_in, "inb %%dx, %%al", "d"(0x3f8))
PRIVILEGED(do_out, "outb %%al, %%dx", "a"(0), "d"(0xf4))
PRIVILEGED(do_cr3, "mov %0, %%cr3", "r"(0ul))
PRIVILEGED(do_cr0, "mov %0, %%cr0", "r"(0ul))
PRIVILEGED(do_wrmsr, "wrmsr", "a"(0), "c"(0xc0000082), "d"(0))
PRIVILEGED(do_rdmsr, "rdmsr", "c"(0xc0000082))
PRIVILEGED(do_lidt, "lidt %0", "m"(table))
PRIVILEGED(do_ltr, "ltr %%ax", "a"(0x28))
PRIVILEGED(do_invlpg, "invlpg %0", "m"(table))
PRIVILEGED(do_swapgs, "swapgs", "a"(0))
PRIVILEGED(do_sysret, "sysretq", "c"(0), "r"(0))
PRIVILEGED(do_iret, "pushq $0\n pushq $0\n pushq $2\n pushq $8\n pushq $0\n iretq", "a"(0))
PRIVILEGED(do_int, "int $0x20", "a"(0))

static void (*const privileged_ways[])(void) = {do_hlt,    do_cli,    do_in,     do_out,  do_cr3,
                                                do_cr0,    do_wrmsr,  do_rdmsr,  do_lidt, do_ltr,
                                                do_invlpg, do_swapgs, do_sysret, do_iret, do_int};

#endif
