/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: the table that gives each open file of a process its small numbers.
 *
 * A table belongs to a process (context), the files in it to the address space. The first 64
 * numbers are published for /proc/PID/fd, entry i for number i, at every change.
 */
#include "files.h"

#include <linux_abi.h>

#define RLIMIT_NOFILE       7
#define FIRST_TABLE         32u
#define PUBLISHED_FDS       64u
#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

/* ---- publishing -------------------------------------------------------------------------------- */

static void fd_publish(struct process *p, uint32_t fd)
{
    struct proc_shared *shared = p->shared;
    struct file *f;

    if (fd >= PUBLISHED_FDS || !shared)
        return;
    f = fd < p->fd_limit ? p->fds[fd].file : 0;
    if (f) {
        memcpy(shared->fds[fd].name, file_name(f), FILE_NAME_BYTES);
        shared->fds[fd].flags = file_flags(f) | (p->fds[fd].cloexec ? O_CLOEXEC : 0);
        shared->fds[fd].fd = (int32_t)fd;
        if (fd >= shared->fd_count)
            shared->fd_count = fd + 1;
    } else {
        shared->fds[fd].fd = -1;
        if (fd + 1 == shared->fd_count)
            shared->fd_count = fd;
    }
}

void publish_files(struct process *p)
{
    p->shared->fd_count = 0;
    for (uint32_t fd = 0; fd < PUBLISHED_FDS; fd++)
        fd_publish(p, fd);
    memcpy(p->shared->cwd, p->cwd_path, sizeof p->shared->cwd);
    p->shared->root[0] = '/';
    p->shared->root[1] = 0;
}

/* ---- numbers ----------------------------------------------------------------------------------- */

struct file *fd_file(uint64_t fd)
{
    struct process *p = current();

    return (uint32_t)fd < p->fd_limit ? p->fds[(uint32_t)fd].file : 0;
}

/* One above the highest number that the process may use. */
static uint32_t fd_end(const struct process *p)
{
    uint64_t limit = p->rlimits[RLIMIT_NOFILE][0];

    return limit < POSIX_NOFILE ? (uint32_t)limit : POSIX_NOFILE;
}

/* Makes the table long enough for number `fd`. */
static bool table_grow(struct process *p, uint32_t fd)
{
    uint32_t limit = p->fd_limit ? p->fd_limit : FIRST_TABLE;
    struct descriptor *table;

    if (fd < p->fd_limit)
        return true;
    while (limit <= fd)
        limit *= 2;
    table = heap_zeroed(limit, sizeof *table);
    if (!table)
        return false;
    if (p->fds)
        memcpy(table, p->fds, p->fd_limit * sizeof *table);
    heap_free(p->fds);
    p->fds = table;
    p->fd_limit = limit;
    return true;
}

static void number_set(struct process *p, uint32_t fd, struct file *f, bool cloexec)
{
    p->fds[fd].file = f;
    p->fds[fd].cloexec = cloexec;
    fd_publish(p, fd);
}

static void number_clear(struct process *p, uint32_t fd)
{
    struct file *f = p->fds[fd].file;

    number_set(p, fd, 0, false);
    file_put(f);
}

int64_t fd_add(struct file *f, uint32_t from, bool cloexec)
{
    struct process *p = current();
    uint32_t fd = from, end = fd_end(p);

    while (fd < p->fd_limit && p->fds[fd].file)
        fd++;
    if (fd >= end || !table_grow(p, fd)) {
        file_put(f);
        return fd >= end ? -EMFILE : -ENOMEM;
    }
    number_set(p, fd, f, cloexec);
    return fd;
}

int64_t fd_install(uint32_t fd, struct file *f, bool cloexec)
{
    struct process *p = current();

    if (fd >= POSIX_NOFILE || !table_grow(p, fd)) {
        file_put(f);
        return fd >= POSIX_NOFILE ? -EBADF : -ENOMEM;
    }
    if (p->fds[fd].file)
        number_clear(p, fd);
    number_set(p, fd, f, cloexec);
    return fd;
}

int64_t fd_close(struct process *p, uint32_t fd)
{
    if (fd >= p->fd_limit || !p->fds[fd].file)
        return -EBADF;
    number_clear(p, fd);
    return 0;
}

