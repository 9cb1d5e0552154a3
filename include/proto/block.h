/* SPDX-License-Identifier: MIT */
/*
 * The protocol of block devices (`virtio_blk`).
 *
 * An *extent* is a run of sectors of one disk under one capability: an endpoint minted for it. Whoever
 * holds it reaches these sectors, by the rights it was made with, and no others; it can make smaller
 * ones (BLOCK_PART) and pass them on. The whole disk is the first extent; a partition is a part of it.
 *
 * Requests go through a *queue* of an extent. A BLOCK_SUBMIT carries a batch of them and answers at
 * once; the data move between the disk and memory that the client lends by capability (BLOCK_BUFFER),
 * uncopied; and each completion is a store into the queue's page, which the client reads, with one wake
 * and one notification for a batch. Requests complete in any order. A flush means: all writes of
 * the disk that had completed when it was submitted are on the medium.
 *
 * The driver may die and come back (EXO_ERESTARTED). Requests that it had taken are done again by
 * it, once each or twice, so memory of a write must stay as it is until its completion. A submit that
 * was cut off is made again: what had been taken is known by slot and tag, and not taken twice.
 *
 * Sectors have 512 bytes. Numbers of sectors are relative to the extent. The reply's w0 is >= 0 or a
 * negative Linux errno.
 */
#ifndef PROTO_BLOCK_H
#define PROTO_BLOCK_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define BLOCK_SECTOR        512u
#define BLOCK_BADGE_EXTENT  0x8000000000000000u /* badges: of an extent */
#define BLOCK_BADGE_QUEUE   0x4000000000000000u /* of a queue */
#define BLOCK_REQUEST_BYTES (256u * 1024)       /* the most that one read or write moves */
#define BLOCK_SLOTS         64u                 /* requests of one queue at a time */
#define BLOCK_BUFFERS       4u                  /* capabilities of one queue */
#define BLOCK_BATCH         64u                 /* requests of one message */

#define BLOCK_READ    1u /* rights of an extent */
#define BLOCK_WRITE   2u
#define BLOCK_DISCARD 4u /* (info) the disk can forget sectors */

/* In msg[] of BLOCK_DISK's and BLOCK_INFO's replies. */
struct block_info {
    uint64_t sectors;
    uint64_t first;        /* on the disk */
    uint32_t sector_bytes; /* that the disk writes at once without reading: 512, 4096 ... */
    uint32_t rights;       /* of the extent: BLOCK_* */
    uint32_t disk_rights;  /* and what the disk allows at all */
    uint32_t disk;         /* its number */
};

enum block_op {
    /* ---- with a server's badge: the whole machine's disks ---- */
    BLOCK_DISK = 1, /* w0: number of a disk. Reply: struct block_info, 1 capability: its extent.
                       -ENODEV: there are no more */

    /* ---- with an extent's badge ---- */
    BLOCK_INFO = 16, /* reply: struct block_info */
    BLOCK_PART, /* w0: first; w1: sectors; w2: BLOCK_READ | BLOCK_WRITE wanted, no more than it has.
                        Reply: 1 capability: the smaller extent. -EINVAL: it would not be smaller */
    BLOCK_QUEUE, /* w0: event bits; 1 capability or none: a notification (SIGNAL) that gets
                        them at completions. Reply: 2 capabilities: the queue's endpoint, and the
                        region (READ) of its struct block_page */

    /* ---- with a queue's badge ---- */
    BLOCK_BUFFER =
        32,       /* w0: number below BLOCK_BUFFERS; 1 capability: a region or frame extent, READ
                          for writing to disk from it, WRITE for reading into it. -EBUSY: the number's
                          old memory is in use */
    BLOCK_SUBMIT, /* msg: struct block_request []. Reply: w0 = how many were taken, in order; if that
                          is not all, w1 = the errno of the next one: -EAGAIN (too much is under way: again
                          after a completion), -EINVAL, -EPERM, -EROFS, -EFAULT (its memory), -ENOMEM */
};

enum block_kind { BLOCK_OP_READ, BLOCK_OP_WRITE, BLOCK_OP_FLUSH, BLOCK_OP_DISCARD };

struct block_request {
    uint8_t kind;     /* enum block_kind */
    uint8_t buffer;   /* number; read and write: */
    uint16_t slot;    /* below BLOCK_SLOTS, and not under way */
    uint32_t tag;     /* not 0, and another one each time the slot is used */
    uint64_t first;   /* sector; all but flush: */
    uint64_t sectors; /* ... and how many */
    uint64_t offset;  /* byte in the buffer's memory, a multiple of BLOCK_SECTOR */
};
static_assert(sizeof(struct block_request) == 32, "ABI: block_request");

/* The page of a queue; the driver writes, the client reads. done[slot] is BLOCK_DONE of the last
 * request there that is done. */
struct block_page {
    _Atomic uint32_t completed; /* changes, and is woken, after completions */
    uint32_t reserved[15];
    _Atomic uint64_t done[BLOCK_SLOTS];
};
#define BLOCK_DONE(tag, error) ((uint64_t)(tag) << 32 | (uint32_t)(error)) /* error: 0, EIO ... */
#define BLOCK_DONE_TAG(word)   ((uint32_t)((word) >> 32))
#define BLOCK_DONE_ERROR(word) ((uint32_t)(word))

#endif
