/* SPDX-License-Identifier: MIT */
/*
 * The descriptor half of the LibOS: what its files share. What the other half calls is in posix.h.
 *
 *   fdtable.c  numbers -> struct file, for one process      file.c   any kind: read, write, seek ...
 *   ofd.c      what processes share of an open file         window.c contents, mapped
 *   fsclient.c messages to fs                               open.c names.c attributes.c directory.c:
 *   regular.c device.c tty.c pipe.c socket.c event.c        the calls on paths
 *   signalfd.c timerfd.c pidfd.c inotify.c epoll.c: one kind each
 *   message.c record.c  sockets' messages                   parcel.c files to other processes
 *   poll.c   waiting for many
 *
 * Ownership: a struct file belongs to the address space and is counted (refs) by the descriptors of
 * all its processes, by mappings, and by calls that sleep on it. Its struct ofd is shared with the
 * other environments of the fork lineage. All of this is used under the image lock.
 */
#ifndef POSIX_FILES_H
#define POSIX_FILES_H

#include "posix.h"
#include <libos/exo/ipc.h>

#include <lib/heap.h>
#include <lib/linux/fcntl.h>
#include <lib/linux/stat.h>
#include <lib/string.h>
#include <stdatomic.h>

#define FILE_NAME_BYTES 56    /* as struct proc_shared.fds[].name */
#define PATH_BYTES      4096u /* Linux's PATH_MAX: the longest path, its NUL included */

/* The most that one read or write moves (Linux's MAX_RW_COUNT). */
#define FILE_IO_MAX 0x7ffff000u

/* ---- the table of open files (file.c) ---------------------------------------------------------- */

/* A new file with one reference and a description with these flags. 0: no memory, or no more
 * descriptions (-ENFILE is what to say). */
struct file *file_new(const struct file_ops *ops, uint32_t kind, uint32_t flags);

/* Calls `visit` for every file of the address space. */
void file_each(void (*visit)(struct file *f, uint64_t argument), uint64_t argument);

/* In the copy after a fork: counts the references of every file anew, from the process that is left
 * and the mappings, and closes what nobody here has. */
void file_recount(struct process *only);

/* What /proc/PID/fd says it is. */
void file_name_set(struct file *f, const char *name);
const char *file_name(const struct file *f);
char *file_name_room(struct file *f); /* FILE_NAME_BYTES */

/* How many epoll sets watch it (epoll.c). */
uint32_t *file_watchers(struct file *f);
void epoll_forget(struct file *f);

static inline uint32_t file_flags(const struct file *f)
{
    return atomic_load_explicit(&f->ofd->flags, memory_order_relaxed);
}
static inline bool file_nonblocking(const struct file *f)
{
    return (file_flags(f) & O_NONBLOCK) != 0;
}
static inline bool file_can_read(const struct file *f)
{
    return (file_flags(f) & (O_WRONLY | O_PATH)) == 0;
}
static inline bool file_can_write(const struct file *f)
{
    uint32_t flags = file_flags(f);

    return (flags & (O_WRONLY | O_RDWR)) != 0 && (flags & O_PATH) == 0;
}
/* POLL_* bits that hold now. */
static inline uint32_t file_poll(struct file *f, uint32_t events, struct waiter *w)
{
    return f->ops->poll ? f->ops->poll(f, events, w) : events & (POLL_IN | POLL_OUT);
}

/* Sleeps until one of `events` may hold: 0, -ERESTARTSYS, -ETIMEDOUT. */
int64_t file_wait(struct file *f, uint32_t events, exo_time deadline);

/* waiter_sleep for a waiter to which many files have added words: one that is full sleeps only for a
 * moment. 0 also then. */
int64_t waiter_sleep_crowded(struct waiter *w);

/* At the file's own offset if it has one, else at none; waits unless the file says not to. */
int64_t file_read(struct file *f, uint64_t user, uint64_t bytes);
int64_t file_write(struct file *f, uint64_t user, uint64_t bytes);
/* At an offset that the caller keeps. */
int64_t file_read_at(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset);
int64_t file_write_at(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset);

int64_t file_stat(struct file *f, struct fs_stat *out);

/* A page of program memory that no program uses, for moving bytes between two files: its address,
 * 0 if there is none. Its contents last until the next sleep. */
uint64_t file_bounce_page(void);
void file_bounce_reset(void); /* the program's memory is about to change hands */

/* ---- shared descriptions (ofd.c) --------------------------------------------------------------- */

struct ofd *ofd_new(uint32_t flags);
void ofd_put(struct ofd *d);
/* Offset of the description, to work with and to store back; nobody else changes it meanwhile. */
uint64_t ofd_offset_take(struct ofd *d);
void ofd_offset_store(struct ofd *d, uint64_t offset);
int64_t ofd_start(void);                      /* the first process makes the region */
void ofd_share(struct ofd *d, uint32_t slot); /* one more user: the environment of `slot` */
void ofd_unshare(struct ofd *d, uint32_t slot);
void ofd_row_take(uint32_t slot, int32_t pid); /* before the first ofd_share for it */
void ofd_row_use(uint32_t slot);               /* in the environment of `slot` itself */

