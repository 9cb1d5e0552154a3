/* SPDX-License-Identifier: MIT */
/*
 * Calls on names. Each is one operation: it looks, checks, and then changes, and what fails in the
 * middle has not happened.
 */
#include "servers/fs/ext4/private.h"

static int64_t name_check(const char *name, size_t length)
{
    if (length == 0 || memchr(name, '/', length) || memchr(name, 0, length))
        return -EINVAL;
    return length > EXT4_NAME_LEN ? -ENAMETOOLONG : 0;
}

/* The inode behind an entry: it must be one that has names. */
static int64_t entry_inode(struct ext4 *fs, const struct directory *d,
                           const struct dir_place *place, struct inode_ref *out)
{
    uint32_t ino = get32(entry_at(place->b, place->at)->inode);
    int64_t status = inode_get(fs, ino, out);

    if (status == -ENOENT || (status == 0 && get16(out->raw->i_links_count) == 0))
        return damaged(fs, "directory %u: an entry for inode %u, which is not in use", d->i.ino,
                       ino);
    return status;
}

/* A directory that names may be put in. */
static int64_t live_directory(struct ext4 *fs, uint32_t ino, struct directory *d)
{
    TRY(directory_get(fs, ino, d));
    return get16(d->i.raw->i_links_count) == 0 ? -ENOENT : 0;
}

static int64_t name_is_free(struct ext4 *fs, struct directory *d, const char *name, size_t length)
{
    struct dir_place place;
    int64_t status = directory_find(fs, d, name, length, &place);

    return status == -ENOENT ? 0 : status < 0 ? status : -EEXIST;
}

/* The entry of a name, and the inode behind it. */
static int64_t find_name(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                         struct directory *d, struct dir_place *place, struct inode_ref *i)
{
    TRY(name_check(name, length));
    TRY(directory_get(fs, dir, d));
    TRY(directory_find(fs, d, name, length, place));
    return entry_inode(fs, d, place, i);
}

/* ---- lookup ---- */

static int64_t lookup(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino)
{
    struct directory d;
    struct dir_place place;
    struct inode_ref i;

    TRY(find_name(fs, dir, name, length, &d, &place, &i));
    *ino = i.ino;
    return 0;
}

int64_t ext4_lookup(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino)
{
    operation_read(fs);
    return operation_end(fs, lookup(fs, dir, name, length, ino));
}

/* ---- making ---- */

static int64_t make_inode(struct ext4 *fs, uint32_t dir, const struct ext4_new *new,
                          struct inode_ref *i)
{
    struct inode_ref parent;
    uint32_t ino;

    TRY(inode_get(fs, dir, &parent));
    TRY(inode_allocate(fs, dir, new->mode, &ino));
    return inode_init(fs, ino, inode_flags(&parent), new, i);
}

static int64_t create(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                      const struct ext4_new *new, struct inode_ref *i)
{
    struct directory d;

    TRY(name_check(name, length));
    TRY(live_directory(fs, dir, &d));
    TRY(name_is_free(fs, &d, name, length));
    TRY(make_inode(fs, dir, new, i));
    put16(&i->raw->i_links_count, 1);
    if (S_ISDIR(new->mode)) {
        put16(&i->raw->i_links_count, 2);
        TRY(directory_make_first(fs, i, dir));
        TRY(inode_change(fs, &d.i));
        TRY(inode_link_add(fs, &d.i));
    }
    return directory_add(fs, &d, name, length, i->ino, new->mode);
}

static bool type_is_known(uint32_t mode)
{
    uint32_t type = mode & S_IFMT;

    return type == S_IFREG || type == S_IFDIR || type == S_IFCHR || type == S_IFBLK ||
           type == S_IFIFO || type == S_IFSOCK;
}

int64_t ext4_create(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                    const struct ext4_new *new, uint32_t *ino)
{
    struct inode_ref i;
    int64_t status;

    if (!type_is_known(new->mode))
        return -EINVAL;
    OPERATION(fs, status, create(fs, dir, name, length, new, &i));
    if (status == 0)
        *ino = i.ino;
    return status;
}

static int64_t put_target(struct ext4 *fs, struct inode_ref *i, const char *target, size_t bytes)
{
    struct extent e = {0};
    struct buffer *b;

    inode_set_size(i, bytes);
    if (bytes < sizeof(i->raw->i_block)) {
        memcpy(i->raw->i_block, target, bytes);
        return 0;
    }
    extent_init(i);
    TRY(blocks_allocate(fs, extent_goal(fs, i, 0), 1, &e.physical, &e.count));
    TRY(extent_insert(fs, i, &e));
    TRY(inode_add_blocks(fs, i, 1));
    TRY(cache_new(fs, e.physical, KIND_SYMLINK, i->ino, i->generation, &b));
    memcpy(b->data, target, bytes);
    return 0;
}

