/* SPDX-License-Identifier: MIT */
/*
 * A volume of a disk in fs's tree, in three parts:
 *
 *   mounted.c    reads: names when a path first leads into a directory, contents when a file is first
 *                read or lent
 *   changes.c    names and attributes: each change is made in the volume at once, as an operation of its
 *                journal, and noted until the journal has it on the disk
 *   writeback.c  contents: a written page waits in the file's memory until the next sync
 *
 * fs's tree, the notes and the waiting pages are kept over its death; what the ext4 library has in memory
 * is not. A new life mounts the volume again, where it finds what the journal had committed, and makes
 * the noted changes behind that once more. Results are >= 0 or a negative Linux errno.
 */
#ifndef FS_MOUNTED_H
#define FS_MOUNTED_H

#include "servers/fs/fs.h"

struct ext4;

/* ---- mounted.c ---- */

#define MOUNTED_TEXT 64u
/* A mounted volume: kept. VOLUME_DISK + its index is the number in its inodes. */
extern struct disk {
    uint64_t rdev; /* 0: free */
    bool read_only;
    char source[MOUNTED_TEXT], options[16];
    struct inode *over;    /* the directory that it is mounted over; held. 0: it is the root */
    struct inode **linked; /* files with several names, which must be one inode each */
    uint32_t linked_count;
    uint32_t noted; /* changes from `first` to `last` (changes.c) */
    struct change *first, *last;
    struct inode *written; /* files that are not on the disk as they are (writeback.c) */
    uint64_t pages_marked;
} disks[DISK_VOLUMES];
/* The library's, of this life; 0: not opened yet. */
extern struct ext4 *disk_ext4[DISK_VOLUMES];
/* How many are mounted, and of them opened. */
extern uint32_t mounted_count, opened_count;

/** Mounts an ext4 volume over a directory. -ENAMETOOLONG: the source is too long; -EBUSY: it is mounted, or
 *  something is there; -EMFILE: too many */
int64_t mounted_mount(const char *source, struct inode *node, struct inode *dir, bool read_only);
/** Makes a volume the root, at the start; /dev, /proc, /sys and /run stay in memory. */
int64_t mounted_root(const char *source);
/** Finds a path as root. */
int64_t mounted_find(const char *path, struct inode **out);
/** Lets the volume with this root go. -EINVAL: there is none; -EBUSY: somebody uses it */
int64_t mounted_unmount(struct inode *root);
int64_t mounted_remount(struct inode *root, bool read_only);
/** Writes everything, and marks all volumes clean. They can be read still. */
int64_t mounted_end(void);
/** Opens a volume if this life has not yet. */
int64_t mounted_open(struct disk *d);
void mounted_open_all(void);
bool mounted_is_read_only(const struct disk *d);
/** Reads the names of a directory with `unfilled`. */
int64_t mounted_fill(struct inode *dir);
/** Reads the contents of a file of STORE_DISK into a region; `present`: its pages that are no holes. */
int64_t mounted_read(const struct inode *inode, exo_cap region, struct runs *present);
int64_t mounted_statfs(const struct inode *inode, struct fs_statfs *out);
/** The inode has several names, or is about to. */
int64_t mounted_linked(struct inode *inode);
/** The inode is about to be freed. */
void mounted_forget(const struct inode *inode);

static inline bool on_disk(const struct inode *inode)
{
    return inode->volume >= VOLUME_DISK;
}

static inline struct disk *disk_of(const struct inode *inode)
{
    return &disks[inode->volume - VOLUME_DISK];
}

static inline struct ext4 *ext4_of(const struct disk *d)
{
    return disk_ext4[d - disks];
}

/* ---- changes.c: all of inodes that are on_disk ---- */

/** A new inode got its first name; its number is the disk's from now on. */
int64_t change_create(struct inode *dir, const char *name, size_t length, struct inode *inode);
int64_t change_link(struct inode *dir, const char *name, size_t length, struct inode *inode);
/** A name is about to go; if it is the last one of a file that is open, its contents are read first. */
int64_t change_unlink(struct inode *dir, const char *name, size_t length, struct inode *inode);
/** `replaced`: what the name `to` stood for, or 0; `exchange`: the names change places. */
int64_t change_rename(const struct walk *from, const struct walk *to, struct inode *replaced,
                      bool exchange);
/** Mode, owner or times were set. */
int64_t change_attributes(struct inode *inode);
/** The size is about to be set; contents that stay are in memory. */
int64_t change_resize(struct inode *inode, uint64_t size);
/** Pages were written to the disk. */
int64_t change_contents(struct inode *inode);
/** Forgets the changes that are on the disk. */
void changes_settle(struct disk *d);
/** In a new life, when the journal was read: those behind transaction `committed` are lost. */
void changes_recovered(struct disk *d, uint32_t committed);
/** And once the volume is open: makes the lost ones again. */
void changes_replay(struct disk *d);

/* ---- writeback.c ---- */

/** Pages [start, end) of a file are about to be written; or, if that is none, somebody may write to it
 *  by a mapping. -ENOSPC: the disk has no room for them */
int64_t written_mark(struct inode *inode, uint64_t start, uint64_t end);
void written_cut(struct inode *inode, uint64_t page); /* pages from there on are gone */
void written_drop(struct inode *inode);
/** All that is in memory counts as written. */
int64_t written_all(struct inode *inode);
/** Brings one file, with its name, or (0) everything to the disk. */
int64_t disk_sync(struct disk *d, struct inode *inode);
int64_t disk_sync_all(void);
/** The same, now and then: called by the timer. */
void disk_tick(void);
/** Sets the timer: something waits. */
void disk_tick_later(const struct disk *d);
/** In a new life: the timer was the last one's. */
void disk_tick_recover(void);

#endif
