/* SPDX-License-Identifier: MIT */
/* The queue of an inotify instance; see events.h. */
#include "servers/fs/events.h"

#include <lib/heap.h>
#include <lib/linux/errno.h>
#include <lib/linux/inotify.h>
#include <lib/string.h>

#define RECORD ((uint32_t)sizeof(struct inotify_event))

bool events_begin(struct event_queue *q)
{
    undo_save(q, sizeof(*q));
    *q =
        (struct event_queue){.bytes = heap_alloc(EVENTS_BYTES_IDLE), .capacity = EVENTS_BYTES_IDLE};
    return q->bytes != 0;
}

void events_end(struct event_queue *q)
{
    heap_free(q->bytes);
    undo_save(q, sizeof(*q));
    *q = (struct event_queue){0};
}

/* Room at the tail for `bytes`, and behind them for the record that tells of an overflow. */
static bool events_room(struct event_queue *q, uint32_t bytes, uint32_t limit)
{
    uint32_t used = events_bytes(q), needed = used + bytes + RECORD, capacity = q->capacity;
    uint8_t *larger;

    if (q->tail + bytes + RECORD <= capacity)
        return true;
    /* Moving down is worth it where it makes room for as much as is moved. */
    if (q->head >= used && needed <= capacity) {
        unlogged(q->bytes, used);
        memcpy(q->bytes, q->bytes + q->head, used);
    } else {
        while (capacity < needed)
            capacity *= 2;
        if (capacity == q->capacity)
            capacity *= 2;
        if (capacity > limit || !(larger = heap_alloc(capacity)))
            return false;
        memcpy(larger, q->bytes + q->head, used);
        heap_free(q->bytes);
        SET(q->bytes, larger);
        SET(q->capacity, capacity);
    }
    SET(q->last, q->last - q->head);
    SET(q->head, 0);
    SET(q->tail, used);
    return true;
}

static void events_append(struct event_queue *q, const struct inotify_event *e, const char *name,
                          uint32_t length)
{
    uint8_t *to = q->bytes + q->tail;

    unlogged(to, RECORD + e->len); /* behind the tail is nothing */
    memcpy(to, e, RECORD);
    memcpy(to + RECORD, name, length);
    memset(to + RECORD + length, 0, e->len - length);
    SET(q->last, q->tail);
    SET(q->tail, q->tail + RECORD + e->len);
    SET(q->count, q->count + 1);
}

/* Linux's rule: all but the cookie. */
static bool same_as_last(const struct event_queue *q, const struct inotify_event *e,
                         const char *name, uint32_t length)
{
    struct inotify_event last;
    const char *text = (const char *)q->bytes + q->last + RECORD;

    if (q->count == 0)
        return false;
    memcpy(&last, q->bytes + q->last, RECORD);
    return last.wd == e->wd && last.mask == e->mask && last.len == e->len &&
           !(e->mask & IN_IGNORED) && memcmp(text, name, length) == 0 &&
           (length == 0 || text[length] == 0);
}

/* What finds no room: one record tells of all that is lost. Its place is the one that events_room
 * kept; as long as it is queued, there is none for another. */
static bool events_overflow(struct event_queue *q)
{
    struct inotify_event e = {.wd = -1, .mask = IN_Q_OVERFLOW};

    if (q->overflowed)
        return false;
    SET(q->overflowed, true);
    events_append(q, &e, "", 0);
    return true;
}

bool events_put(struct event_queue *q, int32_t wd, uint32_t mask, uint32_t cookie, const char *name,
                uint32_t length, uint32_t limit)
{
    struct inotify_event e = {.wd = wd, .mask = mask, .cookie = cookie};

    if (length) /* and at least one NUL */
        e.len = (length + RECORD) & ~(RECORD - 1);
    if (q->count >= EVENTS_MAX)
        return events_overflow(q);
    if (same_as_last(q, &e, name, length))
        return false;
    if (!events_room(q, RECORD + e.len, limit))
        return events_overflow(q);
    events_append(q, &e, name, length);
    return true;
}

/* The bytes of the whole records at the head that fit, and whether one tells of an overflow. */
static uint32_t records_that_fit(const struct event_queue *q, uint32_t bytes, uint32_t *records,
                                 bool *overflow)
{
    uint32_t at = q->head;

    *overflow = false;
    for (*records = 0; at < q->tail; ++*records) {
        struct inotify_event e;

        memcpy(&e, q->bytes + at, RECORD);
        if (RECORD + e.len > bytes - (at - q->head))
            break;
        at += RECORD + e.len;
        *overflow |= e.mask == IN_Q_OVERFLOW;
    }
    return at - q->head;
}

/* An empty queue keeps little. */
static void events_shrink(struct event_queue *q)
{
    uint8_t *smaller = q->capacity > EVENTS_BYTES_IDLE ? heap_alloc(EVENTS_BYTES_IDLE) : 0;

    SET(q->head, 0);
    SET(q->tail, 0);
    if (!smaller)
        return;
    heap_free(q->bytes);
    SET(q->bytes, smaller);
    SET(q->capacity, EVENTS_BYTES_IDLE);
}

int64_t events_take(struct event_queue *q, void *to, uint32_t bytes)
{
    bool overflow;
    uint32_t records, taken = records_that_fit(q, bytes, &records, &overflow);

    if (q->count == 0)
        return -EAGAIN;
    if (records == 0)
        return -EINVAL;
    memcpy(to, q->bytes + q->head, taken);
    SET(q->head, q->head + taken);
    SET(q->count, q->count - records);
    if (overflow)
        SET(q->overflowed, false);
    if (q->count == 0)
        events_shrink(q);
    return taken;
}
