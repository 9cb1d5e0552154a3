/* SPDX-License-Identifier: MIT */
/*
 * The native calls of fs, and what it maps:
 *
 *           200000  the boot record, by init
 *     200000000000  the boot archive, read-write
 *     210000000000  proc's table, read-only
 *     220000000000  windows: one page each, for state pages, FIFOs and inotify instances
 *     240000000000  the heap, preserved over death, as are the KEPT variables
 */
#include "servers/fs/port.h"

#include "servers/fs/fs.h"

#include <exo.h>
#include <lib/heap.h>
#include <lib/string.h>
#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/layout.h>
#include <rs.h>

#define ARCHIVE_VA   0x0000200000000000u
#define TABLE_VA     0x0000210000000000u
#define WINDOWS_VA   0x0000220000000000u
#define WINDOWS      576u
#define HEAP_VA      0x0000240000000000u
#define HEAP_PAGES   (NATIVE_HEAP_BYTES / EXO_PAGE_SIZE)
#define HEAP_SPARED  24u    /* frames that the heap leaves, for the stack and page tables */
#define COPY_BYTES   65536u /* the most that one call copies */
#define INSERT_PAGES 512u
#define PUNCH_ROUNDS 65536u

KEPT static exo_cap store_account; /* pays for the contents of files */
KEPT static char *heap_next;       /* up to here the heap has pages */
static uint64_t archive_pages; /* paid for by whoever loaded the archive, but files all the same */
static uint64_t windows_used[(WINDOWS + 63) / 64];

/* What the native errors mean to the caller of a file system. */
static int64_t to_errno(int64_t status)
{
    switch (status) {
    case EXO_ENOMEM: return -ENOSPC;
    case EXO_ENOSLOT:
    case EXO_EOBJECTS: return -ENFILE;
    case EXO_EINVAL: return -EINVAL;
    default: return status < 0 ? -EIO : status;
    }
}

/* ---- starting ---- */

uint64_t port_own_pages(void)
{
    uint64_t info[4] = {0};

    exo_account_info(EXO_CAP_ACCOUNT, info);
    return info[0] - info[1];
}

/* Files may take half of the machine, beside what came with the archive. */
static void make_store_account(void)
{
    uint64_t info[4] = {0}, frames = exo_view()->frames_total / 2;
    int64_t account;

    if (exo_account_info(EXO_CAP_ACCOUNT, info) == 0 && info[0] - info[1] < frames * 5 / 4)
        frames = (info[0] - info[1]) * 4 / 5;
    account = exo_account_create(EXO_CAP_ACCOUNT, frames, 32768);
    if (account < 0)
        account = exo_account_create(EXO_CAP_ACCOUNT, frames, (info[2] - info[3]) / 2);
    store_account = account < 0 ? EXO_CAP_ACCOUNT : (exo_cap)account;
    if (account >= 0)
        port_keep(store_account, false);
}

/* The heap's source: as libos/exo/memory.c, but what it has given is known to the next life. */
static void *heap_more_pages(size_t *bytes)
{
    size_t pages = (*bytes + PAGE - 1) / PAGE;
    char *piece = heap_next;

    if (piece + pages * PAGE > (char *)HEAP_VA + HEAP_PAGES * PAGE ||
        port_own_pages() < pages + HEAP_SPARED)
        return 0;
    for (size_t i = 0; i < pages; i++) /* at its first touch a page is charged */
        *(volatile char *)(piece + i * PAGE) = 0;
    SET(heap_next, piece + pages * PAGE);
    *bytes = pages * PAGE;
    return piece;
}

extern char kept_start[], kept_end[];

