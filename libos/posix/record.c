/* SPDX-License-Identifier: MIT */
/*
 * Records in rings, for sockets of datagrams and of packets, and marks in streams.
 *
 * A record is a header, the sender's name, and the bytes; it becomes visible by one store to the
 * ring's tail, like all that is written to a ring. It is read as a whole: what the reader has no
 * room for is lost.
 *
 * A mark is stored before the bytes that it belongs to. A writer that dies between the two leaves a
 * mark that comes with the next one's bytes.
 */
#include "claim.h"
#include "socket.h"

struct record {
    uint32_t bytes, name_bytes;
    struct mark mark; /* position: unused */
};
static_assert(sizeof(struct record) == 40, "shared: record");

/* ---- buffers ------------------------------------------------------------------------------------- */

#define PIECES_MAX 1024u

struct pieces pieces_one(uint64_t user, uint64_t bytes)
{
    return (struct pieces){.one = {user, bytes}, .count = 1, .bytes = bytes};
}

static int64_t piece_get(const struct pieces *p, uint64_t i, uint64_t piece[2])
{
    if (p->vector)
        return user_read(piece, p->vector + i * 16, 16);
    piece[0] = p->one[0];
    piece[1] = p->one[1];
    return 0;
}

int64_t pieces_read(struct pieces *p, uint64_t vector, uint64_t count)
{
    uint64_t piece[2];

    *p = (struct pieces){.vector = vector, .count = count};
    if (count > PIECES_MAX)
        return -EMSGSIZE;
    for (uint64_t i = 0; i < count; i++) {
        if (piece_get(p, i, piece) < 0)
            return -EFAULT;
        if ((int64_t)piece[1] < 0 || p->bytes + piece[1] > FILE_IO_MAX)
            return -EINVAL;
        p->bytes += piece[1];
    }
    return 0;
}

int64_t pieces_at(const struct pieces *p, uint64_t offset, uint64_t *user, uint64_t *bytes)
{
    uint64_t piece[2], before = 0;

    for (uint64_t i = 0; i < p->count; i++) {
        if (piece_get(p, i, piece) < 0)
            return -EFAULT;
        if (offset < before + piece[1]) {
            *user = piece[0] + (offset - before);
            *bytes = piece[1] - (offset - before);
            return 1;
        }
        before += piece[1];
    }
    return 0;
}

/* ---- bytes at a position ------------------------------------------------------------------------- */

/* Without a fault: LibOS memory. */
static void place(struct ring *r, uint32_t position, const void *from, uint32_t bytes)
{
    uint32_t at = position % RING_BYTES, first = bytes < RING_BYTES - at ? bytes : RING_BYTES - at;

    memcpy(stream_data(r) + at, from, first);
    memcpy(stream_data(r), (const uint8_t *)from + first, bytes - first);
}

static void fetch(const struct ring *r, uint32_t position, void *to, uint32_t bytes)
{
    uint32_t at = position % RING_BYTES, first = bytes < RING_BYTES - at ? bytes : RING_BYTES - at;

    memcpy(to, stream_data(r) + at, first);
    memcpy((uint8_t *)to + first, stream_data(r), bytes - first);
}

/* `bytes` between the program's buffers and the ring: 0 or -EFAULT. */
static int64_t exchange(struct ring *r, uint32_t position, const struct pieces *p, uint64_t bytes,
                        bool out)
{
    uint64_t done = 0;

    while (done < bytes) {
        uint32_t at = (position + (uint32_t)done) % RING_BYTES;
        uint64_t user, length;

        if (pieces_at(p, done, &user, &length) <= 0)
            return -EFAULT;
        if (length > bytes - done)
            length = bytes - done;
        if (length > RING_BYTES - at)
            length = RING_BYTES - at;
        if ((out ? user_write(user, stream_data(r) + at, length)
                 : user_read(stream_data(r) + at, user, length)) < 0)
            return -EFAULT;
        done += length;
    }
    return 0;
}

/* ---- records ------------------------------------------------------------------------------------- */

static int64_t put_claimed(struct ring *r, const struct pieces *p, const struct extras *e)
{
    struct record record = {(uint32_t)p->bytes, e->name_bytes, e->mark};
    uint32_t tail = atomic_load(&r->tail), used = ring_used(r);
    uint32_t total = (uint32_t)(sizeof record + e->name_bytes + p->bytes);

    if (used > RING_BYTES)
        return -EIO;
    if (total > RING_BYTES - used)
        return -EAGAIN;
    place(r, tail, &record, sizeof record);
    place(r, tail + sizeof record, e->name, e->name_bytes);
    if (exchange(r, tail + (uint32_t)sizeof record + e->name_bytes, p, p->bytes, false) < 0)
        return -EFAULT;
    atomic_store(&r->tail, tail + total);
    return (int64_t)p->bytes;
}

int64_t record_put(struct ring *r, const struct pieces *p, const struct extras *e)
{
    int64_t result;

    if (p->bytes + sizeof(struct record) + e->name_bytes > RING_BYTES)
        return -EMSGSIZE;
    claim_take(&r->writer_claim, claim_own_name());
    result = put_claimed(r, p, e);
    claim_drop(&r->writer_claim);
    if (result >= 0 && ring_wake_readers(r))
        exo_wake(&r->tail, UINT32_MAX);
    return result;
}

