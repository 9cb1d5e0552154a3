/* SPDX-License-Identifier: MIT */
/*
 * fs, the server of names and files: the structures that its files share.
 *
 * One thread serves one request after another, so nothing here needs a lock, and a pointer to an
 * inode stays good for the length of a request. Beyond it, an inode lives as long as it has a name
 * (nlink) or a user (refs): an open file, or a directory below it.
 *
 * All calls into the kernel are behind port.h; everything else is plain C that the unit tests run
 * on the host. Results are >= 0 or a negative Linux errno.
 */
#ifndef FS_H
#define FS_H

#include <exo/types.h>
#include <exo/utcb.h>
#include <lib/linux/errno.h>
#include <lib/linux/fcntl.h>
#include <lib/linux/inotify.h>
#include <lib/linux/stat.h>
#include <lib/undo.h>
#include <proto/fs.h>
#include <proto/proc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_BYTES   255u  /* the longest name */
#define PATH_BYTES   4095u /* the longest path, and symbolic link */
#define LINKS_FOLLOW 40u   /* symbolic links that one path may go through */
#define PAGE         ((uint64_t)EXO_PAGE_SIZE)

/* Marks bytes of kept memory that are written without the log, because it does not matter what they
 * are if the transaction is lost; the unit tests let no others change. */
#ifdef EXO_HOST_TEST
void unlogged(const void *at, size_t bytes);
#else
static inline void unlogged(const void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}
#endif

struct entry;
struct fifo;
struct inode;
struct notifier;
struct open_file;
struct request;
struct watch;

/* ---- who asks (caller.c) --------------------------------------------------------------------- */

/* The credentials of a caller, from proc's table. Servers are root. */
struct caller {
    uint32_t uid, gid;              /* of file access */
    const struct proc_entry *entry; /* 0: a server */
};
#define SERVER_SLOT UINT32_MAX

extern const struct proc_entry *process_table; /* PROC_MAX entries; 0: not there yet */

int64_t caller_identify(struct caller *who, uint64_t badge);
bool caller_in_group(const struct caller *who, uint32_t gid);
/* May `who` do `want` (R_OK | W_OK | X_OK) to the inode? 0 or -EACCES. */
int64_t caller_may(const struct caller *who, const struct inode *inode, uint32_t want);
/* Is `who` root or the owner? 0 or -EPERM. */
int64_t caller_owns(const struct caller *who, const struct inode *inode);

/* ---- volumes: trees with a device number of their own (volume.c) ----------------------------- */

#define DISK_VOLUMES 8u

enum volume {
    VOLUME_ROOT,
    VOLUME_DEV,
    VOLUME_PTS,
    VOLUME_SHM,
    VOLUME_PROC,
    VOLUME_SYS,
    VOLUME_DISK, /* the first of those */
    VOLUMES = VOLUME_DISK + DISK_VOLUMES
};

struct volume_info {
    const char *type, *source, *path, *options;
    uint64_t magic;
    bool read_only;
};
extern const struct volume_info volumes[VOLUMES];
extern struct inode *volume_roots[VOLUMES];
bool volume_is_read_only(const struct inode *inode);
#define VOLUME_DEVICE(volume) ((uint64_t)(volume) + 21) /* st_dev: 0:21 ... */

/* Makes the directories and nodes that exist without an archive; after the archive was read. */
int64_t volumes_make(void);
/* A device node, made or found by its path. */
int64_t volume_device(const char *path, uint32_t mode, uint32_t gid, uint64_t rdev);

/* ---- disks (disk.c) -------------------------------------------------------------------------- */

/* Makes the nodes of disks and partitions; after the volumes. */
void disks_find(void);

/* ---- runs of pages (runs.c) ------------------------------------------------------------------ */

/* Which pages of a file exist: sorted, disjoint, never touching [start, end). */
struct runs {
    struct run {
        uint64_t start, end;
    } first, *more; /* `first` is used while there is one run or none */
    uint32_t count, limit;
    uint64_t pages; /* the sum */
};
int64_t runs_add(struct runs *r, uint64_t start, uint64_t end);
int64_t runs_cut(struct runs *r, uint64_t start, uint64_t end);
bool runs_have(const struct runs *r, uint64_t page);
void runs_drop(struct runs *r);

/* ---- inodes (inode.c) ------------------------------------------------------------------------ */

