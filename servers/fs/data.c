/* SPDX-License-Identifier: MIT */
/*
 * The contents of regular files.
 *
 * A file that came with the boot archive is read where it lies there. A small file that was written
 * lives in fs's heap: a write is a copy. When a file is lent, or grows past HEAP_FILE_BYTES, it
 * moves into a region of its own: page 0 is the state page that holders read, the data follow. The
 * pages of an archive file are not copied then: they change owner.
 *
 * Bytes of a region past the end of the file may be anything, since a holder of a writable loan can
 * write there: they are cleared when the file grows over them. fs believes nothing that a region's
 * state page says; it only writes it.
 */
#include "servers/fs/after.h"
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/string.h>

#define REGIONS_MAX   9000u /* at a time: they share fs's capability table with open files */
#define ROOM_PAGES    256u  /* that are made free beside what is asked for */
#define RECLAIM_STEPS 64u

KEPT uint64_t heap_file_bytes, heap_file_limit;

KEPT static struct inode *regions_first, *regions_last;
KEPT static uint32_t region_count;
static const uint8_t zeros[EXO_PAGE_SIZE];

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE;
}

uint64_t data_pages(const struct inode *inode)
{
    const struct contents *file = &inode->file;

    return file->store == STORE_REGION ? file->runs.pages
           : file->store == STORE_DISK ? file->capacity
                                       : pages_of(file->size);
}

/* ---- in the heap ---- */

static void heap_release(struct contents *file)
{
    SET(heap_file_bytes, heap_file_bytes - file->capacity);
    heap_free(file->bytes);
    SET(file->bytes, 0);
    SET(file->capacity, 0);
}

/* Room for `bytes` in the heap; new room is not cleared. */
static int64_t heap_reserve(struct contents *file, uint64_t bytes)
{
    uint32_t capacity = file->capacity ? file->capacity : 64;
    uint8_t *larger;

    if (bytes <= file->capacity)
        return 0;
    while (capacity < bytes)
        capacity *= 2;
    if (heap_file_bytes + (capacity - file->capacity) > heap_file_limit)
        return -ENOSPC;
    larger = heap_resize(file->bytes, capacity);
    if (!larger)
        return -ENOSPC;
    SET(heap_file_bytes, heap_file_bytes + (capacity - file->capacity));
    SET(file->bytes, larger);
    SET(file->capacity, capacity);
    return 0;
}

/* Takes a small file out of the archive. */
static int64_t archive_to_heap(struct contents *file, uint64_t keep)
{
    struct contents copy = {.size = keep};

    if (heap_reserve(&copy, keep) < 0)
        return -ENOSPC;
    if (keep)
        memcpy(copy.bytes, file->bytes, keep);
    SET(file->store, STORE_HEAP);
    SET(file->bytes, copy.bytes);
    SET(file->capacity, copy.capacity);
    SET(file->size, keep);
    return 0;
}

/* Makes the file one of the heap with room for `bytes`, if it can be. */
static bool heap_can_hold(struct contents *file, uint64_t bytes)
{
    if (file->store == STORE_REGION || file->store == STORE_DISK || bytes > HEAP_FILE_BYTES ||
        file->size > HEAP_FILE_BYTES)
        return false;
    if (file->store == STORE_ARCHIVE && archive_to_heap(file, file->size) < 0)
        return false;
    return heap_reserve(file, bytes) == 0;
}

/* ---- in a region ---- */

static void region_enlist(struct inode *inode)
{
    SET(inode->file.next, 0);
    SET(inode->file.prev, regions_last);
    if (regions_last)
        SET(regions_last->file.next, inode);
    else
        SET(regions_first, inode);
    SET(regions_last, inode);
    SET(region_count, region_count + 1);
}

static void region_delist(struct inode *inode)
{
    struct contents *file = &inode->file;

    if (file->prev)
        SET(file->prev->file.next, file->next);
    else
        SET(regions_first, file->next);
    if (file->next)
        SET(file->next->file.prev, file->prev);
    else
        SET(regions_last, file->prev);
    SET(region_count, region_count - 1);
}

