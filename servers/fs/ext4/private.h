/* SPDX-License-Identifier: MIT */
/*
 * What the files of ext4 share: the volume, its cached blocks, the running transaction.
 *
 * The layers, each using only those above it:
 *   format.h  checksum.c  superblock.c            what lies on the disk
 *   cache.c                                       blocks in memory, each checked when it was read
 *   operation.c                                   all or nothing: changes, and taking them back
 *   journal.c  replay.c                           transactions on the disk
 *   group.c  blocks.c  inodes.c  orphan.c         who owns which block and inode
 *   inode.c  xattr.c  extent.c  remove.c  map.c   one inode
 *   directory.c  hash.c  htree.c  readdir.c       one directory
 *   name.c  file.c  mount.c                       the calls of ext4.h
 *
 * Checked once: a block is believed after check_block (checksum.c) and its structure's own check have
 * looked at it, when it comes from the disk. From then on only this library changes it. Checksums are
 * of the disk, not of memory: they are made again when the transaction is written (seal_block).
 */
#ifndef EXT4_PRIVATE_H
#define EXT4_PRIVATE_H

#include "servers/fs/ext4/ext4.h"
#include "servers/fs/ext4/format.h"

#include <lib/heap.h>
#include <lib/linux/errno.h>
#include <lib/linux/stat.h>
#include <lib/string.h>

#define TRY(expression)                    \
    do {                                   \
        int64_t try_status = (expression); \
        if (try_status < 0)                \
            return try_status;             \
    } while (0)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- cached blocks (cache.c) ----------------------------------------------------------------- */

/* What a block is. One block is one kind only: the rest is a damaged image. */
enum kind {
    KIND_NONE,
    KIND_SUPER,
    KIND_GROUPS,       /* group descriptors; owner: the first group */
    KIND_BLOCK_BITMAP, /* owner: the group */
    KIND_INODE_BITMAP, /* owner: the group */
    KIND_INODES,       /* of the inode table; owner: the first inode */
    KIND_EXTENTS,      /* owner and generation: the inode's */
    KIND_DIRECTORY,    /* likewise: leaf or index */
    KIND_XATTR,
    KIND_SYMLINK,
    KIND_ORPHANS, /* of the orphan file; owner and generation: that inode's */
    KIND_JOURNAL, /* while it is replayed */
    KINDS
};

struct buffer {
    struct ext4_io io;
    struct ext4 *fs;
    struct buffer *chain;         /* of the hash table */
    struct buffer *newer, *older; /* in order of use */
    uint8_t *data;
    uint64_t block;
    uint64_t operation; /* the last one that used it, which keeps it here while it runs */
    uint64_t checked;  /* a bit for each inode or descriptor that was looked at; bit 0 for others */
    uint64_t unsealed; /* likewise: those whose checksum is to be made */
    uint32_t owner, generation;
    uint8_t kind;
    bool valid;     /* data is the block */
    bool busy;      /* the device reads or writes it */
    bool running;   /* changed since the last commit */
    bool home;      /* committed, and not yet where it belongs */
    int64_t status; /* of the last I/O */
};

/* The block, read if need be. Errors: EXT4_WAIT, -EIO, -EUCLEAN (it is of another kind). */
int64_t cache_get(struct ext4 *fs, uint64_t block, enum kind kind, uint32_t owner,
                  uint32_t generation, struct buffer **out);
/* The block filled with zeros, without reading it, as a part of the transaction. */
int64_t cache_new(struct ext4 *fs, uint64_t block, enum kind kind, uint32_t owner,
                  uint32_t generation, struct buffer **out);
/* This operation does not need it any more. */
void cache_release(struct ext4 *fs, struct buffer *b);
struct buffer *cache_find(struct ext4 *fs, uint64_t block);
void cache_drop(struct ext4 *fs, struct buffer *b);
int64_t cache_make(struct ext4 *fs, void *memory, size_t bytes);

/* Waits, or not (EXT4_WAIT), for some I/O. */
int64_t fs_wait(struct ext4 *fs);
/* One request of the library's own, start to end; waits in any case. */
int64_t device_transfer(struct ext4 *fs, enum ext4_io_kind kind, uint64_t offset, void *memory,
                        uint64_t bytes);

/* ---- operations (operation.c) ---------------------------------------------------------------- */

