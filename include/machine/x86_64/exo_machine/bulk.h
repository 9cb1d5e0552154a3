/* SPDX-License-Identifier: MIT */
/*
 * x86_64: moving and filling many words. One `rep` iteration is one instruction to a counter, and
 * moves 8 bytes; no loop of ordinary instructions without vector registers comes near.
 * The direction flag is clear in all C code (System V ABI 3.2.1).
 */
#ifndef EXO_MACHINE_BULK_H
#define EXO_MACHINE_BULK_H

#include <stddef.h>
#include <stdint.h>

/** Copies `words` 8-byte words upwards; any alignment; overlap is fine if `to` is below `from`. */
static inline void bulk_copy(void *to, const void *from, size_t words)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/** Stores `value` into `words` 8-byte words. */
static inline void bulk_fill(void *to, uint64_t value, size_t words)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

#endif
