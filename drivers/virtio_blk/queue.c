/* SPDX-License-Identifier: MIT */
/*
 * Queues: what clients ask, checked once, and what they are told.
 *
 * A request is under way from the store of its record's `valid` until its completion is in the queue's
 * page. In between it is done by the device once, or, if the driver dies, again: reads and writes of
 * the same memory to the same sectors, flushes and discards all allow that.
 */
#include "blk.h"

#define PAGES_VA 0x0000220000000000u /* the queues' pages */
#define PAGE     ((uint64_t)EXO_PAGE_SIZE)

static uint64_t queues_touched; /* a bit for each queue with completions to tell of */

struct block_page *queue_page(uint32_t queue)
{
    return (struct block_page *)(PAGES_VA + queue * PAGE);
}

static uint32_t queue_index(const struct queue *q)
{
    return (uint32_t)(q - state.queues);
}

static struct queue *queue_free(void)
{
    for (uint32_t i = 0; i < QUEUES; i++) {
        if (!state.queues[i].valid)
            return &state.queues[i];
    }
    return 0;
}

/* A client may have kept a capability to it: that is taken away. */
static void page_drop(const struct queue *q)
{
    while (exo_cap_revoke(q->region) == EXO_EAGAIN)
        ;
    exo_cap_delete(q->region, 0);
}

static int64_t page_make(struct queue *q)
{
    int64_t region = exo_region_create(0, 1, 1);

    if (region < 0)
        return -ENOMEM;
    q->region = (exo_cap)region;
    exo_cap_flags(q->region, EXO_CAP_KEEP);
    region = exo_cap_derive(q->region, EXO_R_READ | EXO_R_GRANT, 0, 0, 0);
    q->reader = region < 0 ? 0 : (exo_cap)region;
    exo_cap_flags(q->reader, EXO_CAP_KEEP);
    if (region > 0 && exo_map(0, (uintptr_t)queue_page(queue_index(q)), 1, q->region, 0,
                              EXO_MAP_READ | EXO_MAP_WRITE) == EXO_OK)
        return 0;
    page_drop(q);
    return -ENOMEM;
}

bool queues_drain(uint32_t disk)
{
    for (uint32_t i = 0; i < QUEUES; i++) {
        const struct queue *q = &state.queues[i];

        if (q->valid && !q->cap && q->under_way != 0 && state.extents[q->extent].disk == disk)
            return true;
    }
    return false;
}

int64_t queue_make(struct extent *e, uint32_t event_bits, exo_cap notification)
{
    struct queue *q = queue_free();
    uint32_t generation = ++state.generation;
    int64_t cap;

    if (!q)
        return -ENFILE;
    *q = (struct queue){.extent = (uint32_t)(e - state.extents), .generation = generation};
    if (page_make(q) < 0)
        return -ENOMEM;
    cap = badge_mint(BADGE(BLOCK_BADGE_QUEUE, generation, queue_index(q)));
    if (cap < 0) {
        page_drop(q);
        return cap;
    }
    q->cap = (exo_cap)cap;
    q->notification = notification;
    if (notification)
        exo_cap_flags(notification, EXO_CAP_KEEP);
    q->event_bits = event_bits;
    e->users++;
    q->valid = true;
    return queue_index(q);
}

struct queue *queue_of_badge(uint64_t badge)
{
    uint64_t index = badge & BADGE_INDEX;
    struct queue *q = &state.queues[index < QUEUES ? index : 0];

    return (badge & BLOCK_BADGE_QUEUE) && index < QUEUES && q->valid &&
                   badge == BADGE(BLOCK_BADGE_QUEUE, q->generation, index)
               ? q
               : 0;
}

int64_t queue_set_buffer(struct queue *q, uint64_t number, exo_cap cap)
{
    int64_t status = number >= BLOCK_BUFFERS || !cap ? -EINVAL : q->users[number] ? -EBUSY : 0;

    if (status < 0) {
        if (cap)
            exo_cap_delete(cap, 0);
        return status;
    }
    exo_cap_flags(cap, EXO_CAP_KEEP);
    if (q->buffers[number])
        exo_cap_delete(q->buffers[number], 0);
    q->buffers[number] = cap;
    return 0;
}