/* Blocks that were freed in the running transaction. Their bits are cleared when it is committed, so
 * nothing can be written to them before their owner's loss of them is on the disk. */
struct freed {
    uint64_t block;
    uint32_t count;
    bool metadata; /* to be revoked */
};

struct operation {
    uint64_t number;
    bool active, changes;
    int64_t free_blocks, free_inodes; /* to be added at the end */
    uint32_t blocks;                  /* that it put into the transaction */
    uint32_t freed_before;
    uint64_t freed_blocks_before;
};

int64_t operation_read(struct ext4 *fs);   /* begins one that only looks */
int64_t operation_change(struct ext4 *fs); /* begins one that changes; -EROFS, EXT4_WAIT */
/* Ends it: with status < 0 nothing has happened. @return status */
int64_t operation_end(struct ext4 *fs, int64_t status);
/* Must precede a change of b->data[offset ... offset + bytes). */
int64_t change(struct ext4 *fs, struct buffer *b, size_t offset, size_t bytes);
/* The same for a block that was made without reading it: it is dropped if the operation fails. */
int64_t change_new(struct ext4 *fs, struct buffer *b);
/* Puts blocks of one group on fs->freed (blocks_free does the rest). */
int64_t operation_forget(struct ext4 *fs, uint64_t block, uint32_t count, bool metadata);
/* Did it fail for want of blocks that a commit gives back? Then there was one, or EXT4_WAIT. */
bool operation_again(struct ext4 *fs, int64_t *status);

/* Runs `call` as an operation that changes the volume, and again where that helps. */
#define OPERATION(fs, status, call)               \
    do {                                          \
        (status) = operation_change(fs);          \
        if ((status) >= 0)                        \
            (status) = operation_end(fs, (call)); \
    } while (operation_again(fs, &(status)))

/* Blocks one operation may change at most, and what that means for the journal's size. */
#define OPERATION_BLOCKS 64u

/* ---- the journal (journal.c, replay.c) ------------------------------------------------------- */

enum commit_step {
    COMMIT_IDLE,
    COMMIT_LOG,      /* writing descriptors, blocks and revocations */
    COMMIT_BARRIER,  /* flushing them */
    COMMIT_RECORD,   /* writing the commit block */
    COMMIT_DURABLE,  /* flushing it: then the transaction is there */
    CHECKPOINT_HOME, /* writing blocks where they belong */
    CHECKPOINT_BARRIER,
    CHECKPOINT_TAIL, /* writing the journal's superblock: the log is empty */
    CHECKPOINT_DURABLE,
};

#define STAGING_BLOCKS 32u
#define BOUNCE_BLOCKS  32u

struct journal {
    bool present;
    struct ext4_run *runs; /* where its blocks are */
    uint32_t run_count;
    uint32_t maxlen, first;    /* blocks of it; the first of the log */
    uint32_t head, used;       /* the next block to write; blocks since the tail */
    uint32_t sequence;         /* of the running transaction */
    uint32_t limit;            /* blocks that a transaction may have */
    uint32_t seed;             /* of checksums */
    bool checksums, wide;      /* CSUM_V3, 64BIT */
    enum commit_step step;     /* what is under way */
    bool stepping, checkpoint; /* journal_step runs; a checkpoint is to follow */
    uint32_t pending;          /* requests under way */
    int64_t status;            /* the first error among them */
    uint64_t started, durable; /* commits, counted from 1 */
    uint32_t cursor, revoked;  /* of fs->running and fs->freed: what is in the log */
    uint32_t chunk, chunk_at;  /* blocks in staging, and how many of them are written */
    struct ext4_io ios[STAGING_BLOCKS];
    uint8_t *staging;     /* STAGING_BLOCKS blocks on their way into the log, or home */
    uint32_t home_count;  /* buffers that are to go home */
    struct buffer **home; /* in a checkpoint: these, in order, */
    uint32_t home_total;  /* so many; `cursor` of them are written, or being so: */
    uint32_t batch;       /* the last of these */
    uint8_t *super;       /* a block: the journal's superblock */
};
/* ---- the volume ------------------------------------------------------------------------------ */

struct ext4 {
    struct ext4_device device;
    void (*recovered)(uint32_t committed);
    bool read_only, restart;
    bool damaged;   /* EXT4_ERROR_FS is to be set */
    bool abandoned; /* nothing can be written any more */

