/* SPDX-License-Identifier: MIT */
/*
 * pidfd: a process as a descriptor, which never comes to mean another process.
 *
 * The file holds the slot of proc's published table, the pid, and the start time that was there; as
 * long as all three agree it is that process. proc wakes the state word of a record when its
 * process ends, which makes the descriptor readable.
 */
#include "files.h"
#include "parcel.h"
#include "core.h"

/* struct file: number is the pid, extra[0] the slot, extra[1] the start time. */

static const struct proc_entry *pidfd_entry(const struct file *f)
{
    const struct proc_entry *e = &process_table()[f->extra[0]];

    return e->pid == (int32_t)f->number && e->start_ns == f->extra[1] ? e : 0;
}

static bool pidfd_ended(const struct file *f)
{
    const struct proc_entry *e = pidfd_entry(f);
    uint32_t state = e ? e->state : PROC_FREE;

    return state == PROC_ZOMBIE || state == PROC_FREE;
}

static uint32_t pidfd_poll(struct file *f, uint32_t events, struct waiter *w)
{
    const struct proc_entry *e = &process_table()[f->extra[0]];

    if (w) {
        const _Atomic uint32_t *state = (const _Atomic uint32_t *)(const void *)&e->state;

        waiter_add(w, state, atomic_load(state));
    }
    return pidfd_ended(f) ? events & POLL_IN : 0;
}

static int64_t pidfd_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 5, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .stat = pidfd_stat,
    .parcel = PARCEL_PID,
};

int64_t pidfd_unpack(struct file *f, struct parcel *p)
{
    f->extra[0] = p->text.words[0] % PROC_MAX;
    f->extra[1] = p->text.words[1];
    f->ops = &pidfd_ops;
    return 0;
}

int64_t pidfd_pid(uint64_t fd, bool *nonblocking)
{
    const struct file *f = fd_file(fd);

    if (!f || f->ops != &pidfd_ops)
        return -EBADF;
    *nonblocking = file_nonblocking(f);
    return pidfd_entry(f) ? (int64_t)f->number : -ECHILD;
}

DEFINE_CALL2(pidfd_open, pid, flags)
{
    const struct proc_entry *e;
    struct file *f;

    if (((uint32_t)flags & ~(uint32_t)O_NONBLOCK) || (int32_t)pid <= 0)
        return -EINVAL;
    e = process_find((int32_t)pid);
    if (!e)
        return -ESRCH;
    f = file_new(&pidfd_ops, FILE_OTHER, O_RDWR | ((uint32_t)flags & O_NONBLOCK));
    if (!f)
        return -ENFILE;
    f->number = (uint32_t)pid;
    f->extra[0] = (uint64_t)(e - process_table());
    f->extra[1] = e->start_ns;
    file_name_set(f, "anon_inode:[pidfd]");
    return fd_add(f, 0, true);
}

/* A directory of procfs stands for its process, too: that one is gone when nothing is found there. */
static int64_t directory_pid(uint64_t fd)
{
    static const char top[] = "/proc/";
    const struct file *f = fd_file(fd);
    struct path path = {.text = "stat"};
    int64_t pid = 0;

    if (!f || f->kind != FS_DIRECTORY || strncmp(file_name(f), top, sizeof top - 1) != 0)
        return -EBADF;
    for (const char *at = file_name(f) + sizeof top - 1; *at; at++) {
        if (*at < '0' || *at > '9' || pid > INT32_MAX / 10)
            return -EBADF;
        pid = pid * 10 + (*at - '0');
    }
    path.base = f->number;
    return path_call(&path, FS_STAT, 0, 0, 0) < 0 ? -ECHILD : pid;
}

DEFINE_CALL4(pidfd_send_signal, fd, signo, info, flags)
{
    bool nonblocking;
    int64_t pid = pidfd_pid(fd, &nonblocking);

    if (pid == -EBADF)
        pid = directory_pid(fd);

    if ((uint32_t)flags)
        return -EINVAL;
    if (pid < 0)
        return pid == -ECHILD ? -ESRCH : pid;
    return info ? posix_rt_sigqueueinfo((uint64_t)pid, signo, info, 0, 0, 0)
                : posix_kill((uint64_t)pid, signo, 0, 0, 0, 0);
}