/* Nobody holds it, and nothing is under way: it goes. */
static void queue_forget(struct queue *q)
{
    if (q->cap || q->under_way != 0)
        return;
    page_drop(q);
    if (q->notification)
        exo_cap_delete(q->notification, 0);
    for (uint32_t i = 0; i < BLOCK_BUFFERS; i++) {
        if (q->buffers[i])
            exo_cap_delete(q->buffers[i], 0);
    }
    q->valid = false;
    extent_release(&state.extents[q->extent]);
}

void queue_unheld(struct queue *q)
{
    exo_cap_delete(q->cap, 0);
    q->cap = 0;
    queue_forget(q);
}

bool queues_sweep(void)
{
    bool any = false;

    for (uint32_t i = 0; i < QUEUES; i++) {
        struct queue *q = &state.queues[i];

        if (!q->valid || !q->cap || badge_is_lent(q->cap))
            continue;
        queue_unheld(q);
        any = true;
    }
    return any;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static bool moves_data(uint8_t kind)
{
    return kind == BLOCK_OP_READ || kind == BLOCK_OP_WRITE;
}

static int64_t check_range(const struct extent *e, const struct block_request *r)
{
    if (r->kind == BLOCK_OP_FLUSH)
        return 0;
    if (r->sectors == 0 || r->first >= e->sectors || r->sectors > e->sectors - r->first)
        return -EINVAL;
    if (r->kind == BLOCK_OP_DISCARD)
        return e->rights & BLOCK_DISCARD ? 0 : -EOPNOTSUPP;
    return r->sectors <= BLOCK_REQUEST_BYTES / BLOCK_SECTOR ? 0 : -EINVAL;
}

/* At most as many pages as the largest request has when it begins with one. */
static int64_t check_memory(const struct queue *q, const struct block_request *r)
{
    if (!moves_data(r->kind))
        return 0;
    if (r->buffer >= BLOCK_BUFFERS || !q->buffers[r->buffer] || r->offset % BLOCK_SECTOR != 0 ||
        r->offset > UINT64_MAX / 2 ||
        r->offset % PAGE + r->sectors * BLOCK_SECTOR > BLOCK_REQUEST_BYTES)
        return -EINVAL;
    return 0;
}

static int64_t check(const struct queue *q, const struct block_request *r)
{
    const struct extent *e = &state.extents[q->extent];
    uint32_t right = r->kind == BLOCK_OP_READ ? BLOCK_READ : BLOCK_WRITE;
    int64_t status;

    if (r->kind > BLOCK_OP_DISCARD || r->slot >= BLOCK_SLOTS || r->tag == 0)
        return -EINVAL;
    if (q->busy >> r->slot & 1)
        return -EBUSY;
    if (r->kind != BLOCK_OP_FLUSH && !(e->rights & right))
        return -EPERM;
    status = check_range(e, r);
    return status < 0 ? status : check_memory(q, r);
}

static int64_t record_free(uint32_t disk)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        if (!state.records[disk][i].valid)
            return i;
    }
    return -EAGAIN;
}

static void count(struct queue *q, const struct block_request *r, bool begins)
{
    uint64_t bit = (uint64_t)1 << r->slot;

    q->busy = begins ? q->busy | bit : q->busy & ~bit;
    q->under_way += begins ? 1 : (uint32_t)-1;
    if (moves_data(r->kind))
        q->users[r->buffer] += begins ? 1 : (uint32_t)-1;
}

static int64_t submit(struct queue *q, const struct block_request *r)
{
    const struct extent *e = &state.extents[q->extent];
    int64_t status = check(q, r), index;
    struct record *record;

    if (status < 0)
        return status;
    if ((index = record_free(e->disk)) < 0)
        return index;
    record = &state.records[e->disk][index];
    record->what = *r;
    record->what.first += e->first;
    record->queue = queue_index(q);
    status = disk_submit(e->disk, (uint32_t)index);
    if (status < 0)
        return status;
    record->valid = true;
    count(q, r, true);
    if (status == DISK_DONE)
        request_done(e->disk, (uint32_t)index, 0);
    return 0;
}

