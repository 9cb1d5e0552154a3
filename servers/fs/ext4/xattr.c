/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: read, and kept. They lie behind the fields of the inode, and in one block that
 * inodes may share. A reader takes no offset for granted: the lists are small, so they are checked
 * each time.
 */
#include "servers/fs/ext4/private.h"

/* A list of entries and where their values are. */
struct entries {
    const uint8_t *first, *values, *end; /* values: what e_value_offs counts from */
};

static int64_t in_inode(const struct ext4 *fs, const struct inode_ref *i, struct entries *out)
{
    const uint8_t *raw = (const uint8_t *)i->raw;
    uint32_t at = EXT4_INODE_BYTES_OLD;

    if (fs->inode_bytes > EXT4_INODE_BYTES_OLD)
        at += get16(i->raw->i_extra_isize);
    if (at + 8 > fs->inode_bytes ||
        get32(*(const le32 *)(const void *)(raw + at)) != EXT4_XATTR_MAGIC)
        return 0;
    *out = (struct entries){raw + at + 4, raw + at + 4, raw + fs->inode_bytes};
    return 1;
}

static uint64_t acl_block(const struct inode_ref *i)
{
    return get32(i->raw->i_file_acl_lo) | (uint64_t)get16(i->raw->i_file_acl_high) << 32;
}

static int64_t xattr_block(struct ext4 *fs, const struct inode_ref *i, struct buffer **out)
{
    const struct ext4_xattr_header *h;
    uint64_t block = acl_block(i);
    struct buffer *b;

    if (!blocks_in_range(fs, block, 1))
        return damaged(fs, "inode %u: i_file_acl is outside of the volume", i->ino);
    TRY(cache_get(fs, block, KIND_XATTR, 0, 0, &b));
    h = (const void *)b->data;
    if (!b->checked && (get32(h->h_magic) != EXT4_XATTR_MAGIC || get32(h->h_blocks) != 1 ||
                        get32(h->h_refcount) == 0 || !block_checksum_ok(fs, b)))
        return damaged(fs, "attribute block %llu of inode %u is damaged", (unsigned long long)block,
                       i->ino);
    b->checked = 1;
    *out = b;
    return 0;
}

static int64_t in_block(struct ext4 *fs, const struct inode_ref *i, struct entries *out)
{
    struct buffer *b;

    if (acl_block(i) == 0)
        return 0;
    TRY(xattr_block(fs, i, &b));
    *out = (struct entries){b->data + sizeof(struct ext4_xattr_header), b->data,
                            b->data + fs->block_bytes};
    return 1;
}

/* The entry at `at`, or 0 at the end of the list, or beyond what can be. */
static const struct ext4_xattr_entry *entry_here(const struct entries *list, const uint8_t *at)
{
    const struct ext4_xattr_entry *e = (const void *)at;

    if (list->end - at < 4 || get32(*(const le32 *)(const void *)at) == 0)
        return NULL;
    if (list->end - at < (ptrdiff_t)sizeof(*e) ||
        list->end - at < (ptrdiff_t)(sizeof(*e) + e->e_name_len))
        return NULL;
    return e;
}

static const uint8_t *entry_after(const struct entries *list, const struct ext4_xattr_entry *e)
{
    size_t bytes = (sizeof(*e) + e->e_name_len + 3) & ~(size_t)3;
    const uint8_t *at = (const uint8_t *)e;

    return (size_t)(list->end - at) < bytes ? list->end : at + bytes;
}

/* ---- reading ---- */

static int64_t value_of(struct ext4 *fs, const struct inode_ref *i, const struct entries *list,
                        const struct ext4_xattr_entry *e, void *to, size_t bytes)
{
    uint32_t size = get32(e->e_value_size), offset = get16(e->e_value_offs);

    if (get32(e->e_value_inum))
        return -EOPNOTSUPP;
    if (offset > (size_t)(list->end - list->values) ||
        size > (size_t)(list->end - list->values) - offset)
        return damaged(fs, "inode %u: an attribute's value is outside of its block", i->ino);
    if (size <= bytes && size > 0)
        memcpy(to, list->values + offset, size);
    return size;
}

struct wanted {
    uint8_t index;
    const char *name;
    size_t length;
    void *to;
    size_t bytes;
};

static int64_t search(struct ext4 *fs, const struct inode_ref *i, const struct entries *list,
                      const struct wanted *w)
{
    const struct ext4_xattr_entry *e = entry_here(list, list->first);

    for (; e; e = entry_here(list, entry_after(list, e))) {
        if (e->e_name_index == w->index && e->e_name_len == w->length &&
            memcmp(e->e_name, w->name, w->length) == 0)
            return value_of(fs, i, list, e, w->to, w->bytes);
    }
    return -ENODATA;
}

static int64_t getxattr(struct ext4 *fs, uint32_t ino, const struct wanted *w)
{
    int64_t there, status = -ENODATA;
    struct entries list;
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    if (in_inode(fs, &i, &list))
        status = search(fs, &i, &list, w);
    if (status != -ENODATA)
        return status;
    there = in_block(fs, &i, &list);
    return there <= 0 ? (there < 0 ? there : -ENODATA) : search(fs, &i, &list, w);
}

int64_t ext4_getxattr(struct ext4 *fs, uint32_t ino, uint8_t index, const char *name, size_t length,
                      void *to, size_t bytes)
{
    struct wanted w = {index, name, length, to, bytes};

    operation_read(fs);
    return operation_end(fs, getxattr(fs, ino, &w));
}

static bool list_entries(const struct entries *list, ext4_xattr_listed *each, void *context)
{
    const struct ext4_xattr_entry *e = entry_here(list, list->first);

    for (; e; e = entry_here(list, entry_after(list, e))) {
        if (!each(context, e->e_name_index, e->e_name, e->e_name_len))
            return false;
    }
    return true;
}

static int64_t listxattr(struct ext4 *fs, uint32_t ino, ext4_xattr_listed *each, void *context)
{
    struct entries inside, block;
    int64_t have_inside, have_block;
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    have_inside = in_inode(fs, &i, &inside);
    have_block = in_block(fs, &i, &block);
    TRY(have_block);
    if ((!have_inside || list_entries(&inside, each, context)) && have_block)
        list_entries(&block, each, context);
    return 0;
}

int64_t ext4_listxattr(struct ext4 *fs, uint32_t ino, ext4_xattr_listed *each, void *context)
{
    operation_read(fs);
    return operation_end(fs, listxattr(fs, ino, each, context));
}

/* ---- the end of an inode ---- */

int64_t xattr_drop(struct ext4 *fs, struct inode_ref *i)
{
    struct ext4_xattr_header *h;
    uint64_t block = acl_block(i);
    struct buffer *b;

    if (block == 0)
        return 0;
    TRY(xattr_block(fs, i, &b));
    h = (void *)b->data;
    if (get32(h->h_refcount) > 1) {
        TRY(change(fs, b, 0, sizeof(*h)));
        put32(&h->h_refcount, get32(h->h_refcount) - 1);
    } else {
        TRY(blocks_free(fs, block, 1, true));
    }
    put32(&i->raw->i_file_acl_lo, 0);
    put16(&i->raw->i_file_acl_high, 0);
    return inode_add_blocks(fs, i, -1);
}
