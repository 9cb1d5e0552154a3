// SPDX-License-Identifier: MIT
/* Any bytes as a disk: the partitions that are told lie on it and are apart, in the order of their numbers. */
// links: lib/partition.c
#include <stdlib.h>
#include <string.h>

#include "lib/partition.h"

#define ROOM 15u

struct bytes {
    const uint8_t *from;
    size_t size;
};

/* Sectors behind the bytes at hand are zeros. */
static bool read_sectors(void *context, uint64_t first, uint32_t sectors, void *to)
{
    const struct bytes *disk = context;

    for (uint32_t i = 0; i < sectors; i++) {
        uint8_t *sector = (uint8_t *)to + (size_t)i * PARTITION_SECTOR;
        uint64_t at = (first + i) * PARTITION_SECTOR;
        size_t there = at >= disk->size                     ? 0
                       : disk->size - at < PARTITION_SECTOR ? disk->size - at
                                                            : PARTITION_SECTOR;

        memset(sector, 0, PARTITION_SECTOR);
        if (there)
            memcpy(sector, disk->from + at, there);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct bytes all = {bytes, size};
    struct partition found[ROOM];
    enum partition_table table;
    struct partition_disk disk = {
        .read = read_sectors, .context = &all, .sectors = 4096, .block_bytes = PARTITION_SECTOR};
    uint32_t count = partition_read(&disk, found, ROOM, &table);

    if (count > ROOM)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        const struct partition *p = &found[i];

        if (p->sectors == 0 || p->first >= disk.sectors || p->sectors > disk.sectors - p->first ||
            (i > 0 && p->number <= found[i - 1].number))
            abort();
        for (uint32_t j = 0; j < i; j++) {
            if (p->first < found[j].first + found[j].sectors &&
                found[j].first < p->first + p->sectors)
                abort();
        }
    }
    return 0;
}
