/* SPDX-License-Identifier: MIT */
/*
 * inotify: what happens to files, read from a descriptor.
 *
 * fs keeps the watches and the queue of events; an instance is one of its open files. Here is the
 * descriptor: read fetches events by messages, and a sleeper watches a word of the page that fs
 * lends with the instance. What the page says may lag behind what this process has just done (fs
 * learns of a close from the kernel), so whoever finds nothing there asks fs before he believes it.
 * That is also why epoll asks at every look.
 */
#include "files.h"
#include "window.h"

#include <lib/linux/inotify.h>
#include <lib/linux/termios.h>

/* struct file: caps[0] the instance, caps[1] its page, state: where the page is mapped. */

static const struct fs_watch_page *inotify_page(const struct file *f)
{
    return f->state;
}

/* The bytes that are queued, by fs's own word. */
static int64_t inotify_queued(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_WATCH_READ, 0, 0), {1, 0, 0, 0}};
    int64_t result = server_call(f->caps[0], &m);

    return result < 0 ? result : (int64_t)m.w[1];
}

static int64_t inotify_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t done = 0, queued = 1;

    (void)offset;
    while (queued) {
        uint64_t room = bytes - done < FS_IO_BYTES ? bytes - done : FS_IO_BYTES;
        struct exo_message m = {EXO_TAG(FS_WATCH_READ, 0, 0), {0, room, 0, 0}};
        int64_t got = server_call(f->caps[0], &m);

        if (got > (int64_t)room)
            got = -EIO;
        if (got > 0 && user_write(user + done, exo_utcb()->msg, (uint64_t)got) < 0)
            got = -EFAULT;
        if (got < 0)
            return done ? (int64_t)done : got;
        done += (uint64_t)got;
        queued = m.w[1];
    }
    return (int64_t)done;
}

static uint32_t inotify_poll(struct file *f, uint32_t events, struct waiter *w)
{
    const struct fs_watch_page *page = inotify_page(f);
    bool any;

    /* The word first (an acquire, at least), then the bytes: proofs/memory/protocols/fs_words.py. */
    if (w)
        waiter_add(w, &page->change, atomic_load(&page->change));
    any = atomic_load(&page->bytes) != 0 || (!w && inotify_queued(f) > 0);
    return any ? events & POLL_IN : 0;
}

static int64_t inotify_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    int64_t queued;

    if (request != FIONREAD)
        return -ENOTTY;
    queued = inotify_queued(f);
    return queued < 0 ? queued : user_write32(arg, (uint32_t)queued);
}

/* As on Linux: an offset that nothing moves. */
static int64_t inotify_seek(struct file *f, int64_t offset, int whence)
{
    (void)f, (void)offset, (void)whence;
    return 0;
}

static int64_t inotify_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 4, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static void inotify_release(struct file *f)
{
    if (f->state)
        window_free((uint64_t)f->state, 1);
    f->state = 0;
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .seek = inotify_seek,
    .ioctl = inotify_ioctl,
    .stat = inotify_stat,
    .release = inotify_release,
};

static int64_t page_map(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_WATCH_PAGE, 0, 0), {0, 0, 0, 0}};
    int64_t result = server_call_caps(f->caps[0], &m, &f->caps[1], 1);
    uint64_t va;

    if (result < 0)
        return result;
    va = f->caps[1] ? window_place(1) : 0;
    if (!va)
        return -ENOMEM;
    if (exo_map(0, va, 1, f->caps[1], 0, EXO_MAP_READ | EXO_MAP_EAGER) < 0) {
        window_free(va, 0);
        return -ENOMEM;
    }
    f->state = (void *)va;
    return 0;
}

static int64_t instance_open(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_WATCH_OPEN, 0, 0), {0, 0, 0, 0}};
    int64_t result = server_call_caps(current()->fs, &m, &f->caps[0], 1);

    if (result < 0)
        return result;
    f->number = ((const struct fs_open_reply *)(const void *)exo_utcb()->msg)->number;
    return f->caps[0] ? page_map(f) : -ENFILE;
}

static int64_t inotify_make(uint32_t flags)
{
    struct file *f;
    int64_t result;

    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    f = file_new(&inotify_ops, FILE_INOTIFY, O_RDONLY | (flags & O_NONBLOCK));
    if (!f)
        return -ENFILE;
    result = instance_open(f);
    if (result < 0) {
        file_put(f);
        return result;
    }
    file_name_set(f, "anon_inode:inotify");
    return fd_add(f, 0, (flags & O_CLOEXEC) != 0);
}

DEFINE_CALL1(inotify_init1, flags)
{
    return inotify_make((uint32_t)flags);
}

DEFINE_CALL0(inotify_init)
{
    return inotify_make(0);
}

DEFINE_CALL3(inotify_add_watch, fd, user, mask)
{
    struct file *f;
    struct path path;

    if (((uint32_t)mask & ~IN_KNOWN) || (uint32_t)mask == 0)
        return -EINVAL;
    f = fd_file(fd);
    if (!f)
        return -EBADF;
    if (f->ops != &inotify_ops)
        return -EINVAL;
    path_from(&path, (uint64_t)AT_FDCWD, user);
    return path_call(&path, FS_WATCH_ADD, (uint32_t)mask, f->number, 0);
}

DEFINE_CALL2(inotify_rm_watch, fd, wd)
{
    struct file *f = fd_file(fd);
    struct exo_message m = {EXO_TAG(FS_WATCH_REMOVE, 0, 0), {(uint32_t)wd, 0, 0, 0}};

    if (!f)
        return -EBADF;
    return f->ops == &inotify_ops ? server_call(f->caps[0], &m) : -EINVAL;
}
