/* SPDX-License-Identifier: MIT */
/* The calls that look at an inode or change what is written in it, by path or by number. */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"

#include <lib/string.h>

#define TIME_NOW  UINT64_MAX
#define TIME_KEEP (UINT64_MAX - 1)

/* The walk flags for AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. */
static uint32_t walk_flags(uint64_t at_flags)
{
    return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
           (at_flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

static int64_t find_for(struct inode **inode, struct request *q, uint64_t at_flags)
{
    if (at_flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return path_find(inode, q, q->w[0], q->msg, q->bytes, walk_flags(at_flags));
}

int64_t fs_stat(struct request *q)
{
    struct inode *inode;
    int64_t status = find_for(&inode, q, q->w[1]);

    if (status < 0)
        return status;
    inode_stat(inode, (struct fs_stat *)(void *)q->reply);
    q->reply_bytes = sizeof(struct fs_stat);
    return 0;
}

int64_t fs_access(struct request *q)
{
    uint64_t flags = q->w[2];
    struct inode *inode;
    int64_t status;

    if (q->w[1] & ~(uint64_t)(R_OK | W_OK | X_OK))
        return -EINVAL;
    if (!(flags & AT_EACCESS) && q->who.entry) { /* access(2) asks for the real user */
        q->who.uid = q->who.entry->ruid;
        q->who.gid = q->who.entry->rgid;
    }
    if ((status = find_for(&inode, q, flags & ~(uint64_t)AT_EACCESS)) < 0)
        return status;
    return caller_may(&q->who, inode, (uint32_t)q->w[1]);
}

int64_t fs_readlink(struct request *q)
{
    struct inode *inode;
    int64_t status = path_find(&inode, q, q->w[0], q->msg, q->bytes, WALK_EMPTY);

    if (status < 0)
        return status;
    if (!S_ISLNK(inode->mode))
        return q->bytes ? -EINVAL : -ENOENT;
    if (inode->transient && (status = proc_target(inode, &q->who)) < 0)
        return status;
    inode_accessed(inode);
    memcpy(q->reply, inode->link.target, inode->link.length);
    q->reply_bytes = inode->link.length;
    return inode->link.length;
}

/* Attributes of procfs and sysfs are what they are. */
static int64_t may_change(const struct caller *who, const struct inode *inode)
{
    if (inode->transient || inode->volume == VOLUME_SYS)
        return -EPERM;
    if (volume_is_read_only(inode))
        return -EROFS;
    return caller_owns(who, inode);
}

int64_t fs_chmod(struct request *q)
{
    uint32_t mode = (uint32_t)q->w[1];
    struct inode *inode;
    int64_t status;

    if (q->w[1] & ~07777ull)
        return -EINVAL;
    if ((status = find_for(&inode, q, q->w[2])) < 0)
        return status;
    if (S_ISLNK(inode->mode))
        return -EOPNOTSUPP;
    if ((status = may_change(&q->who, inode)) < 0)
        return status;
    if (q->who.uid != 0 && !caller_in_group(&q->who, inode->gid))
        mode &= ~(uint32_t)S_ISGID;
    SET(inode->mode, (inode->mode & S_IFMT) | mode);
    inode_changed(inode);
    notify_file(inode, q->via, IN_ATTRIB);
    return on_disk(inode) ? change_attributes(inode) : 0;
}

/* What a write or a change of owner takes away from a program: the right to act as its owner. */
static void drop_set_ids(struct inode *inode)
{
    if (S_ISDIR(inode->mode))
        return;
    SET(inode->mode, inode->mode & ~(uint32_t)S_ISUID);
    if (inode->mode & 0010)
        SET(inode->mode, inode->mode & ~(uint32_t)S_ISGID);
}

int64_t fs_chown(struct request *q)
{
    uint32_t uid = (uint32_t)q->w[1], gid = (uint32_t)(q->w[1] >> 32);
    const uint32_t keep = UINT32_MAX;
    struct inode *inode;
    int64_t status;

    if ((status = find_for(&inode, q, q->w[2])) < 0)
        return status;
    if (inode->transient || inode->volume == VOLUME_SYS)
        return -EPERM;
    if (volume_is_read_only(inode))
        return -EROFS;
    if (q->who.uid != 0) {
        if ((uid != keep && (uid != inode->uid || q->who.uid != inode->uid)) ||
            (gid != keep &&
             (q->who.uid != inode->uid || (gid != inode->gid && !caller_in_group(&q->who, gid)))))
            return -EPERM;
    }
    if (uid != keep)
        SET(inode->uid, uid);
    if (gid != keep)
        SET(inode->gid, gid);
    drop_set_ids(inode);
    inode_changed(inode);
    notify_file(inode, q->via, IN_ATTRIB);
    return on_disk(inode) ? change_attributes(inode) : 0;
}

int64_t fs_utimes(struct request *q)
{
    uint64_t atime = q->w[1], mtime = q->w[2];
    struct inode *inode;
    int64_t status;

    if ((status = find_for(&inode, q, q->w[3])) < 0)
        return status;
    if (atime == TIME_KEEP && mtime == TIME_KEEP)
        return 0;
    status = may_change(&q->who, inode);
    if (status < 0 && !inode->transient && atime == TIME_NOW && mtime == TIME_NOW)
        status = caller_may(&q->who, inode, W_OK);
    if (status < 0)
        return status;
    inode_changed(inode);
    if (atime != TIME_KEEP)
        SET(inode->atime, atime == TIME_NOW ? inode->ctime : atime);
    if (mtime != TIME_KEEP)
        SET(inode->mtime, mtime == TIME_NOW ? inode->ctime : mtime);
    if (S_ISREG(inode->mode))
        data_touched(inode);
    /* Linux's rule: one of the times alone stands for what would have changed it. */
    notify_file(inode, q->via,
                atime == TIME_KEEP   ? IN_MODIFY
                : mtime == TIME_KEEP ? IN_ACCESS
                                     : IN_ATTRIB);
    return on_disk(inode) ? change_attributes(inode) : 0;
}

int64_t fs_truncate(struct request *q)
{
    struct inode *inode;
    int64_t status;

    status = path_find(&inode, q, q->w[0], q->msg, q->bytes, WALK_FOLLOW);
    if (status < 0)
        return status;
    if (S_ISDIR(inode->mode))
        return -EISDIR;
    if (inode_kind(inode) != FS_REGULAR)
        return -EINVAL;
    if ((status = caller_may(&q->who, inode, W_OK)) < 0)
        return status;
    if ((status = data_resize(inode, q->w[1])) < 0)
        return status;
    inode_written(inode, q->who.uid == 0);
    notify_file(inode, q->via, IN_MODIFY);
    return 0;
}

void inode_written(struct inode *inode, bool by_root)
{
    if (!by_root && (inode->mode & (S_ISUID | S_ISGID)))
        drop_set_ids(inode);
    inode_modified(inode);
    data_touched(inode);
}

int64_t fs_statfs(struct request *q)
{
    struct fs_statfs *out = (struct fs_statfs *)(void *)q->reply;
    uint64_t limit = 0, used = 0;
    struct inode *inode;
    int64_t status;

    status = path_find(&inode, q, q->w[0], q->msg, q->bytes, WALK_FOLLOW | WALK_EMPTY);
    if (status < 0)
        return status;
    *out = (struct fs_statfs){
        .type = volumes[inode->volume].magic,
        .bsize = PAGE,
        .namelen = NAME_BYTES,
        .flags = 0x20, /* ST_VALID */
    };
    if (on_disk(inode) && (status = mounted_statfs(inode, out)) < 0)
        return status;
    if (out->type == TMPFS_MAGIC) {
        port_store_usage(&limit, &used);
        limit += (heap_file_limit + PAGE - 1) / PAGE;
        used += (heap_file_bytes + PAGE - 1) / PAGE;
        out->blocks = limit;
        out->bfree = out->bavail = used < limit ? limit - used : 0;
        out->files = inode_limit;
        out->ffree = inode_count < inode_limit ? inode_limit - inode_count : 0;
    }
    q->reply_bytes = sizeof(*out);
    return 0;
}

int64_t fs_getcwd(struct request *q)
{
    struct inode *dir;
    int64_t status = request_base(q->w[0], &dir);

    if (status < 0)
        return status;
    status = path_of(dir, q->reply, PATH_BYTES);
    if (status >= 0)
        q->reply_bytes = (uint32_t)status;
    return status;
}

int64_t fs_sync(struct request *q)
{
    if (q->w[0] == 0)
        return disk_sync_all();
    return q->who.entry ? -EPERM : mounted_end();
}