/* Where the contents of a regular file are. A file begins in the archive, in the heap, or on a disk. It
 * moves into a region when it is lent or grows past HEAP_FILE_BYTES, or is read from the disk. */
enum store { STORE_HEAP, STORE_ARCHIVE, STORE_REGION, STORE_DISK };
#define HEAP_FILE_BYTES 32768u

struct contents {
    uint64_t size;
    enum store store;
    uint32_t capacity; /* heap: bytes allocated; disk: pages that are no holes */
    uint8_t *bytes;    /* heap and archive */
    exo_cap region;
    struct runs runs; /* region: data pages that were written */
    uint64_t limit;   /* region: pages that may be touched */
    uint64_t generation, sequence;
    bool lent;                 /* somebody may be looking at the state page */
    bool lent_writable;        /* a holder may have written anywhere in the region */
    bool shares_page;          /* archive: its last page holds another file's data too */
    bool lock_waiters;         /* somebody sleeps until a lock is given up */
    bool reads_watched;        /* reads are to come as messages */
    bool sealable;             /* a memfd that may have ... */
    uint8_t seals;             /* ... these: F_SEAL_* */
    exo_cap writer;            /* sealable: what it lends for writing is derived from this one; 0 */
    struct written *written;   /* on a disk: what is not there yet (writeback.c) */
    struct inode *next, *prev; /* of those that have a region */
};

struct inode {
    uint64_t ino;
    uint32_t mode, uid, gid, nlink;
    uint32_t refs;
    uint8_t volume;
    bool mount_root;                     /* cannot be removed or renamed */
    bool transient;                      /* of procfs: lives for a request, or while it is open */
    bool listed;                         /* on the list that inode_sweep empties */
    bool unfilled;                       /* a directory of a disk: its names were not read yet */
    uint64_t atime, mtime, ctime, btime; /* nanoseconds since 1970 */
    uint64_t rdev;                       /* devices */
    struct lock *locks;
    struct watch *watches; /* of inotify */
    struct inode *next_transient;
    union {
        struct contents file;
        struct {
            struct inode *up;           /* the directory above; holds a reference */
            struct entry *self;         /* its only name; 0: removed, or a root */
            struct entry *first, *last; /* in order of creation */
            uint64_t next_position;
            struct inode *cover; /* the root of what is mounted over it */
            uint32_t count;
            uint32_t removals; /* a cursor into the list is good while this is the same */
        } dir;
        struct {
            char *target;
            uint32_t length;
        } link;
        struct fifo *fifo;
        exo_cap listener; /* AF_UNIX: region of who bound it */
        struct synthetic {
            char *target; /* as in `link`: a synthetic link has both */
            uint32_t length;
            uint32_t node;     /* index in procfs's tables */
            uint32_t slot;     /* of the process */
            int32_t pid, item; /* item: thread or descriptor */
            bool reader;       /* the process is the one that reads this */
        } synthetic;
    };
};

extern uint64_t inode_count, inode_limit;

/* A new inode without a name. @return 0 if there are too many, or no memory. */
struct inode *inode_make(uint32_t mode, uint32_t uid, uint32_t gid, enum volume volume);
/* Another, for procfs: it is gone when the request ends, unless it was opened. */
struct inode *inode_make_transient(uint32_t mode, uint32_t uid, uint32_t gid, uint64_t ino);
void inode_hold(struct inode *inode);
void inode_release(struct inode *inode); /* gives a reference back */
void inode_unused(struct inode *inode);  /* frees it if it has neither name nor user */
void inode_sweep(void);                  /* ends a request: frees the transient ones */
void inode_stat(const struct inode *inode, struct fs_stat *out);
enum fs_kind inode_kind(const struct inode *inode);
void inode_changed(struct inode *inode);               /* ctime */
void inode_modified(struct inode *inode);              /* mtime and ctime */
void inode_written(struct inode *inode, bool by_root); /* contents changed: times, set-id bits */
void inode_accessed(struct inode *inode);              /* atime, as "relatime" has it */
int64_t inode_set_target(struct inode *inode, const char *target, size_t bytes);

/* ---- seals (seal.c) -------------------------------------------------------------------------- */

/* May the file get this size, and (`write`) its bytes change? -EPERM */
int64_t seal_allows(const struct inode *inode, uint64_t size, bool write);
/* As port_region_loan, of the file's region. */
int64_t seal_lend(struct inode *inode, uint32_t rights);
void seal_region_gone(struct contents *file);

