/* SPDX-License-Identifier: MIT */
/*
 * The calls that change names: making, linking, removing, renaming.
 *
 * Each handler checks first and changes then; once something has changed nothing can fail. The
 * order of the checks is Linux's, because programs look at the error that comes first.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"

#include <lib/heap.h>

#define LINKS_MAX 65000u

/* Two paths in one message: w[2] bytes of the first, then the second. */
struct two_paths {
    const char *first, *second;
    size_t first_bytes, second_bytes;
};

static int64_t split_paths(const struct request *q, struct two_paths *paths)
{
    if (q->w[2] > q->bytes)
        return -EINVAL;
    *paths = (struct two_paths){q->msg, q->msg + q->w[2], q->w[2], q->bytes - q->w[2]};
    return 0;
}

static int64_t walk_to_parent(struct walk *walk, const struct request *q, uint64_t base,
                              const char *path, size_t bytes)
{
    struct inode *start;
    int64_t status = request_base(base, &start);

    return status < 0 ? status : path_walk(walk, &q->who, start, path, bytes, WALK_PARENT);
}

static int64_t may_add(const struct caller *who, const struct inode *dir)
{
    if (dir->volume == VOLUME_PROC)
        return -ENOENT;
    if (dir->volume == VOLUME_SYS)
        return -EPERM;
    return caller_may(who, dir, W_OK | X_OK);
}

/* May the caller take this name away? In a sticky directory only an owner may. */
static int64_t may_remove(const struct caller *who, const struct inode *dir,
                          const struct inode *inode)
{
    int64_t status;

    if (dir->volume == VOLUME_PROC || dir->volume == VOLUME_SYS)
        return -EPERM;
    if ((status = caller_may(who, dir, W_OK | X_OK)) < 0)
        return status;
    if ((dir->mode & S_ISVTX) && who->uid != 0 && who->uid != inode->uid && who->uid != dir->uid)
        return -EPERM;
    return 0;
}

/* ---- making ---- */

/* In the tree; a disk's volume learns it when the inode is complete: name_finish. */
static int64_t name_begin(struct walk *walk, const struct caller *who, uint32_t mode,
                          struct inode **made)
{
    struct inode *dir = walk->dir, *inode;
    uint32_t gid = who->gid;
    int64_t status = may_add(who, dir);

    if (status < 0)
        return status;
    if (dir->mode & S_ISGID) {
        gid = dir->gid;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
        else if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010) && who->uid != 0 &&
                 !caller_in_group(who, gid))
            mode &= ~(uint32_t)S_ISGID;
    }
    inode = inode_make(mode, who->uid, gid, (enum volume)dir->volume);
    if (!inode)
        return -ENOSPC;
    if ((status = tree_add(dir, walk->name, walk->length, inode)) < 0) {
        SET(inode->nlink, 0);
        inode_unused(inode);
        return status;
    }
    walk->entry = dir->dir.last;
    *made = inode;
    return 0;
}

static int64_t name_finish(struct walk *walk, struct inode *inode, int64_t status)
{
    struct inode *dir = walk->dir;

    if (status >= 0 && on_disk(dir))
        status = change_create(dir, walk->name, walk->length, inode);
    if (status < 0) {
        tree_remove(walk->entry);
        return status;
    }
    SET(dir->mtime, inode->ctime);
    SET(dir->ctime, inode->ctime);
    notify_name(dir, walk->name, walk->length, inode->mode, IN_CREATE, 0);
    return 0;
}

int64_t name_create(struct walk *walk, const struct caller *who, uint32_t mode, struct inode **made)
{
    int64_t status = name_begin(walk, who, mode, made);

    return status < 0 ? status : name_finish(walk, *made, 0);
}

/* A new name, as mkdir, mknod, symlink and link want it: free, and not "." or "..". */
static int64_t walk_to_free(struct walk *walk, const struct request *q, uint64_t base,
                            const char *path, size_t bytes, bool directory)
{
    int64_t status = walk_to_parent(walk, q, base, path, bytes);

    if (status < 0)
        return status;
    if (walk->inode)
        return -EEXIST;
    return walk->slash && !directory ? -ENOENT : 0;
}

int64_t fs_mkdir(struct request *q)
{
    struct inode *made;
    struct walk walk;
    int64_t status;

    if (q->w[1] & ~07777ull)
        return -EINVAL;
    if ((status = walk_to_free(&walk, q, q->w[0], q->msg, q->bytes, true)) < 0)
        return status;
    if (walk.dir->nlink >= LINKS_MAX)
        return -EMLINK;
    return name_create(&walk, &q->who, S_IFDIR | ((uint32_t)q->w[1] & 01777), &made);
}