/* A description travels: it has one more user, until it comes back, or arrives in a process that
 * takes that user over (0: it cannot). Its number is good in this lineage. */
uint64_t ofd_lineage(void);
uint32_t ofd_number(const struct ofd *d);
uint32_t ofd_depart(struct ofd *d);
void ofd_return(uint32_t number);
struct ofd *ofd_arrive(uint32_t number);

/* The calling process in claims (claim.h). */
uint32_t claim_own_name(void);

/* ---- descriptors (fdtable.c) ------------------------------------------------------------------- */

/* Puts f at the lowest free number >= from; takes over the caller's reference, also if it fails.
 * The number, or -EMFILE, -ENOMEM. */
int64_t fd_add(struct file *f, uint32_t from, bool cloexec);
int64_t fd_close(struct process *p, uint32_t fd);
/* Puts two files at free numbers and stores those at a program address; takes over the references,
 * also if it fails. */
int64_t fd_add_pair(struct file *files[2], uint64_t user, bool cloexec);

/* ---- locks on files (flock.c) ------------------------------------------------------------------ */

int64_t lock_fcntl(struct file *f, uint32_t command, uint64_t user);
/* A descriptor is being closed: POSIX drops all of the process's locks on the file then. */
void lock_close(struct file *f);

/* ---- servers (fsclient.c) ---------------------------------------------------------------------- */

/* A message to a server and back: its answer w0 >= 0, or a negative Linux errno. */
int64_t server_call(exo_cap endpoint, struct exo_message *m);
/* The same for an answer that brings up to `count` capabilities, stored at caps[] (0: did not come). */
int64_t server_call_caps(exo_cap endpoint, struct exo_message *m, exo_cap *caps, uint32_t count);
static inline void cap_drop(exo_cap *cap)
{
    if (*cap)
        exo_cap_delete(*cap, 0);
    *cap = 0;
}

/* Where a path lies (program or LibOS), and where a relative one starts. */
struct path {
    uint64_t user; /* program address, or 0: */
    const char *text;
    uint64_t base;      /* number of a directory */
    int64_t base_error; /* what a relative path answers if dirfd is unusable, else 0 */
    uint64_t length;    /* after path_put */
};
/* The path of a call's arguments (dirfd, path). */
void path_from(struct path *path, uint64_t dirfd, uint64_t user);
void path_from_text(struct path *path, const char *text);
/* Copies the path to utcb->msg from byte `at` on and settles its base: its length, or an errno. An
 * empty path is -ENOENT unless `empty`. */
int64_t path_put(struct path *path, uint64_t at, bool empty);
/* One call of fs on one path: op, and w1..w3; w0 is the base. */
int64_t path_call(struct path *path, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3);
/* The same for calls that take AT_EMPTY_PATH. */
/* Gives a file a second name. */
int64_t path_link(const char *old_name, const char *new_name);
int64_t path_call_empty(struct path *path, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3);
/* The same on an open file itself (empty path, AT_EMPTY_PATH where the op takes flags). */
int64_t number_call(uint64_t number, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3);

/* Brings a file to its disk (fsync); 0 is -EBADF. */
int64_t file_sync(struct file *f);

/* Opens; on success *out has one reference. `prefix`: what relative paths are relative to, for the
 * file's name in /proc; 0: an empty path is allowed and means the base itself. */
int64_t path_open_at(struct path *path, const char *prefix, uint32_t flags, uint32_t mode,
                     struct file **out);
int64_t path_open(struct path *path, uint32_t flags, uint32_t mode, struct file **out);

/* ---- kinds of file, for open.c ----------------------------------------------------------------- */

extern const struct file_ops regular_ops, synthetic_ops, directory_ops, path_ops, tty_ops,
    blockdev_ops;

/* The operations for a device, or 0: it is tty's or nobody's. */
const struct file_ops *device_ops(uint64_t rdev, uint32_t *kind);
bool tty_is_device(uint64_t rdev);
/** Takes the terminal's ways off an open terminal: only bytes out are left. */
void tty_to_stream(struct file *f);
/* Opens the terminal behind the device node: fills in ops and capabilities. */
int64_t tty_open(struct file *f, uint64_t rdev, uint32_t flags);
bool blockdev_is_device(uint64_t rdev);
/* Gets the extent of a block device that fs has opened. */
int64_t blockdev_open(struct file *f);
int64_t fifo_open(struct file *f, uint32_t flags);
/* How much a pipe holds; another size is rounded up, to at most what all begin with. */
int64_t pipe_size(const struct file *f);
int64_t pipe_resize(struct file *f, uint32_t bytes);
/* The state page of a regular file, 0 if fs does not lend it. */
const struct fs_state *regular_state(struct file *f);
/* Adds seals to a file (FS_SEAL): those that it has then, or an errno. */
int64_t regular_seals(struct file *f, uint64_t add, bool allow);
/* Reads from a file of fs into LibOS memory. */
int64_t file_load(struct file *f, void *to, uint64_t bytes, uint64_t offset);

/* Stores a struct stat at a program address (arch/MACHINE/linux_abi.h). */
int64_t stat_store(uint64_t user, const struct fs_stat *from);

#endif
