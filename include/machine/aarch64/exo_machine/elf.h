/* SPDX-License-Identifier: MIT */
/* aarch64: what an ELF file for this machine says it is (ELF for the Arm 64-bit Architecture, 5.1). */
#ifndef EXO_MACHINE_ELF_H
#define EXO_MACHINE_ELF_H

#define EXO_ELF_MACHINE 183 /* EM_AARCH64 */

#endif
