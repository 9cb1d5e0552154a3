/* SPDX-License-Identifier: MIT */
/*
 * The superblock: is this ext4, may it be mounted, and where is everything? What is learned here is
 * checked here, and nowhere else.
 */
#include "servers/fs/ext4/private.h"

/* ---- features ---- */

static const char *const compat_names[32] = {
    "dir_prealloc", "imagic_inodes", "has_journal", "ext_attr",       "resize_inode",
    "dir_index",    "lazy_bg",       "snapshot",    "exclude_bitmap", "sparse_super2",
    "fast_commit",  "stable_inodes", "orphan_file",
};
static const char *const incompat_names[32] = {
    "compression",
    "filetype",
    "needs_recovery",
    "journal_dev",
    "meta_bg",
    0,
    "extents",
    "64bit",
    "mmp",
    "flex_bg",
    "ea_inode",
    0,
    "dirdata",
    "metadata_csum_seed",
    "large_dir",
    "inline_data",
    "encrypt",
    "casefold",
};
static const char *const ro_compat_names[32] = {
    "sparse_super", "large_file",   "btree_dir",     "huge_file", "uninit_bg",      "dir_nlink",
    "extra_isize",  "has_snapshot", "quota",         "bigalloc",  "metadata_csum",  "replica",
    "read-only",    "project",      "shared_blocks", "verity",    "orphan_present",
};

#define INCOMPAT_KNOWN                                                        \
    (EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_RECOVER | EXT4_INCOMPAT_EXTENTS | \
     EXT4_INCOMPAT_64BIT | EXT4_INCOMPAT_FLEX_BG | EXT4_INCOMPAT_CSUM_SEED)
#define RO_COMPAT_KNOWN                                                                   \
    (EXT4_RO_COMPAT_SPARSE_SUPER | EXT4_RO_COMPAT_LARGE_FILE | EXT4_RO_COMPAT_HUGE_FILE | \
     EXT4_RO_COMPAT_GDT_CSUM | EXT4_RO_COMPAT_DIR_NLINK | EXT4_RO_COMPAT_EXTRA_ISIZE |    \
     EXT4_RO_COMPAT_METADATA_CSUM | EXT4_RO_COMPAT_ORPHAN_PRESENT)

/* Reports the features of `flags` that are not known. */
static void report_features(const struct ext4 *fs, uint32_t flags, const char *const names[32],
                            const char *consequence)
{
    for (uint32_t left = flags; left != 0; left &= left - 1) {
        int bit = __builtin_ctz(left);

        if (names[bit])
            report(fs, "the feature %s is not supported: %s", names[bit], consequence);
        else
            report(fs, "feature bit %d is not known: %s", bit, consequence);
    }
}

static int64_t check_features(struct ext4 *fs)
{
    uint32_t unknown = fs->incompat & ~INCOMPAT_KNOWN;

    if (unknown) {
        report_features(fs, unknown, incompat_names, "not mounted");
        return -EOPNOTSUPP;
    }
    unknown = fs->ro_compat & ~RO_COMPAT_KNOWN;
    if (unknown && !fs->read_only) {
        report_features(fs, unknown, ro_compat_names, "mounted read-only");
        fs->read_only = true;
    }
    if (!(fs->incompat & EXT4_INCOMPAT_EXTENTS) && !fs->read_only) {
        report(fs, "the feature extents is missing: mounted read-only");
        fs->read_only = true;
    }
    /* Not needed for anything here, but what follows from them is: they must be what they say. */
    unknown = fs->compat & EXT4_COMPAT_SPARSE2;
    if (unknown && !fs->read_only) {
        report_features(fs, unknown, compat_names, "mounted read-only");
        fs->read_only = true;
    }
    return 0;
}

/* ---- geometry ---- */

static int64_t bad(const struct ext4 *fs, const char *field, uint64_t value)
{
    report(fs, "superblock: %s is %llu: not mounted", field, (unsigned long long)value);
    return -EINVAL;
}

static bool is_power_of_2(uint32_t v)
{
    return v && !(v & (v - 1));
}

