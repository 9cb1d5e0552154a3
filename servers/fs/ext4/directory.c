/* SPDX-License-Identifier: MIT */
/*
 * Directories as rows of entries in blocks. An entry's rec_len reaches to the next one, or to the end
 * of the block; removing an entry gives its room to the one in front of it. A directory with an index
 * (htree.c) is one of these, too: the blocks of its index look empty.
 */
#include "servers/fs/ext4/private.h"

uint32_t leaf_bytes(const struct ext4 *fs)
{
    return fs->block_bytes - (fs->checksums ? EXT4_DIR_TAIL : 0);
}

uint32_t file_type_of(const struct ext4 *fs, uint32_t mode)
{
    static const uint8_t types[16] = {
        [S_IFREG >> 12] = 1, [S_IFDIR >> 12] = 2,  [S_IFCHR >> 12] = 3, [S_IFBLK >> 12] = 4,
        [S_IFIFO >> 12] = 5, [S_IFSOCK >> 12] = 6, [S_IFLNK >> 12] = 7};

    return fs->incompat & EXT4_INCOMPAT_FILETYPE ? types[mode >> 12 & 15] : 0;
}

/* ---- checking ---- */

static const char *entry_fault(const struct ext4 *fs, const struct buffer *b, uint32_t at)
{
    const struct ext4_dir_entry *e = entry_at(b, at);
    uint32_t bytes, ino;

    if (fs->block_bytes - at < 12)
        return "rec_len";
    bytes = entry_bytes(e);
    ino = get32(e->inode);
    if (bytes < 12 || bytes % 4 || bytes > fs->block_bytes - at)
        return "rec_len";
    if (e->name_len + 8u > bytes)
        return "name_len";
    if (ino == 0)
        return NULL;
    if (ino > fs->inodes || (ino < fs->first_inode && ino != EXT4_ROOT_INO))
        return "inode number";
    if (e->name_len == 0 || memchr(e->name, '/', e->name_len) || memchr(e->name, 0, e->name_len))
        return "name";
    return NULL;
}

static bool has_tail(const struct ext4 *fs, const struct buffer *b)
{
    const struct ext4_dir_entry_tail *tail =
        (const void *)(b->data + fs->block_bytes - EXT4_DIR_TAIL);

    return get32(tail->det_reserved_zero1) == 0 && get16(tail->det_rec_len) == EXT4_DIR_TAIL &&
           tail->det_reserved_zero2 == 0 && tail->det_reserved_ft == EXT4_FT_DIR_CSUM;
}

static int64_t directory_check(struct ext4 *fs, const struct buffer *b, uint32_t block)
{
    bool index = block_is_index(fs, b, true) || block_is_index(fs, b, false), tail = false;

    for (uint32_t at = 0; at < fs->block_bytes; at += entry_bytes(entry_at(b, at))) {
        const char *fault = entry_fault(fs, b, at);

        if (fault)
            return damaged(fs, "directory %u, block %u: %s is wrong at %u", b->owner, block, fault,
                           at);
        tail |= at == leaf_bytes(fs);
    }
    if (fs->checksums && !index && !(tail && has_tail(fs, b)))
        return damaged(fs, "directory %u, block %u: no checksum", b->owner, block);
    if (!block_checksum_ok(fs, b))
        return damaged(fs, "directory %u, block %u: its checksum is wrong", b->owner, block);
    return 0;
}

int64_t directory_get(struct ext4 *fs, uint32_t ino, struct directory *out)
{
    uint64_t size;

    TRY(inode_get(fs, ino, &out->i));
    if (!S_ISDIR(inode_mode(&out->i)))
        return -ENOTDIR;
    size = inode_size(&out->i);
    if (size == 0 || size % fs->block_bytes)
        return damaged(fs, "directory %u: i_size is wrong", ino);
    out->blocks = (uint32_t)(size >> fs->block_bits);
    out->indexed = inode_flags(&out->i) & EXT4_INDEX_FL && fs->compat & EXT4_COMPAT_DIR_INDEX;
    return 0;
}

