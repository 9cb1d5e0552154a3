/* SPDX-License-Identifier: MIT */
/*
 * Who owns which block. Allocation looks for a run of free bits at a goal, then behind it, then in
 * the groups that follow. Freeing is put off to the commit (struct freed), so the bitmap never offers
 * a block that its last owner would have again after a power cut.
 */
#include "servers/fs/ext4/private.h"

bool blocks_in_range(const struct ext4 *fs, uint64_t block, uint64_t count)
{
    return block > fs->super_block && block < fs->blocks && count <= fs->blocks - block;
}

/* ---- bitmaps ---- */

/* Marks those of [block, block + count) that are in the group. */
static void mark_own(const struct ext4 *fs, uint8_t *map, uint32_t group, uint64_t block,
                     uint32_t count)
{
    uint64_t first = group_first_block(fs, group);

    for (uint64_t at = block; at < block + count; at++) {
        if (at >= first && at < first + fs->blocks_per_group)
            bits_fill(map, (uint32_t)(at - first), 1, true);
    }
}

/* The bitmap of a group in which nothing was allocated yet: not on the disk, so it is made. */
static int64_t block_bitmap_make(struct ext4 *fs, uint32_t group, struct ext4_group_desc *d,
                                 struct buffer **out)
{
    uint32_t blocks = group_blocks(fs, group), reserved = 0;
    struct ext4_super_block *super;
    struct buffer *descriptors, *b;

    TRY(group_change(fs, group, &descriptors, &d));
    TRY(super_get(fs, &b, &super));
    if (has_super_block(fs, group))
        reserved = 1 +
                   (uint32_t)(((uint64_t)fs->groups * fs->desc_bytes + fs->block_bytes - 1) >>
                              fs->block_bits) +
                   get16(super->s_reserved_gdt_blocks);
    TRY(cache_new(fs, group_block_bitmap(fs, d), KIND_BLOCK_BITMAP, group, 0, out));
    b = *out;
    bits_fill(b->data, 0, MIN(reserved, blocks), true);
    mark_own(fs, b->data, group, group_block_bitmap(fs, d), 1);
    mark_own(fs, b->data, group, group_inode_bitmap(fs, d), 1);
    mark_own(fs, b->data, group, group_inode_table(fs, d), group_table_blocks(fs));
    bits_fill(b->data, blocks, fs->block_bytes * 8 - blocks, true);
    put16(&d->bg_flags, get16(d->bg_flags) & ~EXT4_BG_BLOCK_UNINIT);
    return 0;
}

int64_t block_bitmap_get(struct ext4 *fs, uint32_t group, struct buffer **out)
{
    struct ext4_group_desc *d;
    struct buffer *b;

    TRY(group_get(fs, group, &b, &d));
    if (get16(d->bg_flags) & EXT4_BG_BLOCK_UNINIT)
        return block_bitmap_make(fs, group, d, out);
    TRY(cache_get(fs, group_block_bitmap(fs, d), KIND_BLOCK_BITMAP, group, 0, &b));
    if (!b->checked && !bitmap_checksum_ok(fs, d, KIND_BLOCK_BITMAP, b->data))
        return damaged(fs, "block bitmap of group %u: its checksum is wrong", group);
    b->checked = 1;
    *out = b;
    return 0;
}

/* ---- allocating ---- */

struct found {
    uint32_t at, count;
};

/* A run of free blocks in [from, limit): the first with `wanted`, or the longest. */
static struct found find_run(const uint8_t *map, uint32_t from, uint32_t limit, uint32_t wanted)
{
    struct found best = {0, 0};

    while (from < limit) {
        uint32_t start = bits_next(map, from, limit, false);
        uint32_t end = bits_next(map, start, MIN(limit, start + wanted), true);

        if (end - start > best.count)
            best = (struct found){start, end - start};
        if (best.count >= wanted)
            break;
        from = end + 1;
    }
    return best;
}

static int64_t take_blocks(struct ext4 *fs, uint32_t group, struct buffer *bitmap,
                           struct found found, uint64_t *block, uint32_t *count)
{
    struct ext4_group_desc *d;
    struct buffer *descriptors;
    uint32_t free;

    TRY(group_change(fs, group, &descriptors, &d));
    free = group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi);
    if (free < found.count)
        return damaged(fs, "group %u: bg_free_blocks_count is below what its bitmap has", group);
    TRY(change(fs, bitmap, found.at / 8, (found.at + found.count + 7) / 8 - found.at / 8));
    bits_fill(bitmap->data, found.at, found.count, true);
    group_count_set(fs, &d->bg_free_blocks_count_lo, &d->bg_free_blocks_count_hi,
                    free - found.count);
    fs->op.free_blocks -= found.count;
    *block = group_first_block(fs, group) + found.at;
    *count = found.count;
    return 0;
}

