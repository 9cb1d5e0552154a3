/* SPDX-License-Identifier: MIT */
/* riscv64: the order of accesses that a device sees. */
#ifndef EXO_MACHINE_DEVICE_H
#define EXO_MACHINE_DEVICE_H

/** Accesses before it come before accesses behind it, of memory and of registers, for devices too:
 *  memory and registers (Unprivileged ISA, 2.7). */
static inline void device_barrier(void)
{
    __asm__ volatile("fence iorw, iorw" : : : "memory");
}

#endif
