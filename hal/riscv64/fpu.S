/* SPDX-License-Identifier: MIT */
/*
 * The floating-point registers, all at once: void fpu_save(struct hal_fpu *), void fpu_load(const
 * struct hal_fpu *), void fpu_zero(void). The only instructions of F and D in the kernel.
 */
        .attribute arch, "rv64imafdc"
        .text

        .macro  EACH operation
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, \
                22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        \operation \n
        .endr
        .endm

        .macro  SAVE n
        fsd     f\n, 8 * \n(a0)
        .endm
        .macro  LOAD n
        fld     f\n, 8 * \n(a0)
        .endm
        .macro  ZERO n
        fmv.d.x f\n, zero
        .endm

        .globl  fpu_save
fpu_save:
        EACH    SAVE
        frcsr   t0
        sw      t0, 256(a0)
        ret

        .globl  fpu_load
fpu_load:
        EACH    LOAD
        lw      t0, 256(a0)
        fscsr   t0
        ret

        .globl  fpu_zero
fpu_zero:
        EACH    ZERO
        fscsr   zero
        ret

        .section .note.GNU-stack, "", @progbits
