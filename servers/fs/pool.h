/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, taken and given back in a few instructions. Memory comes from the heap,
 * `batch` objects at a time, and stays with the pool.
 *
 * A pool is a record: what is free is logged, what an object holds is not (the transaction that took
 * it may write to it at will). An object that was given back is not taken again before the commit:
 * undoing brings it back as it was, but for its first two words, which are logged.
 */
#ifndef FS_POOL_H
#define FS_POOL_H

#include <lib/heap.h>
#include <lib/undo.h>
#include <stddef.h>
#include <stdint.h>

struct free_object {
    struct free_object *next;
    uint64_t serial; /* of the transaction that gave it back */
};

#ifdef EXO_HOST_TEST /* every object a block of its own, so that the sanitizers see all misuse */

#define POOL(name, type, batch) static const size_t name = sizeof(type)

static inline void *pool_take_from(const size_t *bytes)
{
    return heap_alloc(*bytes);
}

static inline void pool_give_to(const size_t *bytes, void *object)
{
    (void)bytes;
    heap_free(object);
}

#define pool_take(name)         pool_take_from(&(name))
#define pool_give(name, object) pool_give_to(&(name), object)

#else

/** Defines a pool of objects of `type`, which must have two words at least. */
#define POOL(name, type, batch)                                              \
    static_assert(sizeof(type) >= sizeof(struct free_object), "pool: size"); \
    enum { name##_batch = (batch), name##_size = sizeof(type) };             \
    KEPT static struct free_object *name

/** Adds a batch. @return a chain of free objects; 0 if there is no memory. */
static inline struct free_object *pool_batch(size_t size, size_t batch, struct free_object *rest)
{
    char *objects = heap_alloc(size * batch);
    size_t i;

    if (!objects)
        return 0;
    for (i = batch; i-- > 0;) {
        struct free_object *object = (struct free_object *)(void *)(objects + i * size);

        *object = (struct free_object){.next = rest};
        rest = object;
    }
    return rest;
}

static inline void *pool_take_from(struct free_object **pool, size_t size, size_t batch)
{
    struct free_object *object = *pool;

    if (!object || object->serial == undo_log.serial) {
        if (!(object = pool_batch(size, batch, object)))
            return 0;
    } else {
        undo_word(object);
        undo_word(&object->serial);
    }
    SET(*pool, object->next);
    return object;
}

static inline void pool_give_to(struct free_object **pool, void *given)
{
    struct free_object *object = given;

    SET(object->next, *pool);
    SET(object->serial, undo_log.serial);
    SET(*pool, object);
}

/** @return an object, its bytes undefined; 0 if there is no memory. */
#define pool_take(name)         pool_take_from(&(name), name##_size, name##_batch)
#define pool_give(name, object) pool_give_to(&(name), object)

#endif
#endif
