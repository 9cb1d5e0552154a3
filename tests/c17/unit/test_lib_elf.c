/* SPDX-License-Identifier: MIT */
/* lib/elf.c on the test program itself, on files made here, and on damaged ones. */
// links: lib/elf.c
#include <elf.h>
#include <exo/types.h>

#include "lib/elf.h"
#include "test_framework.h"

#define HEADERS 3
struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segment[HEADERS];
    unsigned char content[0x3000];
};
static struct file file;
static struct elf_image image;

/* A small good file: text, data with zeros behind it, and a stack note. */
static void make_file(void)
{
    memset(&file, 0, sizeof file);
    memcpy(file.header.e_ident, "\177ELF\2\1\1", 7);
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_entry = 0x401000;
    file.header.e_phoff = sizeof(Elf64_Ehdr);
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = HEADERS;
    file.segment[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                   .p_flags = PF_R | PF_X,
                                   .p_offset = 0,
                                   .p_vaddr = 0x400000,
                                   .p_filesz = 0x1800,
                                   .p_memsz = 0x1800,
                                   .p_align = 4096};
    file.segment[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                   .p_flags = PF_R | PF_W,
                                   .p_offset = 0x1800,
                                   .p_vaddr = 0x402800,
                                   .p_filesz = 0x100,
                                   .p_memsz = 0x5000,
                                   .p_align = 4096};
    file.segment[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X};
}

static enum elf_result parse(void)
{
    return elf_parse(&file, sizeof file, sizeof file, &image);
}

static void good(void)
{
    TEST_BEGIN("a good file tells its segments, bounds and headers");
    make_file();
    ASSERT_EQ(parse(), ELF_OK);
    ASSERT_EQ(image.entry, 0x401000);
    ASSERT_FALSE(image.relocatable);
    ASSERT_TRUE(image.stack_exec);
    ASSERT_EQ(image.segment_count, 2);
    ASSERT_EQ(image.segments[0].rights, EXO_MAP_READ | EXO_MAP_EXEC);
    ASSERT_EQ(image.segments[1].rights, EXO_MAP_READ | EXO_MAP_WRITE);
    ASSERT_EQ(image.segments[1].va, 0x402800);
    ASSERT_EQ(image.segments[1].file_bytes, 0x100);
    ASSERT_EQ(image.low, 0x400000);
    ASSERT_EQ(image.high, 0x408000);
    ASSERT_EQ(image.headers_va, 0x400000 + sizeof(Elf64_Ehdr));
    TEST_END();

    TEST_BEGIN("headers beyond the bytes at hand are asked for");
    make_file();
    ASSERT_EQ(elf_parse(&file, sizeof(Elf64_Ehdr) + 10, sizeof file, &image), ELF_SHORT);
    ASSERT_EQ(image.headers_offset, sizeof(Elf64_Ehdr));
    ASSERT_EQ(image.header_count * image.header_bytes, sizeof file.segment);
    ASSERT_EQ(elf_parse_headers(file.segment, sizeof file, &image), ELF_OK);
    ASSERT_EQ(image.segment_count, 2);
    TEST_END();

    TEST_BEGIN("the running test program is understood");
    FILE *self = fopen("/proc/self/exe", "rb");
    static unsigned char head[4096];
    ASSERT_NOT_NULL(self);
    ASSERT_EQ(fread(head, 1, sizeof head, self), sizeof head);
    fclose(self);
    ASSERT_EQ(elf_parse(head, sizeof head, UINT32_MAX, &image), ELF_OK);
    ASSERT_GT(image.interpreter_bytes, 1);
    ASSERT_STREQ((char *)head + image.interpreter_offset, "/lib64/ld-linux-x86-64.so.2");
    TEST_END();
}

/* One change to the good file, and what it must lead to. */
#define REFUSES(change, result)     \
    do {                            \
        make_file();                \
        change;                     \
        ASSERT_EQ(parse(), result); \
    } while (0)

static void bad(void)
{
    TEST_BEGIN("files of another kind are told apart");
    REFUSES(file.header.e_ident[0] = 'E', ELF_NOT_ELF);
    REFUSES(file.header.e_ident[EI_CLASS] = 1, ELF_FOREIGN);
    REFUSES(file.header.e_ident[EI_DATA] = 2, ELF_FOREIGN);
    REFUSES(file.header.e_machine = EM_386, ELF_FOREIGN);
    REFUSES(file.header.e_type = ET_REL, ELF_FOREIGN);
    ASSERT_EQ(elf_parse(&file, 10, 10, &image), ELF_NOT_ELF);
    TEST_END();

    TEST_BEGIN("contradictions are refused");
    REFUSES(file.header.e_phnum = 0, ELF_MALFORMED);
    REFUSES(file.header.e_phnum = 1000, ELF_MALFORMED);
    REFUSES(file.header.e_phentsize = 32, ELF_MALFORMED);
    REFUSES(file.header.e_phoff = UINT64_MAX - 8, ELF_MALFORMED);
    REFUSES(file.segment[0].p_filesz = 0x1900, ELF_MALFORMED);
    REFUSES(file.segment[1].p_offset = UINT64_MAX - 0x7ff, ELF_MALFORMED);
    REFUSES(file.segment[1].p_offset = 0x1801, ELF_MALFORMED);
    REFUSES(file.segment[1].p_memsz = UINT64_MAX, ELF_MALFORMED);
    REFUSES(file.segment[1].p_vaddr = UINT64_MAX - 0x7ff, ELF_MALFORMED);
    REFUSES(file.segment[1].p_vaddr = 0x401800 - 0x1000, ELF_MALFORMED);
    REFUSES(file.segment[1].p_align = 3000, ELF_MALFORMED);
    REFUSES(file.segment[0].p_type = file.segment[1].p_type = PT_NOTE, ELF_MALFORMED);
    TEST_END();

    TEST_BEGIN("any byte of the headers may be anything");
    for (size_t at = 0; at < sizeof file.header + sizeof file.segment; at++)
        for (unsigned value = 0; value < 256; value++) {
            make_file();
            ((unsigned char *)&file)[at] = (unsigned char)value;
            if (parse() != ELF_OK)
                continue;
            ASSERT_LE(image.low, image.high);
            for (uint32_t i = 0; i < image.segment_count; i++)
                ASSERT_LE(image.segments[i].offset + image.segments[i].file_bytes, sizeof file);
        }
    TEST_END();
}

int main(void)
{
    good();
    bad();
}
