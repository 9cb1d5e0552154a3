/* SPDX-License-Identifier: MIT */
/* x86_64: the order of accesses that a device sees. */
#ifndef EXO_MACHINE_DEVICE_H
#define EXO_MACHINE_DEVICE_H

/** Accesses before it come before accesses behind it, of memory and of registers, for devices too:
 *  the processor keeps the order (SDM volume 3, 8.2): only the compiler must be told, but
 * a load may still pass an earlier store. */
static inline void device_barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

#endif
