/* SPDX-License-Identifier: MIT */
/*
 * The protocol of `fs`, the server of names and files.
 *
 * Two kinds of caller badge. A *process badge* (below FS_BADGE_FILE) names the caller's slot in
 * proc's table: calls on paths, checked against its credentials. A *file badge* (bit 63) names one
 * open file: open answers with an endpoint capability minted for it, and whoever holds that may use
 * the file as it was opened. fs lends that capability (EXO_SEND_LEND), so the kernel tells it when
 * the last holder is gone, however it went.
 *
 * Contents of a regular file are lent, not sent: FS_LEND answers with the file's region. Page 0 of
 * the region is the state page (struct fs_state), the file's data begins at page 1. Reading is a
 * copy from the mapping; writing is a call.
 *
 * Paths: in msg[], not NUL-terminated, length in the tag. Relative paths start at directory
 * `base`, a file number from struct fs_open_reply.number (0: the root). A number is unguessable,
 * so it is proof that the directory was opened. An absolute path starts at `base` too: it is
 * then the caller's root, for this path and the links in it (after chroot; otherwise 0). FS_OPEN of
 * an empty path opens `base` itself anew. The reply's w0 is >= 0 or a negative Linux errno.
 */
#ifndef PROTO_FS_H
#define PROTO_FS_H

#include <exo/types.h>
#include <exo/utcb.h>
#include <stdint.h>

#define FS_BADGE_FILE 0x8000000000000000u
#define FS_IO_BYTES   4096u /* the most that one read or write message carries */

/* Page 0 of a lent region; fs writes, holders read. */
struct fs_state {
    _Atomic uint64_t size;
    _Atomic uint64_t generation; /* changes at each truncation */
    _Atomic uint64_t sequence;   /* changes at each write */
    _Atomic uint64_t mtime_ns, ctime_ns;
    _Atomic uint32_t reads_watched; /* not 0: somebody wants to hear of reads, so read by FS_READ */
    _Atomic uint32_t locks;         /* changes, and is woken, when a lock is given up: FS_LOCK */
};

/* Linux's struct stat for the file types, but one layout on all machines; the LibOS converts. */
struct fs_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, size, blocks;                     /* blocks of 512 */
    uint64_t atime_ns, mtime_ns, ctime_ns, btime_ns; /* since 1970, signed */
    uint32_t blksize, pad;
};
static_assert(sizeof(struct fs_stat) == 96, "ABI: fs_stat");

enum fs_kind {
    FS_REGULAR,
    FS_DIRECTORY,
    FS_DEVICE,
    FS_FIFO,
    FS_SOCKET,
    FS_SYMBOLIC,
    FS_SYNTHETIC /* procfs files: read by FS_READ only */
};

/* Device numbers that the LibOS serves by itself or takes to tty (Linux's numbers). */
#define FS_DEV(major, minor) ((uint64_t)(major) << 8 | (minor))
#define FS_DISK_MAJOR        254u /* minors: 16 for each disk, the first of them all of it */

/* In msg[] of FS_OPEN's reply. */
struct fs_open_reply {
    uint64_t number;  /* the file, as base for paths, FS_STATX_NUMBER ... */
    uint32_t kind;    /* enum fs_kind */
    uint32_t created; /* 1 if O_CREAT made it */
    struct fs_stat stat;
};

