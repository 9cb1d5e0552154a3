# SPDX-License-Identifier: MIT
#
# aarch64: how code for it is compiled, and the sources of its part of the kernel.

set(EXO_TARGET aarch64-unknown-none-elf)
# ARMv8.1 for its atomic instructions (LSE) and PAN.
set(EXO_MACHINE_OPTIONS -march=armv8.1-a -mgeneral-regs-only -mno-outline-atomics)
set(EXO_MACHINE_KERNEL_OPTIONS "")
# x18 is left alone by the LibOS, so that a call need not save it.
set(EXO_MACHINE_POSIX_OPTIONS -ffixed-x18)
set(EXO_MACHINE_DEVICE_TREE ON)
set(EXO_MACHINE_RAW_IMAGE ON)

set(EXO_MACHINE_POSIX_SOURCES "")

set(EXO_HAL_SOURCES
  hal/device_tree/pci.c
  hal/aarch64/boot.S
  hal/aarch64/boot_info.c
  hal/aarch64/checks.c
  hal/aarch64/clock.c
  hal/aarch64/context.c
  hal/aarch64/cpu.c
  hal/aarch64/entry.S
  hal/aarch64/interrupt.c
  hal/aarch64/log.c
  hal/aarch64/page.S
  hal/aarch64/paging.c
  hal/aarch64/smp.c
  hal/aarch64/space.c
  hal/aarch64/start.c
  hal/aarch64/trap.c
  hal/aarch64/user_copy.S
  hal/tables/kernel.c
  hal/tables/tables.c
)
