/* SPDX-License-Identifier: MIT */
/*
 * Blocks in memory. What an operation has touched stays until the operation is over; what was changed
 * stays until it is where it belongs. Of the rest the least recently used one makes room.
 */
#include "servers/fs/ext4/private.h"

static const char *const kind_names[KINDS] = {
    [KIND_NONE] = "nothing",
    [KIND_SUPER] = "the superblock",
    [KIND_GROUPS] = "descriptors",
    [KIND_BLOCK_BITMAP] = "a block bitmap",
    [KIND_INODE_BITMAP] = "an inode bitmap",
    [KIND_INODES] = "an inode table",
    [KIND_EXTENTS] = "extents",
    [KIND_DIRECTORY] = "a directory",
    [KIND_XATTR] = "attributes",
    [KIND_SYMLINK] = "a symbolic link",
    [KIND_ORPHANS] = "orphans",
    [KIND_JOURNAL] = "the journal",
};

int64_t fs_wait(struct ext4 *fs)
{
    if (fs->restart)
        return EXT4_WAIT;
    fs->device.wait(fs->device.context);
    return 0;
}

struct transfer {
    struct ext4_io io;
    int64_t status;
};

static void transfer_done(struct ext4_io *io, int64_t status)
{
    struct transfer *t = io->owner;

    t->status = status;
}

int64_t device_transfer(struct ext4 *fs, enum ext4_io_kind kind, uint64_t offset, void *memory,
                        uint64_t bytes)
{
    struct transfer t = {.io = {kind, offset, bytes, memory, transfer_done, &t}, .status = 1};

    fs->device.submit(fs->device.context, &t.io);
    while (t.status > 0)
        fs->device.wait(fs->device.context);
    return t.status;
}

/* ---- the order of use, and the hash table ---- */

static void order_remove(struct ext4 *fs, struct buffer *b)
{
    *(b->newer ? &b->newer->older : &fs->newest) = b->older;
    *(b->older ? &b->older->newer : &fs->oldest) = b->newer;
    b->newer = b->older = NULL;
}

static void order_newest(struct ext4 *fs, struct buffer *b)
{
    b->older = fs->newest;
    *(fs->newest ? &fs->newest->newer : &fs->oldest) = b;
    fs->newest = b;
}

static void order_oldest(struct ext4 *fs, struct buffer *b)
{
    b->newer = fs->oldest;
    *(fs->oldest ? &fs->oldest->older : &fs->newest) = b;
    fs->oldest = b;
}

static struct buffer **table_slot(struct ext4 *fs, uint64_t block)
{
    return &fs->table[(block * 0x9e3779b97f4a7c15u >> 32) & fs->table_mask];
}

struct buffer *cache_find(struct ext4 *fs, uint64_t block)
{
    struct buffer *b = *table_slot(fs, block);

    while (b && b->block != block)
        b = b->chain;
    return b;
}

void cache_drop(struct ext4 *fs, struct buffer *b)
{
    struct buffer **at = table_slot(fs, b->block);

    while (*at && *at != b)
        at = &(*at)->chain;
    if (*at)
        *at = b->chain;
    b->chain = NULL;
    b->kind = KIND_NONE;
    b->valid = b->running = b->home = false;
    b->operation = 0;
    order_remove(fs, b);
    order_oldest(fs, b);
}

static bool evictable(const struct ext4 *fs, const struct buffer *b)
{
    return !b->busy && !b->running && !b->home && b->kind != KIND_SUPER &&
           (!fs->op.active || b->operation != fs->op.number);
}

/* A buffer for a block that is not here. operation_change sees to it that there always is one. */
static struct buffer *cache_take(struct ext4 *fs, uint64_t block, enum kind kind, uint32_t owner,
                                 uint32_t generation)
{
    struct buffer *b = fs->oldest, **slot = table_slot(fs, block);

    /* Those that cannot go are out of the way of the next search. */
    for (uint32_t left = fs->buffer_count; !evictable(fs, b); b = fs->oldest) {
        if (left-- == 0)
            return NULL;
        order_remove(fs, b);
        order_newest(fs, b);
    }
    if (b->kind != KIND_NONE)
        cache_drop(fs, b);
    b->block = block;
    b->kind = kind;
    b->owner = owner;
    b->generation = generation;
    b->operation = b->checked = b->unsealed = 0;
    b->status = 0;
    b->chain = *slot;
    *slot = b;
    return b;
}

static void cache_used(struct ext4 *fs, struct buffer *b)
{
    if (fs->op.active)
        b->operation = fs->op.number;
    if (fs->newest == b)
        return;
    order_remove(fs, b);
    order_newest(fs, b);
}

