/* SPDX-License-Identifier: MIT */
/*
 * A device for the unit tests of servers/fs/ext4: an image file, mapped. It can keep a log of what is
 * written and flushed, fail on purpose, and finish requests late and in any order. The images come
 * from the host's mke2fs, and e2fsck has the last word on what the library made of them.
 */
#pragma once

#define _GNU_SOURCE /* popen, mkdtemp */

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "servers/fs/ext4/ext4.h"
#include "test_framework.h"

/* ---- the heap: the host's, so that every block is watched ---- */

void *heap_alloc(size_t bytes);
void *heap_zeroed(size_t count, size_t bytes);
void *heap_resize(void *block, size_t bytes);
void heap_free(void *block);

void *heap_alloc(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}
void *heap_zeroed(size_t count, size_t bytes)
{
    return calloc(count, bytes);
}
void *heap_resize(void *block, size_t bytes)
{
    return realloc(block, bytes);
}
void heap_free(void *block)
{
    free(block);
}

/* ---- the device ---- */

struct disk_event { /* of the log */
    uint64_t offset, bytes;
    uint8_t *data; /* 0: a flush */
};

#define DISK_QUEUE 128

static struct disk {
    char folder[64], path[96];
    uint8_t *image;
    uint64_t bytes;
    bool late; /* requests wait for disk_wait */
    struct ext4_io *queue[DISK_QUEUE];
    unsigned queued;
    bool log;
    struct disk_event *events;
    size_t event_count, event_limit;
    uint64_t reads, writes, flushes;
    uint64_t fail_read, fail_write; /* the number of the request that fails, counted from 1 */
    uint64_t fail_block;            /* all requests that touch this byte fail; 0: none */
    uint64_t now;
    char reported[4096]; /* the last lines */
    bool quiet;
    void *memory;
} disk;

static uint64_t test_random_state = 88172645463325252u;

/* xorshift64 (Marsaglia, 2003) */
static inline uint64_t test_random(void)
{
    test_random_state ^= test_random_state << 13;
    test_random_state ^= test_random_state >> 7;
    test_random_state ^= test_random_state << 17;
    return test_random_state;
}
static inline uint32_t random_below(uint32_t limit)
{
    return (uint32_t)(test_random() >> 16) % limit;
}

static void disk_log(uint64_t offset, uint64_t bytes, const void *data)
{
    struct disk_event *e;

    if (disk.event_count == disk.event_limit) {
        disk.event_limit = disk.event_limit * 2 + 1024;
        disk.events = realloc(disk.events, disk.event_limit * sizeof(*disk.events));
    }
    e = &disk.events[disk.event_count++];
    *e = (struct disk_event){offset, bytes, NULL};
    if (data) {
        e->data = malloc(bytes);
        memcpy(e->data, data, bytes);
    }
}

static int64_t disk_perform(const struct ext4_io *io)
{
    bool inside = io->offset <= disk.bytes && io->bytes <= disk.bytes - io->offset;
    bool hit = disk.fail_block && io->offset <= disk.fail_block &&
               disk.fail_block < io->offset + io->bytes;

    if (io->kind == EXT4_IO_FLUSH) {
        disk.flushes++;
        if (disk.log)
            disk_log(0, 0, NULL);
        return 0;
    }
    if (!inside || io->offset % 512 || io->bytes % 512 || io->bytes == 0) {
        printf("# a request outside of the device\n");
        abort();
    }
    if (io->kind == EXT4_IO_READ) {
        if (++disk.reads == disk.fail_read || hit)
            return -5;
        memcpy(io->memory, disk.image + io->offset, io->bytes);
    } else if (io->kind == EXT4_IO_WRITE) {
        if (++disk.writes == disk.fail_write || hit)
            return -5;
        memcpy(disk.image + io->offset, io->memory, io->bytes);
        if (disk.log)
            disk_log(io->offset, io->bytes, io->memory);
    }
    return 0;
}

static void disk_submit(void *context, struct ext4_io *io)
{
    (void)context;
    if (!disk.late) {
        io->done(io, disk_perform(io));
        return;
    }
    if (disk.queued == DISK_QUEUE)
        abort();
    disk.queue[disk.queued++] = io;
}

/* Finishes one of the requests under way. Writes are only ever late, never torn. */
static void disk_wait(void *context)
{
    unsigned k;
    struct ext4_io *io;

    (void)context;
    if (disk.queued == 0) {
        printf("# waits for a device that has nothing to do\n");
        abort();
    }
    k = random_below(disk.queued);
    io = disk.queue[k];
    disk.queue[k] = disk.queue[--disk.queued];
    io->done(io, disk_perform(io));
}

