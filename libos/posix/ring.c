/* SPDX-License-Identifier: MIT */
/*
 * The ring's two moves: copy first, then one store makes it so. See ring.h; the orders of the atomic
 * accesses are checked in proofs/memory/protocols/ring.py.
 * Tests: tests/c17/unit/test_posix_ring.c
 */
#include "ring.h"

int64_t ring_peek(const struct ring *r, const uint8_t *data, uint64_t to, uint64_t bytes,
                  ring_copy_out *copy)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t used = atomic_load_explicit(&r->tail, memory_order_acquire) - head;
    uint32_t at = head % RING_BYTES, first;

    if (used > RING_BYTES)
        return RING_BROKEN;
    if (bytes > used)
        bytes = used;
    if (bytes == 0)
        return 0;
    first = bytes < RING_BYTES - at ? (uint32_t)bytes : RING_BYTES - at;
    if (copy(to, data + at, first) != 0)
        return RING_FAULT;
    if (first < bytes && copy(to + first, data, bytes - first) != 0)
        return RING_FAULT;
    return (int64_t)bytes;
}

int64_t ring_read(struct ring *r, const uint8_t *data, uint64_t to, uint64_t bytes,
                  ring_copy_out *copy)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    int64_t moved = ring_peek(r, data, to, bytes, copy);

    /* Sequentially consistent: the flag that ring_wake_writers reads comes after this store. */
    if (moved > 0)
        atomic_store(&r->head, head + (uint32_t)moved);
    return moved;
}

int64_t ring_write(struct ring *r, uint8_t *data, uint64_t from, uint64_t bytes, ring_copy_in *copy)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire);
    uint32_t at = tail % RING_BYTES, room = ring_size(r) - used, first;

    if (used > RING_BYTES)
        return RING_BROKEN;
    if (room > RING_BYTES)
        room = 0; /* the size was set while the ring filled */
    if (bytes > room) {
        if (bytes <= RING_ATOMIC)
            return 0;
        bytes = room;
    }
    if (bytes == 0)
        return 0;
    first = bytes < RING_BYTES - at ? (uint32_t)bytes : RING_BYTES - at;
    if (copy(data + at, from, first) != 0)
        return RING_FAULT;
    if (first < bytes && copy(data, from + first, bytes - first) != 0)
        return RING_FAULT;
    atomic_store(&r->tail, tail + (uint32_t)bytes);
    return (int64_t)bytes;
}
