/* SPDX-License-Identifier: MIT */
/*
 * FIFOs: pipes with a name. fs gives every opener the same region and counts the open ends in its
 * first page (struct fs_fifo); the ring that the openers run lies behind it.
 *
 * Opening waits for the other side: until it has been opened more often than when fs opened our end.
 */
#include "parcel.h"
#include "stream.h"

#include <lib/linux/signal.h>
#include <lib/linux/termios.h>

static_assert(FS_FIFO_PAGES == 2 + RING_PAGES, "a FIFO's region: counts, header, ring");

static struct fs_fifo *fifo_counts(const struct file *f)
{
    const struct stream *s = f->state;

    return (struct fs_fifo *)s->va;
}

static int64_t fifo_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)offset;
    return stream_take(stream_in(f), user, bytes, atomic_load(&fifo_counts(f)->writers) == 0);
}

static int64_t fifo_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)offset;
    if (atomic_load(&fifo_counts(f)->readers) == 0) {
        signal_raise(SIGPIPE);
        return -EPIPE;
    }
    return stream_put_bytes(stream_out(f), user, bytes);
}

static uint32_t fifo_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct fs_fifo *counts = fifo_counts(f);
    uint32_t ready = 0;

    /* The word first (an acquire, at least), then what it speaks of: proofs/memory/protocols/fs_words.py. */
    if (w)
        waiter_add(w, &counts->change, atomic_load(&counts->change));
    if (stream_in(f) && file_can_read(f)) {
        ready |= stream_poll_in(stream_in(f), w);
        /* A FIFO that no writer ever opened has not been hung up. */
        if (atomic_load(&counts->writers) == 0 && atomic_load(&counts->writers_opened) != 0)
            ready |= POLL_HUP;
    }
    if (stream_out(f) && file_can_write(f)) {
        ready |= stream_poll_out(stream_out(f), w);
        if (atomic_load(&counts->readers) == 0)
            ready |= POLL_ERR | POLL_OUT;
    }
    return ready & (events | POLL_HUP | POLL_ERR);
}

static int64_t fifo_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    return request == FIONREAD ? user_write32(arg, ring_used(stream_in(f))) : -ENOTTY;
}

static int64_t fifo_stat(struct file *f, struct fs_stat *out)
{
    return path_ops.stat(f, out);
}

static void fifo_release(struct file *f)
{
    if (f->state)
        stream_put(f->state);
}

static const struct file_ops fifo_ops = {
    .read = fifo_read,
    .write = fifo_write,
    .poll = fifo_poll,
    .ioctl = fifo_ioctl,
    .stat = fifo_stat,
    .release = fifo_release,
    .parcel = PARCEL_FILE,
};

/* Waits until somebody has the other end, or has had it since we came. `before` is what fs counted then: a
 * count that is read here may have in it a partner who came, wrote and left since. */
static int64_t other_side_wait(const struct file *f, bool reading, uint32_t before)
{
    struct fs_fifo *counts = fifo_counts(f);
    _Atomic uint32_t *opened = reading ? &counts->writers_opened : &counts->readers_opened;
    int64_t result = 0;

    while (result == 0) {
        /* The word first, then what it speaks of: proofs/memory/protocols/fs_words.py. */
        uint32_t change = atomic_load(&counts->change);
        struct waiter w;

        if (atomic_load(opened) != before)
            break;
        waiter_init(&w, EXO_FOREVER);
        waiter_add(&w, &counts->change, change);
        result = waiter_sleep(&w);
    }
    return result;
}

int64_t fifo_open(struct file *f, uint32_t flags)
{
    uint32_t mode = flags & O_ACCMODE;
    struct exo_message m = {EXO_TAG(FS_FIFO_END, 0, 0), {0, 0, 0, 0}};
    exo_cap region = 0;
    int64_t result = server_call_caps(f->caps[0], &m, &region, 1);
    struct stream *s = result >= 0 && region ? stream_map(region, FS_FIFO_PAGES) : 0;

    if (!s)
        return result < 0 ? result : -ENOMEM;
    f->ops = &fifo_ops;
    stream_attach(f, s, stream_ring(s->va + EXO_PAGE_SIZE, 0),
                  stream_ring(s->va + EXO_PAGE_SIZE, 0));
    if (mode == O_RDWR)
        return 0;
    if (flags & O_NONBLOCK)
        return mode == O_WRONLY && atomic_load(&fifo_counts(f)->readers) == 0 ? -ENXIO : 0;
    return other_side_wait(f, mode == O_RDONLY, (uint32_t)m.w[1]);
}
