/* SPDX-License-Identifier: MIT */
/*
 * Disks: virtio block devices (Virtual I/O Device 1.2, 5.2).
 *
 * A request's data go between the disk and its client's pages, which are pinned while it is under
 * way. For each there is a slot of memory of our own that the device reads and writes: the request's
 * head, its table of descriptors, its status byte.
 */
#include "blk.h"

#include <lib/string.h>
#include <libos/exo/log.h>
#include <libos/virtio/virtio.h>

enum { F_READ_ONLY = 5, F_BLK_SIZE = 6, F_FLUSH = 9, F_MQ = 12, F_DISCARD = 13, F_SEG_MAX = 2 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_DISCARD = 11 }; /* types of request (5.2.6) */
enum { S_OK = 0, S_UNSUPPORTED = 2 };
/* The device's configuration (5.2.4). */
enum { C_CAPACITY = 0, C_SEG_MAX = 12, C_BLK_SIZE = 20, C_NUM_QUEUES = 34, C_MAX_DISCARD = 36 };

#define RINGS        4u /* queues of one device that are used */
#define PAGE         ((uint64_t)EXO_PAGE_SIZE)
#define DATA_PAGES   (BLOCK_REQUEST_BYTES / EXO_PAGE_SIZE)
#define PARTS        (DATA_PAGES + 2)
#define REGISTERS_VA 0x0000200000000000u
#define MEMORY_VA    0x0000210000000000u

/* What the device reads and writes of one request. */
struct slot {
    struct {
        uint32_t type, reserved;
        uint64_t sector;
    } head;
    uint8_t status, pad[15];
    union {
        struct virtq_desc table[PARTS];
        struct {
            struct virtq_desc unused[PARTS - 1]; /* a discard needs three of the table */
            uint64_t sector;
            uint32_t sectors, flags;
        } discard;
    };
};
#define MEMORY_PAGES (RINGS + (REQUESTS * sizeof(struct slot) + PAGE - 1) / PAGE)

static struct disk {
    struct virtio device;
    struct virtqueue rings[RINGS];
    uint32_t ring_count;
    uint64_t sectors;
    uint32_t sector_bytes, rights, discard_most;
    uint32_t parts_most;
    exo_cap dma, irq;
    struct slot *slots;
    uint64_t slots_address;
    uint64_t pins[REQUESTS][DATA_PAGES];
    uint32_t pin_count[REQUESTS];
} disks[DISKS];
static uint32_t disk_count;

/* Pages that were pinned, on their way back: one call for many. */
static uint64_t loose[EXO_DMA_BATCH];
static uint32_t loose_count;

static void loose_give(const struct disk *d)
{
    if (loose_count != 0)
        exo_dma_unpin(d->dma, loose, loose_count);
    loose_count = 0;
}

static void pins_loosen(struct disk *d, uint32_t request)
{
    if (loose_count + d->pin_count[request] > EXO_DMA_BATCH)
        loose_give(d);
    memcpy(&loose[loose_count], d->pins[request], d->pin_count[request] * sizeof loose[0]);
    loose_count += d->pin_count[request];
    d->pin_count[request] = 0;
}

/* ---- starting ------------------------------------------------------------------------------------ */

