/* SPDX-License-Identifier: MIT */
/*
 * Pairs: two ends with counted holders. When the last capability to one end goes, however it goes, the
 * kernel stores 1 into a word of shared memory and wakes its sleepers: the end of file of a pipe,
 * without a server.
 */
#ifndef KERNEL_IPC_PAIR_H
#define KERNEL_IPC_PAIR_H

#include <kernel/mem/region.h>

struct pair {
    struct object object;
    struct region *region; /* holds a reference; 0 while the pair is being made */
    uint64_t word[2];      /* byte offsets in the region of A's and B's words */
    uint32_t holders[2];
};

/** A capability with these rights was made, or is gone. */
void pair_held(struct pair *p, uint32_t rights);
void pair_dropped(struct pair *p, uint32_t rights);
void pair_destroy(struct pair *p);

#endif
