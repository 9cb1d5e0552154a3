/* SPDX-License-Identifier: MIT */
/*
 * The index of a directory: from hashes of names to the blocks that hold them, in one or two levels.
 * The first block is the root, behind "." and ".."; other index blocks begin with an empty entry that
 * covers them. Names of one hash may go on in the next leaf: then its key has its lowest bit set.
 */
#include "servers/fs/ext4/private.h"

/* ---- nodes ---- */

static uint32_t node_limit(const struct ext4 *fs, uint32_t offset)
{
    return (fs->block_bytes - offset) / sizeof(struct dx_entry) - (fs->checksums ? 1 : 0);
}

static struct dx_countlimit *counts(const struct buffer *b, uint32_t offset)
{
    return (void *)(b->data + offset);
}

static struct dx_entry *entries_of(const struct htree_node *n)
{
    return (void *)(n->b->data + n->offset);
}

static uint32_t count_of(const struct htree_node *n)
{
    return get16(counts(n->b, n->offset)->count);
}

static struct dx_root_info *root_info(const struct buffer *b)
{
    return (void *)(b->data + DX_ROOT_OFFSET - sizeof(struct dx_root_info));
}

/* Does it look like the root, or like another index block? Then its counts can be relied on. */
bool block_is_index(const struct ext4 *fs, const struct buffer *b, bool first)
{
    uint32_t offset = first ? DX_ROOT_OFFSET : DX_NODE_OFFSET;
    const struct dx_countlimit *c = counts(b, offset);

    if (first) {
        if (entry_bytes(entry_at(b, 0)) != 12 ||
            entry_bytes(entry_at(b, 12)) != fs->block_bytes - 12 ||
            get32(root_info(b)->reserved_zero) || root_info(b)->info_length != 8)
            return false;
    } else if (get32(entry_at(b, 0)->inode) || entry_bytes(entry_at(b, 0)) != fs->block_bytes) {
        return false;
    }
    return get16(c->limit) == node_limit(fs, offset) && get16(c->count) >= 1 &&
           get16(c->count) <= get16(c->limit);
}

static int64_t index_get(struct ext4 *fs, struct directory *d, uint32_t block, bool first,
                         struct htree_node *n)
{
    TRY(directory_block(fs, d, block, &n->b));
    if (!block_is_index(fs, n->b, first))
        return damaged(fs, "directory %u, block %u: not an index", d->i.ino, block);
    n->offset = first ? DX_ROOT_OFFSET : DX_NODE_OFFSET;
    return 0;
}

