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

/* Of a file that is not on the disk as it is. */
struct written {
    struct runs pages;
    struct inode *next, *prev; /* of all these */
    bool harvesting;
};
KEPT static struct inode *first;
KEPT static uint64_t pages_marked;

uint64_t written_pages(void)
{
    return pages_marked;
}

/* ---- the list ---- */

static struct written *enlist(struct inode *inode)
{
    struct written *w = inode->file.written;

    if (w)
        return w;
    if (!(w = heap_zeroed(1, sizeof(*w))))
        return 0;
    w->next = first;
    if (first)
        SET(first->file.written->prev, inode);
    SET(first, inode);
    SET(inode->file.written, w);
    disk_tick_later();
    return w;
}

void written_drop(struct inode *inode)
{
    struct written *w = inode->file.written;

    if (!w)
        return;
    SET(pages_marked, pages_marked - w->pages.pages);
    if (w->prev)
        SET(w->prev->file.written->next, w->next);
    else
        SET(first, w->next);
    if (w->next)
        SET(w->next->file.written->prev, w->prev);
    SET(inode->file.written, 0);
    heap_free(w->pages.more);
    heap_free(w);
}

static int64_t add(struct written *w, uint64_t start, uint64_t end)
{
    uint64_t before = w->pages.pages;
    int64_t status = runs_add(&w->pages, start, end);

    if (w->pages.pages != before)
        SET(pages_marked, pages_marked + w->pages.pages - before);
    return status;
}

void written_cut(struct inode *inode, uint64_t page)
{
    struct written *w = inode->file.written;
    uint64_t before = w ? w->pages.pages : 0;

    if (!w || runs_cut(&w->pages, page, REGION_PAGES) < 0)
        return;
    SET(pages_marked, pages_marked - (before - w->pages.pages));
}

/* ---- room ---- */

static bool has_room(uint64_t pages)
{
    struct ext4_statfs s;
    uint64_t wanted = pages_marked + pages;

    ext4_statfs(disk_volume, &s);
    return (wanted + wanted / 64) * (PAGE / s.block_bytes) + ROOM_SLACK <= s.free_blocks;
}

/* Has the disk a place for each of these pages already? */
static bool has_blocks(const struct inode *inode, uint64_t start, uint64_t end)
{
    struct ext4_statfs s;
    uint64_t block, stop;
    struct ext4_run run;

    ext4_statfs(disk_volume, &s);
    stop = end * (PAGE / s.block_bytes);
    for (block = start * (PAGE / s.block_bytes); block < stop; block += run.count) {
        if (inode->nlink == 0 ||
            ext4_map(disk_volume, (uint32_t)inode->ino, block, stop - block, &run) < 0 ||
            run.count == 0 || run.physical == 0)
            return false;
    }
    return true;
}

int64_t written_mark(struct inode *inode, uint64_t start, uint64_t end)
{
    struct written *w;
    int64_t status = mounted_open();

    if (status < 0)
        return status;
    if (mounted_is_read_only())
        return -EROFS;
    if (!has_room(end - start)) {
        disk_sync(0); /* what is marked has its place then; it may be less than was thought */
        if (!has_room(end - start) && !has_blocks(inode, start, end))
            return -ENOSPC;
    }
    if (!(w = enlist(inode)))
        return -ENOSPC;
    return add(w, start, end);
}

int64_t written_all(struct inode *inode)
{
    struct written *w = enlist(inode);

    return w ? add(w, 0, (inode->file.size + PAGE - 1) / PAGE) : -ENOSPC;
}

/* ---- writing ---- */

/* Which pages were written by mappings. */
static int64_t harvest(struct inode *inode, struct written *w)
{
    uint64_t pages = (inode->file.size + PAGE - 1) / PAGE;
    int64_t status = 0;

    if (inode->file.store != STORE_REGION || !inode->file.lent_writable)
        return 0;
    if (w->harvesting && (status = add(w, 0, pages)) < 0)
        return status;
    SET(w->harvesting, true);
    request_commit();
    for (uint64_t page = 0; page < pages && status >= 0; page += 512) {
        uint64_t dirty[8], count = pages - page < 512 ? pages - page : 512;

        if ((status = port_region_harvest(inode->file.region, 1 + page, count, dirty)) <= 0)
            continue;
        for (uint64_t i = 0; i < count && status >= 0; i++) {
            if (dirty[i / 64] >> i % 64 & 1)
                status = add(w, page + i, page + i + 1);
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
            status = ext4_write(disk_volume, (uint32_t)inode->ino, offset, buffer, bytes);
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
        SET(pages_marked, pages_marked - (run.end - run.start));
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

static int64_t sync_files(void)
{
    int64_t failed = 0;

    for (struct inode *inode = first, *next; inode; inode = next) {
        int64_t status;

        next = inode->file.written->next;
        if ((status = sync_file(inode)) < 0)
            failed = status;
    }
    return failed;
}

int64_t disk_sync(struct inode *inode)
{
    uint64_t ticket = 0;
    int64_t status = 0, synced;

    if (!first && !changes_wait())
        return 0;
    if ((status = mounted_open()) < 0)
        return status;
    if (!inode)
        status = sync_files();
    else if (S_ISREG(inode->mode) && inode->file.written)
        status = sync_file(inode);
    synced = inode && inode->nlink ? ext4_fsync(disk_volume, (uint32_t)inode->ino, &ticket)
                                   : ext4_sync(disk_volume, &ticket);
    changes_settle();
    request_commit();
    return status < 0 ? status : synced;
}

/* ---- now and then ---- */

static enum { RESTS, LATER, SOON } tick; /* of this life */

void disk_tick_later(void)
{
    if (tick == RESTS)
        port_timer(EVERY_NS);
    if (tick != SOON && changes_are_many())
        port_timer(1);
    tick = changes_are_many() ? SOON : LATER;
}

void disk_tick(void)
{
    int64_t status;

    tick = RESTS;
    if ((status = disk_sync(0)) < 0)
        log_line("%s: not everything could be written: error %lld", mounted_source,
                 (long long)-status);
    if (!first && !changes_wait())
        return;
    port_timer(EVERY_NS);
    tick = status < 0 ? SOON : LATER; /* what failed is not tried all the time */
}
