/* SPDX-License-Identifier: MIT */
/*
 * The machine below servers/fs, for its unit tests: regions are arrays of pages here, capabilities
 * are numbers, time stands still unless a test moves it. A test file includes this once and links
 * all of servers/fs but main.c and port.c.
 */
#pragma once

#include <exo/view.h>

#include "lib/answers.h"
#include "lib/heap.h"
#include "servers/fs/fs.h"
#include "servers/fs/port.h"
#include "test_framework.h"

void unlogged(const void *at, size_t bytes);

/* ---- the heap: the host's, so that every block is watched ---- */

#ifndef FS_FAKE_OWN_HEAP
static bool heap_is_full;

void unlogged(const void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}

void *heap_alloc(size_t bytes)
{
    return heap_is_full ? NULL : malloc(bytes ? bytes : 1);
}
void *heap_zeroed(size_t count, size_t bytes)
{
    return heap_is_full ? NULL : calloc(count, bytes);
}
void *heap_resize(void *block, size_t bytes)
{
    return heap_is_full ? NULL : realloc(block, bytes);
}
void heap_free(void *block)
{
    free(block);
}
#endif

/* ---- regions and capabilities ---- */

int64_t port_extent(uint64_t rdev, bool write)
{
    (void)rdev, (void)write;
    return -ENXIO;
}

int64_t port_volume(uint32_t number, uint64_t rdev, bool write, struct ext4_device *device,
                    void **memory, size_t *bytes)
{
    (void)number, (void)rdev, (void)write, (void)device, (void)memory, (void)bytes;
    return -ENXIO;
}

void port_volume_close(uint32_t number)
{
    (void)number;
}

int64_t port_region_harvest(exo_cap region, uint64_t page, uint64_t pages, uint64_t *dirty)
{
    (void)region, (void)page, (void)pages, (void)dirty;
    return -EIO;
}

void log_line(const char *format, ...);
void log_line(const char *format, ...)
{
    (void)format;
}

void port_timer(uint64_t ns)
{
    (void)ns;
}

#define FAKE_REGIONS 64
#define FAKE_PAGES   64

struct fake_region {
    bool live, kept;
    bool owned; /* fs's capability is there */
    uint32_t holders;
    uint32_t loans; /* of them, made and not given away yet */
    uint64_t limit;
    struct {
        uint64_t index;
        uint8_t *bytes;
    } pages[FAKE_PAGES];
    uint32_t count;
};
static struct fake_region fake_regions[FAKE_REGIONS];
static uint64_t fake_pages, fake_pages_limit = UINT64_MAX;
static uint64_t fake_adopted;
static uint64_t fake_now = 1000000000000;
static uint32_t fake_wakes;
static uint8_t *fake_archive; /* page aligned */

/* A handle of a region: 1000 + its index; of a file: 10000 + id; loans: + 100000. */
static inline struct fake_region *fake_region(exo_cap cap)
{
    uint64_t index = cap % 100000 - 1000;

    return index < FAKE_REGIONS && fake_regions[index].live ? &fake_regions[index] : NULL;
}

/* The first free page of the machine, cleared: the same one in each run from the same state. */
static inline uint8_t *fake_page_take(void)
{
    static uint8_t store[1024][4096];

    for (uint32_t i = 0; i < 1024; i++) {
        bool used = false;

        for (uint32_t r = 0; r < FAKE_REGIONS; r++)
            for (uint32_t p = 0; fake_regions[r].live && p < fake_regions[r].count; p++)
                used |= fake_regions[r].pages[p].bytes == store[i];
        if (!used)
            return memset(store[i], 0, sizeof(store[i]));
    }
    return NULL;
}

static inline uint8_t *fake_page(struct fake_region *r, uint64_t index, bool make)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->pages[i].index == index)
            return r->pages[i].bytes;
    if (!make || r->count == FAKE_PAGES || fake_pages >= fake_pages_limit)
        return NULL;
    fake_pages++;
    r->pages[r->count].index = index;
    r->pages[r->count].bytes = fake_page_take();
    return r->pages[r->count++].bytes;
}

