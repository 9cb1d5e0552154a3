/* SPDX-License-Identifier: MIT */
/*
 * Starting a native program. Its pages, as they will stand in memory, are put together in one region
 * that the new program pays for; each segment is a mapping of its part of it. So the rest of the last
 * page of data is zeros, whatever follows in the file, and bss pages exist only once touched. What the
 * program writes goes to copies of its own: so the region stays as loaded, and a service can go back to it.
 *
 * A mapping lives as long as the capability it was made with: struct spawned keeps that.
 */
#include <exo.h>

#include <lib/elf.h>
#include <lib/string.h>
#include <libos/exo/layout.h>
#include <libos/exo/spawn.h>

#define REGION_ZERO_FILL 1u
#define WRITE_BYTES      65536u /* the most that exo_region_write takes */
#define READ_WRITE       (EXO_MAP_READ | EXO_MAP_WRITE)

static uint64_t page_of(uint64_t bytes)
{
    return bytes / EXO_PAGE_SIZE;
}

static uint64_t pages_up(uint64_t bytes)
{
    return page_of(bytes + EXO_PAGE_SIZE - 1);
}

/* What the layout wants of a program: its addresses are its own and below the heap. */
static bool image_fits(const struct elf_image *image)
{
    return !image->relocatable && image->low >= NATIVE_UTCB_VA + EXO_UTCB_SIZE &&
           image->high <= NATIVE_HEAP_VA;
}

static int64_t write_segment(exo_cap region, uint64_t at, const uint8_t *from, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t part = bytes < WRITE_BYTES ? bytes : WRITE_BYTES;
        int64_t written = exo_region_write(region, at, from, part);

        if (written < 0)
            return written;
        at += part;
        from += part;
        bytes -= part;
    }
    return EXO_OK;
}

/* EXO_MAP_KEEP: segments that share a page would fight over its rights. */
static int64_t place_segment(const struct spawned *p, const struct spawn_plan *plan,
                             const struct elf_image *image, const struct elf_segment *s)
{
    uint64_t offset = s->va - image->low, first = page_of(offset);
    int64_t result =
        write_segment(p->image, offset, (const uint8_t *)plan->elf + s->offset, s->file_bytes);

    uint64_t last = pages_up(offset + s->bytes), loaded = pages_up(offset + s->file_bytes);
    bool writable = (s->rights & EXO_MAP_WRITE) != 0;

    if (!writable || loaded < first)
        loaded = writable ? first : last;
    if (result == EXO_OK && loaded > first)
        result = exo_map(p->env, image->low + first * EXO_PAGE_SIZE, loaded - first, p->image,
                         first, s->rights | EXO_MAP_KEEP | (writable ? EXO_MAP_PRIVATE : 0));
    if (result == EXO_OK && last > loaded)
        result = exo_map(p->env, image->low + loaded * EXO_PAGE_SIZE, last - loaded, 0, 0,
                         s->rights | EXO_MAP_KEEP);
    return result;
}

static int64_t place_stack(exo_cap env)
{
    return exo_map(env, NATIVE_STACK_TOP - NATIVE_STACK_PAGES * EXO_PAGE_SIZE, NATIVE_STACK_PAGES,
                   0, 0, READ_WRITE);
}

static int64_t make_thread(const struct spawn_plan *plan, uint64_t entry, exo_cap env)
{
    struct exo_thread_args args = {.utcb = NATIVE_UTCB_VA,
                                   .pc = entry,
                                   .sp = NATIVE_STACK_TOP,
                                   .arg = plan->argument,
                                   .priority = plan->priority};

    memcpy(&args.words[SPAWN_WORD_NAME], plan->name, strnlen(plan->name, SPAWN_NAME_BYTES));
    return exo_thread_create(env, &args);
}

/* Takes a new handle out of a call's result. */
static int64_t take(int64_t result, exo_cap *handle)
{
    if (result < 0)
        return result;
    *handle = (exo_cap)result;
    return EXO_OK;
}

static int64_t build(const struct spawn_plan *plan, const struct elf_image *image,
                     struct spawned *p)
{
    exo_cap account = plan->account ? plan->account : EXO_CAP_ACCOUNT;
    int64_t result = take(exo_env_create(account), &p->env);

    if (result == EXO_OK)
        result =
            take(exo_region_create(account, page_of(image->high - image->low), REGION_ZERO_FILL),
                 &p->image);
    for (uint32_t i = 0; i < image->segment_count && result == EXO_OK; i++)
        result = place_segment(p, plan, image, &image->segments[i]);
    if (result == EXO_OK)
        result = place_stack(p->env);
    if (result == EXO_OK)
        result = take(make_thread(plan, image->entry, p->env), &p->thread);
    return result;
}

int64_t spawn_create(const struct spawn_plan *plan, struct spawned *out)
{
    struct elf_image image;
    struct spawned program = {0};
    int64_t result;

    if (elf_parse(plan->elf, plan->elf_bytes, plan->elf_bytes, &image) != ELF_OK ||
        !image_fits(&image))
        return EXO_EINVAL;
    result = build(plan, &image, &program);
    if (result != EXO_OK)
        spawn_end(&program);
    else
        *out = program;
    return result;
}

int64_t spawn_give(const struct spawned *program, exo_cap want, exo_cap cap, uint32_t rights,
                   uint64_t badge)
{
    int64_t made = exo_cap_derive(cap, rights, badge, program->env, want);

    return made < 0 ? made : EXO_OK;
}

int64_t spawn_run(const struct spawned *program)
{
    return exo_thread_resume(program->thread);
}

void spawn_end(struct spawned *program)
{
    if (program->env != 0)
        exo_env_destroy(program->env, 0);
    if (program->thread != 0)
        exo_cap_delete(program->thread, 0);
    if (program->env != 0)
        exo_cap_delete(program->env, 0);
    if (program->image != 0)
        exo_cap_delete(program->image, 0);
    *program = (struct spawned){0};
}
