/* SPDX-License-Identifier: MIT */
/*
 * The heap: size classes, and nothing else.
 *
 * Every block belongs to a class: 16-byte steps up to 128 bytes, above that four steps to each
 * doubling, so at most a fifth of a block is wasted. A free list for each class; what no list has is
 * cut from the end of the newest piece from the source. Blocks are never split or merged: a program
 * that runs for years keeps at most the sum of its classes' peaks, and every operation but the
 * clearing of memory is O(1).
 *
 * Each block has a header of 16 bytes with its class and a mark that says whether it is in use. A
 * block that is freed twice, or never was one, stops the program there: a service that is restarted
 * is better than one that goes on with a broken heap.
 *
 * With HEAP_LOGGED (servers/fs/heap.c) its state is kept over the death of the program and changes in
 * transactions: see undo.h. A block that a transaction has freed is not given out again before the
 * commit, since undoing would bring it back: the first of a list tells by its mark.
 *
 * Tests: tests/c17/unit/test_lib_heap.c
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <lib/heap.h>
#include <lib/string.h>

#ifdef HEAP_LOGGED
#include <lib/undo.h>
#define MARK_FREED  ((uint32_t)undo_log.serial | 0x80000000u) /* in this transaction */
#define MAY_GIVE(b) ((b)->mark != MARK_FREED)
#else
#define KEPT
#define SET(place, value) ((place) = (value))
#define MARK_FREED        0x66726565u /* "free" */
#define MAY_GIVE(b)       true
#endif

#define STEP      16u
#define LINEAR    8u          /* classes 0-7: 16 to 128 bytes */
#define CLASSES   144u        /* up to 2^41 bytes */
#define PIECE     65536u      /* the least that is asked of the source */
#define MARK_USED 0x75736564u /* "used" */

struct block {
    uint32_t class, mark;
    struct block *next; /* while it is free */
};
static_assert(sizeof(struct block) == 16, "a header keeps the alignment");

static heap_more *source;
KEPT static struct {
    uint8_t *cut, *end; /* the unused rest of the newest piece */
    struct block *free[CLASSES];
    struct heap_use use;
} heap;

void heap_source(heap_more *more)
{
    source = more;
}

struct heap_use heap_use(void)
{
    return heap.use;
}

/* Above 128: class 8 + 4 * (k - 7) + j stands for 2^k + (j + 1) * 2^(k - 2) bytes. */
static uint32_t class_of(size_t bytes)
{
    unsigned k;

    if (bytes <= LINEAR * STEP)
        return bytes == 0 ? 0 : (uint32_t)((bytes - 1) / STEP);
    k = 63 - (unsigned)__builtin_clzll(bytes - 1);
    return LINEAR + 4 * (k - 7) + (uint32_t)((bytes - 1) >> (k - 2) & 3);
}

static size_t class_bytes(uint32_t class)
{
    uint32_t k, j;

    if (class < LINEAR)
        return (class + 1) * (size_t)STEP;
    k = (class - LINEAR) / 4 + 7;
    j = (class - LINEAR) % 4;
    return ((size_t)1 << k) + (j + 1) * ((size_t)1 << (k - 2));
}

/* A new piece; if it continues the last one, the rest of that is not lost. */
static bool take_piece(size_t bytes)
{
    size_t given = bytes < PIECE ? PIECE : bytes;
    uint8_t *piece = source == NULL ? NULL : source(&given);

    if (piece == NULL || given < bytes)
        return false;
    if (piece != heap.end)
        SET(heap.cut, piece);
    SET(heap.end, piece + given);
    SET(heap.use.taken, heap.use.taken + given);
    return true;
}

static struct block *cut_block(uint32_t class)
{
    size_t bytes = sizeof(struct block) + class_bytes(class);
    struct block *b;

    if ((size_t)(heap.end - heap.cut) < bytes && !take_piece(bytes))
        return NULL;
    b = (struct block *)(void *)heap.cut;
    SET(heap.cut, heap.cut + bytes);
    b->class = class;
    return b;
}

void *heap_alloc(size_t bytes)
{
    struct block *b;
    uint32_t class;

    if (bytes > (size_t)1 << 40)
        return NULL;
    class = class_of(bytes);
    b = heap.free[class];
    if (b != NULL && MAY_GIVE(b))
        SET(heap.free[class], b->next);
    else if ((b = cut_block(class)) == NULL)
        return NULL;
    SET(b->mark, MARK_USED);
    SET(heap.use.used, heap.use.used + sizeof *b + class_bytes(class));
    return b + 1;
}

void *heap_zeroed(size_t count, size_t bytes)
{
    size_t total;
    void *block;

    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    block = heap_alloc(total);
    if (block != NULL)
        memset(block, 0, total);
    return block;
}

static struct block *block_of(void *memory)
{
    struct block *b = (struct block *)memory - 1;

    if (b->mark != MARK_USED || b->class >= CLASSES)
        __builtin_trap(); /* see the head of this file */
    return b;
}

void *heap_resize(void *block, size_t bytes)
{
    size_t old;
    void *moved;

    if (block == NULL)
        return heap_alloc(bytes);
    old = class_bytes(block_of(block)->class);
    if (bytes <= old)
        return block;
    moved = heap_alloc(bytes);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old);
    heap_free(block);
    return moved;
}

void heap_free(void *block)
{
    struct block *b;

    if (block == NULL)
        return;
    b = block_of(block);
    SET(heap.use.used, heap.use.used - (sizeof *b + class_bytes(b->class)));
    SET(b->mark, MARK_FREED);
    SET(b->next, heap.free[b->class]);
    SET(heap.free[b->class], b);
}