int64_t fs_mknod(struct request *q)
{
    uint32_t mode = (uint32_t)q->w[1];
    struct inode *made;
    struct walk walk;
    int64_t status;

    if (q->w[1] > 0177777)
        return -EINVAL;
    if (!(mode & S_IFMT))
        mode |= S_IFREG;
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK: break;
    case S_IFCHR:
    case S_IFBLK:
        if (q->who.uid != 0)
            return -EPERM;
        break;
    case S_IFDIR: return -EPERM;
    default: return -EINVAL;
    }
    if ((status = walk_to_free(&walk, q, q->w[0], q->msg, q->bytes, false)) < 0)
        return status;
    if ((status = name_begin(&walk, &q->who, mode, &made)) < 0)
        return status;
    if (S_ISCHR(mode) || S_ISBLK(mode))
        SET(made->rdev, q->w[2]);
    return name_finish(&walk, made, 0);
}

int64_t fs_symlink(struct request *q)
{
    struct two_paths paths;
    struct inode *made;
    struct walk walk;
    int64_t status;

    if ((status = split_paths(q, &paths)) < 0)
        return status;
    if (paths.first_bytes == 0)
        return -ENOENT;
    if (paths.first_bytes > PATH_BYTES)
        return -ENAMETOOLONG;
    if ((status = walk_to_free(&walk, q, q->w[0], paths.second, paths.second_bytes, false)) < 0)
        return status;
    if ((status = name_begin(&walk, &q->who, S_IFLNK | 0777, &made)) < 0)
        return status;
    return name_finish(&walk, made, inode_set_target(made, paths.first, paths.first_bytes));
}

int64_t fs_link(struct request *q)
{
    uint64_t flags = q->w[3];
    struct two_paths paths;
    struct inode *inode;
    struct walk walk;
    int64_t status;

    if (flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if ((status = split_paths(q, &paths)) < 0)
        return status;
    status = path_find(&inode, q, q->w[0], paths.first, paths.first_bytes,
                       (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) |
                           (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0));
    if (status < 0)
        return status;
    if ((status = walk_to_free(&walk, q, q->w[1], paths.second, paths.second_bytes, false)) < 0)
        return status;
    if (inode->volume != walk.dir->volume)
        return -EXDEV;
    if ((status = may_add(&q->who, walk.dir)) < 0)
        return status;
    if (S_ISDIR(inode->mode) || inode->transient)
        return -EPERM;
    if (inode->nlink == 0 && paths.first_bytes)
        return -ENOENT;
    if (inode->nlink >= LINKS_MAX)
        return -EMLINK;
    if (on_disk(inode) && (status = change_link(walk.dir, walk.name, walk.length, inode)) < 0)
        return status;
    if ((status = tree_add(walk.dir, walk.name, walk.length, inode)) < 0)
        return status;
    inode_changed(inode);
    inode_modified(walk.dir);
    notify_self(inode, IN_ATTRIB); /* the number of links */
    notify_name(walk.dir, walk.name, walk.length, inode->mode, IN_CREATE, 0);
    return 0;
}

/* ---- removing ---- */

int64_t fs_unlink(struct request *q)
{
    bool directory = q->w[1] & AT_REMOVEDIR;
    struct inode *dir;
    struct walk walk;
    uint32_t mode;
    int64_t status;

    if (q->w[1] & ~(uint64_t)AT_REMOVEDIR)
        return -EINVAL;
    if ((status = walk_to_parent(&walk, q, q->w[0], q->msg, q->bytes)) < 0)
        return status;
    dir = walk.dir;
    if (!dir) {
        if (!directory)
            return -EISDIR;
        if (!walk.dots)
            return -EBUSY;
        return q->msg[q->bytes - 1] == '.' && q->bytes > 1 && q->msg[q->bytes - 2] == '.'
                   ? -ENOTEMPTY
                   : -EINVAL;
    }
    if (!walk.inode)
        return -ENOENT;
    if (walk.slash && !S_ISDIR(walk.inode->mode))
        return -ENOTDIR;
    if ((status = may_remove(&q->who, dir, walk.inode)) < 0)
        return status;
    if (directory != S_ISDIR(walk.inode->mode))
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && walk.inode->mount_root)
        return -EBUSY;
    if (directory && walk.inode->dir.count)
        return -ENOTEMPTY;

    if (on_disk(dir) && (status = change_unlink(dir, walk.name, walk.length, walk.inode)) < 0)
        return status;
    mode = walk.inode->mode;
    if (!directory)
        notify_self(walk.inode, IN_ATTRIB); /* the number of links */
    tree_remove(walk.entry);
    inode_modified(dir);
    notify_name(dir, walk.name, walk.length, mode, IN_DELETE, 0);
    return 0;
}

/* ---- renaming ---- */

