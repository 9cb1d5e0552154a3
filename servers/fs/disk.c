/* SPDX-License-Identifier: MIT */
/*
 * Disks: their nodes in /dev, and the extents behind them.
 *
 * fs holds each whole disk, reads its partition table at the start, and makes, for every opening of a
 * node, an extent of just the sectors and rights that this opening may use. The LibOS talks to
 * the driver by itself with that: file data of block devices never come through here.
 */
#include "servers/fs/fs.h"
#include "servers/fs/port.h"

#include <lib/format.h>
#include <lib/partition.h>
#include <lib/string.h>
#include <libos/exo/block.h>
#include <libos/exo/log.h>

#define DISKS      8u
#define MINORS     16u                 /* of one disk: itself, and 15 partitions */
#define PAGE_VA    0x0000230000000000u /* of the queue */
#define MEMORY_VA  0x0000231000000000u /* of what is read: one page */
#define NODE_MODE  (S_IFBLK | 0660)
#define NODE_GROUP 6u /* disk */

/* What a minor number stands for; no sectors: nothing. */
KEPT static struct place {
    uint64_t first, sectors;
} places[DISKS * MINORS];
KEPT static exo_cap extents[DISKS];

/* ---- partition tables --------------------------------------------------------------------------- */

static bool read_sectors(void *context, uint64_t first, uint32_t sectors, void *to)
{
    struct block_request r = {.kind = BLOCK_OP_READ, .first = first, .sectors = sectors};

    if (sectors * BLOCK_SECTOR > PAGE || block_do(context, &r) < 0)
        return false;
    memcpy(to, (const void *)MEMORY_VA, sectors * BLOCK_SECTOR);
    return true;
}

static uint32_t partitions_find(exo_cap extent, const struct block_info *info,
                                struct partition *found)
{
    struct block queue;
    struct partition_disk disk = {.read = read_sectors,
                                  .context = &queue,
                                  .sectors = info->sectors,
                                  .block_bytes = info->sector_bytes};
    enum partition_table table;
    int64_t frame = exo_frame_alloc(0, 1);
    uint32_t count = 0;

    if (frame < 0)
        return 0;
    if (block_open(&queue, extent, PAGE_VA, 0, 0) == 0) {
        if (exo_map(0, MEMORY_VA, 1, (exo_cap)frame, 0, EXO_MAP_READ) == EXO_OK &&
            block_buffer(&queue, 0, (exo_cap)frame) == 0)
            count = partition_read(&disk, found, MINORS - 1, &table);
        block_close(&queue);
    }
    exo_cap_delete((exo_cap)frame, 0);
    return count;
}

/* ---- nodes -------------------------------------------------------------------------------------- */

static void node_make(uint32_t disk, uint32_t part, struct place place)
{
    char path[24];

    if (part)
        format_text(path, sizeof path, "/dev/vd%c%u", 'a' + (int)disk, part);
    else
        format_text(path, sizeof path, "/dev/vd%c", 'a' + (int)disk);
    places[disk * MINORS + part] = place;
    if (volume_device(path, NODE_MODE, NODE_GROUP, FS_DEV(FS_DISK_MAJOR, disk * MINORS + part)) < 0)
        log_line("no memory for %s", path);
}

void disks_find(void)
{
    struct partition found[MINORS - 1];
    struct block_info info;

    for (uint32_t disk = 0; disk < DISKS; disk++) {
        uint32_t count;

        if (block_disk(EXO_SRV_VIRTIO_BLK, disk, &info, &extents[disk]) < 0)
            return;
        port_keep(extents[disk], false);
        if (info.sectors == 0) /* it did not start: its name is not another's */
            continue;
        node_make(disk, 0, (struct place){0, info.sectors});
        count = partitions_find(extents[disk], &info, found);
        for (uint32_t i = 0; i < count; i++) {
            if (found[i].number < MINORS)
                node_make(disk, found[i].number, (struct place){found[i].first, found[i].sectors});
        }
    }
}

int64_t port_extent(uint64_t rdev, bool write)
{
    uint64_t minor = rdev & 0xff;
    const struct place *p = &places[minor < DISKS * MINORS ? minor : 0];
    struct block_info info;
    uint32_t rights = BLOCK_READ | (write ? BLOCK_WRITE : 0);
    exo_cap disk = extents[minor / MINORS % DISKS], part;
    int64_t status;

    if (rdev >> 8 != FS_DISK_MAJOR || minor >= DISKS * MINORS || p->sectors == 0)
        return -ENXIO;
    if ((status = block_info(disk, &info)) < 0)
        return status;
    if (write && !(info.rights & BLOCK_WRITE))
        return -EROFS;
    status = block_part(disk, p->first, p->sectors, rights, &part);
    return status < 0 ? status : (int64_t)part;
}