static int64_t symlink(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                       const char *target, size_t target_bytes, const struct ext4_new *new,
                       uint32_t *ino)
{
    struct inode_ref i;

    TRY(create(fs, dir, name, length, new, &i));
    *ino = i.ino;
    return put_target(fs, &i, target, target_bytes);
}

int64_t ext4_symlink(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                     const char *target, size_t target_bytes, const struct ext4_new *new,
                     uint32_t *ino)
{
    struct ext4_new link = *new;
    int64_t status;

    link.mode = S_IFLNK | 0777;
    if (target_bytes == 0 || memchr(target, 0, target_bytes))
        return -EINVAL;
    if (target_bytes >= fs->block_bytes)
        return -ENAMETOOLONG;
    OPERATION(fs, status, symlink(fs, dir, name, length, target, target_bytes, &link, ino));
    return status;
}

static int64_t tmpfile(struct ext4 *fs, uint32_t dir, const struct ext4_new *new, uint32_t *ino)
{
    struct directory d;
    struct inode_ref i;

    TRY(live_directory(fs, dir, &d));
    TRY(make_inode(fs, dir, new, &i));
    *ino = i.ino;
    return orphan_add(fs, &i);
}

int64_t ext4_tmpfile(struct ext4 *fs, uint32_t dir, const struct ext4_new *new, uint32_t *ino)
{
    int64_t status;

    if (!S_ISREG(new->mode))
        return -EINVAL;
    OPERATION(fs, status, tmpfile(fs, dir, new, ino));
    return status;
}

static int64_t link_name(struct ext4 *fs, uint32_t ino, uint32_t dir, const char *name,
                         size_t length)
{
    struct directory d;
    struct inode_ref i;

    TRY(name_check(name, length));
    TRY(inode_get(fs, ino, &i));
    if (S_ISDIR(inode_mode(&i)))
        return -EPERM;
    TRY(live_directory(fs, dir, &d));
    TRY(name_is_free(fs, &d, name, length));
    TRY(inode_change(fs, &i));
    if (get16(i.raw->i_links_count) == 0)
        TRY(orphan_remove(fs, &i));
    TRY(inode_link_add(fs, &i));
    inode_touch(fs, &i, TOUCH_CTIME);
    return directory_add(fs, &d, name, length, ino, inode_mode(&i));
}

int64_t ext4_link(struct ext4 *fs, uint32_t ino, uint32_t dir, const char *name, size_t length)
{
    int64_t status;

    OPERATION(fs, status, link_name(fs, ino, dir, name, length));
    return status;
}

/* ---- removing ---- */

/* The inode has lost a name; a directory has lost its only one. */
static int64_t lose_name(struct ext4 *fs, struct inode_ref *i)
{
    TRY(inode_change(fs, i));
    if (S_ISDIR(inode_mode(i)))
        put16(&i->raw->i_links_count, 0);
    else
        inode_link_remove(i);
    inode_touch(fs, i, TOUCH_CTIME);
    return get16(i->raw->i_links_count) == 0 ? orphan_add(fs, i) : 0;
}

static int64_t touch_directory(struct ext4 *fs, struct directory *d)
{
    TRY(inode_change(fs, &d->i));
    inode_touch(fs, &d->i, TOUCH_MTIME | TOUCH_CTIME);
    return 0;
}

static int64_t may_be_removed(struct ext4 *fs, const struct inode_ref *i)
{
    struct directory d;
    int64_t empty;

    TRY(directory_get(fs, i->ino, &d));
    if (i->ino == EXT4_ROOT_INO)
        return -EBUSY;
    empty = directory_is_empty(fs, &d);
    TRY(empty);
    return empty ? 0 : -ENOTEMPTY;
}

static int64_t remove_name(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                           bool directory, uint32_t *ino)
{
    struct directory d;
    struct dir_place place;
    struct inode_ref i;

    TRY(find_name(fs, dir, name, length, &d, &place, &i));
    if (S_ISDIR(inode_mode(&i)) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory) {
        TRY(may_be_removed(fs, &i));
        TRY(inode_change(fs, &d.i));
        inode_link_remove(&d.i);
    }
    TRY(directory_remove(fs, &place));
    TRY(touch_directory(fs, &d));
    *ino = i.ino;
    return lose_name(fs, &i);
}