int64_t directory_block(struct ext4 *fs, struct directory *d, uint32_t block, struct buffer **out)
{
    struct extent e;
    struct buffer *b;

    if (block >= d->blocks)
        return damaged(fs, "directory %u: there is no block %u", d->i.ino, block);
    TRY(extent_find(fs, &d->i, block, &e));
    if (!e.physical || e.unwritten)
        return damaged(fs, "directory %u: block %u is a hole", d->i.ino, block);
    TRY(cache_get(fs, e.physical + (block - e.block), KIND_DIRECTORY, d->i.ino, d->i.generation,
                  &b));
    if (!b->checked)
        TRY(directory_check(fs, b, block));
    b->checked |= 1;
    *out = b;
    return 0;
}

int64_t directory_append(struct ext4 *fs, struct directory *d, uint32_t *block, struct buffer **out)
{
    struct extent e = {.block = d->blocks};

    if (d->blocks >= EXT4_BLOCKS_MAX - 1)
        return -ENOSPC;
    TRY(inode_change(fs, &d->i));
    TRY(blocks_allocate(fs, extent_goal(fs, &d->i, e.block), 1, &e.physical, &e.count));
    TRY(extent_insert(fs, &d->i, &e));
    TRY(inode_add_blocks(fs, &d->i, 1));
    TRY(cache_new(fs, e.physical, KIND_DIRECTORY, d->i.ino, d->i.generation, out));
    *block = d->blocks++;
    inode_set_size(&d->i, (uint64_t)d->blocks << fs->block_bits);
    return 0;
}

/* ---- one block ---- */

static void leaf_put(struct buffer *b, uint32_t at, uint32_t bytes, const char *name, size_t length,
                     uint32_t ino, uint32_t file_type)
{
    struct ext4_dir_entry *e = entry_at(b, at);

    put32(&e->inode, ino);
    put16(&e->rec_len, bytes);
    e->name_len = (uint8_t)length;
    e->file_type = (uint8_t)file_type;
    memcpy(e->name, name, length);
}

void leaf_tail(const struct ext4 *fs, struct buffer *b)
{
    struct ext4_dir_entry_tail *tail = (void *)(b->data + fs->block_bytes - EXT4_DIR_TAIL);

    if (!fs->checksums)
        return;
    memset(tail, 0, sizeof(*tail));
    put16(&tail->det_rec_len, EXT4_DIR_TAIL);
    tail->det_reserved_ft = EXT4_FT_DIR_CSUM;
}

int64_t leaf_find(struct ext4 *fs, struct buffer *b, const char *name, size_t length,
                  struct dir_place *place)
{
    uint32_t end = leaf_bytes(fs), before = 0;

    for (uint32_t at = 0; at < end; before = at, at += entry_bytes(entry_at(b, at))) {
        const struct ext4_dir_entry *e = entry_at(b, at);

        if (e->name_len == length && get32(e->inode) && memcmp(e->name, name, length) == 0) {
            *place = (struct dir_place){b, at, before};
            return 0;
        }
    }
    return -ENOENT;
}

/* @return 1 if there is no room */
int64_t leaf_add(struct ext4 *fs, struct buffer *b, const char *name, size_t length, uint32_t ino,
                 uint32_t mode)
{
    uint32_t end = leaf_bytes(fs), need = EXT4_DIR_REC_LEN(length);

    for (uint32_t at = 0; at < end; at += entry_bytes(entry_at(b, at))) {
        struct ext4_dir_entry *e = entry_at(b, at);
        uint32_t bytes = entry_bytes(e), used = get32(e->inode) ? EXT4_DIR_REC_LEN(e->name_len) : 0;

        if (bytes < used || bytes - used < need || bytes > end - at)
            continue;
        TRY(change(fs, b, at, used + need));
        if (used)
            put16(&e->rec_len, used);
        leaf_put(b, at + used, bytes - used, name, length, ino, file_type_of(fs, mode));
        return 0;
    }
    return 1;
}

int64_t directory_remove(struct ext4 *fs, struct dir_place *place)
{
    struct ext4_dir_entry *e = entry_at(place->b, place->at);
    struct ext4_dir_entry *front = entry_at(place->b, place->before);

    TRY(change(fs, place->b, place->at, 8));
    put32(&e->inode, 0);
    if (place->before == place->at)
        return 0;
    TRY(change(fs, place->b, place->before, 8));
    put16(&front->rec_len, entry_bytes(front) + entry_bytes(e));
    return 0;
}

