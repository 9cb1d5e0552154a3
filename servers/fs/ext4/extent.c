/* SPDX-License-Identifier: MIT */
/*
 * The extent tree of a file: its root is in the inode, its other nodes are blocks. A node is checked
 * when it comes from the disk; the depth is checked on every way down, since it says when to stop.
 *
 * The key of an index entry is the first block of what is below it, always (e2fsck insists on it).
 */
#include "servers/fs/ext4/private.h"

void extent_decode(const struct ext4_extent *e, struct extent *out)
{
    uint32_t len = get16(e->ee_len);

    out->block = get32(e->ee_block);
    out->unwritten = len > EXT4_EXT_INIT_MAX;
    out->count = out->unwritten ? len - EXT4_EXT_INIT_MAX : len;
    out->physical = get32(e->ee_start_lo) | (uint64_t)get16(e->ee_start_hi) << 32;
}

void extent_encode(struct ext4_extent *e, const struct extent *in)
{
    put32(&e->ee_block, in->block);
    put16(&e->ee_len, in->count + (in->unwritten ? EXT4_EXT_INIT_MAX : 0));
    put32(&e->ee_start_lo, (uint32_t)in->physical);
    put16(&e->ee_start_hi, (uint32_t)(in->physical >> 32));
}

uint32_t node_entries(const struct path_node *node)
{
    return get16(node->header->eh_entries);
}

/* Index entries and extents begin with their block number, and are of the same size. */
uint32_t node_key(const struct path_node *node, uint32_t at)
{
    return get32(node_extents(node)[at].ee_block);
}

/* ---- checking ---- */

static const char *extents_fault(const struct ext4 *fs, const struct ext4_extent_header *h)
{
    const struct ext4_extent *e = (const void *)(h + 1);
    uint64_t end = 0;

    for (uint32_t k = 0; k < get16(h->eh_entries); k++) {
        struct extent x;

        extent_decode(&e[k], &x);
        if (x.count == 0 || x.block < end)
            return "extents that overlap";
        end = (uint64_t)x.block + x.count;
        if (end > EXT4_BLOCKS_MAX)
            return "an extent behind the last block a file may have";
        if (!blocks_in_range(fs, x.physical, x.count))
            return "an extent outside of the volume";
    }
    return NULL;
}

static const char *indexes_fault(const struct ext4 *fs, const struct ext4_extent_header *h)
{
    const struct ext4_extent_idx *x = (const void *)(h + 1);

    if (get16(h->eh_entries) == 0)
        return "an index without entries";
    for (uint32_t k = 0; k < get16(h->eh_entries); k++) {
        if (k > 0 && get32(x[k].ei_block) <= get32(x[k - 1].ei_block))
            return "index entries out of order";
        if (!blocks_in_range(fs, index_child(&x[k]), 1))
            return "an index entry outside of the volume";
    }
    return NULL;
}

static const char *node_fault(const struct ext4 *fs, const struct ext4_extent_header *h,
                              size_t bytes)
{
    if (get16(h->eh_magic) != EXT4_EXT_MAGIC)
        return "no magic number";
    if (get16(h->eh_max) != (bytes - sizeof(*h)) / sizeof(struct ext4_extent) ||
        get16(h->eh_entries) > get16(h->eh_max) || get16(h->eh_depth) > EXT4_EXT_DEPTH_MAX)
        return "a header that cannot be";
    return get16(h->eh_depth) ? indexes_fault(fs, h) : extents_fault(fs, h);
}

int64_t extent_root_check(struct ext4 *fs, const struct inode_ref *i)
{
    const char *fault = node_fault(fs, (const void *)i->raw->i_block, sizeof(i->raw->i_block));

    return fault ? damaged(fs, "inode %u: the root of its extents has %s", i->ino, fault) : 0;
}

static int64_t node_get(struct ext4 *fs, struct inode_ref *i, uint64_t block, uint32_t depth,
                        struct path_node *node)
{
    const char *fault = NULL;

    TRY(cache_get(fs, block, KIND_EXTENTS, i->ino, i->generation, &node->b));
    node->header = (void *)node->b->data;
    if (!node->b->checked) {
        fault = node_fault(fs, node->header, fs->block_bytes);
        if (!fault && !block_checksum_ok(fs, node->b))
            fault = "a wrong checksum";
    }
    if (!fault && get16(node->header->eh_depth) != depth)
        fault = "the wrong depth";
    if (fault)
        return damaged(fs, "extent block %llu of inode %u has %s", (unsigned long long)block,
                       i->ino, fault);
    node->b->checked = 1;
    return 0;
}

/* ---- finding ---- */

