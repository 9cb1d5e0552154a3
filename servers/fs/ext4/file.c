/* SPDX-License-Identifier: MIT */
/*
 * Contents of files for who has no page cache: data go through a bounce buffer, with the device
 * waited for. And what changes a file's blocks at large: truncating, punching, allocating ahead. These
 * take several operations; each leaves a file that is whole, and the orphan list remembers the rest.
 */
#include "servers/fs/ext4/private.h"

static uint64_t size_max(const struct ext4 *fs)
{
    return (uint64_t)EXT4_BLOCKS_MAX << fs->block_bits;
}

static uint64_t blocks_of(const struct ext4 *fs, uint64_t bytes)
{
    return (bytes + fs->block_bytes - 1) >> fs->block_bits;
}

static int64_t file_attr(struct ext4 *fs, uint32_t ino, struct ext4_attr *attr)
{
    TRY(ext4_getattr(fs, ino, attr));
    if (S_ISREG(attr->mode))
        return 0;
    return S_ISDIR(attr->mode) ? -EISDIR : -EINVAL;
}

static int64_t data_transfer(struct ext4 *fs, enum ext4_io_kind kind, uint64_t physical,
                             void *memory, uint64_t blocks)
{
    return device_transfer(fs, kind, physical << fs->block_bits, memory, blocks << fs->block_bits);
}

/* ---- reading ---- */

/* Some of the range, in one run. @return bytes */
static int64_t read_run(struct ext4 *fs, uint32_t ino, uint64_t offset, uint8_t *to, uint64_t bytes)
{
    uint64_t skip = offset & (fs->block_bytes - 1), here;
    struct ext4_run run;

    TRY(ext4_map(fs, ino, offset >> fs->block_bits, MIN(blocks_of(fs, skip + bytes), BOUNCE_BLOCKS),
                 &run));
    here = MIN(bytes, (run.count << fs->block_bits) - skip);
    if (!run.physical || run.unwritten) {
        memset(to, 0, here);
        return (int64_t)here;
    }
    TRY(data_transfer(fs, EXT4_IO_READ, run.physical, fs->bounce, blocks_of(fs, skip + here)));
    memcpy(to, fs->bounce + skip, here);
    return (int64_t)here;
}

int64_t ext4_read(struct ext4 *fs, uint32_t ino, uint64_t offset, void *to, uint64_t bytes)
{
    struct ext4_attr attr;
    uint64_t done = 0;

    TRY(file_attr(fs, ino, &attr));
    if (offset >= attr.size)
        return 0;
    bytes = MIN(bytes, attr.size - offset);
    while (done < bytes) {
        int64_t got = read_run(fs, ino, offset + done, (uint8_t *)to + done, bytes - done);

        if (got < 0)
            return done ? (int64_t)done : got;
        done += (uint64_t)got;
    }
    return (int64_t)done;
}

/* ---- writing ---- */

/* What a partly overwritten block holds already: `index` of the run, into the bounce buffer. */
static int64_t fill_edge(struct ext4 *fs, const struct ext4_run *run, uint64_t index)
{
    uint8_t *at = fs->bounce + (index << fs->block_bits);

    if (run->unwritten) {
        memset(at, 0, fs->block_bytes);
        return 0;
    }
    return data_transfer(fs, EXT4_IO_READ, run->physical + index, at, 1);
}

/* Puts bytes (0: zeros) into mapped blocks. */
static int64_t write_mapped(struct ext4 *fs, const struct ext4_run *run, uint64_t skip,
                            const uint8_t *from, uint64_t bytes)
{
    uint64_t blocks = blocks_of(fs, skip + bytes), last = blocks - 1;

    if (skip > 0)
        TRY(fill_edge(fs, run, 0));
    if ((skip + bytes) & (fs->block_bytes - 1) && (last > 0 || skip == 0))
        TRY(fill_edge(fs, run, last));
    if (from)
        memcpy(fs->bounce + skip, from, bytes);
    else
        memset(fs->bounce + skip, 0, bytes);
    return data_transfer(fs, EXT4_IO_WRITE, run->physical, fs->bounce, blocks);
}

