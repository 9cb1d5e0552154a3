/* SPDX-License-Identifier: MIT */
/* aarch64: the order of accesses that a device sees. */
#ifndef EXO_MACHINE_DEVICE_H
#define EXO_MACHINE_DEVICE_H

/** Accesses before it come before accesses behind it, of memory and of registers, for devices too:
 *  memory and registers in the outer shareable domain (Arm ARM, B2.3.7). */
static inline void device_barrier(void)
{
    __asm__ volatile("dmb osh" : : : "memory");
}

#endif