/* Tries one group; *count stays 0 if it has no run of `least`. */
static int64_t allocate_in(struct ext4 *fs, uint32_t group, uint32_t from, uint32_t wanted,
                           uint32_t least, uint64_t *block, uint32_t *count)
{
    uint32_t limit = group_blocks(fs, group);
    struct ext4_group_desc *d;
    struct found found;
    struct buffer *b;

    TRY(group_get(fs, group, &b, &d));
    if (group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi) < least)
        return 0;
    TRY(block_bitmap_get(fs, group, &b));
    if (from < limit && !bit_get(b->data, from)) /* the goal itself: the file stays in one piece */
        found =
            (struct found){from, bits_next(b->data, from, MIN(limit, from + wanted), true) - from};
    else {
        found = find_run(b->data, from, limit, wanted);
        if (found.count < wanted) {
            struct found before = find_run(b->data, 0, from, wanted);

            if (before.count > found.count)
                found = before;
        }
        if (found.count < least)
            return 0;
    }
    return take_blocks(fs, group, b, found, block, count);
}

#define RUN_LEAST 16u /* shorter runs are taken in the second round only */

int64_t blocks_allocate(struct ext4 *fs, uint64_t goal, uint32_t wanted, uint64_t *block,
                        uint32_t *count)
{
    uint32_t start, least = MIN(wanted, RUN_LEAST);

    if (!blocks_in_range(fs, goal, 1))
        goal = (uint64_t)fs->first_data_block + 1;
    start = (uint32_t)((goal - fs->first_data_block) / fs->blocks_per_group);
    *count = 0;
    for (;;) {
        for (uint32_t n = 0; n < fs->groups; n++) {
            uint32_t group = (start + n) % fs->groups;
            uint32_t from = n ? 0 : (uint32_t)(goal - group_first_block(fs, group));

            TRY(allocate_in(fs, group, from, wanted, least, block, count));
            if (*count > 0)
                return 0;
        }
        if (least == 1)
            return -ENOSPC;
        least = 1;
    }
}

/* ---- freeing ---- */

int64_t blocks_free(struct ext4 *fs, uint64_t block, uint64_t count, bool metadata)
{
    if (!blocks_in_range(fs, block, count))
        return damaged(fs, "blocks %llu and %llu more: outside of the volume",
                       (unsigned long long)block, (unsigned long long)count - 1);
    while (count > 0) {
        uint32_t group = (uint32_t)((block - fs->first_data_block) / fs->blocks_per_group);
        uint32_t at = (uint32_t)(block - group_first_block(fs, group));
        uint32_t here = (uint32_t)MIN(count, fs->blocks_per_group - at);
        struct ext4_group_desc *d;
        struct buffer *b;

        TRY(block_bitmap_get(fs, group, &b));
        if (bits_next(b->data, at, at + here, false) != at + here)
            return damaged(fs, "block bitmap of group %u: block %llu is in use and free", group,
                           (unsigned long long)block);
        TRY(change(fs, b, 0, 1)); /* both belong to the transaction from now on */
        TRY(group_change(fs, group, &b, &d));
        TRY(operation_forget(fs, block, here, metadata));
        block += here;
        count -= here;
    }
    return 0;
}

void blocks_give_back(struct ext4 *fs)
{
    for (uint32_t i = 0; i < fs->freed_count; i++) {
        const struct freed *f = &fs->freed[i];
        uint32_t group = (uint32_t)((f->block - fs->first_data_block) / fs->blocks_per_group);
        uint32_t at = (uint32_t)(f->block - group_first_block(fs, group)), free;
        struct ext4_group_desc *d;
        struct buffer *b, *descriptors;

        if (group_get(fs, group, &descriptors, &d) < 0 || block_bitmap_get(fs, group, &b) < 0)
            continue; /* cannot be: blocks_free put both into the transaction */
        if (bits_next(b->data, at, at + f->count, false) != at + f->count) {
            damaged(fs, "block %llu was freed twice", (unsigned long long)f->block);
            continue;
        }
        bits_fill(b->data, at, f->count, false);
        free = group_count_get(fs, d->bg_free_blocks_count_lo, d->bg_free_blocks_count_hi);
        free = MIN(free + f->count, fs->blocks_per_group);
        group_count_set(fs, &d->bg_free_blocks_count_lo, &d->bg_free_blocks_count_hi, free);
        fs->free_blocks += f->count;
        for (uint32_t k = 0; f->metadata && k < f->count; k++) {
            struct buffer *old = cache_find(fs, f->block + k);

            if (old && (old->kind == KIND_EXTENTS || old->kind == KIND_DIRECTORY ||
                        old->kind == KIND_XATTR || old->kind == KIND_SYMLINK)) {
                fs->journal.home_count -= old->home;
                cache_drop(fs, old); /* it is not to be written any more */
            }
        }
    }
    fs->freed_blocks = 0;
}