static int64_t write_run(struct ext4 *fs, uint32_t ino, uint64_t offset, const uint8_t *from,
                         uint64_t bytes)
{
    uint64_t skip = offset & (fs->block_bytes - 1), block = offset >> fs->block_bits, here, blocks;
    struct ext4_run run;

    TRY(ext4_map_for_write(fs, ino, block, blocks_of(fs, skip + bytes), &run));
    blocks = MIN(run.count, BOUNCE_BLOCKS);
    here = MIN(bytes, (blocks << fs->block_bits) - skip);
    TRY(write_mapped(fs, &run, skip, from, here));
    TRY(ext4_written(fs, ino, block, blocks_of(fs, skip + here), offset + here));
    return (int64_t)here;
}

int64_t ext4_write(struct ext4 *fs, uint32_t ino, uint64_t offset, const void *from, uint64_t bytes)
{
    uint64_t done = 0;

    if (offset > size_max(fs) || bytes > size_max(fs) - offset)
        return -EFBIG;
    while (done < bytes) {
        int64_t put = write_run(fs, ino, offset + done, (const uint8_t *)from + done, bytes - done);

        if (put < 0)
            return done ? (int64_t)done : put;
        done += (uint64_t)put;
    }
    return (int64_t)done;
}

/* Makes part of a block read as zero, if it does not already. */
static int64_t zero_part(struct ext4 *fs, uint32_t ino, uint64_t offset, uint64_t bytes)
{
    struct ext4_run run;

    if (bytes == 0)
        return 0;
    TRY(ext4_map(fs, ino, offset >> fs->block_bits, 1, &run));
    if (!run.physical || run.unwritten)
        return 0;
    return write_mapped(fs, &run, offset & (fs->block_bytes - 1), NULL, bytes);
}

/* ---- truncating ---- */

