/* SPDX-License-Identifier: MIT */
/* riscv64: addresses that no user code may reach. */
#ifndef MACHINE_H
#define MACHINE_H

/* One of the kernel's, one in its image, and one that is not canonical. */
#define KERNEL_VA    ((void *)0xffff800000001000u)
#define KERNEL_IMAGE ((void *)0xffffffff80200000u)
#define NONCANONICAL ((void *)0x0000800000000000u)

#define HAS_PORTS false /* I/O ports */

#endif
