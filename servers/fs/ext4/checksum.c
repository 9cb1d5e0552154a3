/* SPDX-License-Identifier: MIT */
/*
 * The checksums of every structure. CRC-32C (Castagnoli, reflected, no final inversion) is taken 8
 * bytes at a time through tables, "slicing" (Kounavis and Berry, 2005). What goes into each sum is
 * in the table of the format's chapter on checksums; the order is that of the calls here.
 */
#include "servers/fs/ext4/private.h"

static uint32_t crc_table[8][256]; /* made at the first use; [0][1] is never 0 then */

static void crc_make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 255];
    }
}

uint32_t crc32c(uint32_t seed, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint32_t c = seed;

    if (crc_table[0][1] == 0)
        crc_make_table();
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = c ^ get32(*(const le32 *)p), high = get32(*(const le32 *)(p + 4));

        c = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^
            crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^
            crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
    }
    for (; bytes > 0; bytes--)
        c = c >> 8 ^ crc_table[0][(c ^ *p++) & 255];
    return c;
}

/* CRC-16 (polynomial 0x8005, reflected), of group descriptors under GDT_CSUM only. */
uint16_t crc16(uint16_t seed, const void *data, size_t bytes)
{
    uint32_t c = seed;

    for (const uint8_t *p = data; bytes > 0; bytes--) {
        c ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xa001u : 0);
    }
    return (uint16_t)c;
}

static uint32_t crc_le32(uint32_t seed, uint32_t value)
{
    le32 v;

    put32(&v, value);
    return crc32c(seed, &v, sizeof(v));
}

/* ---- superblock ---- */

static uint32_t super_checksum(const struct ext4_super_block *super)
{
    return crc32c(~0u, super, offsetof(struct ext4_super_block, s_checksum));
}

bool super_checksum_ok(const struct ext4_super_block *super)
{
    return get32(super->s_checksum) == super_checksum(super);
}

void super_seal(struct ext4_super_block *super)
{
    put32(&super->s_checksum, super_checksum(super));
}

/* ---- group descriptors ---- */

static uint16_t group_checksum(const struct ext4 *fs, uint32_t group,
                               const struct ext4_group_desc *d)
{
    const size_t at = offsetof(struct ext4_group_desc, bg_checksum);
    const uint8_t zero[2] = {0}, *rest = (const uint8_t *)d + at + 2;
    le32 number;

    put32(&number, group);
    if (fs->checksums) {
        uint32_t c = crc32c(crc32c(fs->checksum_seed, &number, 4), d, at);

        return (uint16_t)crc32c(crc32c(c, zero, 2), rest, fs->desc_bytes - at - 2);
    }
    uint16_t c = crc16(crc16(0xffff, fs->uuid, 16), &number, 4);

    return crc16(crc16(c, d, at), rest, fs->desc_bytes - at - 2);
}

static bool groups_have_checksums(const struct ext4 *fs)
{
    return fs->checksums || (fs->ro_compat & EXT4_RO_COMPAT_GDT_CSUM);
}

bool group_checksum_ok(const struct ext4 *fs, uint32_t group, const struct ext4_group_desc *d)
{
    return !groups_have_checksums(fs) || get16(d->bg_checksum) == group_checksum(fs, group, d);
}

static bool has_high_checksum(const struct ext4 *fs)
{
    return fs->desc_bytes >= sizeof(struct ext4_group_desc);
}

static uint32_t bitmap_checksum(const struct ext4 *fs, enum kind kind, const uint8_t *bitmap)
{
    uint32_t bits = kind == KIND_BLOCK_BITMAP ? fs->blocks_per_group : fs->inodes_per_group;

    return crc32c(fs->checksum_seed, bitmap, bits / 8);
}

bool bitmap_checksum_ok(const struct ext4 *fs, const struct ext4_group_desc *d, enum kind kind,
                        const uint8_t *bitmap)
{
    bool blocks = kind == KIND_BLOCK_BITMAP;
    uint32_t c = bitmap_checksum(fs, kind, bitmap);

    if (!fs->checksums)
        return true;
    if (get16(blocks ? d->bg_block_bitmap_csum_lo : d->bg_inode_bitmap_csum_lo) != (c & 0xffff))
        return false;
    return !has_high_checksum(fs) ||
           get16(blocks ? d->bg_block_bitmap_csum_hi : d->bg_inode_bitmap_csum_hi) == c >> 16;
}

