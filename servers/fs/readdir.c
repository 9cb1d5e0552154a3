/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory: records as getdents64 has them.
 *
 * A position is a number that an entry keeps as long as it lives; "." is 0 and ".." is 1. A list
 * goes on with the first entry at or after its position, so names that come and go meanwhile do
 * not make others appear twice or be missed. The open file remembers where the last call stopped,
 * so that a long directory is not searched from its start each time.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"

#include <lib/string.h>

#define RECORD_BYTES_MAX 280u /* of a name of 255 bytes: what a caller must have room for */

struct listing {
    char *at, *end;
};

static uint8_t type_of(uint32_t mode)
{
    return (uint8_t)((mode & S_IFMT) >> 12);
}

/* Adds a record. @return false if it does not fit. */
static bool listing_add(struct listing *list, uint64_t ino, uint32_t mode, uint64_t next,
                        const char *name, size_t length)
{
    size_t head = offsetof(struct linux_dirent64, d_name), bytes = (head + length + 1 + 7) & ~7ull;
    struct linux_dirent64 *record = (struct linux_dirent64 *)(void *)list->at;

    if (bytes > (size_t)(list->end - list->at))
        return false;
    record->d_ino = ino;
    record->d_off = (int64_t)next;
    record->d_reclen = (uint16_t)bytes;
    record->d_type = type_of(mode);
    memcpy(record->d_name, name, length);
    memset(record->d_name + length, 0, bytes - head - length);
    list->at += bytes;
    return true;
}

/* The first entry at or after a position. */
static struct entry *seek_entry(struct open_file *file, uint64_t position)
{
    struct inode *dir = file->inode;
    struct entry *entry = dir->dir.first;

    if (file->cursor && file->cursor_position == position &&
        file->cursor_removals == dir->dir.removals)
        return file->cursor;
    if (!dir->dir.last || dir->dir.last->position < position)
        return 0;
    while (entry && entry->position < position)
        entry = entry->next;
    return entry;
}

static uint64_t list_tree(struct open_file *file, struct listing *list, uint64_t position)
{
    struct entry *entry = seek_entry(file, position);

    for (; entry; entry = entry->next) {
        if (!listing_add(list, entry->inode->ino, entry->inode->mode, entry->position + 1,
                         entry->name, entry->length))
            break;
        position = entry->position + 1;
    }
    SET(file->cursor, entry);
    SET(file->cursor_position, position);
    SET(file->cursor_removals, file->inode->dir.removals);
    return position;
}

static uint64_t list_proc(struct open_file *file, struct listing *list, uint64_t position)
{
    char name[NAME_BYTES + 1];
    uint64_t ino, next = position;
    bool first = true;
    uint32_t mode;
    size_t length;

    while ((length = proc_list(file->inode, first, &next, name, &ino, &mode)) > 0) {
        first = false;
        if (!listing_add(list, ino, mode, next + 1, name, length))
            break;
        position = ++next;
    }
    return position;
}

int64_t file_readdir(struct request *q)
{
    uint64_t bytes = q->w[1] < FS_IO_BYTES ? q->w[1] : FS_IO_BYTES, position = q->w[0];
    struct listing list = {.at = q->reply, .end = q->reply + bytes};
    struct inode *dir = q->file->inode, *up;
    bool full = false;
    int64_t status;

    if (inode_kind(dir) != FS_DIRECTORY)
        return -ENOTDIR;
    if (q->file->flags & O_PATH)
        return -EBADF;
    if (!dir->transient && !dir->dir.self && !dir->mount_root)
        return -ENOENT;
    if (position > INT64_MAX || bytes < RECORD_BYTES_MAX)
        return -EINVAL;
    if (dir->unfilled && (status = mounted_fill(dir)) < 0)
        return status;
    inode_accessed(dir);
    if (position == 0) {
        full = !listing_add(&list, dir->ino, S_IFDIR, 1, ".", 1);
        position += !full;
    }
    if (position == 1 && !full) {
        up = dir->transient ? proc_up(dir) : dir->dir.up;
        full = !listing_add(&list, up ? up->ino : dir->ino, S_IFDIR, 2, "..", 2);
        position += !full;
    }
    if (!full && (dir->transient || dir == volume_roots[VOLUME_PROC]))
        position = list_proc(q->file, &list, position);
    else if (!full)
        position = list_tree(q->file, &list, position);
    notify_file(dir, 0, IN_ACCESS);
    q->reply_bytes = (uint32_t)(list.at - q->reply);
    q->r[1] = position;
    return q->reply_bytes;
}
