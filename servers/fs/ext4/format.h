/* SPDX-License-Identifier: MIT */
/*
 * ext4 as it lies on the disk, under the names of the kernel's documentation of it
 * (Documentation/filesystems/ext4). Every field is a few bytes in a stated order, so a structure
 * may lie anywhere in a block, on a machine of any byte order.
 */
#ifndef EXT4_FORMAT_H
#define EXT4_FORMAT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t byte[2];
} le16;
typedef struct {
    uint8_t byte[4];
} le32, be32;
typedef struct {
    uint8_t byte[8];
} le64;

static inline uint16_t get16(le16 v)
{
    return (uint16_t)(v.byte[0] | v.byte[1] << 8);
}
static inline uint32_t get32(le32 v)
{
    return (uint32_t)v.byte[0] | (uint32_t)v.byte[1] << 8 | (uint32_t)v.byte[2] << 16 |
           (uint32_t)v.byte[3] << 24;
}
static inline void put16(le16 *to, uint32_t v)
{
    *to = (le16){{(uint8_t)v, (uint8_t)(v >> 8)}};
}
static inline void put32(le32 *to, uint32_t v)
{
    *to = (le32){{(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}};
}
static inline uint32_t get_be32(be32 v)
{
    return __builtin_bswap32(get32(v));
}
static inline void put_be32(be32 *to, uint32_t v)
{
    put32(to, __builtin_bswap32(v));
}

/* ---- superblock: 1024 bytes at byte 1024 ---- */

#define EXT4_SUPER_OFFSET 1024u
#define EXT4_SUPER_BYTES  1024u
#define EXT4_SUPER_MAGIC  0xef53u

#define EXT4_VALID_FS 1u /* s_state: unmounted cleanly */
#define EXT4_ERROR_FS 2u /* s_state: errors were seen */

#define EXT4_FLAGS_SIGNED_HASH   1u /* s_flags */
#define EXT4_FLAGS_UNSIGNED_HASH 2u

struct ext4_super_block {
    le32 s_inodes_count, s_blocks_count_lo, s_r_blocks_count_lo, s_free_blocks_count_lo;
    le32 s_free_inodes_count, s_first_data_block, s_log_block_size, s_log_cluster_size;
    le32 s_blocks_per_group, s_clusters_per_group, s_inodes_per_group, s_mtime, s_wtime;
    le16 s_mnt_count, s_max_mnt_count, s_magic, s_state, s_errors, s_minor_rev_level;
    le32 s_lastcheck, s_checkinterval, s_creator_os, s_rev_level;
    le16 s_def_resuid, s_def_resgid;
    le32 s_first_ino;
    le16 s_inode_size, s_block_group_nr;
    le32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
    uint8_t s_uuid[16], s_volume_name[16], s_last_mounted[64];
    le32 s_algorithm_usage_bitmap;
    uint8_t s_prealloc_blocks, s_prealloc_dir_blocks;
    le16 s_reserved_gdt_blocks;
    uint8_t s_journal_uuid[16];
    le32 s_journal_inum, s_journal_dev, s_last_orphan, s_hash_seed[4];
    uint8_t s_def_hash_version, s_jnl_backup_type;
    le16 s_desc_size;
    le32 s_default_mount_opts, s_first_meta_bg, s_mkfs_time, s_jnl_blocks[17];
    le32 s_blocks_count_hi, s_r_blocks_count_hi, s_free_blocks_count_hi;
    le16 s_min_extra_isize, s_want_extra_isize;
    le32 s_flags;
    le16 s_raid_stride, s_mmp_interval;
    le64 s_mmp_block;
    le32 s_raid_stripe_width;
    uint8_t s_log_groups_per_flex, s_checksum_type, s_encryption_level, s_reserved_pad;
    le64 s_kbytes_written;
    uint8_t s_snapshot[20];
    le32 s_error_count;
    uint8_t s_error_details[100];
    le32 s_error_ends;
    uint8_t s_mount_opts[64];
    le32 s_usr_quota_inum, s_grp_quota_inum, s_overhead_blocks, s_backup_bgs[2];
    uint8_t s_encrypt[20];
    le32 s_lpf_ino, s_prj_quota_inum, s_checksum_seed;
    uint8_t s_times_hi[6], s_error_codes[2];
    le16 s_encoding, s_encoding_flags;
    le32 s_orphan_file_inum, s_reserved[94], s_checksum;
};
_Static_assert(sizeof(struct ext4_super_block) == EXT4_SUPER_BYTES, "the superblock");
_Static_assert(offsetof(struct ext4_super_block, s_blocks_count_hi) == 0x150, "the superblock");
_Static_assert(offsetof(struct ext4_super_block, s_mount_opts) == 0x200, "the superblock");
_Static_assert(offsetof(struct ext4_super_block, s_orphan_file_inum) == 0x280, "the superblock");

#define EXT4_COMPAT_HAS_JOURNAL 0x4u
#define EXT4_COMPAT_DIR_INDEX   0x20u
#define EXT4_COMPAT_SPARSE2     0x200u
#define EXT4_COMPAT_ORPHAN_FILE 0x1000u

#define EXT4_INCOMPAT_FILETYPE  0x2u
#define EXT4_INCOMPAT_RECOVER   0x4u
#define EXT4_INCOMPAT_EXTENTS   0x40u
#define EXT4_INCOMPAT_64BIT     0x80u
#define EXT4_INCOMPAT_FLEX_BG   0x200u
#define EXT4_INCOMPAT_CSUM_SEED 0x2000u

#define EXT4_RO_COMPAT_SPARSE_SUPER   0x1u
#define EXT4_RO_COMPAT_LARGE_FILE     0x2u
#define EXT4_RO_COMPAT_HUGE_FILE      0x8u
#define EXT4_RO_COMPAT_GDT_CSUM       0x10u
#define EXT4_RO_COMPAT_DIR_NLINK      0x20u
#define EXT4_RO_COMPAT_EXTRA_ISIZE    0x40u
#define EXT4_RO_COMPAT_BIGALLOC       0x200u
#define EXT4_RO_COMPAT_METADATA_CSUM  0x400u
#define EXT4_RO_COMPAT_ORPHAN_PRESENT 0x10000u

/* ---- block groups ---- */

#define EXT4_BG_INODE_UNINIT 1u
#define EXT4_BG_BLOCK_UNINIT 2u
#define EXT4_BG_INODE_ZEROED 4u

/* Without 64BIT a descriptor ends after bg_checksum. */
struct ext4_group_desc {
    le32 bg_block_bitmap_lo, bg_inode_bitmap_lo, bg_inode_table_lo;
    le16 bg_free_blocks_count_lo, bg_free_inodes_count_lo, bg_used_dirs_count_lo, bg_flags;
    le32 bg_exclude_bitmap_lo;
    le16 bg_block_bitmap_csum_lo, bg_inode_bitmap_csum_lo, bg_itable_unused_lo, bg_checksum;
    le32 bg_block_bitmap_hi, bg_inode_bitmap_hi, bg_inode_table_hi;
    le16 bg_free_blocks_count_hi, bg_free_inodes_count_hi, bg_used_dirs_count_hi;
    le16 bg_itable_unused_hi;
    le32 bg_exclude_bitmap_hi;
    le16 bg_block_bitmap_csum_hi, bg_inode_bitmap_csum_hi;
    le32 bg_reserved;
};
#define EXT4_DESC_BYTES_MIN 32u
_Static_assert(sizeof(struct ext4_group_desc) == 64, "a group descriptor");
_Static_assert(offsetof(struct ext4_group_desc, bg_checksum) == 0x1e, "a group descriptor");

/* ---- inodes ---- */

#define EXT4_ROOT_INO        2u
#define EXT4_JOURNAL_INO     8u
#define EXT4_INODE_BYTES_OLD 128u

#define EXT4_IMMUTABLE_FL 0x10u
#define EXT4_APPEND_FL    0x20u
#define EXT4_INDEX_FL     0x1000u
#define EXT4_HUGE_FILE_FL 0x40000u
#define EXT4_EXTENTS_FL   0x80000u
#define EXT4_EA_INODE_FL  0x200000u
#define EXT4_INLINE_FL    0x10000000u
#define EXT4_INHERITED    (0x4au | 0x40u | 0x80u) /* sync, nodump, noatime: from the directory */

struct ext4_inode {
    le16 i_mode, i_uid;
    le32 i_size_lo, i_atime, i_ctime, i_mtime, i_dtime;
    le16 i_gid, i_links_count;
    le32 i_blocks_lo, i_flags, i_version;
    uint8_t i_block[60];
    le32 i_generation, i_file_acl_lo, i_size_high, i_obso_faddr;
    le16 i_blocks_high, i_file_acl_high, i_uid_high, i_gid_high, i_checksum_lo, i_reserved;
    /* From here on only as far as i_extra_isize says. */
    le16 i_extra_isize, i_checksum_hi;
    le32 i_ctime_extra, i_mtime_extra, i_atime_extra, i_crtime, i_crtime_extra;
    le32 i_version_hi, i_projid;
};
_Static_assert(sizeof(struct ext4_inode) == 160, "an inode");
_Static_assert(offsetof(struct ext4_inode, i_checksum_lo) == 0x7c, "an inode");

/* ---- extents ---- */

#define EXT4_EXT_MAGIC         0xf30au
#define EXT4_EXT_DEPTH_MAX     5u
#define EXT4_EXT_INIT_MAX      32768u /* ee_len above it: an unwritten extent of ee_len - 32768 blocks */
#define EXT4_EXT_UNWRITTEN_MAX 32767u
#define EXT4_BLOCKS_MAX        0xffffffffu /* logical blocks are 0 ... 2^32-2 */

struct ext4_extent_header {
    le16 eh_magic, eh_entries, eh_max, eh_depth;
    le32 eh_generation;
};
struct ext4_extent_idx {
    le32 ei_block, ei_leaf_lo;
    le16 ei_leaf_hi, ei_unused;
};
struct ext4_extent {
    le32 ee_block;
    le16 ee_len, ee_start_hi;
    le32 ee_start_lo;
};
_Static_assert(sizeof(struct ext4_extent) == 12 && sizeof(struct ext4_extent_idx) == 12 &&
                   sizeof(struct ext4_extent_header) == 12,
               "extents");

/* ---- directories ---- */

#define EXT4_NAME_LEN          255u
#define EXT4_DIR_TAIL          12u /* bytes of ext4_dir_entry_tail */
#define EXT4_FT_DIR_CSUM       0xdeu
#define EXT4_DIR_REC_LEN(name) (((uint32_t)(name) + 8 + 3) & ~3u)

struct ext4_dir_entry {
    le32 inode;
    le16 rec_len;
    uint8_t name_len, file_type;
    char name[];
};
struct ext4_dir_entry_tail {
    le32 det_reserved_zero1;
    le16 det_rec_len;
    uint8_t det_reserved_zero2, det_reserved_ft;
    le32 det_checksum;
};

enum { DX_HASH_LEGACY, DX_HASH_HALF_MD4, DX_HASH_TEA, DX_HASH_UNSIGNED };

struct dx_root_info {
    le32 reserved_zero;
    uint8_t hash_version, info_length, indirect_levels, unused_flags;
};
struct dx_countlimit {
    le16 limit, count;
};
struct dx_entry { /* the first holds a dx_countlimit in place of the hash, which is 0 */
    le32 hash, block;
};
#define DX_ROOT_OFFSET 0x20u /* of the entries in the first block of the directory */
#define DX_NODE_OFFSET 0x08u /* in the others */

/* ---- the orphan file ---- */

#define EXT4_ORPHAN_MAGIC 0x0b10ca04u
struct ext4_orphan_tail {
    le32 ob_magic, ob_checksum;
};

/* ---- extended attributes ---- */

#define EXT4_XATTR_MAGIC 0xea020000u
struct ext4_xattr_header {
    le32 h_magic, h_refcount, h_blocks, h_hash, h_checksum, h_reserved[3];
};
struct ext4_xattr_entry {
    uint8_t e_name_len, e_name_index;
    le16 e_value_offs;
    le32 e_value_inum, e_value_size, e_hash;
    char e_name[];
};
_Static_assert(sizeof(struct ext4_xattr_header) == 32, "the header of attributes");

/* ---- jbd2: big-endian ---- */

#define JBD2_MAGIC 0xc03b3998u
enum {
    JBD2_DESCRIPTOR_BLOCK = 1,
    JBD2_COMMIT_BLOCK,
    JBD2_SUPERBLOCK_V1,
    JBD2_SUPERBLOCK_V2,
    JBD2_REVOKE_BLOCK
};

struct journal_header {
    be32 h_magic, h_blocktype, h_sequence;
};
struct journal_superblock {
    struct journal_header s_header;
    be32 s_blocksize, s_maxlen, s_first;
    be32 s_sequence, s_start, s_errno;
    be32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
    uint8_t s_uuid[16];
    be32 s_nr_users, s_dynsuper, s_max_transaction, s_max_trans_data;
    uint8_t s_checksum_type, s_padding2[3];
    be32 s_num_fc_blks, s_head, s_padding[40], s_checksum;
    uint8_t s_users[16 * 48];
};
_Static_assert(sizeof(struct journal_superblock) == 1024, "the journal's superblock");

#define JBD2_INCOMPAT_REVOKE  0x1u
#define JBD2_INCOMPAT_64BIT   0x2u
#define JBD2_INCOMPAT_ASYNC   0x4u
#define JBD2_INCOMPAT_CSUM_V2 0x8u
#define JBD2_INCOMPAT_CSUM_V3 0x10u
#define JBD2_CHECKSUM_CRC32C  4u

#define JBD2_FLAG_ESCAPE    1u
#define JBD2_FLAG_SAME_UUID 2u
#define JBD2_FLAG_DELETED   4u
#define JBD2_FLAG_LAST_TAG  8u

struct journal_block_tag3 {
    be32 t_blocknr, t_flags, t_blocknr_high, t_checksum;
};
struct journal_block_tag { /* without CSUM_V3; t_blocknr_high only with 64BIT */
    be32 t_blocknr;
    uint8_t t_checksum[2], t_flags[2];
    be32 t_blocknr_high;
};
struct commit_header {
    struct journal_header h;
    uint8_t h_chksum_type, h_chksum_size, h_padding[2];
    be32 h_chksum[8], h_commit_sec_hi, h_commit_sec, h_commit_nsec;
};
struct journal_revoke_header {
    struct journal_header h;
    be32 r_count;
};

#endif
