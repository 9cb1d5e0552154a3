/* SPDX-License-Identifier: MIT */
/* riscv64: what an ELF file for this machine says it is (RISC-V ELF psABI). */
#ifndef EXO_MACHINE_ELF_H
#define EXO_MACHINE_ELF_H

#define EXO_ELF_MACHINE 243 /* EM_RISCV */

#endif
