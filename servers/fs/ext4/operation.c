/* SPDX-License-Identifier: MIT */
/*
 * All or nothing. Before bytes of a block are changed, change() copies them to the undo log; an
 * operation that fails puts them back, last first. Nothing else has to be undone: what the library
 * knows beside the blocks is added up in fs->op and takes effect at the end.
 */
#include "servers/fs/ext4/private.h"

/* Stands behind the bytes that it saved, so that the log is read from its end. */
struct undo {
    struct buffer *b;
    uint64_t unsealed;
    uint32_t offset, bytes;
    bool joined, fresh; /* the block was not in the transaction; was not anywhere */
};

static size_t undo_room(size_t bytes)
{
    return ((bytes + 7) & ~(size_t)7) + sizeof(struct undo);
}

static int64_t undo_push(struct ext4 *fs, const struct undo *u)
{
    size_t room = undo_room(u->bytes);

    if (fs->undo_limit - fs->undo_used < room) {
        size_t limit = fs->undo_limit * 2 + room;
        uint8_t *more = heap_resize(fs->undo, limit);

        if (!more)
            return -ENOMEM;
        fs->undo = more;
        fs->undo_limit = limit;
    }
    memcpy(fs->undo + fs->undo_used, u->b->data + u->offset, u->bytes);
    memcpy(fs->undo + fs->undo_used + room - sizeof(*u), u, sizeof(*u));
    fs->undo_used += room;
    return 0;
}

static void undo_all(struct ext4 *fs)
{
    struct undo u;

    while (fs->undo_used > 0) {
        memcpy(&u, fs->undo + fs->undo_used - sizeof(u), sizeof(u));
        fs->undo_used -= undo_room(u.bytes);
        memcpy(u.b->data + u.offset, fs->undo + fs->undo_used, u.bytes);
        u.b->unsealed = u.unsealed;
        if (u.joined) {
            u.b->running = false;
            fs->running_count--;
        }
        if (u.fresh)
            cache_drop(fs, u.b);
    }
}

/* The inodes of a block of the inode table that a change touches; bit 0 in other blocks. */
static uint64_t units_of(const struct ext4 *fs, const struct buffer *b, size_t offset, size_t bytes)
{
    if (b->kind != KIND_INODES)
        return 1;
    return (2ull << (offset + bytes - 1) / fs->inode_bytes) - (1ull << offset / fs->inode_bytes);
}

static int64_t change_or_make(struct ext4 *fs, struct buffer *b, size_t offset, size_t bytes,
                              bool fresh)
{
    struct undo u = {b, b->unsealed, (uint32_t)offset, (uint32_t)bytes, !b->running, fresh};

    while (b->busy)
        TRY(fs_wait(fs));
    if (!b->running && fs->op.blocks == OPERATION_BLOCKS) {
        report(fs, "an operation changes more than %u blocks", OPERATION_BLOCKS);
        return -EFBIG;
    }
    TRY(undo_push(fs, &u));
    if (!b->running) {
        b->running = true;
        fs->running[fs->running_count++] = b;
        fs->op.blocks++;
    }
    return 0;
}

int64_t change(struct ext4 *fs, struct buffer *b, size_t offset, size_t bytes)
{
    if (bytes == 0)
        return 0;
    TRY(change_or_make(fs, b, offset, bytes, false));
    b->unsealed |= units_of(fs, b, offset, bytes);
    return 0;
}

int64_t change_new(struct ext4 *fs, struct buffer *b)
{
    return change_or_make(fs, b, 0, 0, true);
}

int64_t operation_forget(struct ext4 *fs, uint64_t block, uint32_t count, bool metadata)
{
    if (fs->freed_count == fs->freed_limit) {
        uint32_t limit = fs->freed_limit * 2 + 64;
        struct freed *more = heap_resize(fs->freed, limit * sizeof(*more));

        if (!more)
            return -ENOMEM;
        fs->freed = more;
        fs->freed_limit = limit;
    }
    fs->freed[fs->freed_count++] = (struct freed){block, count, metadata};
    fs->freed_blocks += count;
    return 0;
}

static void operation_begin(struct ext4 *fs, bool changes)
{
    fs->op = (struct operation){
        .number = fs->op.number + 1,
        .active = true,
        .changes = changes,
        .freed_before = fs->freed_count,
        .freed_blocks_before = fs->freed_blocks,
    };
}

int64_t operation_read(struct ext4 *fs)
{
    operation_begin(fs, false);
    return 0;
}

#define FREED_MAX 4096u /* entries, so that what a commit has to revoke and clear is bounded */

int64_t operation_change(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    for (;;) {
        if (fs->read_only)
            return -EROFS;
        if (!journal_busy(fs)) {
            if (fs->running_count + OPERATION_BLOCKS + 2 <= j->limit &&
                fs->freed_count < FREED_MAX &&
                fs->running_count + j->home_count <= fs->buffer_count / 2)
                break;
            journal_commit(fs, fs->running_count + j->home_count > fs->buffer_count / 2);
        }
        if (journal_busy(fs))
            TRY(fs_wait(fs));
    }
    operation_begin(fs, true);
    return 0;
}

bool operation_again(struct ext4 *fs, int64_t *status)
{
    if (*status != -ENOSPC || fs->freed_blocks == 0 || fs->read_only)
        return false;
    journal_commit(fs, false);
    while (journal_busy(fs)) {
        int64_t waited = fs_wait(fs);

        if (waited < 0) {
            *status = waited;
            return false;
        }
    }
    return true;
}

int64_t operation_end(struct ext4 *fs, int64_t status)
{
    if (status < 0) {
        undo_all(fs);
        fs->freed_count = fs->op.freed_before;
        fs->freed_blocks = fs->op.freed_blocks_before;
    } else {
        fs->free_blocks += (uint64_t)fs->op.free_blocks;
        fs->free_inodes += (uint64_t)fs->op.free_inodes;
    }
    fs->undo_used = 0;
    fs->op.active = false;
    return status;
}