/* Gives the region up. If others still hold it, its pages are theirs now. */
static void region_release(struct inode *inode)
{
    struct contents *file = &inode->file;

    seal_region_gone(file);
    after(AFTER_RELEASE, 0, file->region, 0, 0);
    region_delist(inode);
    runs_drop(&file->runs);
    SET(file->region, 0);
    SET(file->lent, false);
    SET(file->lent_writable, false);
    SET(file->store, STORE_HEAP);
}

/* Brings a small file that nobody else holds back to the heap. */
static bool region_to_heap(struct inode *inode)
{
    struct contents *file = &inode->file, copy = {0};

    if (file->size > HEAP_FILE_BYTES || port_region_holders(file->region) != 1)
        return false;
    if (heap_reserve(&copy, file->size) < 0)
        return false;
    if (file->size && port_region_read(file->region, PAGE, copy.bytes, file->size) < 0) {
        heap_release(&copy);
        return false;
    }
    region_release(inode);
    SET(file->bytes, copy.bytes);
    SET(file->capacity, copy.capacity);
    return true;
}

/* A file that is on its disk as it is in memory, and that nobody else holds, is the disk's again. */
static bool region_to_disk(struct inode *inode)
{
    struct contents *file = &inode->file;
    uint64_t pages = file->runs.pages;

    if (!on_disk(inode) || inode->nlink == 0 || file->written ||
        port_region_holders(file->region) != 1)
        return false;
    region_release(inode);
    SET(file->store, STORE_DISK);
    SET(file->capacity, pages);
    return true;
}

/* Too many regions: looks for one that can be given up, beginning with the oldest. */
static bool region_reclaim(void)
{
    uint32_t step;

    for (step = 0; step < RECLAIM_STEPS && regions_first; step++) {
        struct inode *inode = regions_first;

        if (region_to_heap(inode) || region_to_disk(inode))
            return true;
        region_delist(inode);
        region_enlist(inode);
    }
    return false;
}

static uint64_t store_free(void)
{
    uint64_t limit, used;

    port_store_usage(&limit, &used);
    return used < limit ? limit - used : 0;
}

/* Files of a disk make room for `pages`, those first that have been in memory for longest. Between two
 * requests, or before one has changed anything: what was changed so far is committed. */
static void make_room(uint64_t pages)
{
    uint64_t wanted = pages + ROOM_PAGES, freed = 0;
    uint32_t steps = region_count;

    if (store_free() >= wanted)
        return;
    disk_sync_all();
    for (; steps-- > 0 && regions_first && freed < wanted; request_pause()) {
        struct inode *inode = regions_first;
        uint64_t held = inode->file.runs.pages;

        if (region_to_disk(inode)) {
            freed += held;
            continue;
        }
        region_delist(inode);
        region_enlist(inode);
    }
    request_commit();
}

/* Puts the file's bytes into its new region: moves whole pages of the archive, copies the rest. */
static int64_t region_fill(struct inode *inode, exo_cap region)
{
    struct contents *file = &inode->file;
    uint64_t pages = pages_of(file->size), offset;

    if (!file->size)
        return 0;
    if (file->store == STORE_DISK)
        return mounted_read(inode, region, &file->runs);
    offset = file->store == STORE_ARCHIVE ? (uint64_t)(file->bytes - archive_base) : 1;
    if (offset % PAGE == 0 && !file->shares_page) {
        /* What follows in the last page, headers of the next entries, was read at the start. */
        memset(file->bytes + file->size, 0, pages * PAGE - file->size);
        return port_region_adopt(region, 1, offset / PAGE, pages);
    }
    return port_region_write(region, PAGE, file->bytes, file->size);
}