/* ---- names (tree.c) -------------------------------------------------------------------------- */

struct entry {
    struct entry *chain;       /* hash */
    struct entry *next, *prev; /* of the directory */
    struct inode *dir, *inode;
    uint64_t position; /* for readdir; grows along the list */
    uint32_t hash;
    uint8_t length;
    bool removed;   /* from the tree; kept, with its directory, for its users */
    uint16_t users; /* files that were opened by this name: at most FILES_MAX */
    char *name;     /* `text`, or the heap */
    char text[28];
};

void tree_init(uint64_t buckets_wanted, const uint64_t secret[2]);
struct entry *tree_find(const struct inode *dir, const char *name, size_t length);
/* Gives `inode` a name; counts links. The name must be free. -ENOSPC */
int64_t tree_add(struct inode *dir, const char *name, size_t length, struct inode *inode);
void tree_remove(struct entry *entry); /* counts links; the inode may go */
/* Puts another inode behind a name (rename). The name of a directory must be its only one. */
void tree_swap(struct entry *a, struct entry *b);
int64_t tree_move(struct entry *entry, struct inode *dir, const char *name, size_t length);
/* An open file remembers by which name it was opened, for inotify. */
static inline void tree_name_hold(struct entry *entry)
{
    SET(entry->users, entry->users + 1);
}
void tree_name_gone(struct entry *entry);
static inline void tree_name_release(struct entry *entry)
{
    SET(entry->users, entry->users - 1);
    if (entry->users == 0 && entry->removed)
        tree_name_gone(entry);
}
/* `root` is found where `dir` was, and ".." leads above it from there. */
void tree_cover(struct inode *dir, struct inode *root);
/* `root`, a volume's without names below it, gives `dir` free again, and may go. */
void tree_uncover(struct inode *dir, struct inode *root);
/* Takes a name out that can be read again from where it came: counts no links. */
void tree_forget(struct entry *entry);
bool tree_below(const struct inode *inode, const struct inode *top); /* top itself included */
extern struct inode *tree_root;

/* ---- paths (path.c) -------------------------------------------------------------------------- */

struct walk {
    struct inode *dir; /* where the last name is, or would be; 0: the path ends in / . or .. */
    const char *name;
    uint32_t length;
    bool slash;          /* something that must be a directory */
    bool dots;           /* ends in "." or ".." */
    struct entry *entry; /* 0 in procfs, and where there is nothing */
    struct inode *inode; /* 0: the name is free */
};
#define WALK_FOLLOW 1u /* go through a symbolic link at the end */
#define WALK_EMPTY  2u /* an empty path names the base itself */
#define WALK_PARENT \
    4u /* for making, removing and renaming: never through a link at the end, not
                          even if a slash follows; walk->slash tells of it */

/* Finds a path from `base`. The name at the end may be free: then inode is 0 and the answer 0. */
int64_t path_walk(struct walk *walk, const struct caller *who, struct inode *base, const char *path,
                  size_t bytes, uint32_t flags);
/* The same, but the end must exist (-ENOENT). Sets q->via. */
int64_t path_find(struct inode **found, struct request *q, uint64_t base, const char *path,
                  size_t bytes, uint32_t flags);
/* Writes the path of a directory. @return its length; -ENOENT (removed), -ENAMETOOLONG. */
int64_t path_of(const struct inode *dir, char *to, size_t bytes);

/* ---- requests (request.c) ----------------------------------------------------------------------- */

/* One call. `msg` and `reply` are the same memory: a handler reads all of msg before it replies. */
struct request {
    struct caller who;
    struct open_file *file; /* for calls with a file badge */
    struct entry *via;      /* the name by which path_find got there, if it was by one */
    uint64_t w[4];
    const char *msg;
    uint32_t bytes;
    exo_cap got; /* the capability that came along; a handler that keeps it clears it */
    exo_cap got_more[EXO_MSG_CAPS - 1]; /* and those behind it */

    uint64_t r[4]; /* the answer: r[0] is the handler's result */
    char *reply;
    uint32_t reply_bytes;
    exo_cap give;
    uint32_t give_mode;
    exo_cap give_more[EXO_MSG_CAPS - 1]; /* behind `give`, in the same mode, up to the first 0 */
};
typedef int64_t handler(struct request *q);

