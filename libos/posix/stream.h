/* SPDX-License-Identifier: MIT */
/*
 * Streams: rings (ring.h) in a region that their holders map, and what pipes, FIFOs and local
 * sockets do with them.
 *
 * A ring header at address R, the i-th on its page P, has its data at P + 1 page + i * RING_BYTES.
 * A file of this kind reads from one ring, writes to one, or both:
 *     state     struct stream, the mapping, shared by the files of this address space
 *     extra[0]  the ring it reads from (address), 0: none
 *     extra[1]  the ring it writes to, 0: none
 */
#ifndef POSIX_STREAM_H
#define POSIX_STREAM_H

#include "files.h"
#include "ring.h"

#define RING_PAGES (RING_BYTES / (uint32_t)EXO_PAGE_SIZE)

struct stream {
    uint64_t va, pages;
    exo_cap region;
    uint32_t users; /* files */
};

/* Maps a region of so many pages; takes over the capability, also if it fails (0: no memory). The
 * first user is the caller. */
struct stream *stream_map(exo_cap region, uint64_t pages);
void stream_put(struct stream *s);

static inline struct ring *stream_in(const struct file *f)
{
    return (struct ring *)f->extra[0];
}
static inline struct ring *stream_out(const struct file *f)
{
    return (struct ring *)f->extra[1];
}
/* The i-th ring of a page of headers. */
static inline struct ring *stream_ring(uint64_t page, uint32_t i)
{
    return (struct ring *)page + i;
}

/* Gives f the rings; f holds one use of s. */
void stream_attach(struct file *f, struct stream *s, struct ring *in, struct ring *out);

/* Where a ring's bytes are. */
uint8_t *stream_data(const struct ring *r);

/* Tries. What is gone on the other side is the caller's to know: `gone` must have been read before.
 * Reading: -EAGAIN, or 0 when the ring is empty and the writer gone. */
int64_t stream_take(struct ring *r, uint64_t user, uint64_t bytes, bool gone);
int64_t stream_peek(struct ring *r, uint64_t user, uint64_t bytes, bool gone);
int64_t stream_put_bytes(struct ring *r, uint64_t user, uint64_t bytes);

/* POLL_IN, or POLL_OUT; with the position's word added to w. */
uint32_t stream_poll_in(struct ring *r, struct waiter *w);
uint32_t stream_poll_out(struct ring *r, struct waiter *w);

/* A number for st_ino that no other pipe or socket of this lineage has. */
uint64_t stream_number(void);
/* fstat of what has no name: a file of this type. */
void stream_stat(const struct file *f, uint32_t mode, struct fs_stat *out);

#endif