    uint32_t block_bytes, block_bits;
    uint64_t blocks, reserved_blocks;
    uint32_t first_data_block, blocks_per_group, inodes_per_group, groups, inodes;
    uint32_t first_inode, inode_bytes, desc_bytes, want_extra_isize;
    uint32_t compat, incompat, ro_compat;
    uint32_t checksum_seed, hash_seed[4];
    uint8_t uuid[16], hash_version;
    bool hash_unsigned, checksums;
    uint32_t super_block;  /* the block that holds the superblock */
    uint32_t super_offset; /* in it */
    uint32_t orphan_inode; /* the orphan file; 0: none */
    uint64_t free_blocks, free_inodes;
    uint32_t journal_inode;

    uint8_t *scratch, *bounce; /* one block; BOUNCE_BLOCKS blocks for data (file.c) */
    struct buffer *buffers, **table, *super;
    struct buffer *newest, *oldest;
    uint32_t buffer_count, table_mask;

    struct operation op;
    uint8_t *undo;
    size_t undo_used, undo_limit;
    struct buffer **running;
    uint32_t running_count;
    struct freed *freed;
    uint32_t freed_count, freed_limit;
    uint64_t freed_blocks; /* their sum */

    struct journal journal;
};

static inline uint64_t now_ns(const struct ext4 *fs)
{
    return fs->device.now(fs->device.context);
}

/* ---- the journal ----------------------------------------------------------------------------- */

int64_t journal_open(struct ext4 *fs);   /* finds it; replays it if there is something in it */
int64_t journal_start(struct ext4 *fs);  /* makes all ready for writing but its superblock */
int64_t journal_finish(struct ext4 *fs); /* all is at home and it is marked empty; waits */
void journal_close(struct ext4 *fs);
/* Starts a commit, if none is under way, and if asked a checkpoint after it. */
void journal_commit(struct ext4 *fs, bool checkpoint);
static inline bool journal_busy(const struct ext4 *fs)
{
    return fs->journal.step != COMMIT_IDLE;
}
/* Where block `index` of the journal is, and how many follow it there. -EUCLEAN */
int64_t journal_block(struct ext4 *fs, uint32_t index, uint64_t *physical, uint32_t *adjacent);
/* Writes its superblock: the log begins at `start` (0: it is empty). Waits. */
int64_t journal_write_super(struct ext4 *fs, uint32_t start, uint32_t sequence);
void journal_set_super(struct ext4 *fs, uint32_t start, uint32_t sequence);
/* Replays the log (replay.c). @return the number of transactions */
int64_t journal_replay(struct ext4 *fs, uint32_t start, uint32_t *sequence);
size_t journal_tag_bytes(const struct ext4 *fs);
uint32_t journal_tag_checksum(const struct ext4 *fs, uint32_t sequence, const void *block);
/* The checksum at the end of a descriptor or revocation block. */
void journal_seal_tail(const struct ext4 *fs, uint8_t *block);
bool journal_tail_ok(const struct ext4 *fs, const uint8_t *block);
uint32_t journal_commit_checksum(const struct ext4 *fs, const uint8_t *block);

/* ---- reports (report.c) ---------------------------------------------------------------------- */