static void bitmap_seal(const struct ext4 *fs, struct ext4_group_desc *d, enum kind kind,
                        const uint8_t *bitmap)
{
    bool blocks = kind == KIND_BLOCK_BITMAP;
    uint32_t c = bitmap_checksum(fs, kind, bitmap);

    put16(blocks ? &d->bg_block_bitmap_csum_lo : &d->bg_inode_bitmap_csum_lo, c & 0xffff);
    if (has_high_checksum(fs))
        put16(blocks ? &d->bg_block_bitmap_csum_hi : &d->bg_inode_bitmap_csum_hi, c >> 16);
}

/* ---- inodes ---- */

static uint32_t inode_seed(const struct ext4 *fs, uint32_t ino, uint32_t generation)
{
    return crc_le32(crc_le32(fs->checksum_seed, ino), generation);
}

static bool inode_has_high(const struct ext4 *fs, const struct ext4_inode *raw)
{
    return fs->inode_bytes > EXT4_INODE_BYTES_OLD && get16(raw->i_extra_isize) >= 4;
}

static uint32_t inode_checksum(const struct ext4 *fs, uint32_t ino, const struct ext4_inode *raw)
{
    const uint8_t *p = (const uint8_t *)raw, zero[2] = {0};
    const size_t low = offsetof(struct ext4_inode, i_checksum_lo),
                 high = offsetof(struct ext4_inode, i_checksum_hi);
    uint32_t c = inode_seed(fs, ino, get32(raw->i_generation));

    c = crc32c(crc32c(c, p, low), zero, 2);
    c = crc32c(c, p + low + 2, EXT4_INODE_BYTES_OLD - low - 2);
    if (fs->inode_bytes == EXT4_INODE_BYTES_OLD)
        return c;
    c = crc32c(c, p + EXT4_INODE_BYTES_OLD, high - EXT4_INODE_BYTES_OLD);
    c = inode_has_high(fs, raw) ? crc32c(c, zero, 2) : crc32c(c, p + high, 2);
    return crc32c(c, p + high + 2, fs->inode_bytes - high - 2);
}

bool inode_checksum_ok(const struct ext4 *fs, uint32_t ino, const struct ext4_inode *raw)
{
    uint32_t c = inode_checksum(fs, ino, raw);

    return !fs->checksums || (get16(raw->i_checksum_lo) == (c & 0xffff) &&
                              (!inode_has_high(fs, raw) || get16(raw->i_checksum_hi) == c >> 16));
}

static void inode_seal(const struct ext4 *fs, uint32_t ino, struct ext4_inode *raw)
{
    uint32_t c = inode_checksum(fs, ino, raw);

    put16(&raw->i_checksum_lo, c & 0xffff);
    if (inode_has_high(fs, raw))
        put16(&raw->i_checksum_hi, c >> 16);
}

/* ---- blocks with one checksum ---- */

/* An index block of a directory: its entries in use, then 4 bytes of the tail and 4 of zero. */
static uint32_t index_checksum(const struct ext4 *fs, const struct buffer *b, uint32_t offset,
                               le32 **where)
{
    const struct dx_countlimit *c = (const void *)(b->data + offset);
    uint8_t *tail = b->data + offset + get16(c->limit) * sizeof(struct dx_entry), zero[4] = {0};
    uint32_t sum = inode_seed(fs, b->owner, b->generation);

    *where = (le32 *)(void *)(tail + 4);
    sum = crc32c(sum, b->data, offset + get16(c->count) * sizeof(struct dx_entry));
    return crc32c(crc32c(sum, tail, 4), zero, 4);
}

static uint32_t xattr_checksum(const struct ext4 *fs, const struct buffer *b, le32 **where)
{
    const size_t at = offsetof(struct ext4_xattr_header, h_checksum);
    le32 number[2];
    uint32_t c;

    put32(&number[0], (uint32_t)b->block);
    put32(&number[1], (uint32_t)(b->block >> 32));
    *where = (le32 *)(void *)(b->data + at);
    c = crc32c(crc32c(fs->checksum_seed, number, 8), b->data, at);
    c = crc_le32(c, 0);
    return crc32c(c, b->data + at + 4, fs->block_bytes - at - 4);
}

