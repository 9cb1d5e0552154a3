/* SPDX-License-Identifier: MIT */
/*
 * Partition tables: GPT (UEFI 2.10, chapter 5) and MBR, with logical partitions.
 *
 * Whoever wrote the disk may have meant harm: every number is checked against the disk's size, every
 * chain is bounded, and what is told is disjoint and lies on the disk.
 */
#ifndef LIB_PARTITION_H
#define LIB_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#define PARTITION_SECTOR 512u

struct partition {
    uint32_t number;         /* as Linux numbers it: from 1; logical ones from 5 */
    uint64_t first, sectors; /* of 512 bytes */
};

struct partition_disk {
    /** Reads sectors of 512 bytes. False: it cannot. */
    bool (*read)(void *context, uint64_t first, uint32_t sectors, void *to);
    void *context;
    uint64_t sectors;
    uint32_t block_bytes; /* that GPT counts in: the disk's logical block, 512 to 4096 */
};

enum partition_table { PARTITION_NONE, PARTITION_MBR, PARTITION_GPT };

/** Finds at most `room` partitions, in the order of their numbers; *table is what they were read from.
 *  What contradicts the disk or an earlier partition is left out. @return how many. */
uint32_t partition_read(const struct partition_disk *disk, struct partition *out, uint32_t room,
                        enum partition_table *table);

/** The CRC of GPT: IEEE 802.3, going on from `crc` (0 at the start). */
uint32_t partition_crc32(uint32_t crc, const void *from, uint64_t bytes);

#endif
