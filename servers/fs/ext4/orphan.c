/* SPDX-License-Identifier: MIT */
/*
 * Inodes that a crash must not leave half done: without a name, but open; or being truncated. They
 * are in the orphan file, an array of numbers, if the volume has one with room, and otherwise on a
 * list that begins in the superblock and goes on through i_dtime.
 */
#include "servers/fs/ext4/private.h"

/* ---- the orphan file ---- */

static uint32_t slots(const struct ext4 *fs)
{
    return (fs->block_bytes - (uint32_t)sizeof(struct ext4_orphan_tail)) / sizeof(le32);
}

static int64_t orphan_block(struct ext4 *fs, struct inode_ref *file, uint32_t block,
                            struct buffer **out)
{
    const struct ext4_orphan_tail *tail;
    struct extent e;
    struct buffer *b;

    TRY(extent_find(fs, file, block, &e));
    if (!e.physical || e.unwritten)
        return damaged(fs, "orphan file: block %u is missing", block);
    TRY(cache_get(fs, e.physical + (block - e.block), KIND_ORPHANS, file->ino, file->generation,
                  &b));
    tail = (const void *)(b->data + fs->block_bytes - sizeof(*tail));
    if (!b->checked && (get32(tail->ob_magic) != EXT4_ORPHAN_MAGIC || !block_checksum_ok(fs, b)))
        return damaged(fs, "orphan file: block %u is damaged", block);
    b->checked = 1;
    *out = b;
    return 0;
}

/* The slot of the orphan file that holds `ino` (0: a free one). @return 1, or 0: none does */
static int64_t find_slot(struct ext4 *fs, uint32_t ino, struct buffer **b, le32 **slot)
{
    struct inode_ref file;
    uint64_t blocks;

    if (!fs->orphan_inode)
        return 0;
    TRY(inode_get_special(fs, fs->orphan_inode, &file));
    blocks = inode_size(&file) >> fs->block_bits;
    for (uint32_t block = 0; block < MIN(blocks, 1024u); block++) {
        TRY(orphan_block(fs, &file, block, b));
        *slot = (le32 *)(void *)(*b)->data;
        for (uint32_t k = 0; k < slots(fs); k++, (*slot)++) {
            if (get32(**slot) == ino)
                return 1;
        }
    }
    return 0;
}

static int64_t slot_set(struct ext4 *fs, struct buffer *b, le32 *slot, uint32_t ino)
{
    TRY(change(fs, b, (size_t)((uint8_t *)slot - b->data), sizeof(*slot)));
    put32(slot, ino);
    return 0;
}

/* ---- both ways ---- */

int64_t orphan_add(struct ext4 *fs, struct inode_ref *i)
{
    struct ext4_super_block *super;
    struct buffer *b;
    le32 *slot;
    int64_t found = find_slot(fs, 0, &b, &slot);

    TRY(found);
    if (found)
        return slot_set(fs, b, slot, i->ino);
    TRY(super_get(fs, &b, &super));
    TRY(change(fs, b, fs->super_offset, sizeof(*super)));
    TRY(inode_change(fs, i));
    i->raw->i_dtime = super->s_last_orphan;
    put32(&super->s_last_orphan, i->ino);
    return 0;
}

/* Takes it out of the list: whoever points to it points to what it points to. */
static int64_t list_remove_orphan(struct ext4 *fs, struct inode_ref *i)
{
    struct ext4_super_block *super;
    struct inode_ref at;
    struct buffer *b;
    uint32_t ino;

    TRY(super_get(fs, &b, &super));
    ino = get32(super->s_last_orphan);
    if (ino == i->ino) {
        TRY(change(fs, b, fs->super_offset, sizeof(*super)));
        super->s_last_orphan = i->raw->i_dtime;
        put32(&i->raw->i_dtime, 0);
        return 0;
    }
    for (uint32_t n = 0; ino != 0 && n < fs->inodes; n++) {
        TRY(inode_get(fs, ino, &at));
        ino = get32(at.raw->i_dtime);
        if (ino == i->ino) {
            TRY(inode_change(fs, &at));
            at.raw->i_dtime = i->raw->i_dtime;
            put32(&i->raw->i_dtime, 0);
            return 0;
        }
    }
    return 0; /* it was not an orphan */
}

int64_t orphan_remove(struct ext4 *fs, struct inode_ref *i)
{
    struct buffer *b;
    le32 *slot;
    int64_t found = find_slot(fs, i->ino, &b, &slot);

    TRY(found);
    if (found)
        return slot_set(fs, b, slot, 0);
    TRY(inode_change(fs, i));
    return list_remove_orphan(fs, i);
}

/* ---- at mount ---- */

/* Some orphan; 0: there are none. */
static int64_t orphan_any(struct ext4 *fs, uint32_t *ino)
{
    struct ext4_super_block *super;
    struct inode_ref file;
    struct buffer *b;

    TRY(super_get(fs, &b, &super));
    *ino = get32(super->s_last_orphan);
    if (*ino || !fs->orphan_inode || !(fs->ro_compat & EXT4_RO_COMPAT_ORPHAN_PRESENT))
        return 0;
    TRY(inode_get_special(fs, fs->orphan_inode, &file));
    for (uint32_t block = 0; block < MIN(inode_size(&file) >> fs->block_bits, 1024u); block++) {
        const le32 *slot;

        TRY(orphan_block(fs, &file, block, &b));
        slot = (const le32 *)(const void *)b->data;
        for (uint32_t k = 0; k < slots(fs); k++) {
            *ino = get32(slot[k]);
            if (*ino)
                return 0;
        }
    }
    return 0;
}

/* What the inode is waiting for: its end, or the end of a truncation. */
static int64_t finish_one(struct ext4 *fs, uint32_t ino)
{
    struct ext4_attr attr;
    int64_t status = ext4_getattr(fs, ino, &attr);

    if (status == -ENOENT)
        return damaged(fs, "orphan list: inode %u does not exist", ino);
    TRY(status);
    if (attr.nlink > 0 && S_ISREG(attr.mode))
        return truncate_finish(fs, ino, attr.size);
    if (attr.nlink > 0)
        return damaged(fs, "orphan list: inode %u is in use", ino);
    return ext4_evict(fs, ino);
}

int64_t orphans_none(struct ext4 *fs)
{
    uint32_t ino;
    int64_t status;

    operation_read(fs);
    status = operation_end(fs, orphan_any(fs, &ino));
    TRY(status);
    return ino == 0;
}

int64_t orphans_finish(struct ext4 *fs)
{
    uint32_t ino, last = 0, count = 0;

    for (;;) {
        int64_t status;

        operation_read(fs);
        status = operation_end(fs, orphan_any(fs, &ino));
        TRY(status);
        if (ino == 0)
            break;
        if (ino == last || count > fs->inodes)
            return damaged(fs, "orphan list: inode %u is on it twice", ino);
        TRY(finish_one(fs, ino));
        last = ino;
        count++;
    }
    if (count > 0)
        report(fs, "%u deleted or truncated inodes were finished", count);
    return 0;
}
