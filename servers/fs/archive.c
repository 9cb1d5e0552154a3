/* SPDX-License-Identifier: MIT */
/*
 * The boot archive becomes the first files.
 *
 * It is read once. Names and link targets are copied out; the data of files stay where they are
 * (data.c takes them from there), so that the cost depends on the number of files, not on their
 * size. Archives that follow one another lie over each other: a later entry replaces an earlier
 * one of its name.
 */
#include "servers/fs/fs.h"
#include "servers/fs/recover.h"

#include <lib/cpio.h>
#include <lib/heap.h>
#include <lib/string.h>

uint8_t *archive_base;

static const struct caller root = {0};

struct hard_link {
    uint32_t archive, ino;
    struct inode *inode;
};

/* Names of one file, met and not all read yet. The data come with the last name. */
struct hard_links {
    struct hard_link *links;
    uint32_t count, limit;
};

struct reader {
    struct hard_links hard;
    struct inode *data_before; /* the file whose data were met last, and the page behind them */
    size_t data_before_end;
    struct inode *dir; /* where the last entry went: entries of a directory come in a row */
    const char *dir_path;
    size_t dir_length;
};

/* The directory with this path, made if it is not there. */
static struct inode *directory_at(const char *path, size_t length)
{
    struct inode *dir = tree_root, *made;
    size_t at = 0, end;

    while (at < length) {
        struct walk walk;

        for (end = at; end < length && path[end] != '/'; end++)
            ;
        if (end > at) {
            if (path_walk(&walk, &root, dir, path + at, end - at, WALK_FOLLOW) < 0)
                return 0;
            if (!walk.inode && name_create(&walk, &root, S_IFDIR | 0755, &made) < 0)
                return 0;
            dir = walk.inode ? walk.inode : made;
            if (!S_ISDIR(dir->mode))
                return 0;
        }
        at = end + 1;
    }
    return dir;
}

static struct inode *parent_of(struct reader *r, const char *name, size_t *name_at)
{
    const char *slash = strrchr(name, '/');
    size_t length = slash ? (size_t)(slash - name) : 0;

    *name_at = slash ? length + 1 : 0;
    if (length == 0)
        return tree_root;
    if (!r->dir || r->dir_length != length || memcmp(r->dir_path, name, length) != 0) {
        r->dir = directory_at(name, length);
        r->dir_path = name;
        r->dir_length = length;
    }
    return r->dir;
}

static struct inode *hard_find(const struct hard_links *h, const struct cpio_entry *e)
{
    uint32_t i = h->count;

    while (i-- > 0 && h->links[i].archive == e->archive) {
        if (h->links[i].ino == e->ino)
            return h->links[i].inode;
    }
    return 0;
}

static void hard_add(struct hard_links *h, const struct cpio_entry *e, struct inode *inode)
{
    if (h->count == h->limit) {
        uint32_t limit = h->limit ? h->limit * 2 : 64;
        struct hard_link *more = heap_resize(h->links, limit * sizeof(*more));

        if (!more)
            return; /* the names become files of their own */
        h->links = more;
        h->limit = limit;
    }
    h->links[h->count++] = (struct hard_link){e->archive, e->ino, inode};
    inode_hold(inode); /* until the end: a later entry may replace its name */
}

/* Two files with data in one page: the first one's page cannot change owner. */
static void note_data(struct reader *r, const struct cpio_entry *e, struct inode *inode)
{
    if (r->data_before && r->data_before_end > e->data_offset)
        r->data_before->file.shares_page = true;
    if (r->data_before)
        inode_release(r->data_before);
    inode_hold(inode);
    r->data_before = inode;
    r->data_before_end = (e->data_offset + e->bytes + PAGE - 1) / PAGE * PAGE;
}