static int64_t heap_start(bool again)
{
    int64_t status;

    heap_source(heap_more_pages);
    if (again)
        return 0;
    if (store_account) /* the last life died before all was there */
        port_drop(store_account);
    if (rs_life()->number > 1)
        memset(kept_start, 0, (size_t)(kept_end - kept_start));
    status = exo_map(0, HEAP_VA, HEAP_PAGES, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    if (status < 0 || (status = rs_preserve(HEAP_VA, HEAP_PAGES)) < 0)
        return status;
    heap_next = (char *)HEAP_VA;
    port_keep(EXO_SRV_ENDPOINT, false); /* or all that was derived from it goes */
    port_keep(EXO_SRV_SERVICES, false);
    return rs_preserve((uintptr_t)kept_start, (uintptr_t)(kept_end - kept_start) / PAGE);
}

int64_t port_start(uint8_t **archive, uint64_t *archive_bytes, bool again)
{
    struct exo_cap_info info;
    int64_t status;

    if ((status = heap_start(again)) < 0)
        return status;
    if ((status = exo_cap_info(EXO_SRV_ARCHIVE, &info)) < 0)
        return status;
    archive_pages = info.size / EXO_PAGE_SIZE;
    status =
        exo_map(0, ARCHIVE_VA, archive_pages, EXO_SRV_ARCHIVE, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    if (status < 0)
        return status;
    *archive = (uint8_t *)ARCHIVE_VA;
    *archive_bytes = info.size;
    if (!again)
        make_store_account();
    status = exo_map(0, TABLE_VA, PROC_MAX * sizeof(struct proc_entry) / EXO_PAGE_SIZE,
                     EXO_SRV_TABLE, 0, EXO_MAP_READ);
    if (status < 0)
        return status;
    process_table = (const struct proc_entry *)TABLE_VA;
    return 0;
}

/* ---- time ---- */

uint64_t port_uptime(void)
{
    return clock_uptime();
}

void port_timer(uint64_t ns)
{
    exo_timer(clock_uptime() + ns);
}

uint64_t port_now(void)
{
    return clock_now();
}

const struct exo_view *port_view(void)
{
    return exo_view();
}

#define SETTLE_STEPS 1000u

const struct exo_view *port_view_now(void)
{
    exo_yield(0);
    for (uint32_t i = 0; i < SETTLE_STEPS && exo_view()->dying != 0; i++)
        exo_yield(0);
    return exo_view();
}

const char *port_command_line(void)
{
    return ((const struct exo_boot *)EXO_BOOT_VA)->command_line;
}

/* ---- regions ---- */

#define STORE_LOW 64u /* frames: a lent file takes a few for itself */

int64_t port_region_make(uint64_t pages, bool spare)
{
    uint64_t info[4] = {0};
    exo_cap account = store_account;

    if (spare && exo_account_info(store_account, info) == 0 && info[0] - info[1] < STORE_LOW)
        account = EXO_CAP_ACCOUNT;
    return to_errno(exo_region_create(account, pages, 1));
}

int64_t port_region_write(exo_cap region, uint64_t offset, const void *from, uint64_t bytes)
{
    const uint8_t *at = from;

    while (bytes) {
        uint64_t piece = bytes < COPY_BYTES ? bytes : COPY_BYTES;
        int64_t status = exo_region_write(region, offset, at, piece);

        if (status < (int64_t)piece) /* short: the account is empty */
            return status < 0 ? to_errno(status) : -ENOSPC;
        at += piece;
        offset += piece;
        bytes -= piece;
    }
    return 0;
}

int64_t port_region_read(exo_cap region, uint64_t offset, void *to, uint64_t bytes)
{
    uint8_t *at = to;

    while (bytes) {
        uint64_t piece = bytes < COPY_BYTES ? bytes : COPY_BYTES;
        int64_t status = exo_region_read(region, offset, at, piece);

        if (status < 0)
            return to_errno(status);
        at += piece;
        offset += piece;
        bytes -= piece;
    }
    return 0;
}

int64_t port_region_punch(exo_cap region, uint64_t page, uint64_t pages)
{
    int64_t status = EXO_EAGAIN;
    uint32_t round;

    for (round = 0; pages && status == EXO_EAGAIN && round < PUNCH_ROUNDS; round++)
        status = exo_region_punch(region, page, pages);
    return pages ? to_errno(status) : 0;
}

void port_region_limit(exo_cap region, uint64_t pages)
{
    exo_region_limit(region, pages);
}

int64_t port_region_harvest(exo_cap region, uint64_t page, uint64_t pages, uint64_t *dirty)
{
    return to_errno(exo_region_harvest(region, page, pages, dirty, 0));
}

int64_t port_region_adopt(exo_cap region, uint64_t page, uint64_t archive_page, uint64_t pages)
{
    while (pages) {
        uint64_t piece = pages < INSERT_PAGES ? pages : INSERT_PAGES;
        int64_t status = exo_region_insert(region, page, EXO_SRV_ARCHIVE, archive_page, piece);

        if (status < 0)
            return to_errno(status);
        page += piece;
        archive_page += piece;
        pages -= piece;
    }
    return 0;
}

int64_t port_region_loan(exo_cap region, uint32_t rights)
{
    return to_errno(exo_cap_derive(region, rights, 0, 0, 0));
}

uint32_t port_region_holders(exo_cap region)
{
    struct exo_cap_info info;

    return exo_cap_info(region, &info) < 0 ? UINT32_MAX : info.holders;
}

void *port_region_map(exo_cap region, uint64_t page)
{
    uint32_t window;

    for (window = 0; window < WINDOWS; window++) {
        uint64_t va = WINDOWS_VA + window * EXO_PAGE_SIZE;

        if (windows_used[window / 64] >> window % 64 & 1)
            continue;
        if (exo_map(0, va, 1, region, page, EXO_MAP_READ | EXO_MAP_WRITE) < 0)
            return 0;
        windows_used[window / 64] |= 1ull << window % 64;
        return (void *)va;
    }
    return 0;
}

void port_region_remap(exo_cap region, uint64_t page, void *where)
{
    uint64_t window = ((uintptr_t)where - WINDOWS_VA) / EXO_PAGE_SIZE;

    exo_map(0, (uintptr_t)where, 1, region, page, EXO_MAP_READ | EXO_MAP_WRITE);
    windows_used[window / 64] |= 1ull << window % 64;
}

void port_unmap(void *page)
{
    uint64_t window = ((uintptr_t)page - WINDOWS_VA) / EXO_PAGE_SIZE;

    exo_unmap(0, (uintptr_t)page, 1);
    windows_used[window / 64] &= ~(1ull << window % 64);
}

void port_wake(const void *word)
{
    exo_wake(word, UINT32_MAX);
}

/* ---- capabilities ---- */

int64_t port_file_handle(uint32_t id)
{
    int64_t handle =
        exo_cap_derive(EXO_SRV_ENDPOINT, EXO_R_CALL | EXO_R_GRANT, FS_BADGE_FILE | id, 0, 0);

    return to_errno(handle);
}

void port_keep(exo_cap cap, bool lender)
{
    exo_cap_flags(cap, EXO_CAP_KEEP | (lender ? EXO_CAP_LENDER : 0));
}

bool port_is_lent(exo_cap cap)
{
    struct exo_cap_info info;

    return exo_cap_info(cap, &info) == EXO_OK && (info.flags & EXO_CAP_LENT);
}

void port_drop(exo_cap cap)
{
    exo_cap_delete(cap, 0);
}

uint32_t port_slot(exo_cap cap)
{
    return EXO_SLOT(cap);
}

/* ---- what procfs and statfs tell ---- */

void port_store_usage(uint64_t *limit, uint64_t *used)
{
    uint64_t info[4] = {0};

    exo_account_info(store_account, info);
    *limit = info[0] + archive_pages;
    *used = info[1] + archive_pages;
}

/* The region of the process that was asked about last, until the request ends. */
static exo_cap published;
static uint32_t published_slot;

static int64_t publish(uint32_t slot)
{
    struct exo_message m = {.tag = EXO_TAG(PROC_PUBLISHED, 0, 0), .w = {slot}};
    int64_t tag;

    if (published && published_slot == slot)
        return 0;
    port_request_done();
    tag = ipc_call_again(EXO_SRV_PROC, &m);
    if (tag < 0 || (int64_t)m.w[0] < 0 || EXO_TAG_CAPS((uint64_t)tag) == 0)
        return -ESRCH;
    published = exo_utcb()->received[0];
    published_slot = slot;
    return published ? 0 : -ENFILE;
}

int64_t port_published(uint32_t slot, uint64_t offset, void *to, uint64_t bytes)
{
    int64_t status = publish(slot);

    return status < 0 ? status : port_region_read(published, offset, to, bytes);
}

int64_t port_log(char *to, uint64_t bytes)
{
    return to_errno(exo_log_read(EXO_SRV_LOG, to, bytes));
}

int64_t port_service(uint32_t i, struct exo_service_info *info)
{
    return to_errno(exo_service_info(EXO_SRV_SERVICES, i, info));
}

void port_service_end(uint32_t i, uint32_t cause)
{
    if (cause == EXO_ALIVE)
        exo_service_start(EXO_SRV_SERVICES, i);
    else
        exo_service_kill(EXO_SRV_SERVICES, i, cause);
}

int64_t port_service_unload(uint32_t i)
{
    int64_t status = exo_service_unload(EXO_SRV_SERVICES, i);

    return status == EXO_EBUSY ? -EBUSY : to_errno(status);
}

int64_t port_service_policy(uint32_t i, uint32_t policy)
{
    return to_errno(exo_service_policy(EXO_SRV_SERVICES, i, policy));
}

int64_t port_service_limit(uint32_t i, uint32_t rebirths, uint64_t window)
{
    return to_errno(exo_service_limit(EXO_SRV_SERVICES, i, rebirths, window));
}

int64_t port_service_table(bool control)
{
    return to_errno(exo_cap_derive(
        EXO_SRV_SERVICES, EXO_R_READ | EXO_R_GRANT | (control ? EXO_R_CONTROL : 0), 0, 0, 0));
}

void port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4])
{
    struct exo_message m = {.tag = EXO_TAG(PROC_RESIDENT, 0, 0), .w = {slot, va, pages}};
    bool known = exo_call(EXO_SRV_PROC, &m) >= 0 && (int64_t)m.w[0] >= 0;

    for (unsigned i = 0; i < 4; i++)
        count[i] = known ? m.w[i] : 0;
}

void port_request_done(void)
{
    if (published)
        exo_cap_delete(published, 0);
    published = 0;
}

void port_process_counts(uint64_t *processes, uint64_t *forks)
{
    struct exo_message m = {.tag = EXO_TAG(PROC_STATS, 0, 0)};

    *processes = *forks = 0;
    if (ipc_call_again(EXO_SRV_PROC, &m) >= 0 && (int64_t)m.w[0] >= 0) {
        *processes = m.w[0];
        *forks = m.w[1];
    }
}
