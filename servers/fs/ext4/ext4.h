/* SPDX-License-Identifier: MIT */
/*
 * ext4: a library that reads and writes the format on a device that its user gives it.
 *
 * The one idea: every call is one operation, and an operation is all or nothing. It works on blocks
 * in a cache, keeps what it overwrites, and takes all of it back when anything fails. "A block has to
 * be read first" is such a failure: with options.restart a call never waits for the device, it
 * answers EXT4_WAIT, has changed nothing, and is simply made again after some I/O is done. Without
 * it, the library calls device->wait until the block is there.
 *
 * One thread at a time calls. Inode numbers come from the caller and are checked. Permissions are the
 * caller's business. Results are >= 0 or a negative Linux errno; a damaged structure is -EUCLEAN,
 * named in a report, and makes the volume read-only.
 */
#ifndef EXT4_H
#define EXT4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXT4_WAIT (-11) /* -EAGAIN: call again when some I/O has completed */
#define EXT4_ROOT 2u    /* the inode number of the root directory */

/* ---- what the user provides ------------------------------------------------------------------ */

/** One request to the device. It belongs to the device from submit until `done` is called. */
struct ext4_io {
    enum ext4_io_kind { EXT4_IO_READ, EXT4_IO_WRITE, EXT4_IO_FLUSH, EXT4_IO_DISCARD } kind;
    uint64_t offset, bytes; /* on the device; multiples of 512. A flush has neither */
    void *memory;           /* of reads and writes */
    void (*done)(struct ext4_io *io, int64_t status); /* 0 or a negative errno */
    void *owner;                                      /* the library's */
};

struct ext4_device {
    void *context;
    uint64_t bytes;
    bool read_only;
    /** Starts a request. It may be done before this returns, in any order with others, at any time
     *  when no call of the library runs, or from within `wait`. A flush that is done means that all
     *  writes that were done when it was submitted are on the medium. */
    void (*submit)(void *context, struct ext4_io *io);
    /** Returns when at least one request is done (or has been since the last call). */
    void (*wait)(void *context);
    uint64_t (*now)(void *context); /* nanoseconds since 1970 */
    /** A line, without its end, for the operator: what was refused, or is damaged. */
    void (*report)(void *context, const char *text);
};

struct ext4_options {
    bool read_only;
    bool restart; /* answer EXT4_WAIT rather than call device->wait (mount and unmount still do) */
    void *memory; /* where blocks are kept, aligned to 4096; the device may be given any of it */
    size_t bytes; /* at least EXT4_MEMORY_MIN */
    /** Told at mount, before anything is written: the journal's last transaction that is on the disk. */
    void (*recovered)(uint32_t committed);
};
#define EXT4_MEMORY_MIN (2048u * 1024)

/* ---- volumes (mount.c, journal.c) ------------------------------------------------------------ */

struct ext4; /* a mounted volume */

/** Mounts; replays the journal and finishes what the orphan list asks for if the volume is written.
 *  -EINVAL: not ext4, or it contradicts itself; -EOPNOTSUPP: a feature, which is reported by name. */
int64_t ext4_mount(struct ext4 **out, const struct ext4_device *device,
                   const struct ext4_options *options);
/** Writes everything, marks the volume clean and frees it, in any case. @return the first error. */
int64_t ext4_unmount(struct ext4 *fs);
/** Everything that calls had done before the first call is on the medium when this returns 0.
 *  *ticket is 0 in the first call, and kept for the next one after EXT4_WAIT. All who wait at a time
 *  share one commit. */
int64_t ext4_sync(struct ext4 *fs, uint64_t *ticket);
/** The same for one inode, its name included if it was made since. */
int64_t ext4_fsync(struct ext4 *fs, uint32_t ino, uint64_t *ticket);
/** Starts a commit of what was changed, if none is under way, and does not wait for it: to be called
 *  every few seconds. */
void ext4_tick(struct ext4 *fs);
/** The number of the journal's transaction that has what the last call changed. It grows by one with each
 *  commit, and may by more with a mount. */
uint32_t ext4_transaction(const struct ext4 *fs);
/** The last transaction that is on the medium. */
uint32_t ext4_committed(const struct ext4 *fs);
/** No call changes anything from now on. */
bool ext4_is_read_only(const struct ext4 *fs);

struct ext4_statfs {
    uint32_t block_bytes;
    uint64_t blocks, free_blocks, available_blocks; /* available: to others than root */
    uint64_t inodes, free_inodes;
    uint8_t uuid[16];
};
void ext4_statfs(const struct ext4 *fs, struct ext4_statfs *out);

/* ---- inodes (inode.c) ------------------------------------------------------------------------ */

struct ext4_time {
    int64_t seconds; /* -2^31 ... 2^34 - 2^31 - 1 */
    uint32_t nanoseconds;
};
struct ext4_attr {
    uint32_t ino, generation, mode, uid, gid, nlink, flags;
    uint64_t size, blocks; /* blocks: of 512 bytes */
    uint32_t major, minor; /* of devices */
    struct ext4_time atime, mtime, ctime, btime;
};
#define EXT4_SET_MODE  1u /* the bits below the type */
#define EXT4_SET_UID   2u
#define EXT4_SET_GID   4u
#define EXT4_SET_ATIME 8u
#define EXT4_SET_MTIME 16u

int64_t ext4_getattr(struct ext4 *fs, uint32_t ino, struct ext4_attr *out);
/** Sets what `mask` names, and ctime. */
int64_t ext4_setattr(struct ext4 *fs, uint32_t ino, uint32_t mask, const struct ext4_attr *from);
/** Frees an inode whose last name is gone (nlink 0) when its last user is gone as well. Large ones
 *  take several operations: EXT4_WAIT means to go on. */
