/* SPDX-License-Identifier: MIT */
/*
 * signalfd: pending signals, read from a descriptor.
 *
 * The description's offset is the set of signals. A read takes them as sigtimedwait does: those of
 * the calling thread, then those of its process, whoever opened the file. Whoever sleeps here
 * mostly blocks the signals, so that none is delivered, which would end the sleep; what ends it is
 * process->signal_change, which counts when one becomes pending while signal_watched is set. proc's
 * event comes to any thread of the process; that one takes the signal over and so moves the word.
 *
 * epoll asks a signalfd at every look: what it says depends on the thread that asks.
 */
#include "files.h"
#include "parcel.h"
#include "core.h"

#define SIGINFO_BYTES 128u

/* Linux ABI: struct signalfd_siginfo. */
struct signalfd_siginfo {
    uint32_t signo;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t tid, band, overrun, trapno;
    int32_t status, value;
    uint64_t pointer;
    uint64_t user_time, system_time, address;
    uint8_t pad[48];
};
static_assert(sizeof(struct signalfd_siginfo) == SIGINFO_BYTES, "Linux ABI");

static uint64_t signalfd_set(const struct file *f)
{
    return atomic_load(&f->ofd->offset);
}

static void siginfo_fill(struct signalfd_siginfo *to, const struct proc_siginfo *from)
{
    bool of_system = from->code > 0 && from->code < SI_KERNEL;

    *to = (struct signalfd_siginfo){.signo = (uint32_t)from->signo, .code = from->code};
    if (from->code == SI_TIMER) {
        to->tid = (uint32_t)from->pid;
        to->overrun = from->uid;
    } else {
        to->pid = (uint32_t)from->pid;
        to->uid = from->uid;
    }
    if (of_system && from->signo == SIGCHLD) {
        to->status = (int32_t)from->value;
    } else if (of_system && from->pid == 0) {
        to->address = from->value; /* a fault */
    } else {
        to->value = (int32_t)from->value;
        to->pointer = from->value;
    }
}

static int64_t signalfd_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    struct thread *t = self();
    uint64_t set = signalfd_set(f), done = 0;
    struct signalfd_siginfo out;
    struct proc_siginfo info;

    (void)offset;
    if (bytes < sizeof out)
        return -EINVAL;
    signal_collect(t->process);
    while (bytes - done >= sizeof out && signal_take(t, set, &info)) {
        siginfo_fill(&out, &info);
        if (user_write(user + done, &out, sizeof out) < 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += sizeof out;
    }
    return done > 0 ? (int64_t)done : -EAGAIN;
}

static uint32_t signalfd_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct thread *t = self();
    struct process *p = t->process;

    signal_collect(p);
    if (w) {
        p->signal_watched = true;
        waiter_add(w, &p->signal_change, atomic_load(&p->signal_change));
    }
    return (t->pending | p->pending) & signalfd_set(f) ? events & POLL_IN : 0;
}

static int64_t signalfd_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 3, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .stat = signalfd_stat,
    .parcel = PARCEL_SIGNAL,
};

int64_t signalfd_unpack(struct file *f, struct parcel *p)
{
    (void)p;
    f->ops = &signalfd_ops;
    return 0;
}

static int64_t signalfd_make(uint64_t set, uint32_t flags)
{
    struct file *f = file_new(&signalfd_ops, FILE_SIGNAL, O_RDWR | (flags & O_NONBLOCK));

    if (!f)
        return -ENFILE;
    atomic_store(&f->ofd->offset, set);
    file_name_set(f, "anon_inode:[signalfd]");
    return fd_add(f, 0, (flags & O_CLOEXEC) != 0);
}

/* fd -1: a new one; else the set of an old one changes. */
static int64_t signalfd_do(int32_t fd, uint64_t user, uint64_t set_bytes, uint32_t flags)
{
    struct file *f;
    uint64_t set;

    if (set_bytes != sizeof set || (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    if (user_read64(&set, user) < 0)
        return -EFAULT;
    set &= ~SIGNALS_NEVER_BLOCKED;
    if (fd == -1)
        return signalfd_make(set, flags);
    f = fd_file((uint32_t)fd);
    if (!f)
        return -EBADF;
    if (f->ops != &signalfd_ops)
        return -EINVAL;
    atomic_store(&f->ofd->offset, set);
    signal_changed(current());
    return fd;
}

DEFINE_CALL4(signalfd4, fd, set, set_bytes, flags)
{
    return signalfd_do((int32_t)fd, set, set_bytes, (uint32_t)flags);
}

DEFINE_CALL3(signalfd, fd, set, set_bytes)
{
    return signalfd_do((int32_t)fd, set, set_bytes, 0);
}