static inline void fake_page_drop(struct fake_region *r, uint32_t i)
{
    r->pages[i] = r->pages[--r->count];
    fake_pages--;
}

int64_t port_region_make(uint64_t pages, bool spare)
{
    (void)spare;
    (void)pages;
    for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
        if (!fake_regions[i].live) {
            fake_regions[i] = (struct fake_region){.live = true, .owned = true, .holders = 1};
            return 1000 + i;
        }
    }
    return -ENFILE;
}

int64_t port_region_write(exo_cap region, uint64_t offset, const void *from, uint64_t bytes)
{
    struct fake_region *r = fake_region(region);

    if (r == NULL)
        return -EIO;
    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t *page = fake_page(r, (offset + i) / 4096, true);

        if (page == NULL)
            return -ENOSPC;
        page[(offset + i) % 4096] = ((const uint8_t *)from)[i];
    }
    return 0;
}

int64_t port_region_read(exo_cap region, uint64_t offset, void *to, uint64_t bytes)
{
    struct fake_region *r = fake_region(region);

    if (r == NULL)
        return -EIO;
    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t *page = fake_page(r, (offset + i) / 4096, false);

        ((uint8_t *)to)[i] = page ? page[(offset + i) % 4096] : 0;
    }
    return 0;
}

void port_region_limit(exo_cap region, uint64_t pages)
{
    fake_region(region)->limit = pages;
}

int64_t port_region_punch(exo_cap region, uint64_t page, uint64_t pages)
{
    struct fake_region *r = fake_region(region);

    for (uint32_t i = 0; r && r->owned && i < r->count;) {
        if (r->pages[i].index >= page && r->pages[i].index - page < pages)
            fake_page_drop(r, i);
        else
            i++;
    }
    return 0;
}

int64_t port_region_adopt(exo_cap region, uint64_t page, uint64_t archive_page, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint8_t *to = fake_page(fake_region(region), page + i, true);

        if (to == NULL)
            return -ENOSPC;
        memcpy(to, fake_archive + (archive_page + i) * 4096, 4096);
        fake_adopted++;
    }
    return 0;
}

int64_t port_region_loan(exo_cap region, uint32_t rights)
{
    (void)rights;
    fake_region(region)->holders++;
    fake_region(region)->loans++;
    return (int64_t)region + 100000;
}

uint32_t port_region_holders(exo_cap region)
{
    struct fake_region *r = fake_region(region);

    return r && r->owned ? r->holders : UINT32_MAX;
}

void *port_region_map(exo_cap region, uint64_t page)
{
    return fake_page(fake_region(region), page, true);
}

void port_region_remap(exo_cap region, uint64_t page, void *where)
{
    ASSERT_TRUE(fake_page(fake_region(region), page, false) == where);
}

void port_keep(exo_cap cap, bool lender)
{
    (void)lender;
    if (fake_region(cap))
        fake_region(cap)->kept = true;
}

/* Handles of files that somebody holds, by id. */
static bool fake_lent[256];

bool port_is_lent(exo_cap cap)
{
    return fake_lent[(cap - 10000) % 256];
}

void port_unmap(void *page)
{
    (void)page;
}

void port_wake(const void *word)
{
    (void)word;
    fake_wakes++;
}

int64_t port_file_handle(uint32_t id)
{
    return 10000 + id;
}

/* Somebody else lets go of a region. */
static inline void fake_give_back(exo_cap cap)
{
    struct fake_region *r = fake_region(cap);

    if (r == NULL || --r->holders > 0)
        return;
    while (r->count)
        fake_page_drop(r, 0);
    r->live = false;
}

void port_drop(exo_cap cap)
{
    struct fake_region *r = fake_region(cap);

    if (r == NULL || !r->owned)
        return; /* as a stale handle */
    r->owned = false;
    fake_give_back(cap);
}

