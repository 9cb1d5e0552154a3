/* SPDX-License-Identifier: MIT */
/* aarch64: addresses that no user code may reach. */
#ifndef MACHINE_H
#define MACHINE_H

/* One of the kernel's (RAM begins at 1 GiB on QEMU's `virt`), one in its image, and one that is not
 * canonical. */
#define KERNEL_VA    ((void *)0xffff800040001000u)
#define KERNEL_IMAGE ((void *)0xffffffff80000000u)
#define NONCANONICAL ((void *)0x0001000000000000u)

#define HAS_PORTS false /* I/O ports */

#endif