/* Tells those who look at the file: its size, and that there is nothing behind its last page. */
void data_publish(struct inode *inode)
{
    struct contents *file = &inode->file;
    struct fs_state state = {
        .size = file->size,
        .generation = file->generation,
        .sequence = file->sequence,
        .mtime_ns = inode->mtime,
        .ctime_ns = inode->ctime,
        .reads_watched = file->reads_watched,
    };

    if (file->store != STORE_REGION)
        return;
    if (file->limit != 1 + pages_of(file->size)) {
        SET(file->limit, 1 + pages_of(file->size));
        port_region_limit(file->region, file->limit);
    }
    port_region_write(file->region, 0, &state, offsetof(struct fs_state, locks));
}

static void state_changed(struct inode *inode)
{
    after_once(AFTER_STATE, inode);
}

int64_t data_region(struct inode *inode)
{
    struct contents *file = &inode->file;
    int64_t region, status;

    if (file->store == STORE_REGION)
        return 0;
    if (file->store == STORE_DISK)
        make_room(file->capacity);
    if (region_count >= REGIONS_MAX && !region_reclaim())
        return -ENFILE;
    if ((region = port_region_make(REGION_PAGES, file->store == STORE_ARCHIVE)) < 0)
        return region;
    if ((file->store != STORE_DISK &&
         (status = runs_add(&file->runs, 0, pages_of(file->size))) < 0) ||
        (status = region_fill(inode, (exo_cap)region)) < 0) {
        runs_drop(&file->runs);
        port_drop((exo_cap)region);
        return status;
    }
    cap_keep((exo_cap)region);
    if (file->store == STORE_HEAP)
        heap_release(file);
    if (file->store == STORE_DISK)
        SET(file->capacity, 0);
    SET(file->bytes, 0);
    SET(file->store, STORE_REGION);
    SET(file->region, region);
    SET(file->limit, REGION_PAGES);
    region_enlist(inode);
    state_changed(inode);
    return 0;
}

void data_touched(struct inode *inode)
{
    struct contents *file = &inode->file;

    if (file->store != STORE_REGION || !file->lent)
        return;
    /* Now and then: is anybody still looking? */
    if (file->sequence % 64 == 63 && port_region_holders(file->region) == 1) {
        SET(file->lent, false);
        return;
    }
    state_changed(inode);
}

int64_t data_lend(struct inode *inode, bool writable)
{
    int64_t status = data_region(inode);

    if (status >= 0 && writable && on_disk(inode))
        status = written_mark(inode, 0, 0);
    if (status < 0)
        return status;
    if (!inode->file.lent)
        SET(inode->file.lent, true);
    if (writable && !inode->file.lent_writable)
        SET(inode->file.lent_writable, true);
    state_changed(inode);
    return 0;
}

void data_watch_reads(struct inode *inode)
{
    SET(inode->file.reads_watched, true);
    if (inode->file.store == STORE_REGION && inode->file.lent)
        state_changed(inode);
}

/* A page that a holder has stored to may be there without a word. */
static bool may_have(const struct contents *file, uint64_t page)
{
    return file->lent_writable || runs_have(&file->runs, page);
}

/* Clears what a holder may have written behind the end, before the file grows over it. */
static int64_t region_clear_tail(struct contents *file)
{
    uint64_t rest = (PAGE - file->size % PAGE) % PAGE;
    int64_t status;

    if (!file->lent_writable)
        return 0;
    if (rest) {
        status = port_region_write(file->region, PAGE + file->size, zeros, rest);
        if (status < 0)
            return status;
    }
    return port_region_punch(file->region, 1 + pages_of(file->size),
                             REGION_PAGES - 1 - pages_of(file->size));
}

/* ---- what the calls ask for ---- */

int64_t data_read(struct inode *inode, uint64_t offset, void *to, uint64_t bytes)
{
    struct contents *file = &inode->file;
    int64_t status;

    if (offset >= file->size)
        return 0;
    if (bytes > file->size - offset)
        bytes = file->size - offset;
    if (file->store == STORE_DISK && (status = data_region(inode)) < 0)
        return status;
    if (file->store != STORE_REGION) {
        memcpy(to, file->bytes + offset, bytes);
        return (int64_t)bytes;
    }
    status = port_region_read(file->region, PAGE + offset, to, bytes);
    return status < 0 ? status : (int64_t)bytes;
}