int64_t ext4_unlink(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino)
{
    int64_t status;

    OPERATION(fs, status, remove_name(fs, dir, name, length, false, ino));
    return status;
}

int64_t ext4_rmdir(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino)
{
    int64_t status;

    if (length <= 2 && name[0] == '.' && (length == 1 || name[1] == '.'))
        return length == 1 ? -EINVAL : -ENOTEMPTY;
    OPERATION(fs, status, remove_name(fs, dir, name, length, true, ino));
    return status;
}

/* ---- renaming ---- */

/* Is `dir` the directory `top`, or below it? */
static int64_t is_below(struct ext4 *fs, uint32_t dir, uint32_t top)
{
    for (uint32_t n = 0; n <= fs->inodes; n++) {
        struct directory d;
        struct dir_place place;

        if (dir == top)
            return 1;
        if (dir == EXT4_ROOT_INO)
            return 0;
        TRY(directory_get(fs, dir, &d));
        TRY(directory_dotdot(fs, &d, &place));
        dir = get32(entry_at(place.b, place.at)->inode);
    }
    return damaged(fs, "directory %u is below itself", dir);
}

struct rename {
    const struct ext4_rename *names;
    struct directory from_dir, to_dir;
    struct directory *from, *to; /* the same, if the directories are */
    struct inode_ref moved, replaced;
    struct dir_place target;
    bool replaces, directory;
};

static int64_t rename_look(struct ext4 *fs, struct rename *r)
{
    const struct ext4_rename *n = r->names;
    struct dir_place source;
    int64_t status;

    TRY(name_check(n->from, n->from_length));
    TRY(name_check(n->to, n->to_length));
    TRY(directory_get(fs, n->from_dir, &r->from_dir));
    TRY(live_directory(fs, n->to_dir, &r->to_dir));
    r->from = &r->from_dir;
    r->to = n->from_dir == n->to_dir ? r->from : &r->to_dir;
    TRY(directory_find(fs, r->from, n->from, n->from_length, &source));
    TRY(entry_inode(fs, r->from, &source, &r->moved));
    r->directory = S_ISDIR(inode_mode(&r->moved));
    status = directory_find(fs, r->to, n->to, n->to_length, &r->target);
    r->replaces = status == 0;
    if (!r->replaces)
        return status == -ENOENT ? 0 : status;
    if (n->no_replace)
        return -EEXIST;
    return entry_inode(fs, r->to, &r->target, &r->replaced);
}

static int64_t rename_check(struct ext4 *fs, struct rename *r)
{
    if (r->directory && r->from != r->to) {
        int64_t below = is_below(fs, r->to->i.ino, r->moved.ino);

        TRY(below);
        if (below)
            return -EINVAL;
    }
    if (!r->replaces)
        return 0;
    if (S_ISDIR(inode_mode(&r->replaced)) != r->directory)
        return r->directory ? -ENOTDIR : -EISDIR;
    return r->directory ? may_be_removed(fs, &r->replaced) : 0;
}

/* ".." and the counts of links, where a directory moves, or is replaced. */
static int64_t rename_links(struct ext4 *fs, struct rename *r)
{
    struct directory moved;
    struct dir_place dotdot;

    if (r->from != r->to) {
        TRY(directory_get(fs, r->moved.ino, &moved));
        TRY(directory_dotdot(fs, &moved, &dotdot));
        TRY(directory_point(fs, &dotdot, r->to->i.ino, S_IFDIR));
    }
    TRY(inode_change(fs, &r->from->i));
    TRY(inode_change(fs, &r->to->i));
    inode_link_remove(&r->from->i);
    return r->replaces ? 0 : inode_link_add(fs, &r->to->i);
}

static int64_t rename_change(struct ext4 *fs, struct rename *r)
{
    const struct ext4_rename *n = r->names;
    uint32_t mode = inode_mode(&r->moved);
    struct dir_place source;

    if (r->replaces) {
        TRY(directory_point(fs, &r->target, r->moved.ino, mode));
        TRY(lose_name(fs, &r->replaced));
        TRY(touch_directory(fs, r->to));
    } else {
        TRY(directory_add(fs, r->to, n->to, n->to_length, r->moved.ino, mode));
    }
    /* Found again: it may have been moved when the new name was added. */
    TRY(directory_find(fs, r->from, n->from, n->from_length, &source));
    TRY(directory_remove(fs, &source));
    TRY(touch_directory(fs, r->from));
    if (r->directory)
        TRY(rename_links(fs, r));
    TRY(inode_change(fs, &r->moved));
    inode_touch(fs, &r->moved, TOUCH_CTIME);
    return 0;
}

