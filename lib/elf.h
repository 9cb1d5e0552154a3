/* SPDX-License-Identifier: MIT */
/*
 * Reading an executable: what an ELF64 file asks to have mapped where.
 *
 * The kernel (to start init), init and the POSIX LibOS share it. It looks at two pieces of the file,
 * the header and the program headers, and trusts neither: what elf_parse returns lies within the
 * file, does not wrap, and is in ascending order. Whether the addresses are free for a program is
 * the caller's to check.
 */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS      32u /* the most PT_LOADs of one file; linkers make 4 to 6 */
#define ELF_HEADERS       64u /* the most program headers */
#define ELF_HEADER_BYTES  64u
#define ELF_PROGRAM_BYTES 56u /* of one program header */

/* The records of a file, by the gABI's names without their prefixes. */
struct elf_file_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct elf_file_header) == ELF_HEADER_BYTES, "ELF64 file header");

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf_program_header) == ELF_PROGRAM_BYTES, "ELF64 program header");

/* p_type and p_flags (PT_, PF_). */
#define ELF_LOAD      1u
#define ELF_INTERP    3u
#define ELF_NOTE      4u
#define ELF_PHDR      6u
#define ELF_TLS       7u
#define ELF_GNU_STACK 0x6474e551u
#define ELF_EXEC      1u
#define ELF_WRITE     2u
#define ELF_READ      4u

enum elf_result {
    ELF_OK,
    ELF_NOT_ELF,   /* no ELF at all */
    ELF_FOREIGN,   /* of another machine, word size or byte order; not a program */
    ELF_MALFORMED, /* it contradicts itself, or is beyond the limits above */
    ELF_SHORT, /* the program headers are beyond the bytes given: see elf_image.headers_offset */
};

struct elf_segment {
    uint64_t va, bytes;          /* in memory */
    uint64_t offset, file_bytes; /* in the file; bytes beyond file_bytes are zeros */
    uint32_t rights;             /* EXO_MAP_READ, WRITE, EXEC */
    uint32_t reserved;
};

struct elf_image {
    uint64_t entry;
    bool relocatable; /* ET_DYN: addresses are relative to a base of the loader's choice */
    bool stack_exec;  /* PT_GNU_STACK asks for an executable stack */
    uint32_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS];
    uint64_t low, high;                  /* page-aligned bounds of all segments */
    uint64_t align;                      /* the largest p_align, a power of two, at least a page */
    uint64_t headers_offset;             /* program headers in the file ... */
    uint32_t header_count, header_bytes; /* ... and of one of them */
    uint64_t headers_va;                 /* where they are in memory (auxv AT_PHDR); 0: nowhere */
    uint64_t interpreter_offset;         /* PT_INTERP's text, NUL included; bytes 0: none */
    uint64_t interpreter_bytes;
    uint64_t tls_va, tls_file_bytes, tls_bytes, tls_align; /* PT_TLS; tls_bytes 0: none */
};

/**
 * Parses the first `size` bytes of a file of `file_size` bytes.
 * With ELF_SHORT the caller reads header_count * header_bytes bytes at headers_offset and calls
 * elf_parse_headers with them.
 */
enum elf_result elf_parse(const void *bytes, size_t size, uint64_t file_size,
                          struct elf_image *image);
enum elf_result elf_parse_headers(const void *headers, uint64_t file_size, struct elf_image *image);

/** The text of a result. */
const char *elf_result_text(enum elf_result result);

#endif
