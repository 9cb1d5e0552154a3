/* SPDX-License-Identifier: MIT */
/*
 * Files without a name: eventfd, and memfd_create.
 *
 * An eventfd is nothing but its open file description: the count is the description's offset, which
 * all processes that inherited it see, changed by single atomic steps and slept on like any word.
 * Its sleepers' flag and the count are sequentially consistent on both sides, as a ring's are
 * (proofs/memory/protocols/eventfd.py). A memfd is a file of fs that never had a name.
 */
#include "files.h"
#include "parcel.h"

#include <lib/format.h>

#define EFD_SEMAPHORE 1u
#define COUNT_MAX     (UINT64_MAX - 1)

/* ofd.pad: [0] somebody sleeps, [1] EFD_SEMAPHORE. */
static _Atomic uint32_t *event_waited(const struct file *f)
{
    return (_Atomic uint32_t *)(void *)&f->ofd->pad[0];
}

static void event_changed(struct file *f)
{
    if (atomic_load(event_waited(f)) && atomic_exchange(event_waited(f), 0))
        exo_wake(&f->ofd->offset, UINT32_MAX);
}

static int64_t event_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t count, taken;

    (void)offset;
    if (bytes < sizeof count)
        return -EINVAL;
    count = atomic_load(&f->ofd->offset);
    do {
        if (count == 0)
            return -EAGAIN;
        taken = f->ofd->pad[1] ? 1 : count;
        if (user_write64(user, taken) < 0)
            return -EFAULT;
    } while (!atomic_compare_exchange_weak(&f->ofd->offset, &count, count - taken));
    event_changed(f);
    return sizeof count;
}

static int64_t event_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t count, more;

    (void)offset;
    if (bytes < sizeof more)
        return -EINVAL;
    if (user_read64(&more, user) < 0)
        return -EFAULT;
    if (more > COUNT_MAX)
        return -EINVAL;
    count = atomic_load(&f->ofd->offset);
    do {
        if (more > COUNT_MAX - count)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&f->ofd->offset, &count, count + more));
    event_changed(f);
    return sizeof more;
}

static uint32_t event_poll(struct file *f, uint32_t events, struct waiter *w)
{
    const _Atomic uint32_t *halves = (const _Atomic uint32_t *)(const void *)&f->ofd->offset;
    uint64_t count;
    uint32_t ready = 0;

    if (w) {
        atomic_store(event_waited(f), 1);
        waiter_add(w, &halves[0], atomic_load(&halves[0]));
        waiter_add(w, &halves[1], atomic_load(&halves[1]));
    }
    count = atomic_load(&f->ofd->offset);
    if (count > 0)
        ready |= POLL_IN;
    if (count < COUNT_MAX)
        ready |= POLL_OUT;
    return ready & events;
}

static uint32_t event_watch(struct file *f, const _Atomic uint64_t **units)
{
    units[0] = &f->ofd->offset;
    return 1;
}

static int64_t event_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 2, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static const struct file_ops event_ops = {
    .read = event_read,
    .write = event_write,
    .poll = event_poll,
    .stat = event_stat,
    .watch = event_watch,
    .parcel = PARCEL_EVENT,
};

int64_t event_unpack(struct file *f, struct parcel *p)
{
    (void)p;
    f->ops = &event_ops;
    return 0;
}

static int64_t event_make(uint64_t count, uint32_t flags)
{
    struct file *f;

    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    f = file_new(&event_ops, FILE_EVENT, O_RDWR | (flags & O_NONBLOCK));
    if (!f)
        return -ENFILE;
    atomic_store(&f->ofd->offset, count);
    f->ofd->pad[1] = flags & EFD_SEMAPHORE;
    file_name_set(f, "anon_inode:[eventfd]");
    return fd_add(f, 0, (flags & O_CLOEXEC) != 0);
}

DEFINE_CALL2(eventfd2, count, flags)
{
    return event_make((uint32_t)count, (uint32_t)flags);
}

DEFINE_CALL1(eventfd, count)
{
    return event_make((uint32_t)count, 0);
}

/* ---- memfd_create -------------------------------------------------------------------------------- */

#define MFD_CLOEXEC    1u
#define MFD_SEALS      2u /* MFD_ALLOW_SEALING */
#define MEMFD_NAME_MAX 249u

static int64_t memfd_open(const char *name, bool sealable, struct file **out)
{
    char text[64];
    int64_t result = file_open("/dev/shm", O_TMPFILE | O_RDWR, 0777, out);

    if (result < 0)
        return result;
    if (sealable && (result = regular_seals(*out, 0, true)) < 0) {
        file_put(*out);
        return result;
    }
    format_text(text, sizeof text, "/memfd:%.48s", name);
    file_name_set(*out, text);
    return 0;
}

DEFINE_CALL2(memfd_create, user, flags)
{
    char name[MEMFD_NAME_MAX + 1];
    struct file *f;
    int64_t result;

    if ((uint32_t)flags & ~(MFD_CLOEXEC | MFD_SEALS))
        return -EINVAL;
    result = user_string(name, user, sizeof name);
    if (result < 0)
        return result == -ENAMETOOLONG ? -EINVAL : result;
    result = memfd_open(name, ((uint32_t)flags & MFD_SEALS) != 0, &f);
    return result < 0 ? result : fd_add(f, 0, ((uint32_t)flags & MFD_CLOEXEC) != 0);
}
