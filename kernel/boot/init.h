/* SPDX-License-Identifier: MIT */
/* Starting the first environment: the only program the kernel ever loads. */
#ifndef KERNEL_BOOT_INIT_H
#define KERNEL_BOOT_INIT_H

#include <hal/hal.h>
#include <kernel/mem/account.h>

/** Builds init from /usr/sbin/init of the boot archive and makes its thread ready. */
void init_start(const struct hal_boot *boot, struct account *root);

#endif
