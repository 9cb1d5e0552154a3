/* SPDX-License-Identifier: MIT */
/*
 * Whole pages: void hal_page_zero(void *page), void hal_page_copy(void *to, const void *from). And
 * the vector registers: void fpu_save(struct hal_fpu *), void fpu_load(const struct hal_fpu *).
 *
 * DC ZVA zeroes a block of 64 bytes or more in one instruction (DCZID_EL0 says how many; cpu.c reads
 * it). For copies a vector register pair is 32 bytes; the vector registers are the running thread's,
 * so those that are used are put back.
 *
 * Both end with a barrier: a page's contents are to be seen before the page table entry that the
 * kernel writes next, by CPUs that have never heard of either.
 */
        .arch   armv8.1-a+fp+simd
        .text

        .balign 16
        .globl  hal_page_zero
hal_page_zero:
        adrp    x1, cpu_zero_block
        ldr     x1, [x1, :lo12:cpu_zero_block]
        add     x2, x0, #4096
        cbz     x1, 2f
1:      dc      zva, x0
        add     x0, x0, x1
        cmp     x0, x2
        b.lo    1b
        dmb     ishst
        ret
2:      stp     xzr, xzr, [x0], #32
        stp     xzr, xzr, [x0, #-16]
        cmp     x0, x2
        b.lo    2b
        dmb     ishst
        ret

        .balign 16
        .globl  hal_page_copy
hal_page_copy:
        stp     q0, q1, [sp, #-64]!
        stp     q2, q3, [sp, #32]
        add     x2, x1, #4096
1:
        offset = 0
        .rept   8                       /* 512 bytes */
        ldp     q0, q1, [x1, #offset]
        ldp     q2, q3, [x1, #offset + 32]
        stp     q0, q1, [x0, #offset]
        stp     q2, q3, [x0, #offset + 32]
        offset = offset + 64
        .endr
        add     x1, x1, #512
        add     x0, x0, #512
        cmp     x1, x2
        b.lo    1b
        ldp     q2, q3, [sp, #32]
        ldp     q0, q1, [sp], #64
        dmb     ishst
        ret

        .macro VECTORS operation
        \operation q0, q1, [x0]
        \operation q2, q3, [x0, #32]
        \operation q4, q5, [x0, #64]
        \operation q6, q7, [x0, #96]
        \operation q8, q9, [x0, #128]
        \operation q10, q11, [x0, #160]
        \operation q12, q13, [x0, #192]
        \operation q14, q15, [x0, #224]
        \operation q16, q17, [x0, #256]
        \operation q18, q19, [x0, #288]
        \operation q20, q21, [x0, #320]
        \operation q22, q23, [x0, #352]
        \operation q24, q25, [x0, #384]
        \operation q26, q27, [x0, #416]
        \operation q28, q29, [x0, #448]
        \operation q30, q31, [x0, #480]
        .endm

        .balign 16
        .globl  fpu_save
fpu_save:
        VECTORS stp
        mrs     x1, fpsr
        mrs     x2, fpcr
        add     x0, x0, #512
        stp     x1, x2, [x0]
        ret

        .balign 16
        .globl  fpu_load
fpu_load:
        VECTORS ldp
        add     x0, x0, #512
        ldp     x1, x2, [x0]
        msr     fpsr, x1
        msr     fpcr, x2
        ret

        .section .note.GNU-stack, "", %progbits
