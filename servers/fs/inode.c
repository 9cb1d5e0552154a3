/* SPDX-License-Identifier: MIT */
/*
 * Inodes: files of every kind, apart from their names.
 *
 * An inode is freed when its last name is removed and its last user is gone, whichever comes last.
 * Those of procfs have no name anywhere: they are made when a path leads to them, and freed at the
 * end of the request unless it opened them.
 */
#include "servers/fs/after.h"
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/pool.h"
#include "servers/fs/port.h"

#include <lib/heap.h>
#include <lib/string.h>

#define DAY_NS (86400ull * 1000000000)

KEPT uint64_t inode_count;
uint64_t inode_limit = 1u << 20;

POOL(inodes, struct inode, 32);
KEPT static uint64_t last_ino;
KEPT static struct inode *transients; /* of this request */

struct inode *inode_make(uint32_t mode, uint32_t uid, uint32_t gid, enum volume volume)
{
    struct inode *inode = inode_count < inode_limit ? pool_take(inodes) : 0;

    if (!inode)
        return 0;
    SET(inode_count, inode_count + 1);
    memset(inode, 0, sizeof(*inode));
    SET(last_ino, last_ino + 1);
    inode->ino = last_ino;
    inode->mode = mode;
    inode->uid = uid;
    inode->gid = gid;
    inode->volume = (uint8_t)volume;
    inode->atime = inode->mtime = inode->ctime = inode->btime = port_now();
    if (S_ISDIR(mode)) {
        inode->nlink = 1; /* its own "." */
        inode->dir.next_position = 2;
    }
    return inode;
}

struct inode *inode_make_transient(uint32_t mode, uint32_t uid, uint32_t gid, uint64_t ino)
{
    struct inode *inode = pool_take(inodes);

    if (!inode)
        return 0;
    SET(inode_count, inode_count + 1);
    memset(inode, 0, sizeof(*inode));
    inode->ino = ino;
    inode->mode = mode;
    inode->uid = uid;
    inode->gid = gid;
    inode->nlink = 1;
    inode->volume = VOLUME_PROC;
    inode->transient = inode->listed = true;
    inode->atime = inode->mtime = inode->ctime = port_now();
    inode->next_transient = transients;
    SET(transients, inode);
    return inode;
}

/* Frees an inode that nothing reaches any more; a directory lets go of the one above it. That may be
 * the next to go, and so on: each in a transaction of its own. */
static void inode_free(struct inode *inode)
{
    if (inode->watches)
        notify_gone(inode);
    if (on_disk(inode))
        mounted_forget(inode);
    switch (inode_kind(inode)) {
    case FS_REGULAR: data_drop(inode); break;
    case FS_DIRECTORY:
        if (!inode->transient && inode->dir.up) {
            SET(inode->dir.up->refs, inode->dir.up->refs - 1);
            if (inode->dir.up->refs == 0 && inode->dir.up->nlink == 0)
                after(AFTER_UNUSED, inode->dir.up, 0, 0, 0);
        }
        break;
    case FS_SYMBOLIC: heap_free(inode->link.target); break;
    case FS_FIFO: fifo_drop(inode); break;
    case FS_SOCKET:
        if (inode->listener)
            after_drop(inode->listener);
        break;
    case FS_DEVICE:
    case FS_SYNTHETIC: break;
    }
    after_forget(inode);
    SET(inode_count, inode_count - 1);
    pool_give(inodes, inode);
}

void inode_hold(struct inode *inode)
{
    SET(inode->refs, inode->refs + 1);
}

void inode_unused(struct inode *inode)
{
    if (inode->refs == 0 && !inode->listed && (inode->nlink == 0 || inode->transient))
        inode_free(inode);
}

void inode_release(struct inode *inode)
{
    SET(inode->refs, inode->refs - 1);
    inode_unused(inode);
}

void inode_sweep(void)
{
    while (transients) {
        struct inode *inode = transients;

        SET(transients, inode->next_transient);
        SET(inode->listed, false);
        inode_unused(inode);
    }
}

enum fs_kind inode_kind(const struct inode *inode)
{
    switch (inode->mode & S_IFMT) {
    case S_IFDIR: return FS_DIRECTORY;
    case S_IFLNK: return FS_SYMBOLIC;
    case S_IFREG: return inode->transient ? FS_SYNTHETIC : FS_REGULAR;
    case S_IFIFO: return FS_FIFO;
    case S_IFSOCK: return FS_SOCKET;
    default: return FS_DEVICE;
    }
}

void inode_stat(const struct inode *inode, struct fs_stat *out)
{
    *out = (struct fs_stat){
        .dev = VOLUME_DEVICE(inode->volume),
        .ino = inode->ino,
        .mode = inode->mode,
        .nlink = inode->nlink,
        .uid = inode->uid,
        .gid = inode->gid,
        .rdev = inode->rdev,
        .atime_ns = inode->atime,
        .mtime_ns = inode->mtime,
        .ctime_ns = inode->ctime,
        .btime_ns = inode->btime,
        .blksize = (uint32_t)PAGE,
    };
    switch (inode_kind(inode)) {
    case FS_REGULAR:
        out->size = inode->file.size;
        out->blocks = data_pages(inode) * (PAGE / 512);
        break;
    case FS_DIRECTORY: out->size = inode->transient ? 0 : (inode->dir.count + 2) * 20ull; break;
    case FS_SYMBOLIC: out->size = inode->transient ? 0 : inode->link.length; break;
    case FS_DEVICE:
    case FS_FIFO:
    case FS_SOCKET:
    case FS_SYNTHETIC: break;
    }
}

void inode_changed(struct inode *inode)
{
    SET(inode->ctime, port_now());
}

void inode_modified(struct inode *inode)
{
    uint64_t now = port_now();

    SET(inode->mtime, now);
    SET(inode->ctime, now);
}

/* An access time is renewed when it is older than the last change, or a day old. It is one word that
 * means nothing to others, so it is not logged: who only reads has nothing to commit. */
void inode_accessed(struct inode *inode)
{
    uint64_t now;

    if ((int64_t)inode->atime > (int64_t)inode->mtime &&
        (int64_t)inode->atime > (int64_t)inode->ctime) {
        now = port_now();
        if (now - inode->atime < DAY_NS)
            return;
        unlogged(&inode->atime, sizeof(inode->atime));
        inode->atime = now;
        return;
    }
    unlogged(&inode->atime, sizeof(inode->atime));
    inode->atime = port_now();
}

int64_t inode_set_target(struct inode *inode, const char *target, size_t bytes)
{
    char *copy = heap_alloc(bytes + 1); /* what a transaction allocates need not be logged */

    if (!copy)
        return -ENOSPC;
    memcpy(copy, target, bytes);
    copy[bytes] = 0;
    heap_free(inode->link.target);
    SET(inode->link.target, copy);
    SET(inode->link.length, bytes);
    return 0;
}