static bool memory_make(struct disk *d, uint32_t number)
{
    uint64_t va = MEMORY_VA + number * 64 * PAGE, pins[MEMORY_PAGES];
    int64_t frame = exo_frame_alloc(0, MEMORY_PAGES);

    if (frame < 0 || virtio_dma(&d->device, &d->dma) < 0 || exo_dma_unpin(d->dma, 0, 0) != EXO_OK ||
        exo_map(0, va, MEMORY_PAGES, (exo_cap)frame, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK ||
        exo_dma_pin(d->dma, (exo_cap)frame, 0, MEMORY_PAGES, EXO_MAP_READ | EXO_MAP_WRITE, pins) !=
            EXO_OK)
        return false;
    d->slots = (struct slot *)(va + RINGS * PAGE);
    d->slots_address = EXO_DMA_ADDRESS(pins[RINGS]); /* the pages follow each other */
    for (uint32_t i = 0; i < d->ring_count; i++) {
        if (!virtqueue_open(&d->device, &d->rings[i], (uint16_t)i, (void *)(va + i * PAGE),
                            EXO_DMA_ADDRESS(pins[i]), 0)) {
            d->ring_count = i; /* fewer than it said */
            break;
        }
    }
    return d->ring_count > 0;
}

static bool interrupt_bind(struct disk *d, uint32_t number, exo_cap notification)
{
    uint32_t bits = d->device.messages ? EVENT_DISK(number) : EVENT_DISKS;

    if (virtio_interrupt(&d->device, 0, &d->irq) < 0)
        return false;
    return exo_irq_bind(d->irq, notification, bits) == EXO_OK;
}

static void features_read(struct disk *d)
{
    const struct virtio *v = &d->device;
    uint64_t parts = virtio_config(v, C_SEG_MAX, 4);

    d->sectors = virtio_config(v, C_CAPACITY, 8);
    d->sector_bytes = virtio_has(v, F_BLK_SIZE) ? (uint32_t)virtio_config(v, C_BLK_SIZE, 4) : 0;
    if (d->sector_bytes < BLOCK_SECTOR || d->sector_bytes > PAGE ||
        (d->sector_bytes & (d->sector_bytes - 1)) != 0)
        d->sector_bytes = BLOCK_SECTOR;
    d->parts_most = virtio_has(v, F_SEG_MAX) && parts < DATA_PAGES ? (uint32_t)parts : DATA_PAGES;
    d->rights = BLOCK_READ | (virtio_has(v, F_READ_ONLY) ? 0 : BLOCK_WRITE);
    d->discard_most = (uint32_t)virtio_config(v, C_MAX_DISCARD, 4);
    if (virtio_has(v, F_DISCARD) && d->discard_most != 0 && (d->rights & BLOCK_WRITE))
        d->rights |= BLOCK_DISCARD;
    d->ring_count = virtio_has(v, F_MQ) ? (uint32_t)virtio_config(v, C_NUM_QUEUES, 2) : 1;
    if (d->ring_count > RINGS)
        d->ring_count = RINGS;
}

static bool disk_start(struct disk *d, uint32_t number, exo_cap notification)
{
    if (!virtio_negotiate(&d->device, 1ull << F_READ_ONLY | 1ull << F_BLK_SIZE | 1ull << F_FLUSH |
                                          1ull << F_MQ | 1ull << F_DISCARD | 1ull << F_SEG_MAX))
        return false;
    features_read(d);
    if (!interrupt_bind(d, number, notification) || !memory_make(d, number))
        return false;
    virtio_run(&d->device);
    return true;
}

/* Disks keep their numbers, by the order of the bus: one that fails has no sectors. */
void disks_start(exo_cap notification)
{
    for (disk_count = 0; disk_count < DISKS; disk_count++) {
        struct disk *d = &disks[disk_count];
        int64_t st = virtio_open(&d->device, EXO_SRV_PCI, disk_count,
                                 REGISTERS_VA + disk_count * VIRTIO_VA_BYTES);

        if (st == -ENODEV)
            return;
        if (st < 0 || !disk_start(d, disk_count, notification)) {
            log_line("disk %u does not start", disk_count);
            if (st == 0)
                virtio_fail(&d->device);
            d->sectors = 0;
            d->ring_count = 0;
        }
    }
}

bool disk_info(uint32_t disk, struct block_info *out)
{
    if (disk >= disk_count)
        return false;
    *out = (struct block_info){.sectors = disks[disk].sectors,
                               .sector_bytes = disks[disk].sector_bytes,
                               .rights = disks[disk].rights,
                               .disk_rights = disks[disk].rights,
                               .disk = disk};
    return true;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static int64_t pin_errno(int64_t status)
{
    switch (status) {
    case EXO_EBUSY: return -EAGAIN;
    case EXO_ENOMEM: return -ENOMEM;
    default: return -EFAULT;
    }
}

static int64_t pages_pin(struct disk *d, uint32_t request, const struct block_request *r,
                         exo_cap memory)
{
    uint64_t bytes = r->sectors * BLOCK_SECTOR, first = r->offset / PAGE;
    uint64_t pages = (r->offset % PAGE + bytes + PAGE - 1) / PAGE;
    int64_t st =
        exo_dma_pin(d->dma, memory, first, pages,
                    r->kind == BLOCK_OP_READ ? EXO_MAP_WRITE : EXO_MAP_READ, d->pins[request]);

    if (st != EXO_OK)
        return pin_errno(st);
    d->pin_count[request] = (uint32_t)pages;
    return 0;
}

/* The pinned pages as few pieces of memory: how many; 0: more than the device takes. */
static uint32_t pages_join(const struct disk *d, uint32_t request, const struct block_request *r,
                           struct virtio_part *parts)
{
    uint64_t within = r->offset % PAGE, left = r->sectors * BLOCK_SECTOR;
    uint32_t count = 0;

    for (uint32_t i = 0; i < d->pin_count[request]; i++) {
        uint64_t address = EXO_DMA_ADDRESS(d->pins[request][i]) + within;
        uint64_t bytes = PAGE - within < left ? PAGE - within : left;

        if (count > 0 && parts[count - 1].address + parts[count - 1].bytes == address) {
            parts[count - 1].bytes += (uint32_t)bytes;
        } else {
            if (count == d->parts_most)
                return 0;
            parts[count++] =
                (struct virtio_part){address, (uint32_t)bytes, r->kind == BLOCK_OP_READ};
        }
        left -= bytes;
        within = 0;
    }
    return count;
}

static uint64_t address_in(const struct disk *d, const void *at)
{
    return d->slots_address + (uint64_t)((const uint8_t *)at - (const uint8_t *)d->slots);
}

/* What lies between the head and the status: how many pieces, or an errno. */
static int64_t body(struct disk *d, uint32_t request, const struct record *record,
                    struct virtio_part *parts)
{
    const struct block_request *r = &record->what;
    struct slot *s = &d->slots[request];
    int64_t st;
    uint32_t count;

    switch (r->kind) {
    case BLOCK_OP_DISCARD:
        if (r->sectors > d->discard_most)
            return -EINVAL;
        s->discard.sector = r->first;
        s->discard.sectors = (uint32_t)r->sectors;
        s->discard.flags = 0;
        parts[0] = (struct virtio_part){address_in(d, &s->discard.sector), 16, false};
        return 1;
    case BLOCK_OP_FLUSH: return 0;
    default:
        st = pages_pin(d, request, r, state.queues[record->queue].buffers[r->buffer]);
        if (st < 0)
            return st;
        count = pages_join(d, request, r, parts);
        return count ? count : -EINVAL;
    }
}

static struct virtqueue *ring_of(struct disk *d, const struct record *record)
{
    return &d->rings[record->queue % d->ring_count];
}

int64_t disk_submit(uint32_t disk, uint32_t request)
{
    static const uint32_t types[] = {T_IN, T_OUT, T_FLUSH, T_DISCARD};
    struct disk *d = &disks[disk];
    const struct record *record = &state.records[disk][request];
    struct slot *s = &d->slots[request];
    struct virtio_part parts[PARTS];
    int64_t count;

    if (d->ring_count == 0)
        return -EIO;
    if (record->what.kind == BLOCK_OP_FLUSH && !virtio_has(&d->device, F_FLUSH))
        return DISK_DONE; /* what it has answered it has written */
    count = body(d, request, record, parts + 1);
    if (count >= 0) {
        s->head.type = types[record->what.kind];
        s->head.sector = record->what.kind <= BLOCK_OP_WRITE ? record->what.first : 0;
        s->status = 0xff;
        parts[0] = (struct virtio_part){address_in(d, &s->head), sizeof s->head, false};
        parts[count + 1] = (struct virtio_part){address_in(d, &s->status), 1, true};
        if (virtqueue_put(ring_of(d, record), parts, (uint16_t)(count + 2), s->table,
                          address_in(d, s->table), (uint16_t)request))
            return 0;
        count = -EAGAIN;
    }
    pins_loosen(d, request);
    loose_give(d);
    return count;
}

void disk_kick(uint32_t disk)
{
    for (uint32_t i = 0; i < disks[disk].ring_count; i++)
        virtqueue_kick(&disks[disk].rings[i]);
}

static void ring_collect(struct disk *d, uint32_t disk, struct virtqueue *ring)
{
    uint16_t request;

    while (virtqueue_take(ring, &request)) {
        uint8_t status;

        if (request >= REQUESTS || !state.records[disk][request].valid)
            continue;
        status = *(volatile uint8_t *)&d->slots[request].status;
        pins_loosen(d, request);
        request_done(disk, request,
                     status == S_OK            ? 0
                     : status == S_UNSUPPORTED ? EOPNOTSUPP
                                               : EIO);
    }
}

/* Acknowledged first, so that what comes while we look interrupts again. */
void disk_collect(uint32_t disk)
{
    struct disk *d = &disks[disk];

    if (d->ring_count == 0)
        return;
    if (d->device.messages == 0)
        virtio_isr(&d->device); /* lets the line go */
    exo_irq_ack(d->irq);
    for (uint32_t i = 0; i < d->ring_count; i++)
        ring_collect(d, disk, &d->rings[i]);
    loose_give(d);
}
