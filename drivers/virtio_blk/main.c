/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk: the driver of virtio disks, and keeper of their extents.
 *
 *   disk.c    devices: requests become descriptors, interrupts become completions
 *   queue.c   requests of clients, and what they are told
 *   extent.c  who may reach which sectors
 *   blk.h     what outlives the driver
 *
 * One thread serves calls and interrupts in turn and waits for nobody but pci, which calls nobody. A
 * call never waits for a disk.
 */
#include "blk.h"

#include <lib/string.h>
#include <libos/exo/ipc.h>
#include <libos/exo/kept.h>
#include <libos/exo/log.h>
#include <libos/exo/start.h>

KEPT struct state state;

struct answer {
    uint64_t w1;
    uint32_t bytes, caps;
    struct exo_send send[2];
    struct block_info info;
};

static void answer_extent(struct answer *a, const struct extent *e)
{
    struct block_info info = {0};

    disk_info(e->disk, &info);
    info.sectors = e->sectors;
    info.first = e->first;
    info.rights = e->rights;
    a->info = info;
    a->bytes = sizeof a->info;
}

static void answer_lend(struct answer *a, exo_cap cap)
{
    a->send[a->caps++] = (struct exo_send){cap, EXO_SEND_LEND};
}

/* ---- calls --------------------------------------------------------------------------------------- */

static bool is_again(const struct exo_message *m, uint64_t badge)
{
    const struct made *made = &state.made;

    return (m->tag & EXO_LABEL_AGAIN) && made->valid && made->badge == badge &&
           made->label == (EXO_TAG_LABEL(m->tag) & ~EXO_LABEL_AGAIN) &&
           memcmp(made->words, m->w, sizeof m->w) == 0;
}

/* Of an index that was just made. */
static void note_made(const struct exo_message *m, uint64_t badge, int64_t index)
{
    struct made *made = &state.made;

    made->valid = false;
    UNDO_ORDER();
    made->badge = badge;
    made->label = EXO_TAG_LABEL(m->tag) & ~EXO_LABEL_AGAIN;
    memcpy(made->words, m->w, sizeof made->words);
    made->index = (uint32_t)index;
    UNDO_ORDER();
    made->valid = index >= 0;
}

static int64_t make_disk(uint64_t number)
{
    struct block_info info;

    if (number >= DISKS || !disk_info((uint32_t)number, &info))
        return -ENODEV;
    return extent_make((uint32_t)number, 0, info.sectors, info.rights);
}

static int64_t make_part(const struct extent *e, const uint64_t *w)
{
    uint32_t rights = (uint32_t)w[2];

    if (w[1] == 0 || w[0] >= e->sectors || w[1] > e->sectors - w[0] || w[2] == 0 ||
        (w[2] & ~(uint64_t)(BLOCK_READ | BLOCK_WRITE)) != 0)
        return -EINVAL;
    if ((rights & ~e->rights) != 0)
        return -EPERM;
    if (rights & BLOCK_WRITE)
        rights |= e->rights & BLOCK_DISCARD;
    return extent_make(e->disk, e->first + w[0], w[1], rights);
}

/* When there is no room. What was made last may be among it: it is not to be found again. */
static bool sweep(const struct extent *used)
{
    bool queues;

    state.made.valid = false;
    UNDO_ORDER();
    queues = queues_sweep();
    return extents_sweep(used) || queues;
}

static int64_t make_extent(const struct extent *e, const uint64_t *w)
{
    return e ? make_part(e, w) : make_disk(w[0]);
}

static int64_t serve_making(struct extent *e, const struct exo_message *m, struct answer *a)
{
    uint64_t badge = exo_utcb()->badge;
    int64_t index = state.made.index;

    if (!is_again(m, badge)) {
        index = make_extent(e, m->w);
        if (index == -ENFILE && sweep(e))
            index = make_extent(e, m->w);
        note_made(m, badge, index);
    }
    if (index < 0)
        return index;
    answer_extent(a, &state.extents[index]);
    answer_lend(a, state.extents[index].cap);
    return 0;
}

static void close_unheld(void)
{
    struct exo_cap_info info;
    int64_t cap;

    while ((cap = exo_next_childless()) > 0) {
        struct extent *e;
        struct queue *q;

        if (exo_cap_info((exo_cap)cap, &info) != EXO_OK)
            continue;
        if ((e = extent_of_badge(info.badge)) && e->cap == (exo_cap)cap)
            extent_unheld(e);
        else if ((q = queue_of_badge(info.badge)) && q->cap == (exo_cap)cap)
            queue_unheld(q);
    }
}

/* What a client that died had under way is done first: the one who comes after it is not to meet writes
 * that it knows nothing of. */
static int64_t serve_queue(struct extent *e, const struct exo_message *m, exo_cap *got,
                           struct answer *a)
{
    uint64_t badge = exo_utcb()->badge;
    int64_t index = state.made.index;