/* Serves one call with `tag`; q holds the message and gets the answer. `badge`: where the kernel writes
 * that of each call. */
void request_serve(struct request *q, volatile uint64_t *badge, uint64_t tag);
/* The inode that a file number stands for; 0: the root. -EBADF */
int64_t request_base(uint64_t number, struct inode **base);
handler fs_open, fs_stat, fs_access, fs_readlink, fs_mkdir, fs_mknod, fs_unlink, fs_link,
    fs_symlink, fs_rename, fs_chmod, fs_chown, fs_utimes, fs_truncate, fs_statfs, fs_getcwd,
    fs_sync, fs_mount, fs_umount, fs_socket_bind, fs_socket_connect, fs_parcel_box, fs_parcel_put,
    fs_parcel_take, fs_parcel_drop;
handler file_read, file_write, file_lend, file_fstat, file_ftruncate, file_fallocate, file_readdir,
    file_fsync, file_lock, file_fifo, file_extent, file_services, file_seal;
handler fs_watch_open, fs_watch_add, file_watch_page, file_watch_remove, file_watch_read;

/* ---- open files (file.c) --------------------------------------------------------------------- */

#define FILES_MAX  6000u /* at a time */
#define FILES_ROOT 200u  /* of which root alone may take the last ones */

struct open_file {
    uint64_t number; /* low bits: its id; the others unguessable. 0: not open */
    struct inode *inode;
    exo_cap handle; /* the minted endpoint that is lent; kept when the file is closed */
    uint32_t id;
    uint32_t flags;            /* O_* */
    bool root;                 /* root opened it: its writes keep set-id bits */
    struct caller who;         /* opened it; procfs answers by this */
    struct entry *via;         /* the name by which it was opened; 0: none, or a directory's */
    struct notifier *notifier; /* 0: not an inotify instance */
    struct open_file *next_free;
    struct entry *cursor; /* readdir: the entry at cursor_position, while cursor_removals holds */
    uint64_t cursor_position;
    uint32_t cursor_removals;
    uint32_t partners;   /* of an end of a FIFO: w1 of FS_FIFO_END */
    uint32_t text_bytes; /* procfs: the snapshot */
    char *text;
};
#define FILE_ID_BITS 20

void files_init(const uint8_t seed[32]);
/* Opens an inode. -ENFILE, -ENOMEM */
int64_t file_make(struct open_file **made, struct inode *inode, uint32_t flags,
                  const struct caller *who);
void files_random(void *to, size_t bytes); /* unpredictable */
struct open_file *file_of_number(uint64_t number);
struct open_file *file_of_badge(uint64_t badge);
/* The next open file after this one; 0: the first, and after the last. */
const struct open_file *file_next(const struct open_file *file);
void file_close(struct open_file *file);
void file_childless(exo_cap handle); /* nobody holds it any more */
void files_map(void);                /* in a new life: see recover.c */
void files_recover(void);
/* Is a file of the volume open; `written`: to be written? */
bool files_are_open(enum volume volume, bool written);
/* The answer to a call that opened it. */
void file_reply(struct request *q, const struct open_file *file, bool created);
/* Open files that came by name `a` have name `b` from now on, and (if not 0) the other way round. */
void files_swap_names(struct entry *a, struct entry *b);

/* ---- contents of regular files (data.c) ------------------------------------------------------ */

#define REGION_PAGES ((uint64_t)1 << 28) /* the state page and 1 TiB less a page of data */
#define FILE_BYTES   ((REGION_PAGES - 1) * PAGE)

extern uint64_t heap_file_bytes, heap_file_limit;

int64_t data_read(struct inode *inode, uint64_t offset, void *to, uint64_t bytes);
int64_t data_write(struct inode *inode, uint64_t offset, const void *from, uint64_t bytes);
int64_t data_resize(struct inode *inode, uint64_t size);
/* Makes sure that there is a region. */
int64_t data_region(struct inode *inode);
/* The same, and from now on its state page is kept true for those who look at it. */
int64_t data_lend(struct inode *inode, bool writable);
int64_t data_allocate(struct inode *inode, uint64_t offset, uint64_t bytes, bool keep_size);
int64_t data_punch(struct inode *inode, uint64_t offset, uint64_t bytes);
void data_drop(struct inode *inode);
/* Does somebody besides fs hold contents of a file of the volume? */
bool data_is_held(enum volume volume);
void data_touched(struct inode *inode); /* after size or times changed: renews the state page */
void data_publish(struct inode *inode); /* after the commit: writes it */
void data_recover(void);                /* in a new life */
uint64_t data_pages(const struct inode *inode);
/* Asks those who look at the contents to read by messages, so that reads are noticed. */
void data_watch_reads(struct inode *inode);

