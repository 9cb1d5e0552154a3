/* SPDX-License-Identifier: MIT */
/*
 * The queue of one inotify instance: records in Linux's own form, one behind the other, ready to be
 * copied out.
 *
 * It is bounded twice, in events (as on Linux) and in bytes. When an event finds no room,
 * IN_Q_OVERFLOW is queued in its place, once: for that record a place is always kept. An event that
 * says the same as the one before it is not put down again.
 */
#ifndef FS_EVENTS_H
#define FS_EVENTS_H

#include "servers/fs/fs.h"

#define EVENTS_BYTES      (EVENTS_MAX * 16u)
#define EVENTS_BYTES_IDLE 512u /* what an empty queue keeps */

struct event_queue {
    uint8_t *bytes;
    uint32_t capacity;   /* of bytes */
    uint32_t head, tail; /* the records are in between */
    uint32_t last;       /* where the last one begins, if there are any */
    uint32_t count;
    bool overflowed; /* an IN_Q_OVERFLOW is queued */
};

/* An empty queue; false: no memory. */
bool events_begin(struct event_queue *q);
void events_end(struct event_queue *q);

static inline uint32_t events_bytes(const struct event_queue *events)
{
    return events->tail - events->head;
}

/**
 * Queues an event; the name may be empty. The queue's memory may grow to `limit` bytes.
 * @return whether a reader has something new to see: false if it merged with the one before it, or
 * was lost and that is known already.
 */
bool events_put(struct event_queue *q, int32_t wd, uint32_t mask, uint32_t cookie, const char *name,
                uint32_t length, uint32_t limit);

/** Moves whole records, at most `bytes`: how many bytes; -EAGAIN: there are none; -EINVAL: the first
 *  does not fit. */
int64_t events_take(struct event_queue *q, void *to, uint32_t bytes);

#endif
