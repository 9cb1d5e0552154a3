/* SPDX-License-Identifier: MIT */
/*
 * Contents on their way to a disk: see mounted.h.
 *
 * A write changes the file's memory and marks its pages; a sync copies marked pages to the volume. A page
 * gets its place on the disk only then, so files are laid out in one piece, and one that is removed soon
 * costs nothing. For each marked page room is set aside, because write(2) has said that there is some.
 *
 * Who has a file mapped may write to it without a word: such a file stays on the list, and the kernel is
 * asked which of its pages are dirty. That can be asked once, so it is noted before (`harvesting`): if fs
 * dies then, all pages count as written.
 */
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <libos/exo/log.h>
#include <servers/fs/ext4/ext4.h>

#define COPY_BYTES (64u * 1024)
#define ROOM_SLACK 64u /* blocks, for what maps blocks */
#define EVERY_NS   5000000000u
#define NOTED_MANY 512u /* changes that should not wait: a new life would be long about them */

/* Of a file that is not on the disk as it is. */
struct written {
    struct runs pages;
    struct inode *next, *prev; /* of all these */
    bool harvesting;
};

/* ---- the list ---- */

static struct written *enlist(struct inode *inode)
{
    struct disk *d = disk_of(inode);
    struct written *w = inode->file.written;

    if (w)
        return w;
    if (!(w = heap_zeroed(1, sizeof(*w))))
        return 0;
    w->next = d->written;
    if (d->written)
        SET(d->written->file.written->prev, inode);
    SET(d->written, inode);
    SET(inode->file.written, w);
    disk_tick_later(d);
    return w;
}

static void mark(struct disk *d, uint64_t before, uint64_t after)
{
    if (after != before)
        SET(d->pages_marked, d->pages_marked + after - before);
}

void written_drop(struct inode *inode)
{
    struct disk *d = disk_of(inode);
    struct written *w = inode->file.written;

    if (!w)
        return;
    mark(d, w->pages.pages, 0);
    if (w->prev)
        SET(w->prev->file.written->next, w->next);
    else
        SET(d->written, w->next);
    if (w->next)
        SET(w->next->file.written->prev, w->prev);
    SET(inode->file.written, 0);
    heap_free(w->pages.more);
    heap_free(w);
}

static int64_t add(struct inode *inode, uint64_t start, uint64_t end)
{
    struct runs *pages = &inode->file.written->pages;
    uint64_t before = pages->pages;
    int64_t status = runs_add(pages, start, end);

    mark(disk_of(inode), before, pages->pages);
    return status;
}

void written_cut(struct inode *inode, uint64_t page)
{
    struct written *w = inode->file.written;
    uint64_t before = w ? w->pages.pages : 0;

    if (w && runs_cut(&w->pages, page, REGION_PAGES) >= 0)
        mark(disk_of(inode), before, w->pages.pages);
}

/* ---- room ---- */

static bool has_room(const struct disk *d, uint64_t pages)
{
    struct ext4_statfs s;
    uint64_t wanted = d->pages_marked + pages;

    ext4_statfs(ext4_of(d), &s);
    return (wanted + wanted / 64) * (PAGE / s.block_bytes) + ROOM_SLACK <= s.free_blocks;
}

/* Has the disk a place for each of these pages already? */
static bool has_blocks(const struct inode *inode, uint64_t start, uint64_t end)
{
    struct ext4 *fs = ext4_of(disk_of(inode));
    struct ext4_statfs s;
    uint64_t block, stop;
    struct ext4_run run;

    ext4_statfs(fs, &s);
    stop = end * (PAGE / s.block_bytes);
    for (block = start * (PAGE / s.block_bytes); block < stop; block += run.count) {
        if (inode->nlink == 0 ||
            ext4_map(fs, (uint32_t)inode->ino, block, stop - block, &run) < 0 || run.count == 0 ||
            run.physical == 0)
            return false;
    }
    return true;
}

int64_t written_mark(struct inode *inode, uint64_t start, uint64_t end)
{
    struct disk *d = disk_of(inode);
    int64_t status = mounted_open(d);

    if (status < 0)
        return status;
    if (mounted_is_read_only(d))
        return -EROFS;
    if (!has_room(d, end - start)) {
        disk_sync(d, 0); /* what is marked has its place then; it may be less than was thought */
        if (!has_room(d, end - start) && !has_blocks(inode, start, end))
            return -ENOSPC;
    }
    return enlist(inode) ? add(inode, start, end) : -ENOSPC;
}

int64_t written_all(struct inode *inode)
{
    return enlist(inode) ? add(inode, 0, (inode->file.size + PAGE - 1) / PAGE) : -ENOSPC;
}

/* ---- writing ---- */

