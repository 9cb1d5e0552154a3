/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes between processes: the inside of pipes and local sockets.
 *
 *              head                     tail
 *     ----------|#######################|---------------      (modulo RING_BYTES)
 *     free      | written, not yet read | free
 *
 * Both positions run freely and wrap at 2^32; tail - head bytes wait. The reader alone moves head,
 * the writer alone moves tail, each by one store after the bytes were copied, so that whoever dies
 * half-way has done nothing. Several readers (writers) exclude each other by a claim (claim.h).
 *
 * The kernel sets reader_gone (writer_gone) when the last holder of that end is gone (exo_pair).
 * Each position shares an aligned 64-bit word with the other side's "gone" flag: what a poller must
 * look at is one load (RING_INPUT, RING_OUTPUT).
 *
 * Sleeping: who is about to sleep sets readers_wait (writers_wait) and looks once more; who moves a
 * position looks at the flag afterwards and, if it is set, clears it and wakes. A sleeper that was
 * killed costs one idle wake-up and no more.
 *
 * Orders (proofs/memory/protocols/ring.py): moving a position is a release and looking at the other
 * side's an acquire. Where one side sets a flag and looks at a position, and the other moves the
 * position and looks at the flag, all four are sequentially consistent: one of the two sees the other.
 *
 * Everything here may be scribbled over by any holder: positions are read once and checked, and a
 * ring that makes no sense is an error (RING_BROKEN). Pure C: tested on the host.
 */
#ifndef POSIX_RING_H
#define POSIX_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_BYTES  65536u
#define RING_ATOMIC 4096u /* writes up to this size are not torn (PIPE_BUF) */
#define RING_BROKEN (-2)  /* results of ring_read and ring_write below 0 */
#define RING_FAULT  (-1)

/* The shared words, 128 bytes: first what the writer changes, then what the reader does. */
struct ring {
    _Alignas(64) _Atomic uint32_t tail;
    _Atomic uint32_t writer_gone; /* 1: the kernel says so; 2: shut down */
    _Atomic uint32_t writer_claim;
    _Atomic uint32_t readers_wait;
    _Atomic uint32_t withheld; /* of RING_BYTES, at most all but RING_ATOMIC: F_SETPIPE_SZ */
    uint32_t unused_writer[11];
    _Atomic uint32_t head;
    _Atomic uint32_t reader_gone;
    _Atomic uint32_t reader_claim;
    _Atomic uint32_t writers_wait;
    uint32_t unused_reader[12];
};
static_assert(sizeof(struct ring) == 128, "shared: ring");
static_assert(offsetof(struct ring, writer_gone) == 4, "shared: one word with tail");
static_assert(offsetof(struct ring, head) == 64, "shared: ring");
static_assert(offsetof(struct ring, reader_gone) == 68, "shared: one word with head");

#define RING_INPUT(ring)  ((const _Atomic uint64_t *)(const void *)&(ring)->tail)
#define RING_OUTPUT(ring) ((const _Atomic uint64_t *)(const void *)&(ring)->head)

/* Copies to or from the other side's buffer (a program's memory): 0, or not 0 for a fault. */
typedef int64_t ring_copy_out(uint64_t to, const void *from, size_t bytes);
typedef int64_t ring_copy_in(void *to, uint64_t from, size_t bytes);

/* Bytes that wait; above RING_BYTES: broken. Sequentially consistent: who has written to one ring and
 * then finds another empty has written before that other one's writer did. The head first (acquire): other
 * readers may move it, and it must not be beyond the tail. */
static inline uint32_t ring_used(const struct ring *r)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);

    return atomic_load(&r->tail) - head;
}
/* How much may wait in it. */
static inline uint32_t ring_size(const struct ring *r)
{
    uint32_t withheld = atomic_load_explicit(&r->withheld, memory_order_relaxed);

    return withheld > RING_BYTES - RING_ATOMIC ? RING_ATOMIC : RING_BYTES - withheld;
}
static inline uint32_t ring_free(const struct ring *r)
{
    uint32_t used = ring_used(r), size = ring_size(r);

    return used > size ? 0 : size - used;
}

/* Moves up to `bytes` out of the ring (in data[RING_BYTES]) to address `to`, under reader_claim.
 * The bytes moved, 0 if it is empty, RING_FAULT (nothing moved), RING_BROKEN. */
int64_t ring_read(struct ring *r, const uint8_t *data, uint64_t to, uint64_t bytes,
                  ring_copy_out *copy);
/* The same without taking them out (MSG_PEEK). */
int64_t ring_peek(const struct ring *r, const uint8_t *data, uint64_t to, uint64_t bytes,
                  ring_copy_out *copy);
/* Moves up to `bytes` from address `from` into the ring, under writer_claim: all of them or none if
 * bytes <= RING_ATOMIC. The bytes moved, 0 if they do not fit now, RING_FAULT, RING_BROKEN. */
int64_t ring_write(struct ring *r, uint8_t *data, uint64_t from, uint64_t bytes,
                   ring_copy_in *copy);

/* After a read (write): must the other side be woken? Clears its flag. */
static inline bool ring_wake_writers(struct ring *r)
{
    return atomic_load(&r->writers_wait) != 0 && ring_free(r) >= RING_ATOMIC &&
           atomic_exchange(&r->writers_wait, 0) != 0;
}
static inline bool ring_wake_readers(struct ring *r)
{
    return atomic_load(&r->readers_wait) != 0 && atomic_exchange(&r->readers_wait, 0) != 0;
}

#endif