int64_t data_write(struct inode *inode, uint64_t offset, const void *from, uint64_t bytes)
{
    struct contents *file = &inode->file;
    uint64_t end = offset + bytes;
    int64_t status;

    if (offset > FILE_BYTES || bytes > FILE_BYTES - offset)
        return -EFBIG;
    if (bytes == 0)
        return 0;
    if (file->seals && (status = seal_allows(inode, end > file->size ? end : file->size, true)) < 0)
        return status;
    if (on_disk(inode)) {
        make_room(pages_of(bytes) + 1);
        if ((status = written_mark(inode, offset / PAGE, pages_of(end))) < 0)
            return status;
    }
    if (heap_can_hold(file, end)) {
        /* Not logged: who asked writes the same once more, and behind the end is nothing. */
        unlogged(file->bytes, file->capacity);
        if (offset > file->size)
            memset(file->bytes + file->size, 0, offset - file->size);
        memcpy(file->bytes + offset, from, bytes);
    } else {
        if ((status = data_region(inode)) < 0)
            return status;
        if (offset > file->size && (status = region_clear_tail(file)) < 0)
            return status;
        status = port_region_write(file->region, PAGE + offset, from, bytes);
        if (status < 0)
            return status;
        if ((status = runs_add(&file->runs, offset / PAGE, pages_of(end))) < 0)
            return status;
    }
    if (end > file->size)
        SET(file->size, end);
    SET(file->sequence, file->sequence + 1);
    return (int64_t)bytes;
}

static int64_t region_shrink(struct inode *inode, uint64_t size)
{
    struct contents *file = &inode->file;
    uint64_t pages = pages_of(size), rest = pages * PAGE - size;
    int64_t status;

    if (size == 0 && port_region_holders(file->region) == 1) {
        region_release(inode);
        SET(file->size, 0);
        return 0;
    }
    if ((status = runs_cut(&file->runs, pages, REGION_PAGES)) < 0)
        return status;
    /* Readers learn the new size before the pages go. */
    SET(file->size, size);
    state_changed(inode);
    if (rest && may_have(file, size / PAGE))
        after(AFTER_CLEAR, 0, file->region, PAGE + size, rest);
    after(AFTER_PUNCH, 0, file->region, 1 + pages, REGION_PAGES - 1 - pages);
    return 0;
}

static int64_t region_resize(struct inode *inode, uint64_t size)
{
    struct contents *file = &inode->file;
    int64_t status;

    if (size < file->size)
        return region_shrink(inode, size);
    if (size > file->size && (status = region_clear_tail(file)) < 0)
        return status;
    SET(file->size, size);
    return 0;
}

/* What is to stay is in memory before the disk gives it up. */
static int64_t disk_resize(struct inode *inode, uint64_t size)
{
    struct contents *file = &inode->file;
    int64_t status;

    if (file->store == STORE_DISK && size != 0 && (status = data_region(inode)) < 0)
        return status;
    if ((status = change_resize(inode, size)) < 0)
        return status;
    written_cut(inode, pages_of(size));
    if (file->store == STORE_DISK) {
        SET(file->store, STORE_HEAP);
        SET(file->capacity, 0);
        SET(file->size, 0);
    }
    return 0;
}

int64_t data_resize(struct inode *inode, uint64_t size)
{
    struct contents *file = &inode->file;
    int64_t status;

    if (size > FILE_BYTES)
        return -EFBIG;
    if ((status = seal_allows(inode, size, false)) < 0)
        return status;
    if (on_disk(inode) && (status = disk_resize(inode, size)) < 0)
        return status;
    if (size < file->size)
        SET(file->generation, file->generation + 1);
    SET(file->sequence, file->sequence + 1);
    /* An archive file that is cut to a small one need not be copied whole. */
    if (file->store == STORE_ARCHIVE && size < file->size && size <= HEAP_FILE_BYTES &&
        archive_to_heap(file, size) == 0)
        return 0;
    if (heap_can_hold(file, size)) {
        if (size > file->size) {
            unlogged(file->bytes + file->size, size - file->size);
            memset(file->bytes + file->size, 0, size - file->size);
        }
        SET(file->size, size);
        if (size == 0)
            heap_release(file);
        return 0;
    }
    if ((status = data_region(inode)) < 0)
        return status;
    return region_resize(inode, size);
}

