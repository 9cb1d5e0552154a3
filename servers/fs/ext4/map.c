/* SPDX-License-Identifier: MIT */
/* From blocks of a file to blocks of the device, for those who do the I/O of data themselves. */
#include "servers/fs/ext4/private.h"

static int64_t file_get(struct ext4 *fs, uint32_t ino, struct inode_ref *i)
{
    TRY(inode_get(fs, ino, i));
    if (S_ISREG(inode_mode(i)))
        return 0;
    return S_ISDIR(inode_mode(i)) ? -EISDIR : -EINVAL;
}

static int64_t map(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                   struct ext4_run *run)
{
    struct inode_ref i;
    struct extent e;

    if (block >= EXT4_BLOCKS_MAX)
        return -EFBIG;
    TRY(file_get(fs, ino, &i));
    TRY(extent_find(fs, &i, (uint32_t)block, &e));
    *run = (struct ext4_run){
        .block = block,
        .count = MIN(count, e.block + (uint64_t)e.count - block),
        .physical = e.physical ? e.physical + (block - e.block) : 0,
        .unwritten = e.unwritten,
    };
    return 0;
}

int64_t ext4_map(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                 struct ext4_run *run)
{
    operation_read(fs);
    return operation_end(fs, map(fs, ino, block, count, run));
}

static int64_t allocate(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                        struct ext4_run *run)
{
    struct extent e = {.block = (uint32_t)block, .unwritten = true};
    struct inode_ref i;

    TRY(map(fs, ino, block, MIN(count, EXT4_EXT_UNWRITTEN_MAX), run));
    if (run->physical || run->count == 0)
        return 0;
    TRY(inode_get(fs, ino, &i));
    TRY(blocks_allocate(fs, extent_goal(fs, &i, e.block), (uint32_t)run->count, &e.physical,
                        &e.count));
    TRY(extent_insert(fs, &i, &e));
    TRY(inode_add_blocks(fs, &i, e.count));
    run->physical = e.physical;
    run->count = e.count;
    run->unwritten = true;
    return 0;
}

int64_t ext4_map_for_write(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                           struct ext4_run *run)
{
    int64_t status;

    if (fs->read_only)
        return -EROFS;
    TRY(ext4_map(fs, ino, block, count, run));
    if (run->physical) /* the usual case of an old file: nothing is changed, nobody waits */
        return 0;
    OPERATION(fs, status, allocate(fs, ino, block, count, run));
    return status;
}

/* @return the block up to which it came */
static int64_t written(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t end, uint64_t size)
{
    struct inode_ref i;

    TRY(file_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    while (block < end && fs->op.blocks < OPERATION_BLOCKS / 2) {
        struct extent e;
        uint64_t count;

        TRY(extent_find(fs, &i, (uint32_t)block, &e));
        if (!e.physical)
            return -EINVAL;
        count = MIN(end, (uint64_t)e.block + e.count) - block;
        if (e.unwritten)
            TRY(extent_written(fs, &i, (uint32_t)block, (uint32_t)count));
        block += count;
    }
    if (block < end)
        return (int64_t)block;
    if (size > inode_size(&i))
        inode_set_size(&i, size);
    inode_touch(fs, &i, TOUCH_MTIME | TOUCH_CTIME);
    return (int64_t)block;
}

int64_t ext4_written(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count, uint64_t size)
{
    uint64_t end = block + count;
    int64_t status;

    if (end > EXT4_BLOCKS_MAX || end < block)
        return -EFBIG;
    do {
        OPERATION(fs, status, written(fs, ino, block, end, size));
        if (status < 0)
            return status;
        block = (uint64_t)status;
    } while (block < end);
    return 0;
}