static uint32_t orphan_checksum(const struct ext4 *fs, const struct buffer *b, le32 **where)
{
    struct ext4_orphan_tail *tail = (void *)(b->data + fs->block_bytes - sizeof(*tail));
    le32 number[2];
    uint32_t c = inode_seed(fs, b->owner, b->generation);

    put32(&number[0], (uint32_t)b->block);
    put32(&number[1], (uint32_t)(b->block >> 32));
    *where = &tail->ob_checksum;
    return crc32c(crc32c(c, number, 8), b->data, fs->block_bytes - sizeof(*tail));
}

/* The checksum a block should have, and where it stands; where = 0: it has none. The places that
 * come from the block itself were checked by the caller (limits, counts). */
static uint32_t block_checksum(const struct ext4 *fs, const struct buffer *b, le32 **where)
{
    const struct ext4_extent_header *header = (const void *)b->data;
    uint32_t offset;

    *where = NULL;
    switch (b->kind) {
    case KIND_EXTENTS:
        offset = 12u + get16(header->eh_max) * 12u;
        *where = (le32 *)(void *)(b->data + offset);
        return crc32c(inode_seed(fs, b->owner, b->generation), b->data, offset);
    case KIND_DIRECTORY:
        if (block_is_index(fs, b, true))
            return index_checksum(fs, b, DX_ROOT_OFFSET, where);
        if (block_is_index(fs, b, false))
            return index_checksum(fs, b, DX_NODE_OFFSET, where);
        *where = (le32 *)(void *)(b->data + fs->block_bytes - 4);
        return crc32c(inode_seed(fs, b->owner, b->generation), b->data,
                      fs->block_bytes - EXT4_DIR_TAIL);
    case KIND_XATTR: return xattr_checksum(fs, b, where);
    case KIND_ORPHANS: return orphan_checksum(fs, b, where);
    default: return 0;
    }
}

bool block_checksum_ok(const struct ext4 *fs, const struct buffer *b)
{
    le32 *where;
    uint32_t c;

    if (!fs->checksums)
        return true;
    c = block_checksum(fs, b, &where);
    return !where || get32(*where) == c;
}

static int64_t seal_bitmap(struct ext4 *fs, struct buffer *b)
{
    struct ext4_group_desc *d;
    struct buffer *descriptors;

    TRY(group_get(fs, b->owner, &descriptors, &d));
    bitmap_seal(fs, d, b->kind, b->data);
    descriptors->unsealed = 1;
    return 0;
}

/* All descriptors of a block that are of groups of the volume. */
static void seal_groups(struct ext4 *fs, struct buffer *b)
{
    uint32_t count = MIN(fs->block_bytes / fs->desc_bytes, fs->groups - b->owner);

    for (uint32_t i = 0; i < count; i++) {
        struct ext4_group_desc *d = (void *)(b->data + i * fs->desc_bytes);

        put16(&d->bg_checksum, group_checksum(fs, b->owner + i, d));
    }
}

int64_t seal_block(struct ext4 *fs, struct buffer *b)
{
    le32 *where;
    uint32_t c;

    if (b->kind == KIND_SUPER)
        super_seal((void *)(b->data + fs->super_offset));
    else if (b->kind == KIND_BLOCK_BITMAP || b->kind == KIND_INODE_BITMAP)
        TRY(fs->checksums ? seal_bitmap(fs, b) : 0);
    else if (b->kind == KIND_GROUPS && groups_have_checksums(fs))
        seal_groups(fs, b);
    else if (b->kind == KIND_INODES && fs->checksums) {
        for (uint64_t left = b->unsealed; left != 0; left &= left - 1) {
            uint32_t unit = (uint32_t)__builtin_ctzll(left);

            inode_seal(fs, b->owner + unit, (void *)(b->data + unit * fs->inode_bytes));
        }
    }
    b->unsealed = 0;
    c = block_checksum(fs, b, &where);
    if (where && fs->checksums)
        put32(where, c);
    return 0;
}
