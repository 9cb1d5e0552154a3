/* SPDX-License-Identifier: MIT */
/* Mounting and unmounting: in which order a volume comes to life, and is put away. */
#include "servers/fs/ext4/private.h"

static void forget_all(struct ext4 *fs)
{
    fs->super = NULL;
    for (uint32_t k = 0; k < fs->buffer_count; k++) {
        if (fs->buffers[k].kind != KIND_NONE)
            cache_drop(fs, &fs->buffers[k]);
    }
}

static void volume_free(struct ext4 *fs)
{
    journal_close(fs);
    heap_free(fs->buffers);
    heap_free(fs->table);
    heap_free(fs->undo);
    heap_free(fs->freed);
    heap_free(fs);
}

static int64_t check_root(struct ext4 *fs)
{
    struct directory d;

    return directory_get(fs, EXT4_ROOT_INO, &d);
}

/* From what the disk says to a volume that can be read. */
static int64_t mount_reading(struct ext4 *fs, const struct ext4_options *options)
{
    int64_t status;

    fs->journal.staging = options->memory;
    TRY(super_read(fs));
    TRY(cache_make(fs, options->memory, options->bytes));
    if (fs->journal_inode) {
        status = journal_open(fs);
        TRY(status);
        if (status > 0) { /* it was replayed: what was read before may be old */
            forget_all(fs);
            TRY(super_read(fs));
        }
    } else if (!fs->read_only) {
        report(fs, "the feature has_journal is missing: mounted read-only");
        fs->read_only = true;
    }
    operation_read(fs);
    status = operation_end(fs, groups_count_free(fs));
    TRY(status);
    operation_read(fs);
    return operation_end(fs, check_root(fs));
}

static void count_mount(struct ext4 *fs, struct ext4_super_block *super)
{
    uint64_t now = now_ns(fs) / 1000000000;

    put16(&super->s_mnt_count, get16(super->s_mnt_count) + 1u);
    put32(&super->s_mtime, (uint32_t)now);
    super->s_times_hi[1] = (uint8_t)(now >> 32);
}

/* Makes it writable, and finishes what was left undone. */
static int64_t mount_writing(struct ext4 *fs)
{
    struct ext4_super_block *super;
    struct buffer *b;
    int64_t status;

    TRY(journal_start(fs));
    TRY(super_get(fs, &b, &super));
    count_mount(fs, super);
    if (fs->orphan_inode)
        fs->ro_compat |= EXT4_RO_COMPAT_ORPHAN_PRESENT;
    /* In this order, or a power cut leaves a log that the superblock does not know of: then e2fsck asks. */
    TRY(super_write(fs, true, true));
    TRY(journal_write_super(fs, fs->journal.head, fs->journal.sequence));
    status = orphans_finish(fs);
    return status == -EUCLEAN ? 0 : status; /* then it is read-only now */
}

int64_t ext4_mount(struct ext4 **out, const struct ext4_device *device,
                   const struct ext4_options *options)
{
    struct ext4 *fs;
    int64_t status;

    if (options->bytes < EXT4_MEMORY_MIN || (uintptr_t)options->memory % 4096)
        return -EINVAL;
    fs = heap_zeroed(1, sizeof(*fs));
    if (!fs)
        return -ENOMEM;
    fs->device = *device;
    fs->read_only = options->read_only || device->read_only;
    fs->recovered = options->recovered;
    status = mount_reading(fs, options);
    if (status >= 0 && !fs->read_only)
        status = mount_writing(fs);
    if (status < 0) {
        volume_free(fs);
        return status;
    }
    fs->restart = options->restart;
    *out = fs;
    return 0;
}

static int64_t put_away(struct ext4 *fs)
{
    int64_t none;

    if (!fs->running) /* nothing was ever written */
        return 0;
    if (fs->abandoned)
        return -EIO;
    TRY(journal_finish(fs));
    none = orphans_none(fs);
    if (none > 0)
        fs->ro_compat &= ~EXT4_RO_COMPAT_ORPHAN_PRESENT;
    return super_write(fs, false, true);
}

int64_t ext4_unmount(struct ext4 *fs)
{
    int64_t status;

    fs->restart = false;
    status = put_away(fs);
    while (journal_busy(fs))
        fs->device.wait(fs->device.context);
    volume_free(fs);
    return status;
}

void ext4_tick(struct ext4 *fs)
{
    journal_commit(fs, false);
}

uint32_t ext4_transaction(const struct ext4 *fs)
{
    return fs->journal.sequence;
}

uint32_t ext4_committed(const struct ext4 *fs)
{
    return fs->journal.sequence - 1;
}

bool ext4_is_read_only(const struct ext4 *fs)
{
    return fs->read_only;
}

void ext4_statfs(const struct ext4 *fs, struct ext4_statfs *out)
{
    uint64_t free_blocks = fs->free_blocks + fs->freed_blocks;

    *out = (struct ext4_statfs){
        .block_bytes = fs->block_bytes,
        .blocks = fs->blocks,
        .free_blocks = free_blocks,
        .available_blocks =
            free_blocks > fs->reserved_blocks ? free_blocks - fs->reserved_blocks : 0,
        .inodes = fs->inodes,
        .free_inodes = fs->free_inodes,
    };
    memcpy(out->uuid, fs->uuid, sizeof(out->uuid));
}