/* The header at the head: the record's whole length in the ring, 0: none, -EIO: nonsense. */
static int64_t record_look(const struct ring *r, struct record *record)
{
    uint32_t used = ring_used(r);
    uint64_t total;

    if (used == 0)
        return 0;
    if (used < sizeof *record || used > RING_BYTES)
        return -EIO;
    fetch(r, atomic_load(&r->head), record, sizeof *record);
    total = sizeof *record + (uint64_t)record->name_bytes + record->bytes;
    return record->name_bytes > SOCKET_PATH_BYTES || total > used ? -EIO : (int64_t)total;
}

static int64_t take_claimed(struct ring *r, const struct pieces *p, struct extras *e, bool peek)
{
    struct record record;
    int64_t total = record_look(r, &record);
    uint32_t head = atomic_load(&r->head);
    uint64_t bytes;

    if (total <= 0)
        return total < 0 ? total : -EAGAIN;
    bytes = record.bytes < p->bytes ? record.bytes : p->bytes;
    fetch(r, head + sizeof record, e->name, record.name_bytes);
    if (exchange(r, head + (uint32_t)sizeof record + record.name_bytes, p, bytes, true) < 0)
        return -EFAULT;
    e->mark = record.mark;
    e->name_bytes = record.name_bytes;
    e->record_bytes = record.bytes;
    if (!peek)
        atomic_store(&r->head, head + (uint32_t)total);
    return (int64_t)bytes;
}

int64_t record_take(struct ring *r, const struct pieces *p, struct extras *e, bool peek, bool gone)
{
    int64_t result;

    if (ring_used(r) == 0)
        return gone ? 0 : -EAGAIN;
    claim_take(&r->reader_claim, claim_own_name());
    result = take_claimed(r, p, e, peek);
    claim_drop(&r->reader_claim);
    if (result >= 0 && !peek && ring_wake_writers(r))
        exo_wake(&r->head, UINT32_MAX);
    return result;
}

uint32_t record_next(const struct ring *r)
{
    struct record record;

    return record_look(r, &record) > 0 ? record.bytes : 0;
}

/* ---- marks --------------------------------------------------------------------------------------- */

int64_t marked_put(struct ring *r, uint64_t user, uint64_t bytes, const struct mark *m)
{
    struct marks *marks = marks_of(r);
    uint32_t tail;
    int64_t moved;

    claim_take(&r->writer_claim, claim_own_name());
    tail = atomic_load(&marks->tail);
    if (tail - atomic_load(&marks->head) >= MARKS) {
        claim_drop(&r->writer_claim);
        return -EAGAIN;
    }
    if (bytes > RING_ATOMIC && bytes > ring_free(r))
        bytes = ring_free(r);
    marks->at[tail % MARKS] = *m;
    marks->at[tail % MARKS].position = atomic_load(&r->tail);
    marks->at[tail % MARKS].bytes = (uint32_t)bytes;
    atomic_store(&marks->tail, tail + 1);
    moved = ring_write(r, stream_data(r), user, bytes, user_read);
    if (moved <= 0)
        atomic_store(&marks->tail, tail);
    claim_drop(&r->writer_claim);
    if (moved > 0 && ring_wake_readers(r))
        exo_wake(&r->tail, UINT32_MAX);
    return moved == 0 ? -EAGAIN : moved == RING_FAULT ? -EFAULT : moved < 0 ? -EIO : moved;
}

/* How many bytes come before the i-th mark that waits; what is behind it already is now. */
static uint64_t mark_distance(const struct ring *r, const struct marks *marks, uint32_t i)
{
    int32_t distance = (int32_t)(marks->at[i % MARKS].position -
                                 atomic_load_explicit(&r->head, memory_order_relaxed));

    return distance > 0 ? (uint64_t)distance : 0;
}

int64_t marked_take(struct ring *r, uint64_t user, uint64_t bytes, struct mark *m, bool gone)
{
    struct marks *marks = marks_of(r);
    uint32_t used, head, tail;
    int64_t moved = 0;
    bool marked = false;

    *m = (struct mark){0};
    claim_take(&r->reader_claim, claim_own_name());
    used = ring_used(r); /* before the marks: those of so many bytes are there */
    head = atomic_load(&marks->head);
    tail = atomic_load(&marks->tail);
    if (bytes > used)
        bytes = used;
    if (used != 0 && head != tail && mark_distance(r, marks, head) == 0) {
        *m = marks->at[head++ % MARKS];
        marked = true;
        if (m->files && m->bytes && bytes > m->bytes) /* as on Linux, descriptors end a message */
            bytes = m->bytes;
    }
    if (used != 0 && head != tail && bytes > mark_distance(r, marks, head) &&
        mark_distance(r, marks, head) != 0)
        bytes = mark_distance(r, marks, head);
    if (bytes != 0)
        moved = ring_read(r, stream_data(r), user, bytes, user_write);
    if (marked && moved > 0)
        atomic_store(&marks->head, head);
    else
        *m = (struct mark){0};
    claim_drop(&r->reader_claim);
    if (moved > 0 && ring_wake_writers(r))
        exo_wake(&r->head, UINT32_MAX);
    if (moved == 0)
        return gone && used == 0 ? 0 : -EAGAIN;
    return moved == RING_FAULT ? -EFAULT : moved < 0 ? -EIO : moved;
}
