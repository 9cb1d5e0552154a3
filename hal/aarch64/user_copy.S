/* SPDX-License-Identifier: MIT */
/*
 * Copies between the kernel and the current user space.
 *
 * A user page may be absent (zero-fill or copy-on-write that has not happened yet), so each
 * instruction that touches user memory is in a table with the place to go on at when the page
 * cannot be had; trap.c reads it. None of them changes an address register, so after the page was
 * brought in the same instruction simply goes on.
 *
 * User memory is open to the kernel only here: PSTATE.PAN is clear between OPEN and CLOSE. A change of
 * it takes effect in program order (DDI 0487, D8.4.3), so it needs no barrier. The range check keeps
 * every address below EXO_USER_TOP.
 */
#include "layout.h"

        .arch   armv8.1-a

        .macro OPEN
        msr     pan, #0
        .endm

        .macro CLOSE
        msr     pan, #1
        .endm

/* An instruction that touches user memory. */
        .macro USER instruction:vararg
9999:   \instruction
        .pushsection .fault_fixups, "a", %progbits
        .quad   9999b, failed
        .popsection
        .endm

/* Refuses x2 bytes from `start` on unless they end at EXO_USER_TOP or below. */
        .macro CHECK_RANGE start
        adds    x3, \start, x2
        b.cs    refused
        mov     x4, #USER_TOP
        cmp     x3, x4
        b.hi    refused
        .endm

        .text
        .balign 16
/* bool hal_copy_in(void *to, uint64_t from_va, size_t bytes) */
        .globl hal_copy_in
hal_copy_in:
        CHECK_RANGE x1
        OPEN
        subs    x2, x2, #32
        b.lo    2f
1:      USER    ldp x3, x4, [x1]
        USER    ldp x5, x6, [x1, #16]
        stp     x3, x4, [x0]
        stp     x5, x6, [x0, #16]
        add     x1, x1, #32
        add     x0, x0, #32
        subs    x2, x2, #32
        b.hs    1b
2:      adds    x2, x2, #32 - 8
        b.mi    4f
3:      USER    ldr x3, [x1]
        str     x3, [x0], #8
        add     x1, x1, #8
        subs    x2, x2, #8
        b.pl    3b
4:      adds    x2, x2, #8
        b.eq    done
5:      USER    ldrb w3, [x1]
        strb    w3, [x0], #1
        add     x1, x1, #1
        subs    x2, x2, #1
        b.ne    5b
        b       done

        .balign 16
/* bool hal_copy_out(uint64_t to_va, const void *from, size_t bytes) */
        .globl hal_copy_out
hal_copy_out:
        CHECK_RANGE x0
        OPEN
        subs    x2, x2, #32
        b.lo    2f
1:      ldp     x3, x4, [x1]
        ldp     x5, x6, [x1, #16]
        USER    stp x3, x4, [x0]
        USER    stp x5, x6, [x0, #16]
        add     x1, x1, #32
        add     x0, x0, #32
        subs    x2, x2, #32
        b.hs    1b
2:      adds    x2, x2, #32 - 8
        b.mi    4f
3:      ldr     x3, [x1], #8
        USER    str x3, [x0]
        add     x0, x0, #8
        subs    x2, x2, #8
        b.pl    3b
4:      adds    x2, x2, #8
        b.eq    done
5:      ldrb    w3, [x1], #1
        USER    strb w3, [x0]
        add     x0, x0, #1
        subs    x2, x2, #1
        b.ne    5b
done:   CLOSE
        mov     w0, #1
        ret

/* bool hal_word_in(uint32_t *value, uint64_t va): aligned, so it ends below EXO_USER_TOP too */
        .globl hal_word_in
hal_word_in:
        mov     x4, #USER_TOP
        cmp     x1, x4
        b.hs    refused
        OPEN
        USER    ldr w3, [x1]
        CLOSE
        str     w3, [x0]
        mov     w0, #1
        ret

failed: CLOSE
refused:
        mov     w0, #0
        ret

        .section .note.GNU-stack, "", %progbits
