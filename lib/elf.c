/* SPDX-License-Identifier: MIT */
/*
 * Reading an ELF64 executable (System V gABI chapters 4 and 5).
 *
 * Two steps: the file header says where the program headers are; the program headers say all else.
 * Every field is copied out by an unaligned read before it is judged, because the bytes may lie
 * anywhere, and each sum is checked before it is made.
 *
 * Tests: tests/c17/unit/test_lib_elf.c
 */
#include <exo/types.h>

#include <exo_machine/elf.h>

#include <lib/elf.h>
#include <lib/string.h>

enum { CLASS_64 = 2, LITTLE_ENDIAN_DATA = 1, VERSION = 1, TYPE_EXEC = 2, TYPE_DYN = 3 };

#define PAGE_MASK (EXO_PAGE_SIZE - 1)

static bool is_power_of_two(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* [start, start + bytes) lies within [0, limit). */
static bool lies_within(uint64_t start, uint64_t bytes, uint64_t limit)
{
    return start <= limit && bytes <= limit - start;
}

static uint32_t map_rights(uint32_t flags)
{
    return (flags & ELF_READ ? EXO_MAP_READ : 0) | (flags & ELF_WRITE ? EXO_MAP_WRITE : 0) |
           (flags & ELF_EXEC ? EXO_MAP_EXEC : 0);
}

static enum elf_result add_segment(const struct elf_program_header *ph, struct elf_image *image)
{
    uint32_t count = image->segment_count;
    uint64_t top = UINT64_MAX - PAGE_MASK; /* so that rounding up cannot wrap */

    if (ph->memsz == 0)
        return ph->filesz == 0 ? ELF_OK : ELF_MALFORMED;
    if (count == ELF_SEGMENTS || ph->filesz > ph->memsz)
        return ELF_MALFORMED;
    if (!lies_within(ph->vaddr, ph->memsz, top) || ((ph->vaddr ^ ph->offset) & PAGE_MASK) != 0)
        return ELF_MALFORMED;
    if (ph->align > 1 && !is_power_of_two(ph->align))
        return ELF_MALFORMED;
    if (count == 0)
        image->low = ph->vaddr & ~(uint64_t)PAGE_MASK;
    else if (ph->vaddr < image->segments[count - 1].va + image->segments[count - 1].bytes)
        return ELF_MALFORMED;
    if (ph->align > image->align)
        image->align = ph->align;
    image->high = (ph->vaddr + ph->memsz + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
    image->segments[image->segment_count++] = (struct elf_segment){.va = ph->vaddr,
                                                                   .bytes = ph->memsz,
                                                                   .offset = ph->offset,
                                                                   .file_bytes = ph->filesz,
                                                                   .rights = map_rights(ph->flags)};
    return ELF_OK;
}

static enum elf_result add_tls(const struct elf_program_header *ph, struct elf_image *image)
{
    if (ph->filesz > ph->memsz || (ph->align > 1 && !is_power_of_two(ph->align)))
        return ELF_MALFORMED;
    image->tls_va = ph->vaddr;
    image->tls_file_bytes = ph->filesz;
    image->tls_bytes = ph->memsz;
    image->tls_align = ph->align > 1 ? ph->align : 1;
    return ELF_OK;
}

static enum elf_result add_header(const struct elf_program_header *ph, uint64_t file_size,
                                  struct elf_image *image)
{
    bool uses_file = ph->type == ELF_LOAD || ph->type == ELF_INTERP || ph->type == ELF_TLS;

    if (uses_file && !lies_within(ph->offset, ph->filesz, file_size))
        return ELF_MALFORMED;
    switch (ph->type) {
    case ELF_LOAD: return add_segment(ph, image);
    case ELF_TLS: return add_tls(ph, image);
    case ELF_PHDR: image->headers_va = ph->vaddr; break;
    case ELF_GNU_STACK: image->stack_exec = (ph->flags & ELF_EXEC) != 0; break;
    case ELF_INTERP:
        image->interpreter_offset = ph->offset;
        image->interpreter_bytes = ph->filesz;
        break;
    default: break;
    }
    return ELF_OK;
}

/* Without PT_PHDR (static programs) the headers are where the segment that holds them lies. */
static void find_headers(struct elf_image *image)
{
    uint64_t bytes = (uint64_t)image->header_count * image->header_bytes;

    for (uint32_t i = 0; i < image->segment_count && image->headers_va == 0; i++) {
        const struct elf_segment *s = &image->segments[i];

        if (image->headers_offset >= s->offset &&
            lies_within(image->headers_offset - s->offset, bytes, s->file_bytes))
            image->headers_va = s->va + (image->headers_offset - s->offset);
    }
}

enum elf_result elf_parse_headers(const void *headers, uint64_t file_size, struct elf_image *image)
{
    const uint8_t *at = headers;
    struct elf_program_header ph;
    enum elf_result result;

    for (uint32_t i = 0; i < image->header_count; i++) {
        memcpy(&ph, at + (size_t)i * image->header_bytes, sizeof ph);
        result = add_header(&ph, file_size, image);
        if (result != ELF_OK)
            return result;
    }
    find_headers(image);
    return image->segment_count == 0 ? ELF_MALFORMED : ELF_OK;
}

static enum elf_result check_header(const struct elf_file_header *h)
{
    if (memcmp(h->ident, "\177ELF", 4) != 0)
        return ELF_NOT_ELF;
    if (h->ident[4] != CLASS_64 || h->ident[5] != LITTLE_ENDIAN_DATA || h->ident[6] != VERSION)
        return ELF_FOREIGN;
    if (h->machine != EXO_ELF_MACHINE || (h->type != TYPE_EXEC && h->type != TYPE_DYN))
        return ELF_FOREIGN;
    if (h->phentsize != sizeof(struct elf_program_header))
        return ELF_MALFORMED;
    if (h->phnum == 0 || h->phnum > ELF_HEADERS)
        return ELF_MALFORMED;
    return ELF_OK;
}

enum elf_result elf_parse(const void *bytes, size_t size, uint64_t file_size,
                          struct elf_image *image)
{
    struct elf_file_header h;
    uint64_t headers_bytes;
    enum elf_result result;

    if (size < sizeof h)
        return ELF_NOT_ELF;
    memcpy(&h, bytes, sizeof h);
    result = check_header(&h);
    if (result != ELF_OK)
        return result;
    memset(image, 0, sizeof *image);
    image->entry = h.entry;
    image->relocatable = h.type == TYPE_DYN;
    image->align = EXO_PAGE_SIZE;
    image->headers_offset = h.phoff;
    image->header_count = h.phnum;
    image->header_bytes = h.phentsize;
    headers_bytes = (uint64_t)h.phnum * h.phentsize;
    if (!lies_within(h.phoff, headers_bytes, file_size))
        return ELF_MALFORMED;
    if (!lies_within(h.phoff, headers_bytes, size))
        return ELF_SHORT;
    return elf_parse_headers((const uint8_t *)bytes + h.phoff, file_size, image);
}

const char *elf_result_text(enum elf_result result)
{
    switch (result) {
    case ELF_OK: return "a program";
    case ELF_NOT_ELF: return "not an ELF file";
    case ELF_FOREIGN: return "not a program for this machine";
    case ELF_MALFORMED: return "a malformed ELF file";
    case ELF_SHORT: return "an ELF file whose program headers are elsewhere";
    }
    return "";
}
