/* SPDX-License-Identifier: MIT */
/*
 * Pipes: a ring in a region of its own, and a pair that tells each side when the other is gone.
 *
 * Making a pipe takes a region (17 pages, empty until used) and a pair; from then on data moves
 * without the kernel, and the kernel is entered only to sleep and to wake a sleeper. Each end is
 * held by one capability a process; fork copies it, close deletes it, and death drops it, so that
 * the count of holders is the kernel's, and exact. That the other side is gone is always looked at
 * before the ring (an acquire: proofs/memory/protocols/ring.py), so no byte is lost at the end.
 */
#include "parcel.h"
#include "stream.h"

#include <lib/format.h>
#include <lib/linux/signal.h>
#include <lib/linux/termios.h>

#define PIPE_PAGES (1 + RING_PAGES)

/* ---- tries --------------------------------------------------------------------------------------- */

static int64_t pipe_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    struct ring *r = stream_in(f);

    (void)offset;
    return stream_take(r, user, bytes, atomic_load(&r->writer_gone) != 0);
}

static int64_t pipe_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    struct ring *r = stream_out(f);

    (void)offset;
    if (atomic_load(&r->reader_gone)) {
        signal_raise(SIGPIPE);
        return -EPIPE;
    }
    return stream_put_bytes(r, user, bytes);
}

static uint32_t reader_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct ring *r = stream_in(f);
    uint32_t ready;

    if (w)
        waiter_add(w, &r->writer_gone, 0);
    ready = stream_poll_in(r, w);
    if (atomic_load(&r->writer_gone))
        ready |= POLL_HUP;
    return ready & (events | POLL_HUP);
}

static uint32_t writer_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct ring *r = stream_out(f);
    uint32_t ready;

    if (w)
        waiter_add(w, &r->reader_gone, 0);
    ready = stream_poll_out(r, w);
    if (atomic_load(&r->reader_gone))
        ready |= POLL_ERR | POLL_OUT;
    return ready & (events | POLL_ERR);
}

static uint32_t reader_watch(struct file *f, const _Atomic uint64_t **units)
{
    units[0] = RING_INPUT(stream_in(f));
    return 1;
}

static uint32_t writer_watch(struct file *f, const _Atomic uint64_t **units)
{
    units[0] = RING_OUTPUT(stream_out(f));
    return 1;
}

static struct ring *pipe_ring(const struct file *f)
{
    return file_can_write(f) ? stream_out(f) : stream_in(f);
}

int64_t pipe_size(const struct file *f)
{
    return ring_size(pipe_ring(f));
}

int64_t pipe_resize(struct file *f, uint32_t bytes)
{
    struct ring *r = pipe_ring(f);
    uint32_t size = RING_ATOMIC;

    if (bytes > (uint32_t)INT32_MAX)
        return -EINVAL;
    if (bytes > RING_BYTES)
        return -EPERM;
    while (size < bytes)
        size *= 2;
    if (ring_used(r) > size)
        return -EBUSY;
    atomic_store(&r->withheld, RING_BYTES - size);
    return size;
}

static int64_t pipe_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    const struct ring *r = stream_in(f) ? stream_in(f) : stream_out(f);

    return request == FIONREAD ? user_write32(arg, ring_used(r)) : -ENOTTY;
}

static int64_t pipe_stat(struct file *f, struct fs_stat *out)
{
    stream_stat(f, S_IFIFO | 0600, out);
    return 0;
}

static void pipe_release(struct file *f)
{
    if (f->state)
        stream_put(f->state);
}

static void pipe_pack(struct file *f, struct parcel *p)
{
    const struct stream *s = f->state;

    p->caps[1] = s->region;
    p->text.words[0] = f->ops->write != 0;
}

static const struct file_ops reader_ops = {
    .read = pipe_read,
    .poll = reader_poll,
    .ioctl = pipe_ioctl,
    .stat = pipe_stat,
    .release = pipe_release,
    .parcel = PARCEL_PIPE,
    .pack = pipe_pack,
    .watch = reader_watch,
};
static const struct file_ops writer_ops = {
    .write = pipe_write,
    .poll = writer_poll,
    .ioctl = pipe_ioctl,
    .stat = pipe_stat,
    .release = pipe_release,
    .parcel = PARCEL_PIPE,
    .pack = pipe_pack,
    .watch = writer_watch,
};

int64_t pipe_unpack(struct file *f, struct parcel *p)
{
    bool writes = p->text.words[0] != 0;
    struct stream *s = p->caps[1] ? stream_map(p->caps[1], PIPE_PAGES) : 0;
    struct ring *r;

    p->caps[1] = 0;
    if (!s)
        return -ENOMEM;
    r = stream_ring(s->va, 0);
    f->caps[0] = p->caps[0];
    p->caps[0] = 0;
    f->kind = FILE_PIPE;
    f->ops = writes ? &writer_ops : &reader_ops;
    stream_attach(f, s, writes ? 0 : r, writes ? r : 0);
    return 0;
}

/* ---- making one ---------------------------------------------------------------------------------- */

/* The region with its mapping, and the capabilities of its two ends. */
static struct stream *pipe_region(exo_cap ends[2])
{
    int64_t region = exo_region_create(0, PIPE_PAGES, 1);
    struct stream *s = region < 0 ? 0 : stream_map((exo_cap)region, PIPE_PAGES);

    if (s && exo_pair_create(s->region, offsetof(struct ring, reader_gone),
                             offsetof(struct ring, writer_gone), ends) < 0) {
        stream_put(s);
        return 0;
    }
    return s;
}

/* One end; takes over one use of s, and the capability. */
static struct file *pipe_end(const struct file_ops *ops, uint32_t flags, struct stream *s,
                             exo_cap end)
{
    struct ring *r = stream_ring(s->va, 0);
    struct file *f = file_new(ops, FILE_PIPE, flags);

    if (!f) {
        cap_drop(&end);
        stream_put(s);
        return 0;
    }
    f->caps[0] = end;
    stream_attach(f, s, ops->read ? r : 0, ops->write ? r : 0);
    return f;
}

/* Two files, read end first. */
static int64_t pipe_make(struct file *files[2], uint32_t flags)
{
    exo_cap ends[2];
    struct stream *s = pipe_region(ends);
    char name[FILE_NAME_BYTES];

    if (!s)
        return -ENFILE;
    s->users = 2;
    files[0] = pipe_end(&reader_ops, O_RDONLY | flags, s, ends[0]);
    files[1] = pipe_end(&writer_ops, O_WRONLY | flags, s, ends[1]);
    if (!files[0] || !files[1]) {
        if (files[0])
            file_put(files[0]);
        if (files[1])
            file_put(files[1]);
        return -ENFILE;
    }
    files[0]->ino = files[1]->ino = stream_number();
    format_text(name, sizeof name, "pipe:[%llu]", (unsigned long long)files[0]->ino);
    file_name_set(files[0], name);
    file_name_set(files[1], name);
    return 0;
}

static int64_t pipe_fds(uint64_t user, uint32_t flags)
{
    struct file *files[2];
    int64_t result;

    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK)) /* no O_DIRECT packets */
        return -EINVAL;
    result = pipe_make(files, flags & O_NONBLOCK);
    return result < 0 ? result : fd_add_pair(files, user, (flags & O_CLOEXEC) != 0);
}

DEFINE_CALL1(pipe, user)
{
    return pipe_fds(user, 0);
}

DEFINE_CALL2(pipe2, user, flags)
{
    return pipe_fds(user, (uint32_t)flags);
}