/* The last entry with a hash of at most `hash`. The first one has none, and stands for 0. */
static uint32_t index_search(const struct htree_node *n, uint32_t hash)
{
    const struct dx_entry *e = entries_of(n);
    uint32_t low = 1, high = count_of(n);

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (get32(e[middle].hash) <= hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

static int64_t child_of(struct ext4 *fs, const struct directory *d, const struct htree_node *n,
                        uint32_t *block)
{
    *block = get32(entries_of(n)[n->at].block) & 0x0fffffffu;
    if (*block == 0 || *block >= d->blocks)
        return damaged(fs, "directory %u: its index points to block %u", d->i.ino, *block);
    return 0;
}

int64_t htree_walk(struct ext4 *fs, struct directory *d, uint32_t hash, struct htree_path *path)
{
    const struct dx_root_info *info;

    TRY(index_get(fs, d, 0, true, &path->node[0]));
    info = root_info(path->node[0].b);
    if (info->hash_version > DX_HASH_TEA || info->indirect_levels >= HTREE_DEPTH ||
        info->unused_flags & 1)
        return damaged(fs, "directory %u: the root of its index is damaged", d->i.ino);
    path->version = info->hash_version;
    path->depth = info->indirect_levels + 1u;
    path->node[0].at = index_search(&path->node[0], hash);
    TRY(child_of(fs, d, &path->node[0], &path->leaf));
    if (path->depth == 2) {
        TRY(index_get(fs, d, path->leaf, false, &path->node[1]));
        path->node[1].at = index_search(&path->node[1], hash);
        TRY(child_of(fs, d, &path->node[1], &path->leaf));
    }
    return 0;
}

int64_t htree_next(struct ext4 *fs, struct directory *d, struct htree_path *path,
                   const uint32_t *hash, uint32_t *lowest)
{
    uint32_t level = path->depth, key;

    do {
        if (level-- == 0)
            return 0;
    } while (path->node[level].at + 1 >= count_of(&path->node[level]));
    key = get32(entries_of(&path->node[level])[path->node[level].at + 1].hash);
    if (hash && (key & ~1u) != *hash)
        return 0;
    path->node[level].at++;
    *lowest = key;
    TRY(child_of(fs, d, &path->node[level], &path->leaf));
    if (level + 1 < path->depth) {
        cache_release(fs, path->node[1].b);
        TRY(index_get(fs, d, path->leaf, false, &path->node[1]));
        path->node[1].at = 0;
        TRY(child_of(fs, d, &path->node[1], &path->leaf));
    }
    return 1;
}

static int64_t version_of(struct ext4 *fs, struct directory *d, uint8_t *version)
{
    struct htree_node root;

    TRY(index_get(fs, d, 0, true, &root));
    *version = root_info(root.b)->hash_version;
    return 0;
}

/* ---- finding ---- */

int64_t htree_find(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                   struct dir_place *place)
{
    struct htree_path path;
    struct name_hash hash;
    uint32_t lowest;
    uint8_t version;
    int64_t more;

    TRY(version_of(fs, d, &version));
    hash = name_hash(fs, version, name, length);
    TRY(htree_walk(fs, d, hash.major, &path));
    do {
        struct buffer *b;
        int64_t status;

        TRY(directory_block(fs, d, path.leaf, &b));
        status = leaf_find(fs, b, name, length, place);
        if (status != -ENOENT)
            return status;
        more = htree_next(fs, d, &path, &hash.major, &lowest);
        TRY(more);
    } while (more);
    return -ENOENT;
}

/* ---- leaves in the order of their hashes ---- */

static bool hash_above(const struct hashed_entry *a, const struct hashed_entry *b)
{
    return a->hash.major != b->hash.major ? a->hash.major > b->hash.major
                                          : a->hash.minor > b->hash.minor;
}

uint32_t leaf_sort(const struct ext4 *fs, const struct buffer *b, uint8_t version,
                   struct hashed_entry *out)
{
    uint32_t count = 0, end = leaf_bytes(fs);

    for (uint32_t at = 0; at < end; at += entry_bytes(entry_at(b, at))) {
        const struct ext4_dir_entry *e = entry_at(b, at);
        bool dots =
            e->name[0] == '.' && (e->name_len == 1 || (e->name_len == 2 && e->name[1] == '.'));

        if (!get32(e->inode) || dots)
            continue;
        out[count++] = (struct hashed_entry){name_hash(fs, version, e->name, e->name_len),
                                             (uint16_t)at, (uint16_t)EXT4_DIR_REC_LEN(e->name_len)};
    }
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) { /* Shell's method */
        for (uint32_t i = gap; i < count; i++) {
            struct hashed_entry one = out[i];
            uint32_t k = i;

            for (; k >= gap && hash_above(&out[k - gap], &one); k -= gap)
                out[k] = out[k - gap];
            out[k] = one;
        }
    }
    return count;
}

/* Fills a leaf with `count` entries out of `from`. */
static void leaf_fill(const struct ext4 *fs, struct buffer *b, const uint8_t *from,
                      const struct hashed_entry *entries, uint32_t count)
{
    uint32_t at = 0, end = leaf_bytes(fs), last = 0;

    memset(b->data, 0, fs->block_bytes);
    for (uint32_t k = 0; k < count; k++) {
        memcpy(b->data + at, from + entries[k].at, entries[k].bytes);
        put16(&entry_at(b, at)->rec_len, entries[k].bytes);
        last = at;
        at += entries[k].bytes;
    }
    put16(&entry_at(b, last)->rec_len, end - last);
    leaf_tail(fs, b);
}

/* ---- growing ---- */

static int64_t index_insert(struct ext4 *fs, struct htree_node *n, uint32_t hash, uint32_t block)
{
    uint32_t count = count_of(n), at = n->at + 1;
    struct dx_entry *e = entries_of(n);

    TRY(change(fs, n->b, n->offset, (count + 1) * sizeof(*e)));
    memmove(e + at + 1, e + at, (count - at) * sizeof(*e));
    put32(&e[at].hash, hash);
    put32(&e[at].block, block);
    put16(&counts(n->b, n->offset)->count, count + 1);
    return 0;
}

static bool index_full(const struct htree_node *n)
{
    return count_of(n) == get16(counts(n->b, n->offset)->limit);
}

/* A new index block with `count` of the entries of another, from `from` on. */
static int64_t index_make(struct ext4 *fs, struct directory *d, const struct htree_node *old,
                          uint32_t from, uint32_t count, uint32_t *block)
{
    struct buffer *b;

    TRY(directory_append(fs, d, block, &b));
    put16(&entry_at(b, 0)->rec_len, fs->block_bytes);
    memcpy(b->data + DX_NODE_OFFSET, entries_of(old) + from, count * sizeof(struct dx_entry));
    put16(&counts(b, DX_NODE_OFFSET)->limit, node_limit(fs, DX_NODE_OFFSET));
    put16(&counts(b, DX_NODE_OFFSET)->count, count);
    return 0;
}

/* Makes room in the index: the lower node becomes two, or the root gets a level below it. */
static int64_t index_grow(struct ext4 *fs, struct directory *d, struct htree_path *path)
{
    struct htree_node *root = &path->node[0], *node = &path->node[path->depth - 1];
    uint32_t count = count_of(node), keep = count / 2, block, hash;

    if (path->depth == 1) {
        TRY(index_make(fs, d, root, 0, count, &block));
        TRY(change(fs, root->b, 0, DX_ROOT_OFFSET + sizeof(struct dx_entry)));
        root_info(root->b)->indirect_levels = 1;
        put16(&counts(root->b, root->offset)->count, 1);
        put32(&entries_of(root)[0].block, block);
        return 0;
    }
    if (index_full(root))
        return -ENOSPC;
    hash = get32(entries_of(node)[keep].hash);
    TRY(index_make(fs, d, node, keep, count - keep, &block));
    TRY(change(fs, node->b, node->offset, sizeof(struct dx_countlimit)));
    put16(&counts(node->b, node->offset)->count, keep);
    return index_insert(fs, root, hash, block);
}

/* The upper half of a leaf moves to a new one. */
static int64_t leaf_split(struct ext4 *fs, struct directory *d, struct htree_path *path,
                          struct buffer *leaf)
{
    struct hashed_entry entries[LEAF_ENTRIES_MAX];
    uint32_t count = leaf_sort(fs, leaf, path->version, entries), bytes = 0, keep = 0, block, hash;
    struct buffer *new;

    if (count < 2)
        return -ENOSPC;
    while (keep < count - 1 && bytes + entries[keep].bytes <= leaf_bytes(fs) / 2)
        bytes += entries[keep++].bytes;
    keep = MAX(keep, 1u);
    hash = entries[keep].hash.major | (entries[keep].hash.major == entries[keep - 1].hash.major);
    TRY(directory_append(fs, d, &block, &new));
    TRY(change(fs, leaf, 0, fs->block_bytes));
    memcpy(fs->scratch, leaf->data, fs->block_bytes);
    leaf_fill(fs, new, fs->scratch, entries + keep, count - keep);
    leaf_fill(fs, leaf, fs->scratch, entries, keep);
    return index_insert(fs, &path->node[path->depth - 1], hash, block);
}

#define ROUNDS_MAX 8u /* a split, two of the index, and again if a long name still has no room */

int64_t htree_add(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                  uint32_t ino, uint32_t mode)
{
    struct name_hash hash;
    uint8_t version;

    TRY(version_of(fs, d, &version));
    hash = name_hash(fs, version, name, length);
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        struct htree_path path;
        struct buffer *leaf;
        int64_t full;

        TRY(htree_walk(fs, d, hash.major, &path));
        TRY(directory_block(fs, d, path.leaf, &leaf));
        if (block_is_index(fs, leaf, false))
            return damaged(fs, "directory %u, block %u: an index as a leaf", d->i.ino, path.leaf);
        full = leaf_add(fs, leaf, name, length, ino, mode);
        if (full <= 0)
            return full;
        if (index_full(&path.node[path.depth - 1]))
            TRY(index_grow(fs, d, &path));
        else
            TRY(leaf_split(fs, d, &path, leaf));
    }
    return -ENOSPC;
}

