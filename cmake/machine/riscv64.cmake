# SPDX-License-Identifier: MIT
#
# riscv64: how code for it is compiled, and the sources of its part of the kernel.

set(EXO_TARGET riscv64-unknown-none-elf)
# No F and D: the floating-point registers are the program's.
set(EXO_MACHINE_OPTIONS -march=rv64imac -mabi=lp64 -mcmodel=medany -mno-relax)
set(EXO_MACHINE_KERNEL_OPTIONS "")
set(EXO_MACHINE_POSIX_OPTIONS "")
set(EXO_MACHINE_DEVICE_TREE ON)
set(EXO_MACHINE_RAW_IMAGE ON)

set(EXO_HAL_SOURCES
)