/* What the kernel does at a rebirth: capabilities that were not to be kept are gone. */
static inline void fake_rebirth(void)
{
    for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
        struct fake_region *r = &fake_regions[i];

        r->holders -= r->loans;
        r->loans = 0;
        if (r->live && !r->kept)
            port_drop(1000 + i);
    }
}

/* What it does at a reply: what is given away is the caller's. */
static inline void fake_reply(void)
{
    for (uint32_t i = 0; i < FAKE_REGIONS; i++)
        fake_regions[i].loans = 0;
}

uint32_t port_slot(exo_cap cap)
{
    return (uint32_t)cap;
}

uint64_t port_now(void)
{
    return fake_now;
}

uint64_t port_uptime(void)
{
    return fake_now - 1000000000000 + 10000000000;
}

void port_store_usage(uint64_t *limit, uint64_t *used)
{
    *limit = 1000;
    *used = fake_pages;
}

/* ---- processes ---- */

static struct proc_entry fake_table[PROC_MAX];
static struct proc_shared fake_shared[8];
static struct exo_view fake_view = {
    .cpus = 1,
    .tick_mult = 1 << 20,
    .tick_shift = 20,
    .frames_total = 65536,
    .frames_free = 40000,
    .idle_ns = 4000000000,
};

int64_t port_log(char *to, uint64_t bytes)
{
    memset(to, '.', bytes < 9 ? bytes : 9);
    return bytes < 9 ? (int64_t)bytes : 9;
}
void port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4])
{
    (void)slot, (void)va;
    count[0] = pages < 3 ? pages : 3;
    count[1] = count[2] = count[3] = count[0] / 2;
}
int64_t port_published(uint32_t slot, uint64_t offset, void *to, uint64_t bytes)
{
    if (slot >= 8)
        return -ESRCH;
    memcpy(to, (const uint8_t *)&fake_shared[slot] + offset, bytes);
    return 0;
}

int64_t port_service(uint32_t i, struct exo_service_info *info)
{
    (void)info;
    return i == UINT32_MAX ? 0 : -ENOENT;
}

void port_service_end(uint32_t i, uint32_t cause)
{
    (void)i, (void)cause;
}

int64_t port_service_unload(uint32_t i)
{
    (void)i;
    return 0;
}

int64_t port_service_policy(uint32_t i, uint32_t policy)
{
    (void)i, (void)policy;
    return 0;
}

int64_t port_service_limit(uint32_t i, uint32_t rebirths, uint64_t window)
{
    (void)i, (void)rebirths;
    return window ? 0 : -EINVAL;
}

int64_t port_service_table(bool control)
{
    (void)control;
    return -ENOENT;
}

void port_process_counts(uint64_t *processes, uint64_t *forks)
{
    *processes = 3;
    *forks = 7;
}

const struct exo_view *port_view(void)
{
    return &fake_view;
}

const struct exo_view *port_view_now(void)
{
    return &fake_view;
}

const char *port_command_line(void)
{
    return "debug=1";
}

/* ---- calls, as a client makes them ---- */

#define ROOT  1u /* slots in the table */
#define ALICE 2u
#define BOB   3u

static struct request q;
static volatile uint64_t fake_badge; /* the UTCB's */
static uint32_t fake_again;          /* EXO_LABEL_AGAIN: calls are repeated ones */
static _Alignas(16) char message[EXO_MSG_BYTES];

static inline void fake_process(uint32_t slot, int32_t pid, uint32_t uid, uint32_t gid)
{
    struct proc_entry *e = &fake_table[slot];

    *e = (struct proc_entry){.state = PROC_RUNNING,
                             .pid = pid,
                             .ppid = 1,
                             .pgid = pid,
                             .sid = pid,
                             .tty = 0,
                             .start_ns = 1000000000};
    e->ruid = e->euid = e->suid = e->fsuid = uid;
    e->rgid = e->egid = e->sgid = e->fsgid = gid;
}

