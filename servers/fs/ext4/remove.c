/* SPDX-License-Identifier: MIT */
/*
 * Taking blocks away from a file, from the end of a range towards its beginning. One call takes from
 * one leaf, and stops when the operation has touched enough; the caller goes on with another one.
 */
#include "servers/fs/ext4/private.h"

#define ENOUGH (OPERATION_BLOCKS / 2) /* blocks that were changed */

/* Contents that are metadata by themselves must not be replayed once they are somebody else's. */
static bool is_metadata(const struct inode_ref *i)
{
    return !S_ISREG(inode_mode(i));
}

/* A node without entries goes, and with it its entry above. */
static int64_t drop_empty(struct ext4 *fs, struct inode_ref *i, struct extent_path *path)
{
    struct ext4_extent_header *root = path->node[0].header;
    uint32_t level = path->depth;

    for (; level > 0 && node_entries(&path->node[level]) == 0; level--) {
        struct path_node *parent = &path->node[level - 1];

        TRY(blocks_free(fs, path->node[level].b->block, 1, true));
        TRY(inode_add_blocks(fs, i, -1));
        TRY(node_delete(fs, i, parent, (uint32_t)parent->at));
    }
    if (get16(root->eh_entries) == 0) {
        put16(&root->eh_depth, 0);
        return 0;
    }
    path->depth = level; /* of the deepest node that is still there */
    return node_entries(&path->node[level]) ? extent_keys_update(fs, i, path) : 0;
}

/* Cuts [first, last] out of the extent at `at`. @return 1 if there is room for the next step only
 * after another look (the extent became two) */
static int64_t cut(struct ext4 *fs, struct inode_ref *i, struct path_node *leaf, uint32_t at,
                   uint32_t first, uint32_t last)
{
    struct extent e, rest;
    uint32_t from, end;

    extent_decode(&node_extents(leaf)[at], &e);
    from = MAX(first, e.block);
    end = (uint32_t)MIN((uint64_t)last + 1, (uint64_t)e.block + e.count);
    TRY(blocks_free(fs, e.physical + (from - e.block), end - from, is_metadata(i)));
    TRY(inode_add_blocks(fs, i, -(int64_t)(end - from)));
    rest = (struct extent){end, e.block + e.count - end, e.physical + (end - e.block), e.unwritten};
    TRY(node_change(fs, i, leaf, at));
    if (from > e.block) {
        e.count = from - e.block;
        extent_encode(&node_extents(leaf)[at], &e);
        if (rest.count == 0)
            return 0;
        TRY(extent_insert(fs, i, &rest));
        return 1;
    }
    if (rest.count > 0) {
        extent_encode(&node_extents(leaf)[at], &rest);
        return 0;
    }
    return node_delete(fs, i, leaf, at);
}

int64_t extent_remove(struct ext4 *fs, struct inode_ref *i, uint32_t first, uint32_t last)
{
    struct extent_path path;
    struct path_node *leaf;
    bool more = true;

    TRY(inode_change(fs, i));
    TRY(extent_walk(fs, i, last, &path));
    leaf = &path.node[path.depth];
    while (leaf->at >= 0 && fs->op.blocks < ENOUGH) {
        struct extent e;
        int64_t two;

        extent_decode(&node_extents(leaf)[leaf->at], &e);
        if ((uint64_t)e.block + e.count <= first) {
            more = false;
            break;
        }
        two = cut(fs, i, leaf, (uint32_t)leaf->at, first, last);
        TRY(two);
        if (two > 0)
            return 0;
        leaf->at--;
    }
    if (leaf->at < 0 && path.depth == 0)
        more = false;
    for (uint32_t level = 0; leaf->at < 0 && level < path.depth && more; level++) {
        if (path.node[level].at > 0)
            break;
        if (level + 1 == path.depth)
            more = false; /* it was the first leaf */
    }
    TRY(drop_empty(fs, i, &path));
    return more;
}