static void set_attributes(struct inode *inode, const struct cpio_entry *e)
{
    inode->mode = (inode->mode & S_IFMT) | (e->mode & 07777);
    inode->uid = e->uid;
    inode->gid = e->gid;
    inode->atime = inode->mtime = inode->ctime = inode->btime = e->mtime * 1000000000ull;
    if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
        inode->rdev = FS_DEV(e->rdev_major, e->rdev_minor);
}

static int64_t set_data(struct reader *r, struct inode *inode, const struct cpio_entry *e)
{
    if (S_ISLNK(e->mode)) {
        if (e->bytes == 0 || e->bytes > PATH_BYTES || memchr(e->data, 0, e->bytes))
            return -EINVAL;
        return inode_set_target(inode, (const char *)e->data, e->bytes);
    }
    if (!S_ISREG(e->mode) || e->bytes == 0)
        return 0;
    inode->file.store = STORE_ARCHIVE;
    inode->file.bytes = archive_base + e->data_offset;
    inode->file.size = e->bytes;
    note_data(r, e, inode);
    return 0;
}

static bool known_kind(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO: return true;
    default: return false;
    }
}

/* Makes room for a new entry. @return 1 if what is there stays and only changes attributes. */
static int64_t replace(struct reader *r, struct inode *dir, const char *name, size_t length,
                       uint32_t mode)
{
    struct entry *old = tree_find(dir, name, length);

    if (!old)
        return 0;
    if (S_ISDIR(old->inode->mode)) {
        if (S_ISDIR(mode))
            return 1;
        if (old->inode->dir.count)
            return -ENOTEMPTY;
    }
    r->dir = 0; /* it may be the one that goes */
    tree_remove(old);
    return 0;
}

static int64_t add_new(struct reader *r, struct inode *dir, const char *name, size_t length,
                       const struct cpio_entry *e)
{
    bool linked = S_ISREG(e->mode) && e->links > 1;
    struct inode *inode = linked ? hard_find(&r->hard, e) : 0;
    bool known = inode;
    int64_t status;

    if (!known && !(inode = inode_make(e->mode & S_IFMT, 0, 0, (enum volume)dir->volume)))
        return -ENOSPC;
    if ((status = tree_add(dir, name, length, inode)) < 0) {
        if (!known)
            inode->nlink = 0;
        inode_unused(inode);
        return status;
    }
    if (linked && !known)
        hard_add(&r->hard, e, inode);
    set_attributes(inode, e);
    return set_data(r, inode, e);
}

static int64_t add_entry(struct reader *r, const struct cpio_entry *e)
{
    const char *name = e->name;
    size_t length, at;
    struct inode *dir;
    int64_t status;

    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name += name[0] == '/' ? 1 : 2;
    if (!known_kind(e->mode))
        return -EINVAL;
    if (name[0] == 0 || (name[0] == '.' && name[1] == 0)) {
        if (S_ISDIR(e->mode))
            set_attributes(tree_root, e);
        return 0;
    }
    if (!(dir = parent_of(r, name, &at)))
        return -ENOTDIR;
    name += at;
    length = strlen(name);
    if (length == 0 || length > NAME_BYTES || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    status = replace(r, dir, name, length, e->mode);
    if (status == 0)
        return add_new(r, dir, name, length, e);
    if (status > 0)
        set_attributes(tree_find(dir, name, length)->inode, e);
    return status;
}

int64_t archive_read(uint8_t *base, uint64_t bytes)
{
    struct cpio archive = cpio_open(base, bytes);
    struct reader reader = {0};
    struct cpio_entry entry;
    int64_t count = 0;

    archive_base = base;
    while (cpio_next(&archive, &entry)) {
        if (add_entry(&reader, &entry) >= 0)
            count++;
        else
            reader.dir = 0; /* whatever it was, look the directory up again */
        request_commit();
    }
    while (reader.hard.count)
        inode_release(reader.hard.links[--reader.hard.count].inode);
    heap_free(reader.hard.links);
    if (reader.data_before)
        inode_release(reader.data_before);
    return archive.damaged ? -EINVAL : count;
}
