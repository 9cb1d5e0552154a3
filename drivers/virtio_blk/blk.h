/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk: the structures that its files share.
 *
 * struct state is all that the driver must still know when it has died and come back: who may reach
 * what, which queues there are, and which requests they have given us. Everything else - rings, pages
 * for the device, addresses - is made anew from that. Each record becomes valid, and invalid, by one
 * store of its last word, so that it is whole at any instruction (state_recover).
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include <exo.h>
#include <lib/linux/errno.h>
#include <lib/undo.h>
#include <proto/block.h>
#include <stdbool.h>

#define DISKS    8u
#define EXTENTS  128u
#define QUEUES   48u
#define REQUESTS 64u /* of one disk, under way */

/* Badges: the kind, a generation, the index. */
#define BADGE_INDEX             0xffffu
#define BADGE(kind, gen, index) ((kind) | (uint64_t)(gen) << 16 | (index))
#define BADGE_GENERATION(badge) ((uint32_t)((badge) >> 16))

struct extent {
    uint64_t first, sectors;
    uint32_t disk, rights; /* BLOCK_* */
    uint32_t generation;
    uint32_t users; /* queues; it goes when it is neither held nor used */
    exo_cap cap;    /* the endpoint that is lent; 0: nobody holds it */
    bool valid;
};

struct queue {
    uint32_t extent, generation;
    uint32_t event_bits;
    uint32_t under_way;
    uint64_t busy; /* a bit for each slot under way */
    exo_cap cap;   /* the endpoint that is lent; 0: nobody holds it */
    exo_cap notification;
    exo_cap region, reader; /* of struct block_page; the client gets a copy of `reader` */
    exo_cap buffers[BLOCK_BUFFERS];
    uint32_t users[BLOCK_BUFFERS]; /* requests under way */
    bool valid;
};

/* A request that its client considers given to us. */
struct record {
    struct block_request what; /* `first` counts from the disk's start */
    uint32_t queue;
    _Atomic bool valid;
};

/* The last request that made something. If its caller asks again, because the driver died before it had
 * the answer, the same is the answer. */
struct made {
    uint64_t badge, label, words[4];
    uint32_t index;
    bool valid;
};

struct state {
    struct made made;
    struct extent extents[EXTENTS];
    struct queue queues[QUEUES];
    struct record records[DISKS][REQUESTS];
    uint32_t generation; /* of the newest badge */
};
extern struct state state;

/* ---- disks (disk.c) ------------------------------------------------------------------------------ */

#define EVENT_DISK(disk) (1u << (disk)) /* bits of the driver's notification */
#define EVENT_DISKS      ((1u << DISKS) - 1)

/** Finds and starts the disks; interrupts arrive at `notification`. */
void disks_start(exo_cap notification);
/** sectors, sector_bytes and rights; false: there is no such disk. */
bool disk_info(uint32_t disk, struct block_info *out);
/** Gives a recorded request to the device: 0; DISK_DONE: there is nothing to do; -EAGAIN: no room now;
 *  another errno: its memory. */
#define DISK_DONE 1
int64_t disk_submit(uint32_t disk, uint32_t request);
/** Lets the device know of what was given to it. */
void disk_kick(uint32_t disk);
/** After an interrupt. */
void disk_collect(uint32_t disk);

/* ---- extents (extent.c) -------------------------------------------------------------------------- */

/** A capability for a client, which the driver keeps, and hears of when nobody holds it. -ENFILE */
int64_t badge_mint(uint64_t badge);
/** A new extent and the capability to lend: its index, or an errno. */
int64_t extent_make(uint32_t disk, uint64_t first, uint64_t sectors, uint32_t rights);
struct extent *extent_of_badge(uint64_t badge);
void extent_release(struct extent *e); /* one queue less */
void extent_unheld(struct extent *e);
/** Whether somebody was lent a capability that badge_mint made. */
bool badge_is_lent(exo_cap cap);
/** Drops those that nobody was ever lent, because who asked died before the answer: they cannot become
 *  childless. `used` is not looked at. @return whether there were any */
bool extents_sweep(const struct extent *used);

/* ---- queues (queue.c) ---------------------------------------------------------------------------- */

int64_t queue_make(struct extent *e, uint32_t event_bits, exo_cap notification);
/** Whether requests of clients that are gone are under way at a disk. */
bool queues_drain(uint32_t disk);
struct queue *queue_of_badge(uint64_t badge);
/** The page that its client reads. */
struct block_page *queue_page(uint32_t queue);
/** Takes over the capability. 0 or an errno. */
int64_t queue_set_buffer(struct queue *q, uint64_t number, exo_cap cap);
/** Gives requests to the disk: how many; *error: of the next one. */
uint64_t queue_submit(struct queue *q, const struct block_request *requests, uint64_t count,
                      uint32_t *error);
/** The device is done with a request: its client is told, at the latest by queues_tell. */
void request_done(uint32_t disk, uint32_t request, uint32_t error);
void queues_tell(void);
void queue_unheld(struct queue *q);
/** As extents_sweep. */
bool queues_sweep(void);
/** In a new life: what the clients were promised is done. */
void queues_recover(void);

#endif
