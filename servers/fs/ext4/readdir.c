/* SPDX-License-Identifier: MIT */
/*
 * Listing. Entries move when a leaf is split, so a position in a directory that has an index, or may
 * get one, is not a place but a hash: names are told in the order of their hashes. Position 0 is in
 * front of ".", 1 of "..", and 2 + the hash (31 bits of the major, 32 of the minor) of a name.
 * Other directories only grow: there it is an offset.
 */
#include "servers/fs/ext4/private.h"

static bool tell(const struct buffer *b, uint32_t at, uint64_t behind, ext4_each *each,
                 void *context)
{
    static const uint16_t modes[8] = {0,       S_IFREG, S_IFDIR,  S_IFCHR,
                                      S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK};
    const struct ext4_dir_entry *e = entry_at(b, at);
    struct ext4_listed entry = {get32(e->inode), modes[e->file_type & 7], e->name, e->name_len};

    return each(context, behind, &entry);
}

/* ---- by offset ---- */

static int64_t list_by_offset(struct ext4 *fs, struct directory *d, uint64_t *position,
                              ext4_each *each, void *context)
{
    while (*position < inode_size(&d->i)) {
        uint32_t block = (uint32_t)(*position >> fs->block_bits), at = 0;
        uint32_t from = (uint32_t)*position & (fs->block_bytes - 1);
        struct buffer *b;

        TRY(directory_block(fs, d, block, &b));
        for (; at < fs->block_bytes; at += entry_bytes(entry_at(b, at))) {
            uint64_t behind =
                ((uint64_t)block << fs->block_bits) + at + entry_bytes(entry_at(b, at));

            if (at < from || !get32(entry_at(b, at)->inode))
                continue;
            if (!tell(b, at, behind, each, context))
                return 1;
            *position = behind;
        }
        *position = (uint64_t)(block + 1) << fs->block_bits;
        cache_release(fs, b);
    }
    return 0;
}

/* ---- by hash ---- */

static uint64_t position_of(struct name_hash hash)
{
    return ((uint64_t)(hash.major >> 1) << 32 | hash.minor) + 2;
}

static int64_t list_dots(struct ext4 *fs, struct directory *d, uint64_t *position, ext4_each *each,
                         void *context)
{
    struct dir_place dotdot;

    TRY(directory_dotdot(fs, d, &dotdot));
    for (; *position < 2; ++*position) {
        if (!tell(dotdot.b, *position ? 12 : 0, *position + 1, each, context))
            return 1;
    }
    return 0;
}

static bool list_leaf(const struct ext4 *fs, const struct buffer *b, uint8_t version,
                      uint64_t *position, ext4_each *each, void *context)
{
    struct hashed_entry entries[LEAF_ENTRIES_MAX];
    uint32_t count = leaf_sort(fs, b, version, entries);

    for (uint32_t k = 0; k < count; k++) {
        uint64_t here = position_of(entries[k].hash);

        if (here < *position)
            continue;
        if (!tell(b, entries[k].at, here + 1, each, context))
            return false;
        /* Names of the same hash are told together or told again. */
        if (k + 1 == count || position_of(entries[k + 1].hash) != here)
            *position = here + 1;
    }
    return true;
}

static int64_t list_by_hash(struct ext4 *fs, struct directory *d, uint64_t *position,
                            ext4_each *each, void *context)
{
    struct htree_path path;
    struct buffer *b;
    uint32_t lowest;
    int64_t more;

    if (*position < 2) {
        more = list_dots(fs, d, position, each, context);
        if (more != 0)
            return more;
    }
    if (!d->indexed) {
        TRY(directory_block(fs, d, 0, &b));
        return !list_leaf(fs, b, fs->hash_version, position, each, context);
    }
    TRY(htree_walk(fs, d, (uint32_t)((*position - 2) >> 32) << 1, &path));
    do {
        TRY(directory_block(fs, d, path.leaf, &b));
        if (!list_leaf(fs, b, path.version, position, each, context))
            return 1;
        cache_release(fs, b);
        more = htree_next(fs, d, &path, NULL, &lowest);
        TRY(more);
    } while (more);
    return 0;
}

static int64_t list(struct ext4 *fs, uint32_t dir, uint64_t *position, ext4_each *each,
                    void *context)
{
    struct directory d;

    TRY(directory_get(fs, dir, &d));
    if (get16(d.i.raw->i_links_count) == 0)
        return 0;
    if (fs->compat & EXT4_COMPAT_DIR_INDEX && (d.indexed || d.blocks == 1))
        return list_by_hash(fs, &d, position, each, context);
    return list_by_offset(fs, &d, position, each, context);
}

int64_t ext4_readdir(struct ext4 *fs, uint32_t dir, uint64_t *position, ext4_each *each,
                     void *context)
{
    operation_read(fs);
    return operation_end(fs, list(fs, dir, position, each, context));
}