int64_t directory_point(struct ext4 *fs, struct dir_place *place, uint32_t ino, uint32_t mode)
{
    struct ext4_dir_entry *e = entry_at(place->b, place->at);

    TRY(change(fs, place->b, place->at, 8));
    put32(&e->inode, ino);
    e->file_type = (uint8_t)file_type_of(fs, mode);
    return 0;
}

/* ---- the whole ---- */

static int64_t scan_find(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                         struct dir_place *place)
{
    for (uint32_t block = 0; block < d->blocks; block++) {
        struct buffer *b;
        int64_t status;

        TRY(directory_block(fs, d, block, &b));
        status = leaf_find(fs, b, name, length, place);
        if (status != -ENOENT)
            return status;
        cache_release(fs, b);
    }
    return -ENOENT;
}

static bool is_dots(const char *name, size_t length)
{
    return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

int64_t directory_find(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                       struct dir_place *place)
{
    if (d->indexed && !is_dots(name, length))
        return htree_find(fs, d, name, length, place);
    return scan_find(fs, d, name, length, place);
}

static int64_t scan_add(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                        uint32_t ino, uint32_t mode)
{
    struct buffer *b;
    uint32_t block;

    for (block = 0; block < d->blocks; block++) {
        int64_t full;

        TRY(directory_block(fs, d, block, &b));
        full = leaf_add(fs, b, name, length, ino, mode);
        if (full <= 0)
            return full;
        cache_release(fs, b);
    }
    if (d->blocks == 1 && fs->compat & EXT4_COMPAT_DIR_INDEX) {
        TRY(htree_make(fs, d));
        return htree_add(fs, d, name, length, ino, mode);
    }
    TRY(directory_append(fs, d, &block, &b));
    leaf_put(b, 0, leaf_bytes(fs), name, length, ino, file_type_of(fs, mode));
    leaf_tail(fs, b);
    return 0;
}

int64_t directory_add(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                      uint32_t ino, uint32_t mode)
{
    if (d->indexed)
        TRY(htree_add(fs, d, name, length, ino, mode));
    else
        TRY(scan_add(fs, d, name, length, ino, mode));
    TRY(inode_change(fs, &d->i));
    inode_touch(fs, &d->i, TOUCH_MTIME | TOUCH_CTIME);
    return 0;
}

int64_t directory_is_empty(struct ext4 *fs, struct directory *d)
{
    for (uint32_t block = 0; block < d->blocks; block++) {
        struct buffer *b;

        TRY(directory_block(fs, d, block, &b));
        for (uint32_t at = 0; at < fs->block_bytes; at += entry_bytes(entry_at(b, at))) {
            const struct ext4_dir_entry *e = entry_at(b, at);

            if (get32(e->inode) && !is_dots(e->name, e->name_len))
                return 0;
        }
        cache_release(fs, b);
    }
    return 1;
}

int64_t directory_make_first(struct ext4 *fs, struct inode_ref *i, uint32_t parent)
{
    struct directory d = {*i, 0, false};
    uint32_t block, type = file_type_of(fs, S_IFDIR);
    struct buffer *b;

    TRY(directory_append(fs, &d, &block, &b));
    leaf_put(b, 0, 12, ".", 1, i->ino, type);
    leaf_put(b, 12, leaf_bytes(fs) - 12, "..", 2, parent, type);
    leaf_tail(fs, b);
    return 0;
}

int64_t directory_dotdot(struct ext4 *fs, struct directory *d, struct dir_place *place)
{
    struct buffer *b;

    TRY(directory_block(fs, d, 0, &b));
    if (entry_bytes(entry_at(b, 0)) == 12) {
        const struct ext4_dir_entry *e = entry_at(b, 12);

        *place = (struct dir_place){b, 12, 0};
        if (e->name_len == 2 && get32(e->inode) && e->name[0] == '.' && e->name[1] == '.')
            return 0;
    }
    return damaged(fs, "directory %u: its second entry is not \"..\"", d->i.ino);
}
