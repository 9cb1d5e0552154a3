// SPDX-License-Identifier: MIT
/*
 * Executable files: reading what they ask for (lib/elf.h) and mapping it.
 *
 * Segments are private mappings of the file's region, the same pages that every process running the
 * program shares until it writes. What a file claims is checked: addresses that are not a program's
 * are refused.
 */
#include "exec.h"
#include "mmap.h"

#include <lib/linux/fcntl.h>
#include <lib/linux/stat.h>

#define PROGRAM_BASE 0x0000555555554000u /* of relocatable programs, as on Linux without ASLR */

int64_t program_read(const struct program *p, uint64_t offset, void *to, uint64_t bytes)
{
    if (offset > p->file_bytes || bytes > p->file_bytes - offset)
        return -ENOEXEC;
    int64_t got = exo_region_read(p->region, (p->first_page << EXO_PAGE_SHIFT) + offset, to, bytes);
    return got < 0 ? errno_of(got) : 0;
}

int64_t program_open(struct program *p, const char *path, uint8_t head[PROGRAM_HEAD])
{
    struct fs_stat stat;

    p->file = 0;
    p->base = 0;
    int64_t st = path_executable(path);
    if (st == 0)
        st = file_open(path, O_RDONLY, 0, &p->file);
    if (st < 0)
        return st;
    if (!p->file->ops->region || !p->file->ops->stat) {
        st = -EACCES;
    } else {
        st = p->file->ops->region(p->file, EXO_MAP_READ | EXO_MAP_EXEC, &p->region, &p->first_page);
        if (st == 0)
            st = p->file->ops->stat(p->file, &stat);
    }
    if (st == 0) {
        p->file_bytes = stat.size;
        p->mode = stat.mode;
        p->uid = stat.uid;
        p->gid = stat.gid;
        memset(head, 0, PROGRAM_HEAD);
        st = program_read(p, 0, head, stat.size < PROGRAM_HEAD ? stat.size : PROGRAM_HEAD);
    }
    if (st < 0)
        program_close(p);
    return st;
}

void program_close(struct program *p)
{
    if (p->file)
        file_put(p->file);
    p->file = 0;
}

int64_t program_parse(struct program *p, const uint8_t head[PROGRAM_HEAD])
{
    uint64_t size = p->file_bytes < PROGRAM_HEAD ? p->file_bytes : PROGRAM_HEAD;
    enum elf_result result = elf_parse(head, size, p->file_bytes, &p->elf);

    if (result == ELF_SHORT) {
        uint8_t headers[ELF_HEADERS * ELF_PROGRAM_BYTES];
        uint64_t bytes = (uint64_t)p->elf.header_count * p->elf.header_bytes;

        if (bytes > sizeof headers || program_read(p, p->elf.headers_offset, headers, bytes) < 0)
            return -ENOEXEC;
        result = elf_parse_headers(headers, p->file_bytes, &p->elf);
    }
    return result == ELF_OK && p->elf.segment_count > 0 ? 0 : -ENOEXEC;
}

/* The memory of a segment beyond what the file gives: the rest of a page, then whole pages. */
static int64_t segment_zero(uint64_t start, uint64_t end, uint32_t rights)
{
    uint64_t page = PAGE_UP(start);

    if ((rights & EXO_MAP_WRITE) && start < page) {
        int64_t st = user_fill_zero((void *)start, (page < end ? page : PAGE_UP(end)) - start);

        if (st < 0)
            return st;
    }
    return page < end ? map_anonymous(page, PAGE_UP(end), rights, 0) : 0;
}

static int64_t segment_map(const struct program *p, const struct elf_segment *s)
{
    uint64_t start = p->base + s->va, end = start + s->bytes, file_end = start + s->file_bytes;

    if (s->file_bytes == 0)
        return map_anonymous(PAGE_DOWN(start), PAGE_UP(end), s->rights, 0);
    int64_t st =
        map_program(PAGE_DOWN(start), PAGE_UP(file_end), s->rights, p->file, PAGE_DOWN(s->offset));
    if (st == 0 && file_end < end)
        st = segment_zero(file_end, end, s->rights);
    return st;
}

int64_t program_map(struct program *p, bool library)
{
    const struct elf_image *e = &p->elf;
    uint64_t bytes = e->high - e->low, base = 0;

    if (e->relocatable) {
        base = PROGRAM_BASE;
        if (library && !(base = vma_place(MMAP_LOW, image_state.mmap_top, bytes + e->align)))
            return -ENOMEM;
        base = ((base + e->align - 1) & ~(e->align - 1)) - e->low;
    } else if (e->low < MMAP_LOW) {
        return -ENOEXEC;
    }
    if (bytes > USER_TOP || base + e->low > image_state.mmap_top ||
        bytes > image_state.mmap_top - (base + e->low))
        return -ENOEXEC;
    p->base = base;
    for (uint32_t i = 0; i < e->segment_count; i++) {
        int64_t st = segment_map(p, &e->segments[i]);

        if (st < 0)
            return st;
    }
    return 0;
}
