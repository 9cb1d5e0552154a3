/* SPDX-License-Identifier: MIT */
/* Group descriptors: where the bitmaps and the inode table of each group are, and what is free. */
#include "servers/fs/ext4/private.h"

static uint64_t wide(const struct ext4 *fs, le32 lo, le32 hi)
{
    return get32(lo) | (fs->desc_bytes > EXT4_DESC_BYTES_MIN ? (uint64_t)get32(hi) << 32 : 0);
}

uint64_t group_block_bitmap(const struct ext4 *fs, const struct ext4_group_desc *d)
{
    return wide(fs, d->bg_block_bitmap_lo, d->bg_block_bitmap_hi);
}

uint64_t group_inode_bitmap(const struct ext4 *fs, const struct ext4_group_desc *d)
{
    return wide(fs, d->bg_inode_bitmap_lo, d->bg_inode_bitmap_hi);
}

uint64_t group_inode_table(const struct ext4 *fs, const struct ext4_group_desc *d)
{
    return wide(fs, d->bg_inode_table_lo, d->bg_inode_table_hi);
}

uint32_t group_count_get(const struct ext4 *fs, le16 lo, le16 hi)
{
    return get16(lo) | (fs->desc_bytes > EXT4_DESC_BYTES_MIN ? (uint32_t)get16(hi) << 16 : 0);
}

void group_count_set(const struct ext4 *fs, le16 *lo, le16 *hi, uint32_t value)
{
    put16(lo, value & 0xffff);
    if (fs->desc_bytes > EXT4_DESC_BYTES_MIN)
        put16(hi, value >> 16);
}

uint32_t group_blocks(const struct ext4 *fs, uint32_t group)
{
    uint64_t left = fs->blocks - group_first_block(fs, group);

    return left < fs->blocks_per_group ? (uint32_t)left : fs->blocks_per_group;
}

uint32_t group_table_blocks(const struct ext4 *fs)
{
    return fs->inodes_per_group / (fs->block_bytes / fs->inode_bytes);
}

/* The field of a descriptor that cannot be, or 0. */
static const char *group_fault(const struct ext4 *fs, uint32_t group,
                               const struct ext4_group_desc *d)
{
    if (!group_checksum_ok(fs, group, d))
        return "bg_checksum";
    if (!blocks_in_range(fs, group_block_bitmap(fs, d), 1))
        return "bg_block_bitmap";
    if (!blocks_in_range(fs, group_inode_bitmap(fs, d), 1))
        return "bg_inode_bitmap";
    if (!blocks_in_range(fs, group_inode_table(fs, d), group_table_blocks(fs)))
        return "bg_inode_table";
    if (group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi) >
        group_blocks(fs, group))
        return "bg_free_blocks_count";
    if (group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi) >
        fs->inodes_per_group)
        return "bg_free_inodes_count";
    if (group_count_get(fs, d->bg_used_dirs_count_lo, d->bg_used_dirs_count_hi) >
        fs->inodes_per_group)
        return "bg_used_dirs_count";
    if (group_count_get(fs, d->bg_itable_unused_lo, d->bg_itable_unused_hi) > fs->inodes_per_group)
        return "bg_itable_unused";
    return NULL;
}

/* All descriptors in a block, once. */
static int64_t groups_check(struct ext4 *fs, struct buffer *b)
{
    uint32_t count = MIN(fs->block_bytes / fs->desc_bytes, fs->groups - b->owner);

    for (uint32_t i = 0; i < count; i++) {
        const char *fault = group_fault(fs, b->owner + i, (void *)(b->data + i * fs->desc_bytes));

        if (fault)
            return damaged(fs, "descriptor of group %u: %s is wrong", b->owner + i, fault);
    }
    b->checked = 1;
    return 0;
}

int64_t group_get(struct ext4 *fs, uint32_t group, struct buffer **b, struct ext4_group_desc **d)
{
    uint32_t each = fs->block_bytes / fs->desc_bytes;

    TRY(cache_get(fs, fs->super_block + 1 + (uint64_t)(group / each), KIND_GROUPS,
                  group / each * each, 0, b));
    if (!(*b)->checked)
        TRY(groups_check(fs, *b));
    *d = (void *)((*b)->data + group % each * fs->desc_bytes);
    return 0;
}

int64_t group_change(struct ext4 *fs, uint32_t group, struct buffer **b, struct ext4_group_desc **d)
{
    TRY(group_get(fs, group, b, d));
    return change(fs, *b, (size_t)((uint8_t *)*d - (*b)->data), fs->desc_bytes);
}

int64_t groups_count_free(struct ext4 *fs)
{
    fs->free_blocks = fs->free_inodes = 0;
    for (uint32_t group = 0; group < fs->groups; group++) {
        struct ext4_group_desc *d;
        struct buffer *b;

        TRY(group_get(fs, group, &b, &d));
        fs->free_blocks +=
            group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi);
        fs->free_inodes +=
            group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi);
        cache_release(fs, b);
    }
    return 0;
}