    if (!is_again(m, badge)) {
        close_unheld();
        if (queues_drain(e->disk))
            return -EAGAIN;
        index = queue_make(e, (uint32_t)m->w[0], *got);
        if (index == -ENFILE && sweep(e))
            index = queue_make(e, (uint32_t)m->w[0], *got);
        note_made(m, badge, index);
        if (index >= 0)
            *got = 0;
    }
    if (index < 0)
        return index;
    answer_lend(a, state.queues[index].cap);
    a->send[a->caps++] = (struct exo_send){state.queues[index].reader, EXO_SEND_COPY};
    return 0;
}

static int64_t serve_submit(struct queue *q, uint32_t bytes, struct answer *a)
{
    static struct block_request requests[BLOCK_BATCH];
    uint64_t count = bytes / sizeof requests[0];
    uint32_t error;

    if (bytes % sizeof requests[0] != 0 || count > BLOCK_BATCH)
        return -EINVAL;
    memcpy(requests, exo_utcb()->msg, bytes);
    count = queue_submit(q, requests, count, &error);
    queues_tell();
    a->w1 = error;
    return (int64_t)count;
}

/* Other requests may be done twice: they are told apart by slot and tag, or change nothing more. */
static uint32_t label_of(const struct exo_message *m)
{
    return EXO_TAG_LABEL(m->tag) & ~EXO_LABEL_AGAIN;
}

static int64_t serve_extent(struct extent *e, const struct exo_message *m, exo_cap *got,
                            struct answer *a)
{
    switch (label_of(m)) {
    case BLOCK_INFO: answer_extent(a, e); return 0;
    case BLOCK_PART: return serve_making(e, m, a);
    case BLOCK_QUEUE: return serve_queue(e, m, got, a);
    default: return -ENOSYS;
    }
}

static int64_t serve_own(struct queue *q, const struct exo_message *m, exo_cap *got,
                         struct answer *a)
{
    exo_cap cap = *got;

    switch (label_of(m)) {
    case BLOCK_BUFFER: *got = 0; return queue_set_buffer(q, m->w[0], cap);
    case BLOCK_SUBMIT: return serve_submit(q, EXO_TAG_BYTES(m->tag), a);
    default: return -ENOSYS;
    }
}

static int64_t dispatch(const struct exo_message *m, uint64_t badge, exo_cap *got, struct answer *a)
{
    struct extent *e = extent_of_badge(badge);
    struct queue *q = queue_of_badge(badge);

    if (e)
        return serve_extent(e, m, got, a);
    if (q)
        return serve_own(q, m, got, a);
    if (badge & (BLOCK_BADGE_EXTENT | BLOCK_BADGE_QUEUE))
        return -EBADF;
    return label_of(m) == BLOCK_DISK ? serve_making(0, m, a) : -ENOSYS;
}

/* What came with a message: no call takes more than one capability. */
static exo_cap received(const struct exo_message *m)
{
    return EXO_TAG_CAPS(m->tag) ? exo_utcb()->received[0] : 0;
}

static void serve(struct exo_message *m)
{
    struct answer a = {0};
    exo_cap got = received(m);
    int64_t result = dispatch(m, exo_utcb()->badge, &got, &a);

    if (got)
        exo_cap_delete(got, 0);
    if (result < 0)
        a.bytes = a.caps = 0;
    memcpy(exo_utcb()->msg, &a.info, a.bytes);
    memcpy(exo_utcb()->send, a.send, a.caps * sizeof a.send[0]);
    *m = ipc_message(0, (uint64_t)result, a.w1, 0, 0);
    m->tag = EXO_TAG(0, a.bytes, a.caps);
}

/* ---- events -------------------------------------------------------------------------------------- */

static void serve_events(uint32_t bits)
{
    for (uint32_t disk = 0; disk < DISKS; disk++) {
        if (bits & EVENT_DISK(disk))
            disk_collect(disk);
    }
    queues_tell();
    if (bits & EXO_EVENT_CHILDLESS)
        close_unheld();
}

static bool start(void)
{
    bool reborn = kept_begin();
    int64_t made = exo_notification_create(0);

    if (made < 0 || exo_notification_bind((exo_cap)made) != EXO_OK)
        return false;
    disks_start((exo_cap)made);
    if (reborn)
        queues_recover();
    return true;
}

int main(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    if (!start()) {
        log_line("cannot start: no memory");
        return 1;
    }
    exo_utcb()->recv_caps = 1;
    for (;;) {
        int64_t tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);

        if (tag < 0) { /* the answer could not be sent: its caller is told by the kernel */
            m.tag = EXO_NO_REPLY;
            continue;
        }
        if (EXO_TAG_LABEL(tag) == EXO_LABEL_EVENT) {
            serve_events((uint32_t)m.w[0]);
            m.tag = EXO_NO_REPLY;
            continue;
        }
        serve(&m);
    }
}
