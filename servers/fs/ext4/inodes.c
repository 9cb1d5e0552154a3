/* SPDX-License-Identifier: MIT */
/*
 * Who owns which inode number. A file goes into the group of its directory; a directory does, too,
 * while that group is not crowded, and else into the emptiest one of those looked at.
 */
#include "servers/fs/ext4/private.h"

static int64_t inode_bitmap_get(struct ext4 *fs, uint32_t group, struct buffer **out)
{
    struct ext4_group_desc *d;
    struct buffer *b;

    TRY(group_get(fs, group, &b, &d));
    if (get16(d->bg_flags) & EXT4_BG_INODE_UNINIT) { /* none was ever used: not on the disk */
        TRY(cache_new(fs, group_inode_bitmap(fs, d), KIND_INODE_BITMAP, group, 0, out));
        bits_fill((*out)->data, fs->inodes_per_group, fs->block_bytes * 8 - fs->inodes_per_group,
                  true);
        return 0;
    }
    TRY(cache_get(fs, group_inode_bitmap(fs, d), KIND_INODE_BITMAP, group, 0, &b));
    if (!b->checked && !bitmap_checksum_ok(fs, d, KIND_INODE_BITMAP, b->data))
        return damaged(fs, "inode bitmap of group %u: its checksum is wrong", group);
    b->checked = 1;
    *out = b;
    return 0;
}

/* The group to begin with. */
static int64_t choose_group(struct ext4 *fs, uint32_t dir, bool directory, uint32_t *out)
{
    uint32_t home = (dir - 1) / fs->inodes_per_group, most = 0;
    struct ext4_group_desc *d;
    struct buffer *b;

    *out = home;
    if (!directory)
        return 0;
    for (uint32_t n = 0; n < MIN(fs->groups, 32u); n++) {
        uint32_t group = (home + n) % fs->groups, inodes, blocks;

        TRY(group_get(fs, group, &b, &d));
        inodes = group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi);
        blocks = group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi);
        if (inodes > fs->inodes_per_group / 4 && blocks > fs->blocks_per_group / 4) {
            *out = group;
            return 0;
        }
        if (blocks > 0 && inodes > most) {
            most = inodes;
            *out = group;
        }
    }
    return 0;
}

static int64_t take_inode(struct ext4 *fs, uint32_t group, struct buffer *bitmap, uint32_t at,
                          bool directory)
{
    struct ext4_group_desc *d;
    struct buffer *b;
    uint32_t free, unused, dirs;

    TRY(group_change(fs, group, &b, &d));
    free = group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi);
    dirs = group_count_get(fs, d->bg_used_dirs_count_lo, d->bg_used_dirs_count_hi);
    unused = group_count_get(fs, d->bg_itable_unused_lo, d->bg_itable_unused_hi);
    if (at > fs->inodes_per_group - unused)
        return damaged(fs, "group %u: its bitmap knows more inodes than bg_itable_unused", group);
    TRY(change(fs, bitmap, at / 8, 1));
    bits_fill(bitmap->data, at, 1, true);
    group_count_set(fs, &d->bg_free_inodes_count_lo, &d->bg_free_inodes_count_hi, free - 1);
    if (directory)
        group_count_set(fs, &d->bg_used_dirs_count_lo, &d->bg_used_dirs_count_hi, dirs + 1);
    if (at == fs->inodes_per_group - unused)
        group_count_set(fs, &d->bg_itable_unused_lo, &d->bg_itable_unused_hi, unused - 1);
    if (get16(d->bg_flags) & EXT4_BG_BLOCK_UNINIT)
        TRY(block_bitmap_get(fs, group, &b));
    put16(&d->bg_flags, get16(d->bg_flags) & ~EXT4_BG_INODE_UNINIT);
    fs->op.free_inodes--;
    return 0;
}

int64_t inode_allocate(struct ext4 *fs, uint32_t dir, uint32_t mode, uint32_t *ino)
{
    bool directory = S_ISDIR(mode);
    struct ext4_group_desc *d;
    struct buffer *b;
    uint32_t start;

    TRY(choose_group(fs, dir, directory, &start));
    for (uint32_t n = 0; n < fs->groups; n++) {
        uint32_t group = (start + n) % fs->groups, at;

        TRY(group_get(fs, group, &b, &d));
        if (group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi) == 0)
            continue;
        TRY(inode_bitmap_get(fs, group, &b));
        at = bits_next(b->data, group ? 0 : fs->first_inode - 1, fs->inodes_per_group, false);
        if (at == fs->inodes_per_group)
            continue;
        *ino = group * fs->inodes_per_group + at + 1;
        return take_inode(fs, group, b, at, directory);
    }
    return -ENOSPC;
}

int64_t inode_free(struct ext4 *fs, uint32_t ino, bool directory)
{
    uint32_t group = (ino - 1) / fs->inodes_per_group, at = (ino - 1) % fs->inodes_per_group;
    uint32_t free, dirs;
    struct ext4_group_desc *d;
    struct buffer *b, *bitmap;

    TRY(inode_bitmap_get(fs, group, &bitmap));
    if (!bit_get(bitmap->data, at))
        return damaged(fs, "inode bitmap of group %u: inode %u is in use and free", group, ino);
    TRY(change(fs, bitmap, at / 8, 1));
    bits_fill(bitmap->data, at, 1, false);
    TRY(group_change(fs, group, &b, &d));
    free = group_count_get(fs, d->bg_free_inodes_count_lo, d->bg_free_inodes_count_hi);
    dirs = group_count_get(fs, d->bg_used_dirs_count_lo, d->bg_used_dirs_count_hi);
    if (free == fs->inodes_per_group || (directory && dirs == 0))
        return damaged(fs, "descriptor of group %u: its counts of inodes are wrong", group);
    group_count_set(fs, &d->bg_free_inodes_count_lo, &d->bg_free_inodes_count_hi, free + 1);
    if (directory)
        group_count_set(fs, &d->bg_used_dirs_count_lo, &d->bg_used_dirs_count_hi, dirs - 1);
    fs->op.free_inodes++;
    return 0;
}