/* A directory that goes from one directory to another: its "..", and their counts. */
static int64_t exchange_directory(struct ext4 *fs, struct inode_ref *moved, struct directory *from,
                                  struct directory *to)
{
    struct directory d;
    struct dir_place dotdot;

    if (from == to || !S_ISDIR(inode_mode(moved)))
        return 0;
    TRY(directory_get(fs, moved->ino, &d));
    TRY(directory_dotdot(fs, &d, &dotdot));
    TRY(directory_point(fs, &dotdot, to->i.ino, S_IFDIR));
    inode_link_remove(&from->i);
    return inode_link_add(fs, &to->i);
}

static int64_t exchange_check(struct ext4 *fs, struct rename *r)
{
    int64_t below = 0;

    if (r->from != r->to && r->directory)
        below = is_below(fs, r->to->i.ino, r->moved.ino);
    if (below == 0 && r->from != r->to && S_ISDIR(inode_mode(&r->replaced)))
        below = is_below(fs, r->from->i.ino, r->replaced.ino);
    return below > 0 ? -EINVAL : below;
}

/* Both names stay where they are, and point to the other inode. */
static int64_t exchange(struct ext4 *fs, struct rename *r)
{
    const struct ext4_rename *n = r->names;
    struct dir_place source;

    TRY(exchange_check(fs, r));
    TRY(directory_find(fs, r->from, n->from, n->from_length, &source));
    TRY(directory_point(fs, &source, r->replaced.ino, inode_mode(&r->replaced)));
    TRY(directory_point(fs, &r->target, r->moved.ino, inode_mode(&r->moved)));
    TRY(touch_directory(fs, r->from));
    TRY(touch_directory(fs, r->to));
    TRY(exchange_directory(fs, &r->moved, r->from, r->to));
    TRY(exchange_directory(fs, &r->replaced, r->to, r->from));
    TRY(inode_change(fs, &r->moved));
    inode_touch(fs, &r->moved, TOUCH_CTIME);
    TRY(inode_change(fs, &r->replaced));
    inode_touch(fs, &r->replaced, TOUCH_CTIME);
    return 0;
}

static int64_t rename(struct ext4 *fs, const struct ext4_rename *names, uint32_t *replaced)
{
    struct rename r = {.names = names};

    *replaced = 0;
    TRY(rename_look(fs, &r));
    if (names->exchange && !r.replaces)
        return -ENOENT;
    if (r.replaces && r.replaced.ino == r.moved.ino)
        return 0; /* two names of one inode: nothing happens */
    if (names->exchange)
        return exchange(fs, &r);
    TRY(rename_check(fs, &r));
    TRY(rename_change(fs, &r));
    if (r.replaces)
        *replaced = r.replaced.ino;
    return 0;
}

int64_t ext4_rename(struct ext4 *fs, const struct ext4_rename *names, uint32_t *replaced)
{
    int64_t status;

    OPERATION(fs, status, rename(fs, names, replaced));
    return status;
}

/* ---- links' targets ---- */

static int64_t readlink(struct ext4 *fs, uint32_t ino, char *to, size_t bytes)
{
    struct inode_ref i;
    struct extent e;
    struct buffer *b;
    uint64_t size;

    TRY(inode_get(fs, ino, &i));
    if (!S_ISLNK(inode_mode(&i)))
        return -EINVAL;
    size = inode_size(&i);
    if (inode_is_fast_symlink(fs, &i)) {
        memcpy(to, i.raw->i_block, MIN(size, bytes));
        return (int64_t)size;
    }
    TRY(extent_find(fs, &i, 0, &e));
    if (size >= fs->block_bytes || !e.physical || e.unwritten)
        return damaged(fs, "inode %u: a symbolic link without a target", ino);
    TRY(cache_get(fs, e.physical, KIND_SYMLINK, i.ino, i.generation, &b));
    memcpy(to, b->data, MIN(size, bytes));
    return (int64_t)size;
}

int64_t ext4_readlink(struct ext4 *fs, uint32_t ino, char *to, size_t bytes)
{
    operation_read(fs);
    return operation_end(fs, readlink(fs, ino, to, bytes));
}