int64_t fd_add_pair(struct file *files[2], uint64_t user, bool cloexec)
{
    int64_t first = fd_add(files[0], 0, cloexec), second;
    uint32_t fds[2];

    if (first < 0) {
        file_put(files[1]);
        return first;
    }
    second = fd_add(files[1], 0, cloexec);
    if (second < 0) {
        fd_close(current(), (uint32_t)first);
        return second;
    }
    fds[0] = (uint32_t)first;
    fds[1] = (uint32_t)second;
    if (user_write(user, fds, sizeof fds) < 0) {
        fd_close(current(), fds[0]);
        fd_close(current(), fds[1]);
        return -EFAULT;
    }
    return 0;
}

/* ---- the calls --------------------------------------------------------------------------------- */

DEFINE_CALL1(close, fd)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    lock_close(f);
    return fd_close(current(), (uint32_t)fd);
}

DEFINE_CALL1(dup, fd)
{
    struct file *f = fd_file(fd);

    return f ? fd_add(file_get(f), 0, false) : -EBADF;
}

static int64_t dup_to(uint64_t fd, uint64_t to, bool cloexec)
{
    struct file *f = fd_file(fd);

    if (!f || (uint32_t)to >= fd_end(current()))
        return -EBADF;
    return fd_install((uint32_t)to, file_get(f), cloexec);
}

DEFINE_CALL2(dup2, fd, to)
{
    if ((uint32_t)fd == (uint32_t)to)
        return fd_file(fd) ? (int64_t)(uint32_t)fd : -EBADF;
    return dup_to(fd, to, false);
}

DEFINE_CALL3(dup3, fd, to, flags)
{
    if ((uint32_t)fd == (uint32_t)to || ((uint32_t)flags & ~(uint32_t)O_CLOEXEC))
        return -EINVAL;
    return dup_to(fd, to, (uint32_t)flags == O_CLOEXEC);
}