/* The last entry with a key of at most `block`; -1: none. */
static int32_t node_search(const struct path_node *node, uint32_t block)
{
    int32_t low = 0, high = (int32_t)node_entries(node);

    while (low < high) {
        int32_t middle = (low + high) / 2;

        if (node_key(node, (uint32_t)middle) <= block)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

int64_t extent_walk(struct ext4 *fs, struct inode_ref *i, uint32_t block, struct extent_path *path)
{
    struct path_node *node = &path->node[0];

    if (!(inode_flags(i) & EXT4_EXTENTS_FL)) {
        report(fs, "inode %u: block maps of ext2 and ext3 are not supported", i->ino);
        return -EOPNOTSUPP;
    }
    *node = (struct path_node){NULL, (void *)i->raw->i_block, 0};
    path->depth = get16(node->header->eh_depth);
    for (uint32_t level = 0;; level++, node++) {
        node->at = node_search(node, block);
        if (level == path->depth)
            return 0;
        node->at = MAX(node->at, 0);
        TRY(node_get(fs, i, index_child(&node_indexes(node)[node->at]), path->depth - level - 1,
                     node + 1));
        if (node_entries(node + 1) > 0 &&
            node_key(node + 1, 0) != node_key(node, (uint32_t)node->at))
            return damaged(fs, "extent block %llu of inode %u has another first block than its key",
                           (unsigned long long)node[1].b->block, i->ino);
    }
}

/* The key of what follows the leaf's current position. */
static uint32_t next_key(const struct extent_path *path)
{
    for (uint32_t level = path->depth + 1; level-- > 0;) {
        const struct path_node *node = &path->node[level];

        if ((uint32_t)(node->at + 1) < node_entries(node))
            return node_key(node, (uint32_t)(node->at + 1));
    }
    return EXT4_BLOCKS_MAX;
}

int64_t extent_find(struct ext4 *fs, struct inode_ref *i, uint32_t block, struct extent *out)
{
    const struct path_node *leaf;
    struct extent_path path;
    uint32_t next;

    TRY(extent_walk(fs, i, block, &path));
    leaf = &path.node[path.depth];
    if (leaf->at >= 0) {
        extent_decode(&node_extents(leaf)[leaf->at], out);
        if (block - out->block < out->count)
            return 0;
    }
    next = next_key(&path);
    if (next <= block) /* keys of different nodes contradict each other */
        return damaged(fs, "inode %u: its extents are out of order at block %u", i->ino, block);
    *out = (struct extent){block, next - block, 0, false};
    return 0;
}

uint64_t extent_goal(struct ext4 *fs, struct inode_ref *i, uint32_t block)
{
    uint32_t group = (i->ino - 1) / fs->inodes_per_group;
    const struct path_node *leaf;
    struct extent_path path;
    struct extent e;

    if (extent_walk(fs, i, block, &path) == 0) {
        leaf = &path.node[path.depth];
        if (leaf->at >= 0) {
            extent_decode(&node_extents(leaf)[leaf->at], &e);
            return e.physical + (block - e.block);
        }
        if (path.depth > 0)
            return leaf->b->block;
    }
    return group_first_block(fs, group);
}

/* ---- changing nodes ---- */

void extent_init(struct inode_ref *i)
{
    struct ext4_extent_header *h = (void *)i->raw->i_block;

    memset(i->raw->i_block, 0, sizeof(i->raw->i_block));
    put16(&h->eh_magic, EXT4_EXT_MAGIC);
    put16(&h->eh_max, (sizeof(i->raw->i_block) - sizeof(*h)) / sizeof(struct ext4_extent));
    put32(&i->raw->i_flags, get32(i->raw->i_flags) | EXT4_EXTENTS_FL);
}

/* Must precede a change of the header and of entries from `at` on. */
int64_t node_change(struct ext4 *fs, struct inode_ref *i, struct path_node *node, uint32_t at)
{
    uint32_t entries = MIN(node_entries(node) + 1, get16(node->header->eh_max));

    if (!node->b)
        return inode_change(fs, i);
    TRY(change(fs, node->b, 0, sizeof(*node->header)));
    return change(fs, node->b, sizeof(*node->header) + at * sizeof(struct ext4_extent),
                  (entries - MIN(at, entries)) * sizeof(struct ext4_extent));
}

static int64_t node_put(struct ext4 *fs, struct inode_ref *i, struct path_node *node, uint32_t at,
                        const struct ext4_extent *entry)
{
    uint32_t entries = node_entries(node);
    struct ext4_extent *e = node_extents(node);

    TRY(node_change(fs, i, node, at));
    memmove(e + at + 1, e + at, (entries - at) * sizeof(*e));
    e[at] = *entry;
    put16(&node->header->eh_entries, entries + 1);
    return 0;
}

int64_t node_delete(struct ext4 *fs, struct inode_ref *i, struct path_node *node, uint32_t at)
{
    uint32_t entries = node_entries(node);
    struct ext4_extent *e = node_extents(node);

    TRY(node_change(fs, i, node, at));
    memmove(e + at, e + at + 1, (entries - at - 1) * sizeof(*e));
    put16(&node->header->eh_entries, entries - 1);
    return 0;
}

int64_t extent_keys_update(struct ext4 *fs, struct inode_ref *i, struct extent_path *path)
{
    for (uint32_t level = path->depth; level-- > 0;) {
        struct path_node *node = &path->node[level];
        uint32_t key = node_key(node + 1, 0);

        if (node_key(node, (uint32_t)node->at) == key)
            break;
        TRY(node_change(fs, i, node, (uint32_t)node->at));
        put32(&node_indexes(node)[node->at].ei_block, key);
        if (node->at > 0)
            break;
    }
    return 0;
}

/* ---- making room ---- */

/* A new node of the tree, empty. */
static int64_t node_make(struct ext4 *fs, struct inode_ref *i, uint32_t depth, uint64_t goal,
                         struct path_node *out)
{
    uint32_t count;
    uint64_t block;

    TRY(blocks_allocate(fs, goal, 1, &block, &count));
    TRY(cache_new(fs, block, KIND_EXTENTS, i->ino, i->generation, &out->b));
    TRY(inode_change(fs, i));
    TRY(inode_add_blocks(fs, i, 1));
    out->header = (void *)out->b->data;
    put16(&out->header->eh_magic, EXT4_EXT_MAGIC);
    put16(&out->header->eh_max,
          (fs->block_bytes - sizeof(*out->header)) / sizeof(struct ext4_extent));
    put16(&out->header->eh_depth, depth);
    return 0;
}

static struct ext4_extent index_entry(uint32_t key, uint64_t block)
{
    union {
        struct ext4_extent_idx index;
        struct ext4_extent entry;
    } u = {.index = {0}};

    put32(&u.index.ei_block, key);
    put32(&u.index.ei_leaf_lo, (uint32_t)block);
    put16(&u.index.ei_leaf_hi, (uint32_t)(block >> 32));
    return u.entry;
}

/* The root moves into a block of its own, and the tree is one level deeper. */
static int64_t grow(struct ext4 *fs, struct inode_ref *i, struct extent_path *path)
{
    struct path_node *root = &path->node[0], node;
    uint32_t entries = node_entries(root);

    if (path->depth == EXT4_EXT_DEPTH_MAX)
        return -EFBIG;
    TRY(node_make(fs, i, path->depth, extent_goal(fs, i, 0), &node));
    memcpy(node.header + 1, root->header + 1, entries * sizeof(struct ext4_extent));
    put16(&node.header->eh_entries, entries);
    node_extents(root)[0] = index_entry(node_key(&node, 0), node.b->block);
    put16(&root->header->eh_entries, 1);
    put16(&root->header->eh_depth, path->depth + 1);
    return 0;
}

/* The upper part of a full node moves to a new one beside it. A file that is written from its
 * beginning to its end is to leave full nodes behind: then only the last entry moves. */
static int64_t split(struct ext4 *fs, struct inode_ref *i, struct extent_path *path, uint32_t level)
{
    struct path_node *node = &path->node[level], *parent = node - 1, new;
    uint32_t entries = node_entries(node), keep = entries / 2;
    struct ext4_extent entry;

    if (node->at + 1 == (int32_t)entries)
        keep = entries - 1;
    TRY(node_make(fs, i, path->depth - level, node->b->block, &new));
    TRY(node_change(fs, i, node, keep));
    memcpy(new.header + 1, node_extents(node) + keep,
           (entries - keep) * sizeof(struct ext4_extent));
    put16(&new.header->eh_entries, entries - keep);
    put16(&node->header->eh_entries, keep);
    entry = index_entry(node_key(&new, 0), new.b->block);
    return node_put(fs, i, parent, (uint32_t)parent->at + 1, &entry);
}

static bool is_full(const struct path_node *node)
{
    return node_entries(node) >= get16(node->header->eh_max);
}

/* A path to a leaf with room. Each round makes the tree wider or deeper where it is full. */
static int64_t walk_to_room(struct ext4 *fs, struct inode_ref *i, uint32_t block,
                            struct extent_path *path)
{
    for (;;) {
        uint32_t level;

        TRY(extent_walk(fs, i, block, path));
        for (level = path->depth; is_full(&path->node[level]) && level > 0;)
            level--;
        if (is_full(&path->node[level]))
            TRY(grow(fs, i, path));
        else if (level < path->depth)
            TRY(split(fs, i, path, level + 1));
        else
            return 0;
    }
}

/* ---- adding ---- */

/* Do the two lie behind each other, in the file and on the disk? */
static bool joins(const struct extent *a, const struct extent *b)
{
    uint32_t limit = a->unwritten ? EXT4_EXT_UNWRITTEN_MAX : EXT4_EXT_INIT_MAX;

    return a->unwritten == b->unwritten && a->block + a->count == b->block &&
           a->physical + a->count == b->physical && a->count + b->count <= limit;
}

static bool leaf_extent(const struct path_node *leaf, int32_t at, struct extent *out)
{
    if (at < 0 || at >= (int32_t)node_entries(leaf))
        return false;
    extent_decode(&node_extents(leaf)[at], out);
    return true;
}

/* Makes one of the extents at `at` and behind it, if they join. */
static int64_t join_next(struct ext4 *fs, struct inode_ref *i, struct path_node *leaf, int32_t at)
{
    struct extent a, b;

    if (!leaf_extent(leaf, at, &a) || !leaf_extent(leaf, at + 1, &b) || !joins(&a, &b))
        return 0;
    TRY(node_delete(fs, i, leaf, (uint32_t)at + 1));
    TRY(node_change(fs, i, leaf, (uint32_t)at));
    a.count += b.count;
    extent_encode(&node_extents(leaf)[at], &a);
    return 0;
}

/* Adds it to a neighbour. @return 1 if that was possible */
static int64_t extend(struct ext4 *fs, struct inode_ref *i, struct extent_path *path,
                      const struct extent *new)
{
    struct path_node *leaf = &path->node[path->depth];
    struct extent e;

    if (leaf_extent(leaf, leaf->at, &e) && joins(&e, new)) {
        TRY(node_change(fs, i, leaf, (uint32_t)leaf->at));
        e.count += new->count;
        extent_encode(&node_extents(leaf)[leaf->at], &e);
        TRY(join_next(fs, i, leaf, leaf->at));
        return 1;
    }
    if (leaf_extent(leaf, leaf->at + 1, &e) && joins(new, &e)) {
        struct extent sum = *new;

        TRY(node_change(fs, i, leaf, (uint32_t)(leaf->at + 1)));
        sum.count += e.count;
        extent_encode(&node_extents(leaf)[leaf->at + 1], &sum);
        TRY(extent_keys_update(fs, i, path));
        return 1;
    }
    return 0;
}

int64_t extent_insert(struct ext4 *fs, struct inode_ref *i, const struct extent *new)
{
    struct ext4_extent entry;
    struct extent_path path;
    struct path_node *leaf;
    int64_t extended;

    TRY(inode_change(fs, i));
    TRY(extent_walk(fs, i, new->block, &path));
    extended = extend(fs, i, &path, new);
    if (extended != 0)
        return extended < 0 ? extended : 0;
    TRY(walk_to_room(fs, i, new->block, &path));
    leaf = &path.node[path.depth];
    extent_encode(&entry, new);
    TRY(node_put(fs, i, leaf, (uint32_t)(leaf->at + 1), &entry));
    return leaf->at < 0 ? extent_keys_update(fs, i, &path) : 0;
}

/* ---- unwritten becomes written ---- */

int64_t extent_written(struct ext4 *fs, struct inode_ref *i, uint32_t block, uint32_t count)
{
    struct extent_path path;
    struct path_node *leaf;
    struct extent e, part, rest;

    TRY(inode_change(fs, i));
    TRY(extent_walk(fs, i, block, &path));
    leaf = &path.node[path.depth];
    if (!leaf_extent(leaf, leaf->at, &e) || !e.unwritten || block - e.block >= e.count ||
        count > e.block + e.count - block)
        return -EINVAL;
    TRY(node_change(fs, i, leaf, (uint32_t)leaf->at));
    part = (struct extent){block, count, e.physical + (block - e.block), false};
    rest = (struct extent){block + count, e.block + e.count - (block + count),
                           part.physical + count, true};
    if (block == e.block && rest.count == 0) {
        extent_encode(&node_extents(leaf)[leaf->at], &part);
        TRY(join_next(fs, i, leaf, leaf->at));
        return join_next(fs, i, leaf, leaf->at - 1);
    }
    if (block == e.block) { /* what is left of it begins later */
        extent_encode(&node_extents(leaf)[leaf->at], &rest);
        TRY(leaf->at == 0 ? extent_keys_update(fs, i, &path) : 0);
        return extent_insert(fs, i, &part);
    }
    e.count = block - e.block;
    extent_encode(&node_extents(leaf)[leaf->at], &e);
    TRY(extent_insert(fs, i, &part));
    return rest.count ? extent_insert(fs, i, &rest) : 0;
}
