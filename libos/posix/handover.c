// SPDX-License-Identifier: MIT
/* Building a POSIX process from nothing: see handover.h. Linked into init, and into the LibOS. */
#include "handover.h"

#include <lib/elf.h>
#include <lib/linux/errno.h>
#include <lib/string.h>
#include <libos/exo/ipc.h>

/* The layout of a fresh environment; posix.h has the same numbers for the LibOS itself. */
#define LIBOS_VA    0x00007f0000000000u
#define UTCB_VA     0x00007f2000000000u
#define STACK_VA    0x00007f2100000000u
#define STACK_BYTES 0x8000u
#define HEAD_BYTES  EXO_PAGE_SIZE

static int64_t errno_of_native(int64_t native)
{
    switch (native) {
    case EXO_ENOMEM:
    case EXO_ENOSLOT:
    case EXO_EOBJECTS: return -ENOMEM;
    case EXO_EDEAD: return -EIO;
    default: return native < 0 ? -EINVAL : native;
    }
}

/* ---- the LibOS in the new environment ------------------------------------------------------------ */

static int64_t segment_map(exo_cap env, exo_cap libos, const struct elf_segment *s)
{
    uint64_t file_pages = (s->file_bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
    uint64_t pages = (s->bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
    uint32_t how = s->rights | (s->rights & EXO_MAP_WRITE ? EXO_MAP_PRIVATE : 0);
    int64_t st = 0;

    if (file_pages > 0)
        st = exo_map(env, s->va, file_pages, libos, s->offset >> EXO_PAGE_SHIFT, how);
    if (st >= 0 && pages > file_pages)
        st = exo_map(env, s->va + (file_pages << EXO_PAGE_SHIFT), pages - file_pages, 0, 0,
                     s->rights);
    return st;
}

/* Maps the image (posix.ld: segments begin on pages of the file, data fills its last one) and finds
 * its header. */
static int64_t image_map(exo_cap env, const struct handover_plan *plan,
                         const struct libos_header **header)
{
    struct elf_image elf;

    if (elf_parse(plan->posix_elf, HEAD_BYTES, UINT64_MAX, &elf) != ELF_OK || elf.low != LIBOS_VA)
        return EXO_EINVAL;
    *header = (const struct libos_header *)((const char *)plan->posix_elf + elf.segments[0].offset);
    if ((*header)->magic != LIBOS_MAGIC)
        return EXO_EINVAL;
    for (uint32_t i = 0; i < elf.segment_count; i++) {
        const struct elf_segment *s = &elf.segments[i];

        if ((s->va | s->offset) & (EXO_PAGE_SIZE - 1))
            return EXO_EINVAL;
        int64_t st = segment_map(env, plan->libos, s);
        if (st < 0)
            return st;
    }
    return 0;
}

/* ---- the block ------------------------------------------------------------------------------------- */

static int64_t strings_put(exo_cap region, uint64_t *at, const char *const *list, uint32_t *count)
{
    for (; list && *list; list++) {
        uint64_t bytes = strlen(*list) + 1;

        if (bytes > HANDOVER_BYTES_MAX - *at)
            return -E2BIG;
        int64_t st = exo_region_write(region, *at, *list, bytes);
        if (st < 0)
            return errno_of_native(st);
        *at += bytes;
        (*count)++;
    }
    return 0;
}

/* Makes the region of the block and gives it to env; the block's head is in *h. */
static int64_t block_make(const struct handover_plan *plan, exo_cap env, struct handover *h,
                          exo_cap *region)
{
    const char *cwd = plan->cwd ? plan->cwd : "/";
    uint64_t pages = HANDOVER_BYTES_MAX >> EXO_PAGE_SHIFT, at = sizeof *h;
    int64_t st = exo_region_create(plan->account, pages, 1);

    if (st < 0)
        return errno_of_native(st);
    *region = (exo_cap)st;
    memset(h, 0, sizeof *h);
    h->magic = HANDOVER_MAGIC;
    h->flags = plan->flags;
    if (strlen(cwd) >= sizeof h->cwd)
        return -ENAMETOOLONG;
    memcpy(h->cwd, cwd, strlen(cwd) + 1);
    st = strings_put(*region, &at, plan->argv, &h->argc);
    if (st == 0)
        st = strings_put(*region, &at, plan->envp, &h->envc);
    if (st < 0)
        return st;
    h->string_bytes = (uint32_t)(at - sizeof *h);
    st = exo_cap_copy(*region, env, EXO_WELL_KNOWN(HANDOVER_SLOT));
    return st < 0 ? errno_of_native(st) : 0;
}

/* ---- thread and process ------------------------------------------------------------------------------ */

static int64_t thread_make(exo_cap env, const struct libos_header *header)
{
    uint64_t top = (STACK_VA + STACK_BYTES - THREAD_BYTES) & ~(uint64_t)63;
    struct exo_thread_args args = {
        .utcb = UTCB_VA,
        .pc = header->start,
        .sp = top,
        .foreign_pc = header->foreign,
        .upcall_pc = header->upcall,
        .nested_pc = header->nested,
        .priority = POSIX_PRIORITY,
        .words = {top, top},
    };
    int64_t st =
        exo_map(env, STACK_VA, STACK_BYTES >> EXO_PAGE_SHIFT, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE);

    return st < 0 ? st : exo_thread_create(env, &args);
}

/* Registers the process with proc: pid and slot into *h. */
static int64_t process_register(const struct handover_plan *plan, exo_cap env, exo_cap thread,
                                struct handover *h)
{
    struct exo_utcb *utcb = exo_utcb();
    bool notifies = plan->op == PROC_BOOT && plan->notification != 0;
    struct exo_message m = {
        .tag = EXO_TAG(plan->op, 0, notifies ? 3 : 2),
        .w = {PROC_CAP_PROC, PROC_SHARED_VA, 0, plan->op == PROC_BOOT ? plan->event_bits : 17},
    };

    utcb->send[0] = (struct exo_send){env, EXO_SEND_COPY};
    utcb->send[1] = (struct exo_send){thread, EXO_SEND_COPY};
    if (notifies)
        utcb->send[2] = (struct exo_send){plan->notification, EXO_SEND_COPY};
    int64_t tag = ipc_call_again(plan->proc, &m);
    if (tag < 0)
        return errno_of_native(tag);
    if ((int64_t)m.w[0] < 0)
        return (int64_t)m.w[0];
    h->pid = (int32_t)m.w[0];
    h->slot = (uint32_t)m.w[1];
    return 0;
}

static int64_t process_run(const struct handover_plan *plan, exo_cap region,
                           const struct handover *h)
{
    struct exo_message m = {.tag = EXO_TAG(PROC_START, 0, 0), .w = {(uint64_t)h->pid}};
    int64_t st = exo_region_write(region, 0, h, sizeof *h);

    if (st < 0)
        return errno_of_native(st);
    st = ipc_call_again(plan->proc, &m);
    return st < 0 ? errno_of_native(st) : (int64_t)m.w[0];
}

/* What every environment begins with: the LibOS, its capabilities, and a thread. */
static int64_t environment_begin(const struct handover_plan *plan, exo_cap env, exo_cap *thread)
{
    const struct libos_header *header;
    int64_t st = image_map(env, plan, &header);

    if (st == EXO_EINVAL)
        return -ENOEXEC;
    if (st >= 0)
        st = exo_cap_copy(plan->libos, env, EXO_WELL_KNOWN(PROC_CAP_LIBOS));
    if (st >= 0)
        st = exo_cap_copy(plan->table, env, EXO_WELL_KNOWN(PROC_CAP_TABLE));
    if (st >= 0)
        st = thread_make(env, header);
    if (st < 0)
        return errno_of_native(st);
    *thread = (exo_cap)st;
    return 0;
}

/* All that is done in the environment; what it made besides is in *thread and *region. */
static int64_t environment_fill(const struct handover_plan *plan, exo_cap env, exo_cap *thread,
                                exo_cap *region, struct handover *h)
{
    int64_t st = environment_begin(plan, env, thread);

    if (st == 0)
        st = block_make(plan, env, h, region);
    if (st == 0)
        st = process_register(plan, env, *thread, h);
    return st < 0 ? st : process_run(plan, *region, h);
}

/* ---- a process that goes on ------------------------------------------------------------------------------ */

static int64_t block_copy(const struct handover_plan *plan, exo_cap env,
                          const struct handover *block, exo_cap given)
{
    int64_t region = exo_region_create(plan->account, HANDOVER_BYTES_MAX >> EXO_PAGE_SHIFT, 1);
    int64_t st = region;

    if (region < 0)
        return errno_of_native(region);
    st = exo_region_write((exo_cap)region, 0, block, HANDOVER_BYTES_MAX);
    if (st >= 0)
        st = exo_cap_copy((exo_cap)region, env, EXO_WELL_KNOWN(HANDOVER_SLOT));
    if (st >= 0)
        st = exo_cap_copy(given, env, EXO_WELL_KNOWN(HANDOVER_WITNESS));
    exo_cap_delete((exo_cap)region, 0);
    return st < 0 ? errno_of_native(st) : 0;
}

static int64_t process_move(const struct handover_plan *plan, exo_cap env, exo_cap thread,
                            int32_t pid)
{
    struct exo_message m = {.tag = EXO_TAG(PROC_RENEWED, 0, 2),
                            .w = {PROC_CAP_PROC, PROC_SHARED_VA, (uint64_t)pid}};
    struct exo_utcb *utcb = exo_utcb();

    utcb->send[0] = (struct exo_send){env, EXO_SEND_COPY};
    utcb->send[1] = (struct exo_send){thread, EXO_SEND_COPY};
    int64_t tag = ipc_call_again(plan->proc, &m);
    return tag < 0 ? errno_of_native(tag) : (int64_t)m.w[0];
}

int64_t handover_renew(const struct handover_plan *plan, struct handover *block, exo_cap region)
{
    int64_t env = exo_env_create(plan->account), st;
    exo_cap thread = 0;

    if (env < 0)
        return errno_of_native(env);
    block->magic = HANDOVER_MAGIC;
    block->flags = HANDOVER_RENEWED;
    st = environment_begin(plan, (exo_cap)env, &thread);
    if (st == 0)
        st = block_copy(plan, (exo_cap)env, block, region);
    if (st == 0)
        st = process_move(plan, (exo_cap)env, thread, block->pid);
    if (thread)
        exo_cap_delete(thread, 0);
    if (st < 0)
        exo_env_destroy((exo_cap)env, 0);
    exo_cap_delete((exo_cap)env, 0);
    return st;
}

int64_t handover_launch(const struct handover_plan *plan, exo_cap *env_out)
{
    exo_cap thread = 0, region = 0;
    struct handover h;
    int64_t env = exo_env_create(plan->account);

    if (env < 0)
        return errno_of_native(env);
    int64_t st = environment_fill(plan, (exo_cap)env, &thread, &region, &h);
    if (thread)
        exo_cap_delete(thread, 0);
    if (region)
        exo_cap_delete(region, 0);
    if (st < 0) {
        exo_env_destroy((exo_cap)env, 0);
        exo_cap_delete((exo_cap)env, 0);
        return st;
    }
    if (env_out)
        *env_out = (exo_cap)env;
    else
        exo_cap_delete((exo_cap)env, 0);
    return h.pid;
}
