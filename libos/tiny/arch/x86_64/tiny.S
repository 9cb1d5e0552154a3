/* SPDX-License-Identifier: MIT */
/*
 * What libos/tiny cannot say in C. Offsets are those of struct exo_context
 * (include/machine/x86_64/exo_machine/context.h) and of struct exo_utcb's libos[3].
 */
    .text

/*
 * int tiny_save(struct exo_context *c): fills *c so that loading it comes back here once more.
 * Returns 0 now and 1 then. Only what a call preserves needs to be kept.
 */
    .globl tiny_save
    .type tiny_save, @function
tiny_save:
    movq %r12, 32(%rdi)
    movq %r13, 40(%rdi)
    movq %r14, 48(%rdi)
    movq %r15, 56(%rdi)
    movq %rbp, 80(%rdi)
    movq %rbx, 88(%rdi)
    movq $1, 104(%rdi)         /* rax */
    leaq 8(%rsp), %rax
    movq %rax, 120(%rdi)       /* rsp, as it is after the return */
    movq (%rsp), %rax
    movq %rax, 128(%rdi)       /* rip */
    movq $0x202, 136(%rdi)     /* rflags: interrupts on */
    xorl %eax, %eax
    ret
    .size tiny_save, . - tiny_save

/* void tiny_touch(uintptr_t address): reads a byte there. The address is in the first argument
 * register (EXO_CONTEXT_ARGUMENT) when that faults. */
    .globl tiny_touch
    .type tiny_touch, @function
tiny_touch:
    movzbl (%rdi), %eax
    ret
    .size tiny_touch, . - tiny_touch

/*
 * Where the kernel brings upcalls: rdi says which kind; every other register, the stack pointer
 * included, is still the interrupted thread's, and is saved in the UTCB.
 */
    .globl tiny_upcall_entry
    .type tiny_upcall_entry, @function
tiny_upcall_entry:
    movq %gs:40, %rsp          /* libos[3]: a stack for handlers */
    xorl %ebp, %ebp
    call tiny_upcall
    ud2
    .size tiny_upcall_entry, . - tiny_upcall_entry

    .section .note.GNU-stack, "", @progbits