int64_t ext4_evict(struct ext4 *fs, uint32_t ino);

/** Reads an attribute; `index` is the number of its prefix (1: "user.", 6: "security.").
 *  @return its size (nothing is copied if that is above `bytes`), or -ENODATA. */
int64_t ext4_getxattr(struct ext4 *fs, uint32_t ino, uint8_t index, const char *name, size_t length,
                      void *to, size_t bytes);
/** Tells of one attribute; false stops. */
typedef bool ext4_xattr_listed(void *context, uint8_t index, const char *name, size_t length);
int64_t ext4_listxattr(struct ext4 *fs, uint32_t ino, ext4_xattr_listed *each, void *context);

/* ---- names (name.c, readdir.c) --------------------------------------------------------------- */

/** @return 0 and the inode's number, or -ENOENT. */
int64_t ext4_lookup(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino);

struct ext4_listed {
    uint32_t ino;
    uint32_t type; /* as in st_mode; 0: not known without a look at the inode */
    const char *name;
    uint8_t length;
};
/** Takes one name; false: it has no room for it, and is told again in the next call. */
typedef bool ext4_each(void *context, uint64_t position, const struct ext4_listed *entry);
/** Lists names from *position on (0: from the start), which moves behind the last that was taken.
 *  `each` is told the position behind the name. @return 1 if there may be more, 0 at the end. A name
 *  that exists all the time is listed once, whatever is made and removed between two calls. */
int64_t ext4_readdir(struct ext4 *fs, uint32_t dir, uint64_t *position, ext4_each *each,
                     void *context);

/** What a new inode is to be. mode has its type; major and minor are for devices. */
struct ext4_new {
    uint32_t mode, uid, gid, major, minor;
};
/** Makes a file, directory, device, FIFO or socket under a free name: -EEXIST. */
int64_t ext4_create(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                    const struct ext4_new *new, uint32_t *ino);
int64_t ext4_symlink(struct ext4 *fs, uint32_t dir, const char *name, size_t length,
                     const char *target, size_t target_bytes, const struct ext4_new *new,
                     uint32_t *ino);
/** A file without a name (O_TMPFILE), near `dir`; ext4_link gives it one, ext4_evict ends it. */
int64_t ext4_tmpfile(struct ext4 *fs, uint32_t dir, const struct ext4_new *new, uint32_t *ino);
int64_t ext4_link(struct ext4 *fs, uint32_t ino, uint32_t dir, const char *name, size_t length);
/** Removes a name. *ino is the inode's number; if its nlink is 0 now it waits for ext4_evict. */
int64_t ext4_unlink(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino);
int64_t ext4_rmdir(struct ext4 *fs, uint32_t dir, const char *name, size_t length, uint32_t *ino);

struct ext4_rename {
    uint32_t from_dir, to_dir;
    const char *from, *to;
    size_t from_length, to_length;
    bool no_replace; /* -EEXIST if `to` is there */
    bool
        exchange; /* `to` is there, and becomes the name of what `from` stands for, and vice versa */
};
/** *replaced: the inode that `to` named, as after ext4_unlink; 0: none. */
int64_t ext4_rename(struct ext4 *fs, const struct ext4_rename *names, uint32_t *replaced);
/** @return the length of the link's target, of which at most `bytes` bytes were copied. */
int64_t ext4_readlink(struct ext4 *fs, uint32_t ino, char *to, size_t bytes);

/* ---- contents (map.c, file.c) ---------------------------------------------------------------- */

/** A stretch of a file, in blocks. */
struct ext4_run {
    uint64_t block;    /* the first, in the file */
    uint64_t count;    /* 0: behind the end of what is mapped */
    uint64_t physical; /* on the device; 0: a hole */
    bool unwritten;    /* allocated, reads as zero */
};
/** What holds `block`, and how many blocks from there on are alike: at most `count`. */
int64_t ext4_map(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                 struct ext4_run *run);
/** The same, where a hole becomes unwritten blocks, in one piece if there is one. The caller writes
 *  them, and the zeros around what it has, and says so with ext4_written when that is done. */
int64_t ext4_map_for_write(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count,
                           struct ext4_run *run);
/** The blocks hold data now. The size becomes at least `size`; mtime and ctime are set. */
int64_t ext4_written(struct ext4 *fs, uint32_t ino, uint64_t block, uint64_t count, uint64_t size);

/** Reading and writing through device->wait, for who has no page cache of its own. @return bytes. */
int64_t ext4_read(struct ext4 *fs, uint32_t ino, uint64_t offset, void *to, uint64_t bytes);
int64_t ext4_write(struct ext4 *fs, uint32_t ino, uint64_t offset, const void *from,
                   uint64_t bytes);
/** Sets the size. What is cut off is freed, and the rest of the last block is zero (device->wait). */
int64_t ext4_truncate(struct ext4 *fs, uint32_t ino, uint64_t size);
/** Allocates [offset, offset + bytes); what was not there reads as zero. */
int64_t ext4_fallocate(struct ext4 *fs, uint32_t ino, uint64_t offset, uint64_t bytes,
                       bool keep_size);
/** Makes [offset, offset + bytes) read as zero and frees the whole blocks in it. */
int64_t ext4_punch(struct ext4 *fs, uint32_t ino, uint64_t offset, uint64_t bytes);

#endif