/* Which pages were written by mappings. */
static int64_t harvest(struct inode *inode, struct written *w)
{
    uint64_t pages = (inode->file.size + PAGE - 1) / PAGE;
    int64_t status = 0;

    if (inode->file.store != STORE_REGION || !inode->file.lent_writable)
        return 0;
    if (w->harvesting && (status = add(inode, 0, pages)) < 0)
        return status;
    SET(w->harvesting, true);
    request_commit();
    for (uint64_t page = 0; page < pages && status >= 0; page += 512) {
        uint64_t dirty[8], count = pages - page < 512 ? pages - page : 512;

        if ((status = port_region_harvest(inode->file.region, 1 + page, count, dirty)) <= 0)
            continue;
        for (uint64_t i = 0; i < count && status >= 0; i++) {
            if (dirty[i / 64] >> i % 64 & 1)
                status = add(inode, page + i, page + i + 1);
        }
    }
    if (status < 0)
        return status;
    SET(w->harvesting, false);
    request_commit();
    return 0;
}

static int64_t write_pages(struct inode *inode, uint64_t start, uint64_t end)
{
    static uint8_t buffer[COPY_BYTES];
    uint64_t offset = start * PAGE, stop = end * PAGE;

    if (stop > inode->file.size)
        stop = inode->file.size;
    while (offset < stop) {
        uint64_t bytes = stop - offset < COPY_BYTES ? stop - offset : COPY_BYTES;
        int64_t status = data_read(inode, offset, buffer, bytes);

        if (status >= 0)
            status =
                ext4_write(ext4_of(disk_of(inode)), (uint32_t)inode->ino, offset, buffer, bytes);
        if (status < 0)
            return status;
        offset += bytes;
    }
    return 0;
}

/* The first run goes off the list with its pages' writing: a long file is written bit by bit. */
static int64_t write_file(struct inode *inode)
{
    struct written *w = inode->file.written;
    bool any = false;
    int64_t status = harvest(inode, w);

    while (status >= 0 && w->pages.count) {
        struct run run = w->pages.more ? w->pages.more[0] : w->pages.first;

        if ((status = write_pages(inode, run.start, run.end)) < 0)
            break;
        any = true;
        mark(disk_of(inode), run.end - run.start, 0);
        status = runs_cut(&w->pages, run.start, run.end);
    }
    if (any && status >= 0)
        status = change_contents(inode);
    return status;
}

/* A holder of a writable mapping may go on writing. */
static bool may_be_written(const struct inode *inode)
{
    return inode->file.store == STORE_REGION && inode->file.lent_writable &&
           port_region_holders(inode->file.region) != 1;
}

static int64_t sync_file(struct inode *inode)
{
    bool lent = may_be_written(inode);
    int64_t status = inode->nlink ? write_file(inode) : 0;

    if (status >= 0 && !lent)
        written_drop(inode);
    request_commit();
    return status;
}

static int64_t sync_files(const struct disk *d)
{
    int64_t failed = 0;

    for (struct inode *inode = d->written, *next; inode; inode = next) {
        int64_t status;

        next = inode->file.written->next;
        if ((status = sync_file(inode)) < 0)
            failed = status;
    }
    return failed;
}

static bool waits(const struct disk *d)
{
    return d->written || d->first;
}

int64_t disk_sync(struct disk *d, struct inode *inode)
{
    uint64_t ticket = 0;
    int64_t status = 0, synced;

    if (!waits(d))
        return 0;
    if ((status = mounted_open(d)) < 0)
        return status;
    if (!inode)
        status = sync_files(d);
    else if (S_ISREG(inode->mode) && inode->file.written)
        status = sync_file(inode);
    synced = inode && inode->nlink ? ext4_fsync(ext4_of(d), (uint32_t)inode->ino, &ticket)
                                   : ext4_sync(ext4_of(d), &ticket);
    changes_settle(d);
    request_commit();
    return status < 0 ? status : synced;
}

int64_t disk_sync_all(void)
{
    int64_t failed = 0, status;

    for (struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if ((status = disk_sync(d, 0)) < 0)
            failed = status;
    }
    return failed;
}

/* ---- now and then ---- */

static enum { RESTS, LATER, SOON } tick; /* of this life */

void disk_tick_later(const struct disk *d)
{
    bool soon = d->noted >= NOTED_MANY;

    if (tick == RESTS)
        port_timer(EVERY_NS);
    if (tick != SOON && soon)
        port_timer(1);
    if (tick != SOON)
        tick = soon ? SOON : LATER;
}

void disk_tick_recover(void)
{
    for (const struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if (waits(d))
            disk_tick_later(d);
    }
}

void disk_tick(void)
{
    bool again = false, failed = false;

    tick = RESTS;
    for (struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        int64_t status = disk_sync(d, 0);

        if (status < 0)
            log_line("%s: not everything could be written: error %lld", d->source,
                     (long long)-status);
        failed = failed || status < 0;
        again = again || waits(d);
    }
    if (!again)
        return;
    port_timer(EVERY_NS);
    tick = failed ? SOON : LATER; /* what failed is not tried all the time */
}