static int64_t check_sizes(struct ext4 *fs, const struct ext4_super_block *super)
{
    uint32_t log = get32(super->s_log_block_size);

    if (get32(super->s_rev_level) != 1)
        return bad(fs, "s_rev_level", get32(super->s_rev_level));
    if (log > 2)
        return bad(fs, "s_log_block_size", log);
    fs->block_bits = 10 + log;
    fs->block_bytes = 1u << fs->block_bits;
    fs->inode_bytes = get16(super->s_inode_size);
    if (!is_power_of_2(fs->inode_bytes) || fs->inode_bytes < EXT4_INODE_BYTES_OLD ||
        fs->inode_bytes > fs->block_bytes)
        return bad(fs, "s_inode_size", fs->inode_bytes);
    fs->desc_bytes = EXT4_DESC_BYTES_MIN;
    if (fs->incompat & EXT4_INCOMPAT_64BIT)
        fs->desc_bytes = get16(super->s_desc_size);
    if (!is_power_of_2(fs->desc_bytes) || fs->desc_bytes > fs->block_bytes ||
        fs->desc_bytes < (fs->incompat & EXT4_INCOMPAT_64BIT ? 64u : 32u))
        return bad(fs, "s_desc_size", fs->desc_bytes);
    fs->want_extra_isize = get16(super->s_want_extra_isize);
    if (fs->inode_bytes == EXT4_INODE_BYTES_OLD)
        fs->want_extra_isize = 0;
    else if (fs->want_extra_isize < 4 || fs->want_extra_isize % 4 ||
             EXT4_INODE_BYTES_OLD + fs->want_extra_isize > fs->inode_bytes)
        fs->want_extra_isize =
            MIN(32, fs->inode_bytes - EXT4_INODE_BYTES_OLD); /* as the kernel has it */
    return 0;
}

static int64_t check_counts(struct ext4 *fs, const struct ext4_super_block *super)
{
    uint32_t bits = fs->block_bytes * 8, cluster = get32(super->s_log_cluster_size);
    uint64_t groups, table;

    fs->blocks = get32(super->s_blocks_count_lo);
    fs->reserved_blocks = get32(super->s_r_blocks_count_lo);
    if (fs->incompat & EXT4_INCOMPAT_64BIT) {
        fs->blocks |= (uint64_t)get32(super->s_blocks_count_hi) << 32;
        fs->reserved_blocks |= (uint64_t)get32(super->s_r_blocks_count_hi) << 32;
    }
    fs->first_data_block = get32(super->s_first_data_block);
    fs->blocks_per_group = get32(super->s_blocks_per_group);
    fs->inodes_per_group = get32(super->s_inodes_per_group);
    fs->inodes = get32(super->s_inodes_count);
    fs->first_inode = get32(super->s_first_ino);
    if (fs->ro_compat & EXT4_RO_COMPAT_BIGALLOC) { /* a bit stands for a cluster of blocks */
        if (cluster + 10 < fs->block_bits || cluster > 14)
            return bad(fs, "s_log_cluster_size", cluster);
        bits <<= cluster + 10 - fs->block_bits;
    }
    if (fs->first_data_block != (fs->block_bits == 10) &&
        !(fs->ro_compat & EXT4_RO_COMPAT_BIGALLOC && fs->first_data_block == 0))
        return bad(fs, "s_first_data_block", fs->first_data_block);
    if (fs->blocks <= fs->first_data_block || fs->blocks > fs->device.bytes >> fs->block_bits)
        return bad(fs, "s_blocks_count", fs->blocks);
    if (fs->blocks_per_group < 8 || fs->blocks_per_group > bits || fs->blocks_per_group % 8)
        return bad(fs, "s_blocks_per_group", fs->blocks_per_group);
    if (fs->inodes_per_group < 16 || fs->inodes_per_group > bits || fs->inodes_per_group % 8 ||
        fs->inodes_per_group % (fs->block_bytes / fs->inode_bytes))
        return bad(fs, "s_inodes_per_group", fs->inodes_per_group);
    groups = (fs->blocks - fs->first_data_block + fs->blocks_per_group - 1) / fs->blocks_per_group;
    if (groups * fs->inodes_per_group != fs->inodes)
        return bad(fs, "s_inodes_count", fs->inodes);
    fs->groups = (uint32_t)groups;
    table = (groups * fs->desc_bytes + fs->block_bytes - 1) >> fs->block_bits;
    if (table + 2 > fs->blocks)
        return bad(fs, "s_blocks_count", fs->blocks);
    if (fs->first_inode < 11 || fs->first_inode > fs->inodes_per_group)
        return bad(fs, "s_first_ino", fs->first_inode);
    return 0;
}

