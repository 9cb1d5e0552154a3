/* SPDX-License-Identifier: MIT */
/*
 * Block devices: the client of a disk's driver (proto/block.h).
 *
 * fs checks that the node may be opened and answers with an extent of just that device. The first read
 * or write opens a queue on it, with a bounce buffer that the driver lets the disk reach: data move
 * from there to the disk without another copy, in several requests at a time. There is no cache: what
 * a write has answered the disk has. Bytes that do not fill a sector are read first.
 *
 * A queue belongs to one environment. A fork's copy opens its own.
 */
#include "files.h"
#include "window.h"

#include <libos/exo/block.h>

/* struct file: caps[0] fs's endpoint of the node, caps[1] the extent, state struct drive or 0. */
#define NODE   0
#define EXTENT 1

#define BUFFER_PAGES (WINDOW_SMALL_PAGES - 1) /* the place's first page is the queue's */
#define BUFFER_BYTES (60u * 4096)             /* of them that one round moves */
#define PIECE_BYTES  (15u * 4096)             /* of one request: four at a time */
#define PIECES       (BUFFER_BYTES / PIECE_BYTES)

struct drive {
    struct block queue;
    struct block_info info;
    uint64_t va; /* the queue's page, then the buffer */
    exo_cap memory;
    _Atomic uint32_t busy; /* a call of another thread uses it, and sleeps */
};

/* ---- opening ------------------------------------------------------------------------------------ */

bool blockdev_is_device(uint64_t rdev)
{
    return rdev >> 8 == FS_DISK_MAJOR;
}

int64_t blockdev_open(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_EXTENT, 0, 0), {0, 0, 0, 0}};
    int64_t result = server_call_caps(f->caps[NODE], &m, &f->caps[EXTENT], 1);

    if (result < 0)
        return result;
    if (!f->caps[EXTENT])
        return -ENFILE;
    f->kind = FILE_BLOCK;
    f->ops = &blockdev_ops;
    return 0;
}

static uint8_t *buffer(const struct drive *d)
{
    return (uint8_t *)(d->va + EXO_PAGE_SIZE);
}

static int64_t memory_make(struct drive *d)
{
    int64_t region = exo_region_create(0, BUFFER_PAGES, 1), result;

    if (region < 0)
        return -ENOMEM;
    d->memory = (exo_cap)region;
    exo_cap_flags(d->memory, EXO_CAP_NOFORK);
    result = exo_map(0, d->va + EXO_PAGE_SIZE, BUFFER_PAGES, d->memory, 0,
                     EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_NOFORK);
    return result < 0 ? -ENOMEM : block_buffer(&d->queue, 0, d->memory);
}

static void drive_close(struct drive *d)
{
    if (d->queue.queue)
        block_close(&d->queue);
    if (d->memory)
        exo_cap_delete(d->memory, 0);
    if (d->va)
        window_free(d->va, WINDOW_SMALL_PAGES);
    heap_free(d);
}

static int64_t drive_make(struct file *f)
{
    struct drive *d = heap_zeroed(1, sizeof *d);
    int64_t result = -ENOMEM;

    if (d && (d->va = window_place(WINDOW_SMALL_PAGES))) {
        result = block_info(f->caps[EXTENT], &d->info);
        if (result >= 0)
            result = block_open(&d->queue, f->caps[EXTENT], d->va, 0, 0);
        if (result >= 0) {
            exo_cap_flags(d->queue.queue, EXO_CAP_NOFORK);
            exo_cap_flags(d->queue.region, EXO_CAP_NOFORK);
            result = memory_make(d);
        }
    }
    if (result >= 0)
        f->state = d;
    else if (d)
        drive_close(d);
    return result;
}

/* In the copy nothing is mapped there, and the capabilities did not come along. */
static void blockdev_forked(struct file *f)
{
    struct drive *d = f->state;

    f->state = 0;
    if (!d)
        return;
    window_free(d->va, 0);
    heap_free(d);
}

