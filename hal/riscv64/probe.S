/* SPDX-License-Identifier: MIT */
/*
 * What only a try shows: each function answers whether its instruction went through. A fault between
 * probe_start and probe_end goes on at probe_failed (trap.c).
 */
        .text
        .globl  probe_start, probe_end, probe_failed
probe_start:

/* bool probe_stimecmp(void): whether there is stimecmp (Sstc), and the firmware lets us use it. */
        .globl  probe_stimecmp
probe_stimecmp:
        li      a0, -1
        csrw    0x14d, a0
        li      a0, 1
        ret

/* bool probe_store(uint64_t va) */
        .globl  probe_store
probe_store:
        sd      zero, (a0)
        li      a0, 1
        ret
probe_end:

probe_failed:
        li      a0, 0
        ret

        .section .note.GNU-stack, "", @progbits
