/* SPDX-License-Identifier: MIT */
/*
 * The client of a block device (proto/block.h): a queue of one extent, its requests and completions.
 *
 *     block_open(&b, extent, VA, 0, 0);
 *     block_buffer(&b, 0, region);
 *     block_do(&b, &(struct block_request){.kind = BLOCK_OP_READ, .sectors = 8});
 *
 * or, with many under way: block_submit, then block_finished and block_take as completions come. If the
 * driver died meanwhile, what it had taken is done all the same.
 */
#ifndef LIBOS_EXO_BLOCK_H
#define LIBOS_EXO_BLOCK_H

#include <exo.h>
#include <proto/block.h>
#include <stdbool.h>

struct block {
    exo_cap queue, region;
    const struct block_page *page;
    uint64_t busy; /* a bit for each slot under way */
    uint32_t tags[BLOCK_SLOTS];
    uint32_t tag; /* the newest */
};

/** Asks for a disk, by a capability of the driver's endpoint with a server's badge. 0 or an errno. */
int64_t block_disk(exo_cap driver, uint64_t number, struct block_info *info, exo_cap *extent);
int64_t block_info(exo_cap extent, struct block_info *info);
/** A smaller extent, or the same with fewer rights. */
int64_t block_part(exo_cap extent, uint64_t first, uint64_t sectors, uint32_t rights,
                   exo_cap *part);

/** Opens a queue, its page mapped at `va`. A notification, if not 0, gets `bits` at completions
 *  (instead of a wake of page->completed). 0 or an errno. */
int64_t block_open(struct block *b, exo_cap extent, uint64_t va, exo_cap notification,
                   uint32_t bits);
/** Gives the queue up. The driver keeps the memory of what is under way until that is done. */
void block_close(struct block *b);
/** The memory behind buffer `number` from now on; the caller keeps its capability. */
int64_t block_buffer(struct block *b, uint32_t number, exo_cap memory);

/** Gives requests to the driver; their slots and tags are filled in. @return how many were taken, from
 *  the first on; an errno if that is none: -EAGAIN if all slots, or the disk, are full. */
int64_t block_submit(struct block *b, struct block_request *requests, uint32_t count);
/** The slots whose requests are done, a bit each. */
uint64_t block_finished(const struct block *b);
/** Takes the completion of a finished slot: 0 or a negative errno. */
int64_t block_take(struct block *b, uint32_t slot);
/** Sleeps until something is finished; event bits that come meanwhile stay pending. */
void block_wait(const struct block *b);
/** One request, from begin to end. For those who wait by page->completed. */
int64_t block_do(struct block *b, struct block_request *request);

#endif