static void blockdev_release(struct file *f)
{
    if (f->state)
        drive_close(f->state);
    f->state = 0;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

/* Sleeps until something is done, or a signal comes. */
static int64_t drive_sleep(struct drive *d)
{
    const _Atomic uint32_t *word = &d->queue.page->completed;
    struct waiter w;

    waiter_init(&w, EXO_FOREVER);
    waiter_add(&w, word, atomic_load(word));
    return block_finished(&d->queue) ? 0 : waiter_sleep(&w);
}

/* Waits for all that is under way: the first error. What a signal cuts off goes on, into a buffer that
 * nobody uses before it is done. */
static int64_t drive_settle(struct drive *d)
{
    int64_t status = 0, sleep;

    while (d->queue.busy) {
        for (uint64_t done = block_finished(&d->queue); done; done &= done - 1) {
            int64_t result = block_take(&d->queue, (uint32_t)__builtin_ctzll(done));

            if (result < 0 && status == 0)
                status = result;
        }
        if (d->queue.busy && (sleep = drive_sleep(d)) < 0)
            return sleep;
    }
    return status;
}

/* All of the requests: the first error. */
static int64_t drive_do(struct drive *d, struct block_request *requests, uint32_t count)
{
    int64_t status = 0;

    while (count > 0 && status == 0) {
        int64_t taken = block_submit(&d->queue, requests, count);

        if (taken == -EAGAIN && !d->queue.busy) /* others fill the disk */
            exo_wait(0, 0, time_now() + 1000000);
        else if (taken < 0 && taken != -EAGAIN)
            status = taken;
        else if (taken > 0)
            count -= (uint32_t)taken, requests += taken;
        if (count > 0 && status == 0)
            status = drive_settle(d);
    }
    int64_t rest = drive_settle(d);
    return status ? status : rest;
}

/* Takes the drive of a file, with nothing under way. */
static int64_t drive_take(struct file *f, struct drive **out)
{
    struct drive *d;
    int64_t result;

    for (;;) {
        struct waiter w;

        if (!f->state && (result = drive_make(f)) < 0)
            return result;
        d = f->state;
        if (!atomic_load(&d->busy))
            break;
        waiter_init(&w, EXO_FOREVER);
        waiter_add(&w, &d->busy, 1);
        if ((result = waiter_sleep(&w)) < 0)
            return result;
    }
    atomic_store(&d->busy, 1);
    file_get(f);
    result = drive_settle(d);
    *out = d;
    /* What the requests of a call that a signal ended came to was its caller's to hear. */
    return result == -ERESTARTSYS ? result : 0;
}

static void drive_give(struct file *f, struct drive *d)
{
    atomic_store(&d->busy, 0);
    exo_wake(&d->busy, 1);
    file_put(f);
}

/* ---- reading and writing ------------------------------------------------------------------------ */

/* A part of the device that a round moves: whole sectors around the bytes that are wanted. */
struct round {
    uint64_t start, end;    /* bytes, multiples of the disk's sectors */
    uint64_t offset, bytes; /* wanted */
};

static struct round round_at(const struct drive *d, uint64_t offset, uint64_t bytes)
{
    uint64_t mask = d->info.sector_bytes - 1;
    struct round r = {.start = offset & ~mask, .offset = offset};

    if (bytes > BUFFER_BYTES - (offset - r.start))
        bytes = BUFFER_BYTES - (offset - r.start);
    r.bytes = bytes;
    r.end = (offset + bytes + mask) & ~mask;
    return r;
}

/* Moves [from, to) of the round between the disk and the buffer. */
static int64_t round_move(struct drive *d, const struct round *r, uint8_t kind, uint64_t from,
                          uint64_t to)
{
    struct block_request requests[PIECES + 1];
    uint32_t count = 0;

    while (from < to) {
        uint64_t bytes = to - from < PIECE_BYTES ? to - from : PIECE_BYTES;

        requests[count++] = (struct block_request){.kind = kind,
                                                   .first = from / BLOCK_SECTOR,
                                                   .sectors = bytes / BLOCK_SECTOR,
                                                   .offset = from - r->start};
        from += bytes;
    }
    return drive_do(d, requests, count);
}

static int64_t round_read(struct drive *d, const struct round *r, uint64_t user)
{
    int64_t result = round_move(d, r, BLOCK_OP_READ, r->start, r->end);

    if (result < 0)
        return result;
    return user_write(user, buffer(d) + (r->offset - r->start), r->bytes);
}

/* Sectors at the ends that are only changed in part are read first. */
static int64_t round_write(struct drive *d, const struct round *r, uint64_t user)
{
    uint64_t sector = d->info.sector_bytes, last = r->end - sector;
    int64_t result = 0;

    if (r->offset != r->start)
        result = round_move(d, r, BLOCK_OP_READ, r->start, r->start + sector);
    if (result >= 0 && r->offset + r->bytes != r->end &&
        (last != r->start || r->offset == r->start))
        result = round_move(d, r, BLOCK_OP_READ, last, r->end);
    if (result >= 0)
        result = user_read(buffer(d) + (r->offset - r->start), user, r->bytes);
    return result < 0 ? result : round_move(d, r, BLOCK_OP_WRITE, r->start, r->end);
}

static int64_t drive_flush(struct drive *d)
{
    struct block_request r = {.kind = BLOCK_OP_FLUSH};

    return drive_do(d, &r, 1);
}

static int64_t move(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset, bool write)
{
    struct drive *d;
    uint64_t done = 0, size;
    int64_t result = drive_take(f, &d);

    if (result < 0)
        return result;
    size = d->info.sectors * BLOCK_SECTOR;
    if (*offset >= size)
        bytes = 0, result = write ? -ENOSPC : 0;
    else if (bytes > size - *offset)
        bytes = size - *offset;
    while (done < bytes && result >= 0) {
        struct round r = round_at(d, *offset + done, bytes - done);

        result = write ? round_write(d, &r, user + done) : round_read(d, &r, user + done);
        if (result >= 0)
            done += r.bytes;
    }
    if (write && done && result >= 0 && (file_flags(f) & O_SYNC))
        result = drive_flush(d);
    drive_give(f, d);
    *offset += done;
    return done && (result >= 0 || !(file_flags(f) & O_SYNC)) ? (int64_t)done : result;
}

static int64_t blockdev_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    return bytes ? move(f, user, bytes, offset, false) : 0;
}

