/* SPDX-License-Identifier: MIT */
/*
 * A disk or partition as the device below ext4: requests become messages to the driver, and data move
 * between the disk and this server's block cache, which the driver may reach, uncopied.
 */
#include "servers/fs/fs.h"
#include "servers/fs/port.h"

#include <lib/heap.h>
#include <lib/string.h>
#include <libos/exo/block.h>
#include <libos/exo/log.h>
#include <servers/fs/ext4/ext4.h>

#define PAGE_VA      0x0000232000000000u /* of the queue */
#define MEMORY_VA    0x0000233000000000u
#define MEMORY_PAGES 1024u
#define HEAP_VA      0x0000234000000000u /* of the library, for all volumes */
#define HEAP_PAGES   4096u

static struct source {
    struct block queue;
    struct ext4_io *under_way[BLOCK_SLOTS];
    exo_cap extent, frame;
} sources[DISK_VOLUMES];

static uint64_t memory_va(const struct source *s)
{
    return MEMORY_VA + (uint64_t)(s - sources) * MEMORY_PAGES * PAGE;
}

/* Tells the library of all that is done. */
static void finish(struct source *s)
{
    for (uint64_t left = block_finished(&s->queue); left != 0; left &= left - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(left);
        struct ext4_io *io = s->under_way[slot];

        s->under_way[slot] = 0;
        io->done(io, block_take(&s->queue, slot));
    }
}

static void volume_wait(void *context)
{
    struct source *s = context;

    block_wait(&s->queue);
    finish(s);
}

static void volume_submit(void *context, struct ext4_io *io)
{
    static const uint8_t kinds[] = {[EXT4_IO_READ] = BLOCK_OP_READ,
                                    [EXT4_IO_WRITE] = BLOCK_OP_WRITE,
                                    [EXT4_IO_FLUSH] = BLOCK_OP_FLUSH,
                                    [EXT4_IO_DISCARD] = BLOCK_OP_DISCARD};
    struct source *s = context;
    struct block_request r = {.kind = kinds[io->kind],
                              .first = io->offset / BLOCK_SECTOR,
                              .sectors = io->bytes / BLOCK_SECTOR,
                              .offset = io->memory ? (uintptr_t)io->memory - memory_va(s) : 0};
    uint8_t message
        [sizeof r]; /* of the caller that is served: the driver's goes through the same page */
    int64_t taken;

    memcpy(message, exo_utcb()->msg, sizeof message);
    while ((taken = block_submit(&s->queue, &r, 1)) == -EAGAIN) {
        block_wait(&s->queue);
        finish(s);
        exo_yield(0);
    }
    memcpy(exo_utcb()->msg, message, sizeof message);
    if (taken <= 0)
        io->done(io, taken ? taken : -EIO);
    else
        s->under_way[r.slot] = io;
}

static uint64_t volume_now(void *context)
{
    (void)context;
    return port_now();
}

static void volume_report(void *context, const char *text)
{
    (void)context;
    log_line("ext4: %s", text);
}

/* The library's own heap is as mortal as the library; the heap of fs is kept. cmake/programs.cmake builds
 * the library with these names. */
void volume_heap_source(heap_more *more);

static char *heap_at;

static void *more_heap(size_t *bytes)
{
    size_t pages = (*bytes + PAGE - 1) / PAGE;
    char *piece = heap_at;

    if (piece + pages * PAGE > (char *)HEAP_VA + HEAP_PAGES * PAGE)
        return 0;
    heap_at += pages * PAGE;
    *bytes = pages * PAGE;
    return piece;
}

static int64_t heap_begin(void)
{
    if (heap_at)
        return 0;
    if (exo_map(0, HEAP_VA, HEAP_PAGES, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return -ENOMEM;
    heap_at = (char *)HEAP_VA;
    volume_heap_source(more_heap);
    return 0;
}

static int64_t source_open(struct source *s, uint64_t rdev, bool write, struct block_info *info)
{
    int64_t status = port_extent(rdev, write);

    if (status < 0)
        return status;
    s->extent = (exo_cap)status;
    if ((status = heap_begin()) < 0 || (status = block_info(s->extent, info)) < 0 ||
        (status =
             block_open(&s->queue, s->extent, PAGE_VA + (uint64_t)(s - sources) * PAGE, 0, 0)) < 0)
        return status;
    if ((status = exo_frame_alloc(0, MEMORY_PAGES)) < 0)
        return -ENOMEM;
    s->frame = (exo_cap)status;
    if (exo_map(0, memory_va(s), MEMORY_PAGES, s->frame, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return -ENOMEM;
    return block_buffer(&s->queue, 0, s->frame);
}

void port_volume_close(uint32_t number)
{
    struct source *s = &sources[number];

    if (s->queue.queue)
        block_close(&s->queue);
    if (s->frame) {
        exo_unmap(0, memory_va(s), MEMORY_PAGES);
        exo_cap_delete(s->frame, 0);
    }
    if (s->extent)
        exo_cap_delete(s->extent, 0);
    *s = (struct source){0};
}

static int64_t volume_begin(uint32_t number, uint64_t rdev, bool write, struct ext4_device *device)
{
    struct source *s = &sources[number];
    struct block_info info;
    int64_t status = source_open(s, rdev, write, &info);

    if (status < 0) {
        port_volume_close(number);
        return status;
    }
    *device = (struct ext4_device){
        .context = s,
        .bytes = info.sectors * BLOCK_SECTOR,
        .read_only = !write,
        .submit = volume_submit,
        .wait = volume_wait,
        .now = volume_now,
        .report = volume_report,
    };
    return 0;
}

/* While a call is served, whose path lies where the driver's answers come. */
int64_t port_volume(uint32_t number, uint64_t rdev, bool write, struct ext4_device *device,
                    void **memory, size_t *bytes)
{
    static uint8_t message[sizeof exo_utcb()->msg];
    int64_t status;

    memcpy(message, exo_utcb()->msg, sizeof message);
    status = volume_begin(number, rdev, write, device);
    memcpy(exo_utcb()->msg, message, sizeof message);
    *memory = (void *)memory_va(&sources[number]);
    *bytes = MEMORY_PAGES * PAGE;
    return status;
}
