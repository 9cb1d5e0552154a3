# SPDX-License-Identifier: MIT
#
# aarch64: how code for it is compiled, and the sources of its part of the kernel.

set(EXO_TARGET aarch64-unknown-none-elf)
# ARMv8.1 for its atomic instructions (LSE) and PAN.
set(EXO_MACHINE_OPTIONS -march=armv8.1-a -mgeneral-regs-only -mno-outline-atomics)
set(EXO_MACHINE_KERNEL_OPTIONS "")
set(EXO_MACHINE_POSIX_OPTIONS "")
set(EXO_MACHINE_DEVICE_TREE ON)
set(EXO_MACHINE_RAW_IMAGE ON)

set(EXO_HAL_SOURCES
)
