/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, taken and given back in a few instructions. Memory comes from the heap,
 * `batch` objects at a time, and stays with the pool.
 */
#ifndef FS_POOL_H
#define FS_POOL_H

#include <lib/heap.h>
#include <stddef.h>

struct pool {
    size_t size, batch;
    void *free; /* each free object begins with a pointer to the next */
};
#define POOL(type, count)                      \
    {                                          \
        .size = sizeof(type), .batch = (count) \
    }

#ifdef EXO_HOST_TEST /* every object a block of its own, so that the sanitizers see all misuse */

static inline void *pool_take(struct pool *pool)
{
    return heap_alloc(pool->size);
}

static inline void pool_give(struct pool *pool, void *object)
{
    (void)pool;
    heap_free(object);
}

#else

/** Adds a batch. @return whether there is a free object now. */
static inline int pool_fill(struct pool *pool)
{
    char *objects = heap_alloc(pool->size * pool->batch);
    size_t i;

    if (!objects)
        return 0;
    for (i = pool->batch; i-- > 0;) {
        void *object = objects + i * pool->size;

        *(void **)object = pool->free;
        pool->free = object;
    }
    return 1;
}

/** @return an object, its bytes undefined; 0 if there is no memory. */
static inline void *pool_take(struct pool *pool)
{
    void *object;

    if (!pool->free && !pool_fill(pool))
        return 0;
    object = pool->free;
    pool->free = *(void **)object;
    return object;
}

static inline void pool_give(struct pool *pool, void *object)
{
    *(void **)object = pool->free;
    pool->free = object;
}

#endif
#endif
