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

# Linux calls that only this machine has.
set(EXO_MACHINE_POSIX_SOURCES libos/posix/arch/riscv64/archcalls.c)

set(EXO_HAL_SOURCES
  hal/device_tree/pci.c
  hal/riscv64/boot.S
  hal/riscv64/boot_info.c
  hal/riscv64/checks.c
  hal/riscv64/clock.c
  hal/riscv64/context.c
  hal/riscv64/cpu.c
  hal/riscv64/entry.S
  hal/riscv64/fpu.S
  hal/riscv64/interrupt.c
  hal/riscv64/page.S
  hal/riscv64/paging.c
  hal/riscv64/port.c
  hal/riscv64/probe.S
  hal/riscv64/rtc.c
  hal/riscv64/semihosting.S
  hal/riscv64/smp.c
  hal/riscv64/space.c
  hal/riscv64/start.c
  hal/riscv64/trap.c
  hal/riscv64/user_copy.S
  hal/tables/kernel.c
  hal/tables/tables.c
)