static int64_t check_rest(struct ext4 *fs, const struct ext4_super_block *super)
{
    if (fs->checksums && super->s_checksum_type != 1)
        return bad(fs, "s_checksum_type", super->s_checksum_type);
    memcpy(fs->uuid, super->s_uuid, sizeof(fs->uuid));
    fs->checksum_seed = fs->incompat & EXT4_INCOMPAT_CSUM_SEED
                            ? get32(super->s_checksum_seed)
                            : crc32c(~0u, fs->uuid, sizeof(fs->uuid));
    for (int i = 0; i < 4; i++)
        fs->hash_seed[i] = get32(super->s_hash_seed[i]);
    fs->hash_version = super->s_def_hash_version;
    if (fs->hash_version > DX_HASH_TEA)
        fs->hash_version = DX_HASH_HALF_MD4;
    fs->hash_unsigned = get32(super->s_flags) & EXT4_FLAGS_UNSIGNED_HASH;
    fs->super_block = EXT4_SUPER_OFFSET >> fs->block_bits;
    fs->super_offset = EXT4_SUPER_OFFSET & (fs->block_bytes - 1);
    if (fs->compat & EXT4_COMPAT_ORPHAN_FILE)
        fs->orphan_inode = get32(super->s_orphan_file_inum);
    if (fs->compat & EXT4_COMPAT_HAS_JOURNAL)
        fs->journal_inode = get32(super->s_journal_inum);
    if (get16(super->s_state) & EXT4_ERROR_FS) {
        report(fs, "errors were seen on this volume before: run e2fsck");
        fs->damaged = true;
    }
    return 0;
}

int64_t super_read(struct ext4 *fs)
{
    struct ext4_super_block *super = (void *)fs->journal.staging;

    if (fs->device.bytes < EXT4_SUPER_OFFSET + EXT4_SUPER_BYTES) {
        report(fs, "not ext4: the device is too small");
        return -EINVAL;
    }
    TRY(device_transfer(fs, EXT4_IO_READ, EXT4_SUPER_OFFSET, super, EXT4_SUPER_BYTES));
    if (get16(super->s_magic) != EXT4_SUPER_MAGIC) {
        report(fs, "not ext4: no magic number in the superblock");
        return -EINVAL;
    }
    fs->compat = get32(super->s_feature_compat);
    fs->incompat = get32(super->s_feature_incompat);
    fs->ro_compat = get32(super->s_feature_ro_compat);
    fs->checksums = fs->ro_compat & EXT4_RO_COMPAT_METADATA_CSUM;
    TRY(check_features(fs));
    if (fs->checksums && !super_checksum_ok(super)) {
        report(fs, "superblock: its checksum is wrong: not mounted");
        return -EINVAL;
    }
    TRY(check_sizes(fs, super));
    TRY(check_counts(fs, super));
    return check_rest(fs, super);
}

/* ---- the superblock as a block ---- */

int64_t super_get(struct ext4 *fs, struct buffer **b, struct ext4_super_block **super)
{
    if (!fs->super)
        TRY(cache_get(fs, fs->super_block, KIND_SUPER, 0, 0, &fs->super));
    *b = fs->super;
    *super = (void *)(fs->super->data + fs->super_offset);
    return 0;
}

void super_fill(struct ext4 *fs, struct ext4_super_block *super)
{
    uint64_t now = now_ns(fs) / 1000000000;

    put32(&super->s_free_blocks_count_lo, (uint32_t)fs->free_blocks);
    if (fs->incompat & EXT4_INCOMPAT_64BIT)
        put32(&super->s_free_blocks_count_hi, (uint32_t)(fs->free_blocks >> 32));
    put32(&super->s_free_inodes_count, (uint32_t)fs->free_inodes);
    put32(&super->s_wtime, (uint32_t)now);
    super->s_times_hi[0] = (uint8_t)(now >> 32);
}

int64_t super_write(struct ext4 *fs, bool recover, bool clean)
{
    struct ext4_super_block *super;
    struct buffer *b;

    TRY(super_get(fs, &b, &super));
    fs->incompat =
        recover ? fs->incompat | EXT4_INCOMPAT_RECOVER : fs->incompat & ~EXT4_INCOMPAT_RECOVER;
    put32(&super->s_feature_incompat, fs->incompat);
    put32(&super->s_feature_ro_compat, fs->ro_compat);
    put16(&super->s_state, (clean ? EXT4_VALID_FS : 0) | (fs->damaged ? EXT4_ERROR_FS : 0));
    super_fill(fs, super);
    TRY(seal_block(fs, b));
    TRY(device_transfer(fs, EXT4_IO_WRITE, EXT4_SUPER_OFFSET, super, EXT4_SUPER_BYTES));
    return device_transfer(fs, EXT4_IO_FLUSH, 0, NULL, 0);
}

/* Copies lie in the groups 0, 1 and the powers of 3, 5 and 7. */
bool has_super_block(const struct ext4 *fs, uint32_t group)
{
    static const uint32_t bases[] = {3, 5, 7};

    if (group <= 1 || !(fs->ro_compat & EXT4_RO_COMPAT_SPARSE_SUPER))
        return true;
    for (int i = 0; i < 3; i++) {
        uint64_t power = bases[i];

        while (power < group)
            power *= bases[i];
        if (power == group)
            return true;
    }
    return false;
}
