/* SPDX-License-Identifier: MIT */
/*
 * What libos/tiny cannot say in C. Offsets are those of struct exo_context
 * (include/machine/riscv64/exo_machine/context.h): register xN at 8 * N, the pc at 0; and of struct
 * exo_utcb's libos[3].
 */
    .text

/*
 * int tiny_save(struct exo_context *c): fills *c so that loading it comes back here once more.
 * Returns 0 now and 1 then. Only what a call preserves needs to be kept.
 */
    .globl tiny_save
    .type tiny_save, @function
tiny_save:
    sd   ra, 0(a0)              /* pc */
    sd   ra, 8(a0)
    sd   sp, 16(a0)
    sd   gp, 24(a0)
    sd   tp, 32(a0)
    sd   s0, 64(a0)
    sd   s1, 72(a0)
    sd   s2, 144(a0)
    sd   s3, 152(a0)
    sd   s4, 160(a0)
    sd   s5, 168(a0)
    sd   s6, 176(a0)
    sd   s7, 184(a0)
    sd   s8, 192(a0)
    sd   s9, 200(a0)
    sd   s10, 208(a0)
    sd   s11, 216(a0)
    li   t0, 1
    sd   t0, 80(a0)             /* a0 */
    li   a0, 0
    ret
    .size tiny_save, . - tiny_save

/* void tiny_touch(uintptr_t address): reads a byte there. The address is in the first argument
 * register (EXO_CONTEXT_ARGUMENT) when that faults. */
    .globl tiny_touch
    .type tiny_touch, @function
tiny_touch:
    lbu  a1, 0(a0)
    ret
    .size tiny_touch, . - tiny_touch

/*
 * Where the kernel brings upcalls: a0 says which kind, tp is the UTCB; every other register, the stack
 * pointer included, is still the interrupted thread's, and is saved in the UTCB.
 */
    .globl tiny_upcall_entry
    .type tiny_upcall_entry, @function
tiny_upcall_entry:
    ld   sp, 40(tp)             /* libos[3]: a stack for handlers */
    li   ra, 0
    li   s0, 0
    call tiny_upcall
    unimp
    .size tiny_upcall_entry, . - tiny_upcall_entry

    .section .note.GNU-stack, "", @progbits