/* Gives pages to a hole without changing what is read there. */
static int64_t region_materialize(struct contents *file, uint64_t page)
{
    uint64_t offset = PAGE + page * PAGE;
    uint8_t byte;
    int64_t status;

    if (runs_have(&file->runs, page))
        return 0;
    if ((status = port_region_read(file->region, offset, &byte, 1)) < 0 ||
        (status = port_region_write(file->region, offset, &byte, 1)) < 0)
        return status;
    return runs_add(&file->runs, page, page + 1);
}

int64_t data_allocate(struct inode *inode, uint64_t offset, uint64_t bytes, bool keep_size)
{
    struct contents *file = &inode->file;
    uint64_t end = offset + bytes, page;
    int64_t status;

    if (offset > FILE_BYTES || bytes > FILE_BYTES - offset)
        return -EFBIG;
    if (on_disk(inode) && (status = written_mark(inode, offset / PAGE, pages_of(end))) < 0)
        return status;
    if (!heap_can_hold(file, end)) {
        if ((status = data_region(inode)) < 0)
            return status;
        for (page = offset / PAGE; page < pages_of(end); page++) {
            if ((status = region_materialize(file, page)) < 0)
                return status;
        }
    }
    return keep_size || end <= file->size ? 0 : data_resize(inode, end);
}

int64_t data_punch(struct inode *inode, uint64_t offset, uint64_t bytes)
{
    struct contents *file = &inode->file;
    uint64_t end = offset + bytes, first, last, piece;
    int64_t status;

    if (offset >= file->size)
        return 0;
    if (end > file->size)
        end = file->size;
    if (on_disk(inode) && (status = written_mark(inode, offset / PAGE, pages_of(end))) < 0)
        return status;
    SET(file->sequence, file->sequence + 1);
    if (heap_can_hold(file, file->size)) {
        after(AFTER_CLEAR, file->bytes + offset, 0, 0, end - offset);
        return 0;
    }
    if ((status = data_region(inode)) < 0)
        return status;
    /* Parts of pages are cleared, whole ones go; behind the end of the file there is nothing. */
    first = pages_of(offset);
    last = end == file->size ? pages_of(end) : end / PAGE;
    if (offset % PAGE && may_have(file, offset / PAGE)) {
        piece = first * PAGE < end ? first * PAGE - offset : end - offset;
        after(AFTER_CLEAR, 0, file->region, PAGE + offset, piece);
    }
    if (last >= first && end > last * PAGE && end / PAGE >= first && may_have(file, last))
        after(AFTER_CLEAR, 0, file->region, PAGE + last * PAGE, end - last * PAGE);
    if (last <= first)
        return 0;
    if ((status = runs_cut(&file->runs, first, last)) < 0)
        return status;
    after(AFTER_PUNCH, 0, file->region, 1 + first, last - first);
    return 0;
}

bool data_is_held(enum volume volume)
{
    const struct inode *inode = regions_first;

    while (inode && (inode->volume != volume || port_region_holders(inode->file.region) == 1))
        inode = inode->file.next;
    return inode != 0;
}

/* A write that was lost may have left bytes behind the end of a file. */
void data_recover(void)
{
    for (struct inode *inode = regions_first; inode; inode = inode->file.next) {
        unlogged(&inode->file.lent_writable, sizeof(bool));
        inode->file.lent_writable = true;
    }
}

void data_drop(struct inode *inode)
{
    struct contents *file = &inode->file;

    if (file->written)
        written_drop(inode);
    if (file->store == STORE_REGION)
        region_release(inode);
    else if (file->store == STORE_HEAP)
        heap_release(file);
}
