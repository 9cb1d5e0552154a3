/* SPDX-License-Identifier: MIT */
/* Rings in mapped regions; see stream.h and ring.h, and proofs/memory/protocols/ring.py for the orders
 * of their flags and positions. */
#include "claim.h"
#include "stream.h"
#include "window.h"

struct stream *stream_map(exo_cap region, uint64_t pages)
{
    struct stream *s = heap_alloc(sizeof *s);
    uint64_t va = s ? window_place(pages) : 0;

    if (va && exo_map(0, va, pages, region, 0, EXO_MAP_READ | EXO_MAP_WRITE) >= 0) {
        *s = (struct stream){va, pages, region, 1};
        return s;
    }
    if (va)
        window_free(va, 0);
    heap_free(s);
    cap_drop(&region);
    return 0;
}

void stream_put(struct stream *s)
{
    if (--s->users > 0)
        return;
    window_free(s->va, s->pages);
    cap_drop(&s->region);
    heap_free(s);
}

void stream_attach(struct file *f, struct stream *s, struct ring *in, struct ring *out)
{
    f->state = s;
    f->extra[0] = (uint64_t)in;
    f->extra[1] = (uint64_t)out;
}

uint8_t *stream_data(const struct ring *r)
{
    uint64_t page = (uint64_t)r & ~(EXO_PAGE_SIZE - 1);

    return (uint8_t *)(page + EXO_PAGE_SIZE + ((uint64_t)r - page) / sizeof *r * RING_BYTES);
}

static int64_t ring_errno(int64_t moved)
{
    return moved == RING_FAULT ? -EFAULT : moved == RING_BROKEN ? -EIO : moved;
}

int64_t stream_take(struct ring *r, uint64_t user, uint64_t bytes, bool gone)
{
    int64_t moved;

    if (bytes == 0)
        return 0;
    if (ring_used(r) == 0)
        return gone ? 0 : -EAGAIN;
    claim_take(&r->reader_claim, claim_own_name());
    moved = ring_read(r, stream_data(r), user, bytes, user_write);
    claim_drop(&r->reader_claim);
    if (moved == 0)
        return gone ? 0 : -EAGAIN;
    if (moved > 0 && ring_wake_writers(r))
        exo_wake(&r->head, UINT32_MAX);
    return ring_errno(moved);
}

int64_t stream_peek(struct ring *r, uint64_t user, uint64_t bytes, bool gone)
{
    int64_t moved = ring_peek(r, stream_data(r), user, bytes, user_write);

    return moved == 0 && !gone ? -EAGAIN : ring_errno(moved);
}

int64_t stream_put_bytes(struct ring *r, uint64_t user, uint64_t bytes)
{
    int64_t moved;

    if (bytes == 0)
        return 0;
    claim_take(&r->writer_claim, claim_own_name());
    moved = ring_write(r, stream_data(r), user, bytes, user_read);
    claim_drop(&r->writer_claim);
    if (moved == 0)
        return -EAGAIN;
    if (moved > 0 && ring_wake_readers(r))
        exo_wake(&r->tail, UINT32_MAX);
    return ring_errno(moved);
}

uint32_t stream_poll_in(struct ring *r, struct waiter *w)
{
    if (w) {
        atomic_store(&r->readers_wait, 1);
        waiter_add(w, &r->tail, atomic_load(&r->tail));
    }
    return ring_used(r) != 0 ? POLL_IN : 0;
}

uint32_t stream_poll_out(struct ring *r, struct waiter *w)
{
    if (w) {
        atomic_store(&r->writers_wait, 1);
        waiter_add(w, &r->head, atomic_load(&r->head));
    }
    return ring_free(r) >= RING_ATOMIC ? POLL_OUT : 0;
}

uint64_t stream_number(void)
{
    static uint32_t last; /* of this address space */

    return (uint64_t)(uint32_t)current()->pid << 20 | (++last & 0xfffff);
}

void stream_stat(const struct file *f, uint32_t mode, struct fs_stat *out)
{
    uint64_t now = time_real_ns();

    *out = (struct fs_stat){
        .dev = 13, /* as good as any that no volume of fs has */
        .ino = f->ino,
        .mode = mode,
        .nlink = 1,
        .uid = current()->entry->euid,
        .gid = current()->entry->egid,
        .atime_ns = now,
        .mtime_ns = now,
        .ctime_ns = now,
        .blksize = 4096,
    };
}