static int64_t truncate_start(struct ext4 *fs, uint32_t ino, uint64_t size)
{
    uint64_t first = blocks_of(fs, size);
    struct inode_ref i;
    int64_t more = 0;

    TRY(inode_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    if (first < EXT4_BLOCKS_MAX && inode_blocks(fs, &i) > 0) {
        more = extent_remove(fs, &i, (uint32_t)first, EXT4_BLOCKS_MAX - 1);
        TRY(more);
        if (more)
            TRY(orphan_add(fs, &i));
    }
    inode_set_size(&i, size);
    inode_touch(fs, &i, TOUCH_MTIME | TOUCH_CTIME);
    return more;
}

static int64_t truncate_more(struct ext4 *fs, uint32_t ino, uint64_t size)
{
    uint64_t first = blocks_of(fs, size);
    struct inode_ref i;
    int64_t more = 0;

    TRY(inode_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    if (first < EXT4_BLOCKS_MAX)
        more = extent_remove(fs, &i, (uint32_t)first, EXT4_BLOCKS_MAX - 1);
    return more == 0 ? orphan_remove(fs, &i) : more;
}

int64_t truncate_finish(struct ext4 *fs, uint32_t ino, uint64_t size)
{
    int64_t more;

    do {
        OPERATION(fs, more, truncate_more(fs, ino, size));
    } while (more > 0);
    return more;
}

int64_t ext4_truncate(struct ext4 *fs, uint32_t ino, uint64_t size)
{
    uint64_t rest = size & (fs->block_bytes - 1);
    struct ext4_attr attr;
    int64_t more;

    if (size > size_max(fs))
        return -EFBIG;
    if (fs->read_only)
        return -EROFS;
    TRY(file_attr(fs, ino, &attr));
    if (size < attr.size && rest > 0)
        TRY(zero_part(fs, ino, size, fs->block_bytes - rest));
    OPERATION(fs, more, truncate_start(fs, ino, size));
    return more > 0 ? truncate_finish(fs, ino, size) : more;
}

/* ---- the end of an inode ---- */

static int64_t evict(struct ext4 *fs, uint32_t ino)
{
    struct inode_ref i;
    uint32_t mode;

    TRY(inode_get(fs, ino, &i));
    if (get16(i.raw->i_links_count) > 0)
        return -EBUSY;
    mode = inode_mode(&i);
    TRY(inode_change(fs, &i));
    if (S_ISREG(mode) || S_ISDIR(mode) || (S_ISLNK(mode) && !inode_is_fast_symlink(fs, &i))) {
        int64_t more = extent_remove(fs, &i, 0, EXT4_BLOCKS_MAX - 1);

        if (more != 0)
            return more;
    }
    TRY(xattr_drop(fs, &i));
    TRY(orphan_remove(fs, &i));
    put32(&i.raw->i_dtime, (uint32_t)(now_ns(fs) / 1000000000));
    put16(&i.raw->i_mode, 0);
    inode_set_size(&i, 0);
    return inode_free(fs, ino, S_ISDIR(mode));
}

int64_t ext4_evict(struct ext4 *fs, uint32_t ino)
{
    int64_t more;

    do {
        OPERATION(fs, more, evict(fs, ino));
    } while (more > 0);
    return more;
}

/* ---- allocating ahead, and holes ---- */

static int64_t grow_size(struct ext4 *fs, uint32_t ino, uint64_t size)
{
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    if (size > inode_size(&i)) {
        inode_set_size(&i, size);
        inode_touch(fs, &i, TOUCH_MTIME);
    }
    inode_touch(fs, &i, TOUCH_CTIME);
    return 0;
}

int64_t ext4_fallocate(struct ext4 *fs, uint32_t ino, uint64_t offset, uint64_t bytes,
                       bool keep_size)
{
    uint64_t block = offset >> fs->block_bits, end;
    struct ext4_attr attr;
    int64_t status;

    if (bytes == 0)
        return -EINVAL;
    if (offset > size_max(fs) || bytes > size_max(fs) - offset)
        return -EFBIG;
    TRY(file_attr(fs, ino, &attr));
    end = blocks_of(fs, offset + bytes);
    while (block < end) {
        struct ext4_run run;

        TRY(ext4_map_for_write(fs, ino, block, end - block, &run));
        block += run.count;
    }
    OPERATION(fs, status, grow_size(fs, ino, keep_size ? 0 : offset + bytes));
    return status;
}

static int64_t punch(struct ext4 *fs, uint32_t ino, uint64_t first, uint64_t end)
{
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    inode_touch(fs, &i, TOUCH_MTIME | TOUCH_CTIME);
    return first < end ? extent_remove(fs, &i, (uint32_t)first, (uint32_t)(end - 1)) : 0;
}

int64_t ext4_punch(struct ext4 *fs, uint32_t ino, uint64_t offset, uint64_t bytes)
{
    uint64_t first, end, mask = fs->block_bytes - 1;
    struct ext4_attr attr;
    int64_t more;

    if (bytes == 0)
        return -EINVAL;
    if (fs->read_only)
        return -EROFS;
    TRY(file_attr(fs, ino, &attr));
    if (offset >= attr.size)
        return 0;
    bytes = MIN(bytes, ((attr.size + mask) & ~mask) - offset);
    first = blocks_of(fs, offset);
    end = (offset + bytes) >> fs->block_bits;
    if (first > end) { /* within one block */
        TRY(zero_part(fs, ino, offset, bytes));
    } else {
        TRY(zero_part(fs, ino, offset, (first << fs->block_bits) - offset));
        TRY(zero_part(fs, ino, end << fs->block_bits, (offset + bytes) & mask));
    }
    do {
        OPERATION(fs, more, punch(fs, ino, first, end));
    } while (more > 0);
    return more;
}