enum fs_op {
    /* ---- with a process badge ---- */
    /* w0: base; w1: Linux open flags; w2: mode (umask already applied); msg: path.
     * Reply: struct fs_open_reply, and 1 capability: the file's endpoint (rights CALL|GRANT). */
    FS_OPEN = 1,
    FS_STAT,     /* w0: base; w1: AT_SYMLINK_NOFOLLOW 0x100, AT_EMPTY_PATH 0x1000; reply fs_stat */
    FS_ACCESS,   /* w0: base; w1: mode R4 W2 X1; w2: AT_EACCESS 0x200 | NOFOLLOW */
    FS_READLINK, /* w0: base; reply msg: target */
    FS_MKDIR,    /* w0: base; w1: mode */
    FS_MKNOD,    /* w0: base; w1: mode with type; w2: rdev */
    FS_UNLINK,   /* w0: base; w1: AT_REMOVEDIR 0x200 */
    FS_LINK,     /* w0: base of old; w1: base of new; w2: bytes of old in msg, new follows;
                    w3: AT_SYMLINK_FOLLOW 0x400, AT_EMPTY_PATH */
    FS_SYMLINK,  /* w0: base; w2: bytes of target in msg, link path follows */
    FS_RENAME,   /* as LINK; w3: RENAME_NOREPLACE 1, EXCHANGE 2 */
    FS_CHMOD,    /* w0: base; w1: mode; w2: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
    FS_CHOWN,    /* w0: base; w1: uid | gid << 32 (0xffffffff: keep); w2: flags */
    FS_UTIMES, /* w0: base; w1: atime ns; w2: mtime ns (signed; UINT64_MAX: now, UINT64_MAX-1: keep);
                    w3: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
    FS_TRUNCATE, /* w0: base; w1: size */
    FS_STATFS,   /* w0: base (an empty path: of the base itself); reply struct fs_statfs */
    FS_GETCWD,   /* w0: number of a directory; reply msg: its absolute path */
    FS_MOUNT, /* root only. w0: base of the target; w1: base of the source; w2: bytes of the source in
                    msg; w3: MS_* | bytes of the type << 32; type and target follow */
    FS_UMOUNT, /* root only. w0: base; w1: MNT_FORCE, UMOUNT_NOFOLLOW. -EBUSY: somebody uses it */
    FS_SYNC,   /* w0: 0; 1: and nothing is written to disks from now on (servers only) */
    FS_SOCKET_BIND,    /* w0: base; w1: mode; 1 capability: the listener's region (with GRANT).
                          Makes the socket's inode; -EADDRINUSE if the name is taken. w2: 1: an
                          abstract name, whose path begins with 0; it ends when the word at the
                          region's begin is not 0, or fs alone holds the region */
    FS_SOCKET_CONNECT, /* w0: base; w2 as BIND; reply 1 capability: the listener's region */
    FS_WATCH_OPEN, /* a new inotify instance: -EMFILE (for this user), -ENFILE. Reply as FS_OPEN */
    FS_WATCH_ADD,  /* w0: base; w1: IN_* mask; w2: number of the instance; reply w0: the watch */

    /* Descriptors on their way between processes (SCM_RIGHTS), in boxes. Whoever knows the key of a
     * box may use it. A box is given up when its region has no holder but fs. */
    FS_PARCEL_BOX,  /* 1 capability: the region of the socket. Reply: w1 = key, never 0 */
    FS_PARCEL_PUT,  /* w0: key; w1: 0, or the number of the parcel that this is to follow; msg:
                       FS_PARCEL_BYTES at most; capabilities: the descriptor's. Reply: w1 = the
                       number. -ETOOMANYREFS */
    FS_PARCEL_TAKE, /* w0: key; w1: number. Reply: the first that was put under this number */
    FS_PARCEL_DROP, /* w0: key; w1: number: all that is left under it; 0: the whole box */