static int64_t rename_checks_kinds(const struct walk *from, const struct walk *to, uint64_t flags)
{
    bool exchange = flags & RENAME_EXCHANGE;

    if (!from->inode || (exchange && !to->inode))
        return -ENOENT;
    if ((flags & RENAME_NOREPLACE) && to->inode)
        return -EEXIST;
    if (!S_ISDIR(from->inode->mode) && (from->slash || (!exchange && to->slash)))
        return -ENOTDIR;
    if (exchange && to->slash && !S_ISDIR(to->inode->mode))
        return -ENOTDIR;
    if (from->inode->mount_root || (to->inode && to->inode->mount_root))
        return -EBUSY;
    if (S_ISDIR(from->inode->mode) && tree_below(to->dir, from->inode))
        return -EINVAL;
    if (to->inode && S_ISDIR(to->inode->mode) && tree_below(from->dir, to->inode))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int64_t rename_checks_rights(const struct caller *who, const struct walk *from,
                                    const struct walk *to, uint64_t flags)
{
    bool exchange = flags & RENAME_EXCHANGE, directory = S_ISDIR(from->inode->mode);
    int64_t status;

    if ((status = may_remove(who, from->dir, from->inode)) < 0)
        return status;
    if (!to->inode)
        status = may_add(who, to->dir);
    else
        status = may_remove(who, to->dir, to->inode);
    if (status < 0)
        return status;
    if (to->inode && !exchange && directory != S_ISDIR(to->inode->mode))
        return directory ? -ENOTDIR : -EISDIR;
    /* A directory that comes below another one is written to: its "..". */
    if (from->dir != to->dir) {
        if (directory && (status = caller_may(who, from->inode, W_OK)) < 0)
            return status;
        if (exchange && S_ISDIR(to->inode->mode) && (status = caller_may(who, to->inode, W_OK)) < 0)
            return status;
    }
    if (to->inode && !exchange && directory && to->inode->dir.count)
        return -ENOTEMPTY;
    return 0;
}

/* Tells that an inode has gone from one name to another; `replaced` had that one, or 0. */
static void rename_tell(const struct walk *from, const struct walk *to, struct inode *inode,
                        const struct inode *replaced)
{
    uint32_t cookie, mode = inode->mode;

    if (!notify_watches)
        return;
    cookie = notify_cookie();
    notify_name(from->dir, from->name, from->length, mode, IN_MOVED_FROM, cookie);
    notify_name(to->dir, to->name, to->length, mode, IN_MOVED_TO, cookie);
    if (replaced)
        notify_self(replaced, IN_ATTRIB); /* the number of links */
    notify_self(inode, IN_MOVE_SELF);
    if (inode_kind(inode) == FS_REGULAR && notify_reads(to->dir, 0))
        data_watch_reads(inode);
}

int64_t fs_rename(struct request *q)
{
    uint64_t flags = q->w[3];
    struct two_paths paths;
    struct walk from, to;
    struct inode *inode;
    int64_t status;

    if (flags & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    if ((status = split_paths(q, &paths)) < 0 ||
        (status = walk_to_parent(&from, q, q->w[0], paths.first, paths.first_bytes)) < 0 ||
        (status = walk_to_parent(&to, q, q->w[1], paths.second, paths.second_bytes)) < 0)
        return status;
    if (!from.dir)
        return -EBUSY;
    if (!to.dir)
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (from.dir->volume != to.dir->volume)
        return -EXDEV;
    if (from.dir->volume == VOLUME_PROC || from.dir->volume == VOLUME_SYS)
        return -EPERM;
    if ((status = rename_checks_kinds(&from, &to, flags)) < 0)
        return status;
    if (from.inode == to.inode)
        return 0;
    if ((status = rename_checks_rights(&q->who, &from, &to, flags)) < 0)
        return status;
    if (on_disk(from.dir) &&
        (status = change_rename(&from, &to, to.inode, flags & RENAME_EXCHANGE)) < 0)
        return status;

    inode = from.inode;
    if (!to.inode) {
        if ((status = tree_move(from.entry, to.dir, to.name, to.length)) < 0)
            return status;
        rename_tell(&from, &to, inode, 0);
    } else {
        tree_swap(from.entry, to.entry);
        rename_tell(&from, &to, inode, flags & RENAME_EXCHANGE ? 0 : to.inode);
        if (flags & RENAME_EXCHANGE) {
            inode_changed(to.inode);
            rename_tell(&to, &from, to.inode, 0);
        } else {
            if (from.entry->users)
                files_swap_names(from.entry, 0);
            tree_remove(from.entry);
        }
    }
    inode_changed(inode);
    inode_modified(from.dir);
    inode_modified(to.dir);
    return 0;
}