static void read_done(struct ext4_io *io, int64_t status)
{
    struct buffer *b = io->owner;

    b->busy = false;
    b->valid = status == 0;
    b->status = status;
}

static int64_t other_kind(struct ext4 *fs, const struct buffer *b, enum kind kind, uint32_t owner)
{
    return damaged(fs, "block %llu is %s of %u and %s of %u", (unsigned long long)b->block,
                   kind_names[b->kind], b->owner, kind_names[kind], owner);
}

int64_t cache_get(struct ext4 *fs, uint64_t block, enum kind kind, uint32_t owner,
                  uint32_t generation, struct buffer **out)
{
    struct buffer *b = cache_find(fs, block);

    if (b && (b->kind != kind || b->owner != owner || b->generation != generation))
        return other_kind(fs, b, kind, owner);
    if (!b) {
        b = cache_take(fs, block, kind, owner, generation);
        if (!b)
            return -ENOMEM;
        b->busy = true;
        b->io = (struct ext4_io){
            EXT4_IO_READ, block << fs->block_bits, fs->block_bytes, b->data, read_done, b};
        fs->device.submit(fs->device.context, &b->io);
    }
    cache_used(fs, b);
    while (b->busy && !b->valid)
        TRY(fs_wait(fs));
    if (!b->valid) {
        int64_t status = b->status < 0 ? b->status : -EIO;

        report(fs, "block %llu (%s of %u) cannot be read", (unsigned long long)block,
               kind_names[kind], owner);
        cache_drop(fs, b);
        return status;
    }
    *out = b;
    return 0;
}

int64_t cache_new(struct ext4 *fs, uint64_t block, enum kind kind, uint32_t owner,
                  uint32_t generation, struct buffer **out)
{
    struct buffer *b = cache_find(fs, block);

    if (b)
        return damaged(fs, "block %llu is free in its bitmap, and %s of %u",
                       (unsigned long long)block, kind_names[b->kind], b->owner);
    b = cache_take(fs, block, kind, owner, generation);
    if (!b)
        return -ENOMEM;
    memset(b->data, 0, fs->block_bytes);
    b->valid = true;
    b->checked = UINT64_MAX;
    cache_used(fs, b);
    int64_t status = change_new(fs, b);

    if (status < 0)
        cache_drop(fs, b);
    *out = b;
    return status;
}

void cache_release(struct ext4 *fs, struct buffer *b)
{
    if (b->operation == fs->op.number && !b->running)
        b->operation = 0;
}

/* On the host blocks lie apart, and the sanitizer sees who goes past the end of one. */
#ifdef EXO_HOST_TEST
#define GAP 64u
void __asan_poison_memory_region(const volatile void *at, size_t bytes);
void __asan_unpoison_memory_region(const volatile void *at, size_t bytes);
#define GAP_CLOSE(at)        __asan_poison_memory_region((at), GAP)
#define GAP_OPEN(at, length) __asan_unpoison_memory_region((at), (length))
#else
#define GAP                  0u
#define GAP_CLOSE(at)        (void)(at)
#define GAP_OPEN(at, length) (void)(at)
#endif

int64_t cache_make(struct ext4 *fs, void *memory, size_t bytes)
{
    size_t stride = fs->block_bytes + GAP, blocks = bytes / stride;
    uint32_t size = 256;

    blocks = MIN(blocks, 1u << 20) - STAGING_BLOCKS - BOUNCE_BLOCKS - 2;
    while (size < blocks)
        size *= 2;
    fs->buffers = heap_zeroed(blocks, sizeof(*fs->buffers));
    fs->table = heap_zeroed(size, sizeof(struct buffer *));
    if (!fs->buffers || !fs->table)
        return -ENOMEM;
    GAP_OPEN(memory, bytes);
    fs->table_mask = size - 1;
    fs->buffer_count = (uint32_t)blocks;
    fs->journal.staging = memory;
    fs->journal.super = fs->journal.staging + STAGING_BLOCKS * fs->block_bytes;
    fs->scratch = fs->journal.super + fs->block_bytes;
    fs->bounce = fs->scratch + fs->block_bytes;
    for (uint32_t i = 0; i < blocks; i++) {
        fs->buffers[i].fs = fs;
        fs->buffers[i].data = fs->bounce + BOUNCE_BLOCKS * fs->block_bytes + i * stride;
        GAP_CLOSE(fs->buffers[i].data + fs->block_bytes);
        order_oldest(fs, &fs->buffers[i]);
    }
    return 0;
}