static inline void fs_begin(void)
{
    static const uint8_t seed[32];
    static const uint64_t secret[2] = {0x1234567, 0x89abcdef};

    undo_begin();
    heap_file_limit = UINT64_MAX;
    files_init(seed);
    tree_init(64, secret);
    tree_root = inode_make(S_IFDIR | 0755, 0, 0, VOLUME_ROOT);
    tree_root->nlink++;
    tree_root->mount_root = true;
    tree_root->dir.up = tree_root;
    process_table = fake_table;
    fake_process(ROOT, 100, 0, 0);
    fake_process(ALICE, 101, 1000, 1000);
    fake_process(BOB, 102, 1001, 1001);
}

static inline int64_t serve(uint64_t badge, uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                            uint64_t w3, const void *msg, size_t bytes)
{
    exo_cap got = q.got;

    q = (struct request){.w = {w0, w1, w2, w3},
                         .msg = message,
                         .reply = message,
                         .bytes = (uint32_t)bytes,
                         .got = got};
    memmove(message, msg, bytes);
    fake_badge = badge;
    answers_begin();
    request_serve(&q, &fake_badge, EXO_TAG(label | fake_again, bytes, 0));
    return (int64_t)q.r[0];
}

/* A call with one path, relative to the root. */
static inline int64_t path_call(uint32_t slot, uint32_t label, const char *path, uint64_t w1,
                                uint64_t w2)
{
    return serve(slot, label, 0, w1, w2, 0, path, strlen(path));
}

/* A call with two. */
static inline int64_t paths_call(uint32_t slot, uint32_t label, const char *a, const char *b,
                                 uint64_t w3)
{
    char both[2 * PATH_BYTES];
    size_t length = strlen(a);

    memcpy(both, a, length);
    memcpy(both + length, b, strlen(b));
    return serve(slot, label, 0, 0, length, w3, both, length + strlen(b));
}

struct opened {
    uint64_t number, badge;
    exo_cap handle;
    struct fs_stat stat;
    uint32_t kind;
};

static inline int64_t open_path(struct opened *f, uint32_t slot, const char *path, uint64_t flags,
                                uint32_t mode)
{
    int64_t status = path_call(slot, FS_OPEN, path, flags, mode);
    struct fs_open_reply reply;

    if (status < 0)
        return status;
    memcpy(&reply, message, sizeof(reply));
    f->number = reply.number;
    f->stat = reply.stat;
    f->kind = reply.kind;
    f->handle = q.give;
    f->badge = FS_BADGE_FILE | (q.give - 10000);
    return status;
}

static inline int64_t file_call(const struct opened *f, uint32_t label, uint64_t w0, uint64_t w1,
                                uint64_t w2, const void *msg, size_t bytes)
{
    return serve(f->badge, label, w0, w1, w2, 0, msg, bytes);
}

static inline void close_file(const struct opened *f)
{
    fake_badge = 0; /* an event: no call is served */
    answers_begin();
    file_childless(f->handle);
}

/* Makes a file with a text. */
static inline int64_t make_text(uint32_t slot, const char *path, const char *text)
{
    struct opened f;
    int64_t status = open_path(&f, slot, path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    if (status < 0)
        return status;
    status = file_call(&f, FS_WRITE, 0, 0, 0, text, strlen(text));
    close_file(&f);
    return status;
}

static inline struct fs_stat stat_of(const char *path)
{
    struct fs_stat s = {0};

    if (path_call(ROOT, FS_STAT, path, AT_SYMLINK_NOFOLLOW, 0) == 0)
        memcpy(&s, message, sizeof(s));
    return s;
}

static inline bool text_is(const char *path, const char *text)
{
    struct opened f;
    int64_t bytes;

    if (open_path(&f, ROOT, path, O_RDONLY, 0) < 0)
        return false;
    bytes = file_call(&f, FS_READ, 0, 4096, 0, "", 0);
    close_file(&f);
    return bytes == (int64_t)strlen(text) && memcmp(message, text, (size_t)bytes) == 0;
}
