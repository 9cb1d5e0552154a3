/* SPDX-License-Identifier: MIT */
/*
 * Where things are in a native program. Everything small lies near the text, so that one or two
 * leaf page tables serve it all; page 0 and the pages around the stack stay unmapped.
 *
 *       200000  struct exo_boot (init; servers whose rights file says `options`)
 *       3a0000  stack, growing down from 3e0000; the page below it is a guard
 *       3f0000  UTCB of the first thread
 *       400000  the program (user.ld)
 *     40000000  heap (memory.c)
 *     -> 100000000000 and up: the program's own mappings
 */
#ifndef LIBOS_EXO_LAYOUT_H
#define LIBOS_EXO_LAYOUT_H

#define NATIVE_STACK_TOP   0x003e0000u
#define NATIVE_STACK_PAGES 64u
#define NATIVE_UTCB_VA     0x003f0000u
#define NATIVE_HEAP_VA     0x40000000u
#define NATIVE_HEAP_BYTES  (64ull << 30)
#define NATIVE_FREE_VA     0x0000200000000000u

#endif
