/* SPDX-License-Identifier: MIT */
/*
 * Kernel objects: where they live, and when they end.
 *
 * Each kind of object has a pool: pages of equal slots, found by index, handed out from a free list.
 * A capability holds a type and an index; everything else about an object is in its pool slot, which
 * begins with struct object. `refs` counts the capabilities to the object and the kernel's own
 * references; when it falls to 0 the object is destroyed by the function of its kind.
 *
 * Pages whose last object goes are given back but for one a pool, so memory that held objects is free
 * memory again.
 */
#ifndef KERNEL_OBJECT_H
#define KERNEL_OBJECT_H

#include <exo/calls.h>
#include <exo/types.h>
#include <stdbool.h>

/* Locks: everything in the kernel is under the one kernel lock (hal/lock.h). */

struct account;

struct object {
    uint32_t refs;
    uint32_t index;          /* in its pool; while free: the next free one */
    struct account *account; /* who pays for the object */
    uint32_t caps;           /* how many of the references are capabilities */
    uint8_t type;            /* enum exo_type; EXO_NONE while free */
    uint8_t dead;            /* env, thread: ended, the record is kept */
    uint16_t reserved;
};

/** A new object of a kind, zeroed but for its header, with one reference, charged to `account`.
 *  EXO_OK, EXO_EOBJECTS or EXO_ENOMEM. */
int64_t object_create(enum exo_type type, struct account *account, void **out);
/** The object with an index; it must be live. */
void *object_at(enum exo_type type, uint32_t index);

static inline void object_ref(struct object *o)
{
    o->refs++;
}
/** Drops a reference; the last one destroys the object. */
void object_unref(struct object *o);

/** Mapping records and others that no capability names have pools as well. */
struct pool {
    uint32_t bytes;    /* of a slot */
    uint32_t shift;    /* an index is page << shift | slot in the page */
    uint32_t per_page; /* slots of a page, <= 1 << shift */
    uint32_t first;    /* first page with room: list through struct pool_page; POOL_NONE: no such */
    uint32_t vacant;   /* no page is missing below this one */
    uint32_t spare;    /* the one empty page that is kept, or POOL_NONE: what comes and goes at the
                          edge of a page is cheap */
    void **pages;      /* 0: not there */
    uint32_t page_limit;
};
#define POOL_NONE 0xffffu
void pool_init(struct pool *pool, size_t bytes, void **pages, uint32_t page_limit);
void *pool_take(struct pool *pool, uint32_t *index);
void pool_give(struct pool *pool, void *slot, uint32_t index);
void *pool_at(const struct pool *pool, uint32_t index);

/** Called once, before the first object. */
void object_init(void);

#endif
