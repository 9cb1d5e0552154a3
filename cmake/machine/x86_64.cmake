# SPDX-License-Identifier: MIT
#
# x86_64: how code for it is compiled, and the sources of its part of the kernel.

set(EXO_TARGET x86_64-unknown-none-elf)
set(EXO_MACHINE_OPTIONS -mgeneral-regs-only)
set(EXO_MACHINE_KERNEL_OPTIONS -mcmodel=kernel -mno-red-zone)

# How posix.elf reaches its own data from its high link address: relative to the instruction, so it
# does not matter how high that is. (-mcmodel=large works too, and costs a load of 64 bits each time.)
set(EXO_MACHINE_POSIX_OPTIONS -fpie -fdirect-access-external-data)

# Linux calls that only this machine has.
set(EXO_MACHINE_POSIX_SOURCES libos/posix/arch/x86_64/archcalls.c)

set(EXO_HAL_SOURCES
  hal/x86_64/acpi.c
  hal/x86_64/boot.S
  hal/x86_64/boot_info.c
  hal/x86_64/checks.c
  hal/x86_64/clock.c
  hal/x86_64/cmos.c
  hal/x86_64/context.c
  hal/x86_64/cpu.c
  hal/x86_64/descriptors.c
  hal/x86_64/entry.S
  hal/x86_64/interrupt.c
  hal/x86_64/page.S
  hal/x86_64/paging.c
  hal/x86_64/port.c
  hal/x86_64/smp.c
  hal/x86_64/space.c
  hal/x86_64/start.c
  hal/x86_64/trampoline.S
  hal/x86_64/trap.c
  hal/x86_64/user_copy.S
  hal/tables/kernel.c
  hal/tables/tables.c
)