DEFINE_CALL3(close_range, first, last, flags)
{
    struct process *p = current();
    uint32_t from = (uint32_t)first, to = (uint32_t)last;

    if (from > to || ((uint32_t)flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
        return -EINVAL;
    /* No two processes share a table here, so that there is nothing to unshare. */
    for (uint32_t fd = from; fd <= to && fd < p->fd_limit; fd++) {
        if (!p->fds[fd].file)
            continue;
        if ((uint32_t)flags & CLOSE_RANGE_CLOEXEC)
            p->fds[fd].cloexec = true;
        else
            number_clear(p, fd);
    }
    return 0;
}

/* The flags that F_SETFL may change. */
#define SETTABLE_FLAGS ((uint32_t)(O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME))

static int64_t fcntl_set_flags(struct file *f, uint32_t flags)
{
    uint32_t old = file_flags(f);

    if (flags & (O_ASYNC | O_DIRECT) & ~old)
        return -EINVAL; /* no SIGIO; nothing is direct */
    atomic_store(&f->ofd->flags, (old & ~SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS));
    return 0;
}

static int64_t fcntl_dup(struct file *f, uint64_t from, bool cloexec)
{
    if (from >= fd_end(current()))
        return -EINVAL;
    return fd_add(file_get(f), (uint32_t)from, cloexec);
}

static int64_t fcntl_pipe(struct file *f, uint32_t command, uint64_t argument)
{
    if (f->kind != FILE_PIPE)
        return -EBADF;
    return command == F_SETPIPE_SZ ? pipe_resize(f, (uint32_t)argument) : pipe_size(f);
}

static int64_t fcntl_seal(struct file *f, uint32_t seals)
{
    int64_t result = regular_seals(f, seals, false);

    return result < 0 ? result : 0;
}

static int64_t fcntl_file(struct file *f, uint64_t fd, uint32_t command, uint64_t argument)
{
    struct descriptor *d = &current()->fds[(uint32_t)fd];

    switch (command) {
    case F_DUPFD: return fcntl_dup(f, argument, false);
    case F_DUPFD_CLOEXEC: return fcntl_dup(f, argument, true);
    case F_GETFD: return d->cloexec ? FD_CLOEXEC : 0;
    case F_SETFD: d->cloexec = (argument & FD_CLOEXEC) != 0; return 0;
    case F_GETFL: return linux_open_flags(file_flags(f) | O_LARGEFILE);
    case F_SETFL: return fcntl_set_flags(f, linux_open_flags((uint32_t)argument));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return lock_fcntl(f, command, argument);
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ: return fcntl_pipe(f, command, argument);
    case F_GET_SEALS: return regular_seals(f, 0, false);
    case F_ADD_SEALS: return fcntl_seal(f, (uint32_t)argument);
    case F_GETOWN: return 0;
    default: return -EINVAL;
    }
}

DEFINE_CALL3(fcntl, fd, command, argument)
{
    struct file *f = fd_file(fd);
    uint32_t what = (uint32_t)command;

    if (!f)
        return -EBADF;
    if ((file_flags(f) & O_PATH) && what != F_DUPFD && what != F_DUPFD_CLOEXEC && what != F_GETFD &&
        what != F_SETFD && what != F_GETFL)
        return -EBADF;
    return fcntl_file(f, fd, what, argument);
}

/* ---- life of a process ------------------------------------------------------------------------- */

void fds_start(struct process *p)
{
    p->fds = 0;
    p->fd_limit = 0;
    p->cwd = p->root = 0; /* fs's root */
    p->cwd_path[0] = '/';
    p->cwd_path[1] = 0;
    if (ofd_start() < 0)
        exo_env_destroy(0, -ENOMEM);
}

int64_t fds_share(struct process *to, struct process *from)
{
    to->fds = 0;
    to->fd_limit = 0;
    if (from->fd_limit && !table_grow(to, from->fd_limit - 1))
        return -ENOMEM;
    for (uint32_t fd = 0; fd < from->fd_limit; fd++) {
        to->fds[fd] = from->fds[fd];
        if (to->fds[fd].file)
            file_get(to->fds[fd].file);
    }
    to->cwd = from->cwd ? file_get(from->cwd) : 0;
    to->root = from->root ? file_get(from->root) : 0;
    return 0;
}

void fds_exec(struct process *p)
{
    for (uint32_t fd = 0; fd < p->fd_limit; fd++) {
        if (p->fds[fd].file && p->fds[fd].cloexec)
            number_clear(p, fd);
    }
    file_bounce_reset();
}

/* When the environment goes with the process the kernel drops the capabilities by itself, but some
 * time after the exit. What a peer can notice goes now: whoever has waited for us must find the
 * ends of our pipes closed. */
static void file_abandon(struct file *f, uint64_t unused)
{
    (void)unused;
    if (f->kind == FILE_PIPE || f->kind == FILE_SOCKET || f->kind == FS_FIFO) {
        for (uint32_t i = 0; i < 4; i++)
            cap_drop(&f->caps[i]);
    }
    if (f->kind == FS_REGULAR)
        lock_close(f);
    ofd_put(f->ofd);
}

void fds_end(struct process *p, bool environment_goes)
{
    if (environment_goes) {
        file_each(file_abandon, 0);
        return;
    }
    for (uint32_t fd = 0; fd < p->fd_limit; fd++) {
        if (p->fds[fd].file)
            number_clear(p, fd);
    }
    heap_free(p->fds);
    p->fds = 0;
    p->fd_limit = 0;
    if (p->cwd)
        file_put(p->cwd);
    if (p->root)
        file_put(p->root);
    p->cwd = p->root = 0;
}

static void file_share(struct file *f, uint64_t slot)
{
    ofd_share(f->ofd, (uint32_t)slot);
}

static void file_unshare(struct file *f, uint64_t slot)
{
    ofd_unshare(f->ofd, (uint32_t)slot);
}

int64_t fds_fork(uint32_t slot, int32_t pid)
{
    ofd_row_take(slot, pid);
    file_each(file_share, slot);
    return 0;
}

void fds_fork_undo(uint32_t slot, int32_t pid)
{
    (void)pid;
    file_each(file_unshare, slot);
}

void fds_forked(struct process *p)
{
    file_bounce_reset();
    ofd_row_use(p->slot);
    file_recount(p);
}