    /* ---- with a file badge (fchmod, fchown, futimes: the calls above, on an empty path with
     * AT_EMPTY_PATH and base = the file's number, so that the caller's credentials count) ---- */
    FS_READ = 64, /* w0: offset; w1: bytes <= FS_IO_BYTES; reply msg: data, w0 = bytes, w1 = size.
                     FS_SYNTHETIC: offset 0 makes the text anew, other offsets read the same text */
    FS_WRITE, /* w0: offset (UINT64_MAX: append); w3: a number that the writer uses for no other write,
                     or 0; msg: data; reply w0 = bytes, w1 = new offset,
                     w2 = new size */
    FS_LEND,      /* w0: EXO_MAP_* wanted; reply 1 capability: the region with these rights (READ
                     always, and GRANT), w1 = size. Absent pages of it fill with zeros */
    FS_FSTAT,     /* reply fs_stat */
    FS_FTRUNCATE, /* w0: size */
    FS_FALLOCATE, /* w0: mode; w1: offset; w2: bytes <= FS_FALLOCATE_BYTES */
    FS_READDIR,   /* w0: position; w1: room, 280 .. 4096 bytes; reply msg: struct linux_dirent64
                     records; w0 = bytes (0: end), w1 = position to go on with */
    FS_FSYNC,
    FS_LOCK,       /* w0: F_GETLK, F_SETLK, F_SETLKW, F_OFD_*, or FS_FLOCK; w1: F_RDLCK, F_WRLCK,
                     F_UNLCK; w2: first byte, w3: last byte (UINT64_MAX: eof); msg: int32 pid.
                     A conflict is -EAGAIN, and for F_GETLK: w1 type (F_UNLCK: none), w2, w3 range,
                     msg: int32 pid. Who wants to wait lends the file first, reads fs_state.locks,
                     tries, and sleeps on that word, at most a second (the holder of a lock may
                     have died, which the next try finds out) */
    FS_FIFO_END,   /* reply 1 capability: the region of the FIFO, FS_FIFO_PAGES pages, READ | WRITE.
                     Page 0 is struct fs_fifo, the others are the openers'. w1: the count of the other
                     side's opens, as it stood when this end was opened and without an end that was
                     open then: once it is another, the open has found its partner */
    FS_WATCH_PAGE, /* of an instance: reply 1 capability: struct fs_watch_page's region, READ */
    FS_WATCH_REMOVE, /* w0: the watch */
    FS_WATCH_READ,   /* w0: 1 to look only; w1: bytes <= FS_IO_BYTES; reply msg: whole struct
                        inotify_event records, w0 = bytes (0 if looking), w1 = bytes still queued.
                        -EAGAIN: there are none; -EINVAL: the first does not fit */
    FS_EXTENT, /* of a block device: reply 1 capability: an extent of proto/block.h with the rights of
                  this opening. -ENXIO: no device is there; -EROFS */
    FS_SERVICES, /* of /proc/exo/services: reply 1 capability: the table of services, for READ, and for
                    CONTROL too if this opening may write. Of another file: -ENOTTY */
    FS_SEAL,     /* w0: F_SEAL_* to add; w1: 1: an empty file without a name may have seals from now
                    on. Reply: w1 = its seals. -EPERM, -EBUSY: F_SEAL_WRITE while a loan for writing is
                    out; -EINVAL: not of a file in memory */
};

#define FS_PARCEL_BYTES    512u
#define FS_FLOCK           100u       /* FS_LOCK's w0 for flock(2) */
#define FS_FALLOCATE_BYTES (4u << 20) /* the most that one FS_FALLOCATE covers */

/* A flag of FS_OPEN beyond Linux's. */
#define FS_O_EXEC (1ull << 32) /* for execve: X is asked instead of R; regular files only */

/* Page 0 of a FIFO's region. fs writes it; `change` grows, and is woken, with each open and close.
 * A region lasts from the first open to the last close. */
struct fs_fifo {
    _Atomic uint32_t change;
    _Atomic uint32_t readers, writers;               /* ends open now */
    _Atomic uint32_t readers_opened, writers_opened; /* ever: what an open waits for */
};
#define FS_FIFO_PAGES 18u

/* The page of an inotify instance; fs writes, holders read. `change` grows, and is woken, with each
 * event that is queued. A close is an event once fs has heard of it from the kernel: fs knows of all
 * that the caller did before it makes a call (FS_WATCH_READ to look), the page perhaps not yet. */
struct fs_watch_page {
    _Atomic uint32_t change;
    _Atomic uint32_t bytes; /* queued */
};

struct fs_statfs {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags;
};

#endif
