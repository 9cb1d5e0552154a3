/* SPDX-License-Identifier: MIT */
/*
 * The heap of a program: memory of any size from pages that a source supplies.
 *
 * One heap a program, for one thread at a time (servers have one thread; whoever has more locks
 * around it). Blocks are aligned to 16 bytes and not cleared, except by heap_zeroed.
 */
#ifndef LIB_HEAP_H
#define LIB_HEAP_H

#include <stddef.h>

/** Asks for at least *bytes of fresh memory, aligned to 16; stores how much it gave. 0: no more. */
typedef void *heap_more(size_t *bytes);

/** Names the source; called once, before anything else. */
void heap_source(heap_more *more);

/** @return a block of at least `bytes` (also if 0), or 0 if the source has no more. */
void *heap_alloc(size_t bytes);
/** `count` elements of `bytes` bytes, all zero; 0 also if the product does not fit. */
void *heap_zeroed(size_t count, size_t bytes);
/** The block with room for `bytes`, moved if need be; as heap_alloc if `block` is 0. On failure 0,
 *  and the block stays as it was. */
void *heap_resize(void *block, size_t bytes);
/** Gives a block back; 0 is fine. */
void heap_free(void *block);

/** Bytes taken from the source, and bytes in blocks that are not free (headers included). */
struct heap_use {
    size_t taken, used;
};
struct heap_use heap_use(void);

#endif