static int64_t blockdev_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    return bytes ? move(f, user, bytes, offset, true) : 0;
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static int64_t blockdev_sync(struct file *f)
{
    struct drive *d;
    int64_t result = drive_take(f, &d);

    if (result < 0)
        return result;
    result = drive_flush(d);
    drive_give(f, d);
    return result;
}

static int64_t blockdev_seek(struct file *f, int64_t offset, int whence)
{
    struct block_info info;
    uint64_t now;
    int64_t base = 0, result = block_info(f->caps[EXTENT], &info);

    if (result < 0)
        return result;
    now = ofd_offset_take(f->ofd);
    if (whence == SEEK_CUR)
        base = (int64_t)now;
    else if (whence == SEEK_END)
        base = (int64_t)(info.sectors * BLOCK_SECTOR);
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
        result = -EINVAL;
    else if (__builtin_add_overflow(base, offset, &offset) || offset < 0)
        result = -EINVAL;
    else
        result = offset;
    ofd_offset_store(f->ofd, result < 0 ? now : (uint64_t)result);
    return result;
}

#define BLKROGET     0x125eu /* Linux, include/uapi/linux/fs.h */
#define BLKGETSIZE   0x1260u
#define BLKFLSBUF    0x1261u
#define BLKSSZGET    0x1268u
#define BLKDISCARD   0x1277u
#define BLKIOMIN     0x1278u
#define BLKIOOPT     0x1279u
#define BLKALIGNOFF  0x127au
#define BLKPBSZGET   0x127bu
#define BLKBSZGET    0x80081270u
#define BLKGETSIZE64 0x80081272u

/* A range of bytes, discarded in pieces that the disk may take. */
#define DISCARD_SECTORS (1u << 15)
static int64_t discard(struct file *f, uint64_t user)
{
    uint64_t range[2], end;
    struct drive *d;
    int64_t result;

    if (!file_can_write(f))
        return -EBADF;
    if (user_read(range, user, sizeof range) < 0)
        return -EFAULT;
    if ((range[0] | range[1]) % BLOCK_SECTOR != 0 ||
        __builtin_add_overflow(range[0], range[1], &end))
        return -EINVAL;
    if ((result = drive_take(f, &d)) < 0)
        return result;
    if (end > d->info.sectors * BLOCK_SECTOR)
        result = -EINVAL;
    for (uint64_t at = range[0] / BLOCK_SECTOR; at < end / BLOCK_SECTOR && result >= 0;) {
        uint64_t sectors = end / BLOCK_SECTOR - at;
        struct block_request r = {.kind = BLOCK_OP_DISCARD, .first = at};

        r.sectors = sectors < DISCARD_SECTORS ? sectors : DISCARD_SECTORS;
        result = drive_do(d, &r, 1);
        at += r.sectors;
    }
    drive_give(f, d);
    return result;
}

static int64_t blockdev_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    struct block_info info;
    int64_t result;

    if (request == BLKDISCARD)
        return discard(f, arg);
    if (request == BLKFLSBUF)
        return blockdev_sync(f);
    result = block_info(f->caps[EXTENT], &info);
    if (result < 0)
        return result;
    switch (request) {
    case BLKGETSIZE64: return user_write64(arg, info.sectors * BLOCK_SECTOR);
    case BLKGETSIZE: return user_write64(arg, info.sectors);
    case BLKBSZGET: return user_write32(arg, EXO_PAGE_SIZE);
    case BLKROGET: return user_write32(arg, !(info.disk_rights & BLOCK_WRITE));
    case BLKIOOPT:
    case BLKALIGNOFF: return user_write32(arg, 0);
    case BLKSSZGET:
    case BLKIOMIN:
    case BLKPBSZGET: return user_write32(arg, info.sector_bytes);
    default: return -ENOTTY;
    }
}

static int64_t blockdev_stat(struct file *f, struct fs_stat *out)
{
    return path_ops.stat(f, out);
}

const struct file_ops blockdev_ops = {
    .read = blockdev_read,
    .write = blockdev_write,
    .seek = blockdev_seek,
    .ioctl = blockdev_ioctl,
    .stat = blockdev_stat,
    .sync = blockdev_sync,
    .forked = blockdev_forked,
    .release = blockdev_release,
};
