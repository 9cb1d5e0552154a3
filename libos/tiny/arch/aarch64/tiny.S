/* SPDX-License-Identifier: MIT */
/*
 * What libos/tiny cannot say in C. Offsets are those of struct exo_context
 * (include/machine/aarch64/exo_machine/context.h) and of struct exo_utcb's libos[3].
 */
    .text

/*
 * int tiny_save(struct exo_context *c): fills *c so that loading it comes back here once more.
 * Returns 0 now and 1 then. Only what a call preserves needs to be kept.
 */
    .globl tiny_save
    .type tiny_save, %function
tiny_save:
    mov x1, #1
    str x1, [x0]                /* x0 */
    stp x19, x20, [x0, #152]
    stp x21, x22, [x0, #168]
    stp x23, x24, [x0, #184]
    stp x25, x26, [x0, #200]
    stp x27, x28, [x0, #216]
    stp x29, x30, [x0, #232]
    mov x1, sp
    stp x1, x30, [x0, #248]     /* sp, and pc: as after the return */
    str xzr, [x0, #264]         /* pstate */
    mov x0, #0
    ret
    .size tiny_save, . - tiny_save

/* void tiny_touch(uintptr_t address): reads a byte there. The address is in the first argument
 * register (EXO_CONTEXT_ARGUMENT) when that faults. */
    .globl tiny_touch
    .type tiny_touch, %function
tiny_touch:
    ldrb w1, [x0]
    ret
    .size tiny_touch, . - tiny_touch

/*
 * Where the kernel brings upcalls: x0 says which kind; every other register, the stack pointer
 * included, is still the interrupted thread's, and is saved in the UTCB.
 */
    .globl tiny_upcall_entry
    .type tiny_upcall_entry, %function
tiny_upcall_entry:
    mrs x1, tpidrro_el0
    ldr x1, [x1, #40]           /* libos[3]: a stack for handlers */
    mov sp, x1
    mov x29, #0
    mov x30, #0
    bl tiny_upcall
    brk #1
    .size tiny_upcall_entry, . - tiny_upcall_entry

    .section .note.GNU-stack, "", %progbits