void report(const struct ext4 *fs, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Damage: reported, remembered, and the end of writing. @return -EUCLEAN */
int64_t damaged(struct ext4 *fs, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The journal or the device fails: nothing can be written any more. */
void abandon(struct ext4 *fs, const char *what, int64_t status);

/* ---- checksums (checksum.c) ------------------------------------------------------------------ */

uint32_t crc32c(uint32_t seed, const void *data, size_t bytes);
uint16_t crc16(uint16_t seed, const void *data, size_t bytes);
bool super_checksum_ok(const struct ext4_super_block *super);
void super_seal(struct ext4_super_block *super);
bool group_checksum_ok(const struct ext4 *fs, uint32_t group, const struct ext4_group_desc *d);
bool bitmap_checksum_ok(const struct ext4 *fs, const struct ext4_group_desc *d, enum kind kind,
                        const uint8_t *bitmap);
bool inode_checksum_ok(const struct ext4 *fs, uint32_t ino, const struct ext4_inode *raw);
/* Of extents, directories, attributes and the orphan file. */
bool block_checksum_ok(const struct ext4 *fs, const struct buffer *b);
/* Makes the checksums of a block that is about to be written. */
int64_t seal_block(struct ext4 *fs, struct buffer *b);

/* ---- the superblock (superblock.c) ----------------------------------------------------------- */

int64_t super_read(struct ext4 *fs);
int64_t super_get(struct ext4 *fs, struct buffer **b, struct ext4_super_block **super);
/* Writes counts, state and the RECOVER flag, outside of the journal; waits. */
int64_t super_write(struct ext4 *fs, bool recover, bool clean);
void super_fill(struct ext4 *fs, struct ext4_super_block *super);
bool has_super_block(const struct ext4 *fs, uint32_t group);

/* ---- groups (group.c) ------------------------------------------------------------------------ */

/* The descriptor of a group, checked. */
int64_t group_get(struct ext4 *fs, uint32_t group, struct buffer **b, struct ext4_group_desc **d);
int64_t group_change(struct ext4 *fs, uint32_t group, struct buffer **b,
                     struct ext4_group_desc **d);
uint64_t group_block_bitmap(const struct ext4 *fs, const struct ext4_group_desc *d);
uint64_t group_inode_bitmap(const struct ext4 *fs, const struct ext4_group_desc *d);
uint64_t group_inode_table(const struct ext4 *fs, const struct ext4_group_desc *d);
uint32_t group_count_get(const struct ext4 *fs, le16 lo, le16 hi);
void group_count_set(const struct ext4 *fs, le16 *lo, le16 *hi, uint32_t value);
uint32_t group_table_blocks(const struct ext4 *fs);           /* blocks of an inode table */
uint32_t group_blocks(const struct ext4 *fs, uint32_t group); /* the last one is shorter */
static inline uint64_t group_first_block(const struct ext4 *fs, uint32_t group)
{
    return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}
int64_t groups_count_free(struct ext4 *fs);

/* ---- bitmaps: bits of blocks and inodes (bitmap.c) ------------------------------------------- */

static inline bool bit_get(const uint8_t *map, uint32_t bit)
{
    return map[bit / 8] >> bit % 8 & 1;
}
/* The first bit from `from` on, below `limit`, that is clear or set; else `limit`. */
uint32_t bits_next(const uint8_t *map, uint32_t from, uint32_t limit, bool set);
void bits_fill(uint8_t *map, uint32_t from, uint32_t count, bool set);

/* ---- blocks (blocks.c) ----------------------------------------------------------------------- */

/* Allocates up to `wanted` adjacent blocks, at `goal` or near it. -ENOSPC */
int64_t blocks_allocate(struct ext4 *fs, uint64_t goal, uint32_t wanted, uint64_t *block,
                        uint32_t *count);
/* Gives the blocks of fs->freed back, as the first step of a commit. */
void blocks_give_back(struct ext4 *fs);
/* Frees blocks when the transaction is committed. */
int64_t blocks_free(struct ext4 *fs, uint64_t block, uint64_t count, bool metadata);
int64_t block_bitmap_get(struct ext4 *fs, uint32_t group, struct buffer **b);
bool blocks_in_range(const struct ext4 *fs, uint64_t block, uint64_t count);

/* ---- inode numbers (inodes.c) ---------------------------------------------------------------- */

int64_t inode_allocate(struct ext4 *fs, uint32_t dir, uint32_t mode, uint32_t *ino);
int64_t inode_free(struct ext4 *fs, uint32_t ino, bool directory);

/* ---- one inode (inode.c) --------------------------------------------------------------------- */

struct inode_ref {
    struct buffer *b;
    struct ext4_inode *raw;
    uint32_t ino, generation;
};
/* An inode that is in use, with or without a name; -ENOENT: nothing lives there. */
int64_t inode_get(struct ext4 *fs, uint32_t ino, struct inode_ref *out);
int64_t inode_get_special(struct ext4 *fs, uint32_t ino,
                          struct inode_ref *out); /* or is reserved */
/* The same, to be changed. */
int64_t inode_change(struct ext4 *fs, struct inode_ref *i);
/* A fresh record in the place of inode `ino`: mode, owner, times, empty contents, nlink 0. */
int64_t inode_init(struct ext4 *fs, uint32_t ino, uint32_t dir_flags, const struct ext4_new *new,
                   struct inode_ref *out);
uint64_t inode_size(const struct inode_ref *i);
void inode_set_size(struct inode_ref *i, uint64_t size);
static inline uint32_t inode_mode(const struct inode_ref *i)
{
    return get16(i->raw->i_mode);
}
static inline uint32_t inode_flags(const struct inode_ref *i)
{
    return get32(i->raw->i_flags);
}
/* Adds blocks of the file system to i_blocks. */
int64_t inode_add_blocks(struct ext4 *fs, struct inode_ref *i, int64_t blocks);
uint64_t inode_blocks(const struct ext4 *fs, const struct inode_ref *i); /* of 512 bytes */
#define TOUCH_ATIME 1u
#define TOUCH_MTIME 2u
#define TOUCH_CTIME 4u
void inode_touch(struct ext4 *fs, struct inode_ref *i, uint32_t which);
bool inode_is_fast_symlink(const struct ext4 *fs, const struct inode_ref *i);
/* nlink, with what DIR_NLINK says of directories with very many. */
int64_t inode_link_add(struct ext4 *fs, struct inode_ref *i);
void inode_link_remove(struct inode_ref *i);
#define EXT4_LINK_MAX 65000u

/* Marks the attributes' block as free, or one user less. */
int64_t xattr_drop(struct ext4 *fs, struct inode_ref *i);

/* ---- extents (extent.c, remove.c) ------------------------------------------------------------ */

struct extent {
    uint32_t block, count;
    uint64_t physical;
    bool unwritten;
};
/* What is at `block`: the extent that holds it, or (physical 0) the hole up to the next one. */
int64_t extent_find(struct ext4 *fs, struct inode_ref *i, uint32_t block, struct extent *out);
/* Adds one where there is a hole. The inode must be changeable. */
int64_t extent_insert(struct ext4 *fs, struct inode_ref *i, const struct extent *new);
/* Marks [block, block + count), which lies in one unwritten extent, as written. */
int64_t extent_written(struct ext4 *fs, struct inode_ref *i, uint32_t block, uint32_t count);
/* Frees what is mapped in [first, last], from the end on, as far as one operation should.
 * @return 1 if something is left to do, 0 if not. */
int64_t extent_remove(struct ext4 *fs, struct inode_ref *i, uint32_t first, uint32_t last);
/* Where a block near `block` is best allocated. */
uint64_t extent_goal(struct ext4 *fs, struct inode_ref *i, uint32_t block);
void extent_init(struct inode_ref *i);
int64_t extent_root_check(struct ext4 *fs, const struct inode_ref *i);

/* A path from the root to a leaf. */
struct path_node {
    struct buffer *b; /* 0: the root, in the inode */
    struct ext4_extent_header *header;
    int32_t at; /* the entry taken; in a leaf the one at or before the block, or -1 */
};
struct extent_path {
    struct path_node node[EXT4_EXT_DEPTH_MAX + 1];
    uint32_t depth; /* node[depth] is the leaf */
};
int64_t extent_walk(struct ext4 *fs, struct inode_ref *i, uint32_t block, struct extent_path *path);
uint32_t node_entries(const struct path_node *node);
uint32_t node_key(const struct path_node *node, uint32_t at);
int64_t node_change(struct ext4 *fs, struct inode_ref *i, struct path_node *node, uint32_t at);
int64_t node_delete(struct ext4 *fs, struct inode_ref *i, struct path_node *node, uint32_t at);
static inline struct ext4_extent *node_extents(const struct path_node *node)
{
    return (struct ext4_extent *)(node->header + 1);
}
static inline struct ext4_extent_idx *node_indexes(const struct path_node *node)
{
    return (struct ext4_extent_idx *)(node->header + 1);
}
static inline uint64_t index_child(const struct ext4_extent_idx *x)
{
    return get32(x->ei_leaf_lo) | (uint64_t)get16(x->ei_leaf_hi) << 32;
}
void extent_decode(const struct ext4_extent *e, struct extent *out);
void extent_encode(struct ext4_extent *e, const struct extent *in);
/* The first key of the leaf has changed: so do the keys above. */
int64_t extent_keys_update(struct ext4 *fs, struct inode_ref *i, struct extent_path *path);

/* ---- the orphan list (orphan.c) -------------------------------------------------------------- */

int64_t orphan_add(struct ext4 *fs, struct inode_ref *i);
int64_t orphan_remove(struct ext4 *fs, struct inode_ref *i);
int64_t orphans_finish(struct ext4 *fs); /* at mount */
int64_t orphans_none(struct ext4 *fs);   /* 1: there are none */
/* Frees what is mapped behind `size`, and then the inode is not an orphan any more (file.c). */
int64_t truncate_finish(struct ext4 *fs, uint32_t ino, uint64_t size);

/* ---- directories (directory.c, hash.c, htree.c) ---------------------------------------------- */

struct directory {
    struct inode_ref i;
    uint32_t blocks;
    bool indexed;
};
struct dir_place { /* of an entry */
    struct buffer *b;
    uint32_t at, before; /* byte offsets; before: of the entry in front, or the same */
};
int64_t directory_get(struct ext4 *fs, uint32_t ino, struct directory *out);
int64_t directory_block(struct ext4 *fs, struct directory *d, uint32_t block, struct buffer **out);
int64_t directory_append(struct ext4 *fs, struct directory *d, uint32_t *block,
                         struct buffer **out);
/* The entry of a name: 0 or -ENOENT. */
int64_t directory_find(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                       struct dir_place *place);
int64_t directory_add(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                      uint32_t ino, uint32_t mode);
int64_t directory_remove(struct ext4 *fs, struct dir_place *place);
int64_t directory_point(struct ext4 *fs, struct dir_place *place, uint32_t ino, uint32_t mode);
int64_t directory_is_empty(struct ext4 *fs, struct directory *d); /* 1, 0 or an error */
int64_t directory_make_first(struct ext4 *fs, struct inode_ref *i, uint32_t parent);
int64_t directory_dotdot(struct ext4 *fs, struct directory *d, struct dir_place *place);
uint32_t leaf_bytes(const struct ext4 *fs); /* of a block, for entries */
static inline struct ext4_dir_entry *entry_at(const struct buffer *b, uint32_t at)
{
    return (struct ext4_dir_entry *)(void *)(b->data + at);
}
static inline uint32_t entry_bytes(const struct ext4_dir_entry *e)
{
    return get16(e->rec_len);
}
int64_t leaf_find(struct ext4 *fs, struct buffer *b, const char *name, size_t length,
                  struct dir_place *place);
int64_t leaf_add(struct ext4 *fs, struct buffer *b, const char *name, size_t length, uint32_t ino,
                 uint32_t mode);
void leaf_tail(const struct ext4 *fs, struct buffer *b);
bool block_is_index(const struct ext4 *fs, const struct buffer *b, bool first);
uint32_t file_type_of(const struct ext4 *fs, uint32_t mode);

struct name_hash {
    uint32_t major, minor; /* the lowest bit of major is 0 */
};
struct name_hash name_hash(const struct ext4 *fs, uint8_t version, const char *name, size_t length);

#define HTREE_DEPTH 2u
struct htree_node {
    struct buffer *b;
    uint32_t offset; /* of its entries */
    uint32_t at;
};
struct htree_path {
    struct htree_node node[HTREE_DEPTH];
    uint32_t depth; /* nodes */
    uint8_t version;
    uint32_t leaf; /* the block */
};
int64_t htree_find(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                   struct dir_place *place);
int64_t htree_add(struct ext4 *fs, struct directory *d, const char *name, size_t length,
                  uint32_t ino, uint32_t mode);
int64_t htree_make(struct ext4 *fs, struct directory *d);
int64_t htree_walk(struct ext4 *fs, struct directory *d, uint32_t hash, struct htree_path *path);
/* Moves to the next leaf. `hash`: only if names of that hash may go on there. @return 1, or 0 */
int64_t htree_next(struct ext4 *fs, struct directory *d, struct htree_path *path,
                   const uint32_t *hash, uint32_t *lowest);

/* An entry of a leaf, for sorting. */
struct hashed_entry {
    struct name_hash hash;
    uint16_t at, bytes;
};
uint32_t leaf_sort(const struct ext4 *fs, const struct buffer *b, uint8_t version,
                   struct hashed_entry *out);
#define LEAF_ENTRIES_MAX 512u

#endif