/* ---- inotify (notify.c) ---------------------------------------------------------------------- */

/* Of one user who is not root, as on Linux (/proc/sys/fs/inotify). */
#define USER_INSTANCES 128u
#define USER_WATCHES   8192u
#define EVENTS_MAX     16384u /* in the queue of one instance */

extern uint32_t notify_watches; /* that exist: while 0, nobody needs to be told anything */

void notify_watched_file(const struct inode *inode, const struct entry *via, uint32_t mask);
void notify_watched_name(const struct inode *dir, const char *name, uint32_t length, uint32_t mode,
                         uint32_t mask, uint32_t cookie);
void notify_watched_self(const struct inode *inode, uint32_t mask);
void notify_gone(struct inode *inode); /* it is about to be freed */
void notify_closed(struct notifier *notifier);
void notify_publish(struct notifier *notifier); /* after the commit: tells its readers */
void notify_map(struct notifier *notifier);     /* in a new life: maps its page again */
uint32_t notify_cookie(void);                   /* ties the two events of a rename together */
/* Does anybody want to hear of reads from a file with this name? */
bool notify_reads(const struct inode *inode, const struct entry *via);

/* Something was done to what a file is: tells who watches it, or the directory of its name. */
static inline void notify_file(const struct inode *inode, const struct entry *via, uint32_t mask)
{
    if (notify_watches)
        notify_watched_file(inode, via, mask);
}
/* A name was made, removed or moved in a directory, of an inode with `mode`. */
static inline void notify_name(const struct inode *dir, const char *name, uint32_t length,
                               uint32_t mode, uint32_t mask, uint32_t cookie)
{
    if (dir->watches)
        notify_watched_name(dir, name, length, mode, mask, cookie);
}
/* What concerns the inode alone. */
static inline void notify_self(const struct inode *inode, uint32_t mask)
{
    if (inode->watches)
        notify_watched_self(inode, mask);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* archive.c: fills the tree from newc archives, one behind another. @return entries, or -EINVAL. */
int64_t archive_read(uint8_t *base, uint64_t bytes);
extern uint8_t *archive_base;

/* lock.c */
void lock_release_file(struct open_file *file);
void lock_publish(struct inode *inode); /* after the commit: wakes who waits for a lock */
/* fifo.c */
int64_t fifo_opened(struct open_file *file);
void fifo_closed(struct open_file *file);
void fifo_drop(struct inode *inode);
void fifo_publish(struct fifo *fifo); /* after the commit: tells its openers */
void fifo_map(struct inode *inode);   /* in a new life: maps its page again */

/* names.c */
int64_t name_create(struct walk *walk, const struct caller *who, uint32_t mode,
                    struct inode **made);

/* procfs (proc.c): lookup and listing of synthetic directories, text of synthetic files. */
struct inode *proc_find(struct inode *dir, const struct caller *who, const char *name,
                        size_t length);
/* The entry at or after *position, which moves there: name, ino, mode. `first`: of a request.
 * @return the name's length, 0 at the end. */
size_t proc_list(struct inode *dir, bool first, uint64_t *position, char *name, uint64_t *ino,
                 uint32_t *mode);
int64_t proc_text(struct inode *inode, const struct caller *who, char *to, size_t bytes);
/** Text written to a file, which is a command to it: `bytes`; -EINVAL, and what the command meets. */
int64_t proc_write(struct inode *inode, const char *text, uint64_t bytes);
/** The capability behind a file; -ENOTTY: there is none. `control`: more than to read. */
int64_t proc_capability(const struct inode *inode, bool control);
int64_t proc_target(struct inode *link, const struct caller *who); /* sets link.target */
int64_t proc_path_of(const struct inode *dir, char *to, size_t bytes);
struct inode *proc_up(struct inode *dir);
int64_t proc_may_open(const struct inode *inode, const struct caller *who);

#endif
