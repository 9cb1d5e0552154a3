/* SPDX-License-Identifier: MIT */
/* x86_64: what an ELF file for this machine says it is (System V ABI, AMD64 supplement 4.1). */
#ifndef EXO_MACHINE_ELF_H
#define EXO_MACHINE_ELF_H

#define EXO_ELF_MACHINE 62 /* EM_X86_64 */

#endif