/* ---- a directory of one block gets an index ---- */

int64_t htree_make(struct ext4 *fs, struct directory *d)
{
    struct hashed_entry entries[LEAF_ENTRIES_MAX];
    struct buffer *root, *leaf;
    struct dir_place dotdot;
    uint32_t count, block;

    TRY(directory_dotdot(fs, d, &dotdot));
    root = dotdot.b;
    count = leaf_sort(fs, root, fs->hash_version, entries);
    TRY(directory_append(fs, d, &block, &leaf));
    TRY(change(fs, root, 0, fs->block_bytes));
    leaf_fill(fs, leaf, root->data, entries, count);
    memset(root->data + 24, 0, fs->block_bytes - 24);
    put16(&entry_at(root, 12)->rec_len, fs->block_bytes - 12);
    root_info(root)->hash_version = fs->hash_version;
    root_info(root)->info_length = 8;
    put16(&counts(root, DX_ROOT_OFFSET)->limit, node_limit(fs, DX_ROOT_OFFSET));
    put16(&counts(root, DX_ROOT_OFFSET)->count, 1);
    put32(&((struct dx_entry *)(void *)(root->data + DX_ROOT_OFFSET))->block, block);
    put32(&d->i.raw->i_flags, get32(d->i.raw->i_flags) | EXT4_INDEX_FL);
    d->indexed = true;
    return 0;
}