/* A submit that is made again after the driver's death names requests that are known. */
static bool known(const struct queue *q, const struct block_request *r)
{
    uint32_t disk = state.extents[q->extent].disk;

    if (r->slot >= BLOCK_SLOTS || r->tag == 0)
        return false;
    if (BLOCK_DONE_TAG(queue_page(queue_index(q))->done[r->slot]) == r->tag)
        return true;
    for (uint32_t i = 0; i < REQUESTS && q->busy >> r->slot & 1; i++) {
        const struct record *record = &state.records[disk][i];

        if (record->valid && record->queue == queue_index(q) && record->what.slot == r->slot &&
            record->what.tag == r->tag)
            return true;
    }
    return false;
}

uint64_t queue_submit(struct queue *q, const struct block_request *requests, uint64_t count,
                      uint32_t *error)
{
    uint64_t taken;
    int64_t status = 0;

    for (taken = 0; taken < count; taken++) {
        struct block_request r = requests[taken]; /* copied once, from the message */

        if (!known(q, &r) && (status = submit(q, &r)) < 0)
            break;
    }
    *error = (uint32_t)-status;
    disk_kick(state.extents[q->extent].disk);
    return taken;
}

/* The completion first, then the record: a death in between does the request again, or finds it told. */
void request_done(uint32_t disk, uint32_t request, uint32_t error)
{
    struct record *record = &state.records[disk][request];
    struct queue *q = &state.queues[record->queue];

    queue_page(record->queue)->done[record->what.slot] = BLOCK_DONE(record->what.tag, error);
    record->valid = false;
    count(q, &record->what, false);
    queues_touched |= (uint64_t)1 << record->queue;
}

void queues_tell(void)
{
    for (; queues_touched != 0; queues_touched &= queues_touched - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(queues_touched);
        struct queue *q = &state.queues[index];
        struct block_page *page = queue_page(index);

        if (!q->cap) {
            queue_forget(q);
            continue;
        }
        atomic_fetch_add(&page->completed, 1);
        if (q->notification)
            exo_notify(q->notification, q->event_bits);
        else
            exo_wake(&page->completed, UINT32_MAX);
    }
}

/* ---- a new life ---------------------------------------------------------------------------------- */

static void pages_map(void)
{
    for (uint32_t i = 0; i < EXTENTS; i++)
        state.extents[i].users = 0;
    for (uint32_t i = 0; i < QUEUES; i++) {
        struct queue *q = &state.queues[i];

        if (!q->valid)
            continue;
        state.extents[q->extent].users++;
        q->busy = 0;
        q->under_way = 0;
        for (uint32_t b = 0; b < BLOCK_BUFFERS; b++)
            q->users[b] = 0;
        exo_map(0, (uintptr_t)queue_page(i), 1, q->region, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    }
}

/* Counts are made anew from the records: whichever of them the last life did not come to. */
static void record_recover(uint32_t disk, uint32_t index)
{
    struct record *record = &state.records[disk][index];
    struct queue *q = &state.queues[record->queue];
    int64_t status;

    if (BLOCK_DONE_TAG(queue_page(record->queue)->done[record->what.slot]) == record->what.tag) {
        record->valid = false;
        return;
    }
    count(q, &record->what, true);
    status = disk_submit(disk, index);
    if (status != 0)
        request_done(disk, index, status == DISK_DONE ? 0 : (uint32_t)-status);
}

void queues_recover(void)
{
    pages_map();
    for (uint32_t disk = 0; disk < DISKS; disk++) {
        for (uint32_t i = 0; i < REQUESTS; i++) {
            if (state.records[disk][i].valid)
                record_recover(disk, i);
        }
        disk_kick(disk);
    }
    for (uint32_t i = 0; i < QUEUES; i++) { /* told twice is told */
        if (state.queues[i].valid)
            queues_touched |= (uint64_t)1 << i;
    }
    queues_tell();
}