static uint64_t disk_now(void *context)
{
    (void)context;
    return disk.now += 1000001;
}

static void disk_report(void *context, const char *text)
{
    size_t have = strlen(disk.reported), more = strlen(text);

    (void)context;
    if (have + more + 2 > sizeof(disk.reported))
        have = 0;
    memcpy(disk.reported + have, text, more);
    memcpy(disk.reported + have + more, "\n", 2);
    if (!disk.quiet)
        printf("# ext4: %s\n", text);
}

/* ---- images ---- */

/* Runs a shell command; its output is shown if it fails. @return its status */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
    char command[1024], line[512];
    char output[8192] = "";
    va_list arguments;
    size_t used = 0;
    FILE *pipe;
    int status;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command) - 8, format, arguments);
    va_end(arguments);
    strcat(command, " 2>&1");
    pipe = popen(command, "r");
    while (pipe && fgets(line, sizeof(line), pipe)) {
        size_t bytes = strlen(line);

        if (used + bytes < sizeof(output)) {
            memcpy(output + used, line, bytes + 1);
            used += bytes;
        }
    }
    status = pipe ? pclose(pipe) : -1;
    if (status != 0)
        printf("# %s: %d\n%s", command, WEXITSTATUS(status), output);
    return WEXITSTATUS(status);
}

static void disk_map(void)
{
    struct stat st;
    int fd = open(disk.path, O_RDWR);

    ASSERT_TRUE(fd >= 0 && fstat(fd, &st) == 0);
    disk.bytes = (uint64_t)st.st_size;
    disk.image = mmap(NULL, disk.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT_TRUE(disk.image != MAP_FAILED);
    close(fd);
}

static void disk_remove(void)
{
    char command[128];

    if (disk.image)
        munmap(disk.image, disk.bytes);
    disk.image = NULL;
    snprintf(command, sizeof(command), "rm -rf %s", disk.folder);
    if (disk.folder[0] && system(command) != 0)
        printf("# %s: failed\n", command);
    disk.folder[0] = 0;
    for (size_t k = 0; k < disk.event_count; k++)
        free(disk.events[k].data);
    free(disk.events);
    free(disk.memory);
    disk = (struct disk){0};
}

/* A fresh image of so many MiB, made with these options of mke2fs; "@" in them is disk.folder. */
static void disk_make(unsigned mib, const char *options)
{
    char command[512];
    size_t used;

    if (!disk.folder[0]) {
        strcpy(disk.folder, "/tmp/exo-ext4-XXXXXX");
        ASSERT_NOT_NULL(mkdtemp(disk.folder));
        snprintf(disk.path, sizeof(disk.path), "%s/image", disk.folder);
        disk.now = 1800000000000000000u;
        atexit(disk_remove);
    }
    used = (size_t)snprintf(command, sizeof(command),
                            "/sbin/mke2fs -q -F -t ext4 -E "
                            "hash_seed=11111111-2222-3333-4444-555555555555 ");
    for (; *options && used < sizeof(command) - 80; options++) {
        if (*options == '@')
            used += (size_t)snprintf(command + used, sizeof(command) - used, "%s", disk.folder);
        else
            command[used++] = *options;
    }
    snprintf(command + used, sizeof(command) - used, " %s %uM", disk.path, mib);
    unlink(disk.path);
    ASSERT_EQ(run("%s", command), 0);
    disk_map();
}

#define CACHE_BYTES (4u << 20)

static int64_t disk_mount_as(struct ext4 **fs, struct ext4_options options)
{
    struct ext4_device device = {
        .bytes = disk.bytes,
        .submit = disk_submit,
        .wait = disk_wait,
        .now = disk_now,
        .report = disk_report,
    };

    disk.reported[0] = 0;
    if (!disk.memory)
        disk.memory = aligned_alloc(4096, CACHE_BYTES);
    options.memory = disk.memory;
    options.bytes = options.bytes ? options.bytes : CACHE_BYTES;
    return ext4_mount(fs, &device, &options);
}

static inline struct ext4 *disk_mount(void)
{
    struct ext4 *fs = NULL;

    ASSERT_EQ(disk_mount_as(&fs, (struct ext4_options){0}), 0);
    return fs;
}

/* What every test that wrote ends with. */
static inline void disk_check(void)
{
    ASSERT_EQ(run("/sbin/e2fsck -fn %s", disk.path), 0);
}

static inline bool disk_said(const char *text)
{
    return strstr(disk.reported, text) != NULL;
}

/* Calls again while the library asks for it; in between something gets done. */
#define AGAIN(status, call)        \
    do {                           \
        (status) = (call);         \
        if ((status) == EXT4_WAIT) \
            disk_wait(NULL);       \
    } while ((status) == EXT4_WAIT)
