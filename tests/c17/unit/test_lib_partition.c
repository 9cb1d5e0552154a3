/* SPDX-License-Identifier: MIT */
/* lib/partition.c: tables as they should be, and as somebody who means harm writes them. */
// links: lib/partition.c
#include "lib/partition.h"
#include "test_framework.h"

#define SECTORS 4096u
#define ROOM    15u

static uint8_t *image; /* exactly as large as the disk, so that the sanitizer sees reads beyond */
static uint64_t broken = UINT64_MAX; /* a sector that cannot be read */
static struct partition found[ROOM];
static enum partition_table table;

static bool image_read(void *context, uint64_t first, uint32_t sectors, void *to)
{
    (void)context;
    if (first >= SECTORS || sectors > SECTORS - first ||
        (broken >= first && broken < first + sectors))
        return false;
    memcpy(to, image + first * 512, sectors * 512);
    return true;
}

static uint32_t parse_blocks(uint32_t block_bytes)
{
    const struct partition_disk disk = {image_read, 0, SECTORS, block_bytes};
    uint32_t count;

    memset(found, 0xee, sizeof found);
    count = partition_read(&disk, found, ROOM, &table);
    for (uint32_t i = 0; i < count; i++) { /* what always holds, whatever the table says */
        ASSERT_TRUE(found[i].sectors > 0 && found[i].first > 0);
        ASSERT_TRUE(found[i].first < SECTORS && found[i].sectors <= SECTORS - found[i].first);
        for (uint32_t k = 0; k < i; k++)
            ASSERT_TRUE(found[k].first + found[k].sectors <= found[i].first ||
                        found[i].first + found[i].sectors <= found[k].first);
    }
    return count;
}

static uint32_t parse(void)
{
    return parse_blocks(512);
}

static void put(uint64_t at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        image[at + i] = (uint8_t)(value >> 8 * i);
}

static void clear(void)
{
    memset(image, 0, SECTORS * 512);
    broken = UINT64_MAX;
}

/* ---- MBR ----------------------------------------------------------------------------------------- */

static void mbr_entry(uint64_t sector, unsigned index, uint8_t type, uint32_t first, uint32_t count)
{
    uint64_t at = sector * 512 + 446 + 16 * index;

    image[at + 4] = type;
    put(at + 8, first, 4);
    put(at + 12, count, 4);
    put(sector * 512 + 510, 0xaa55, 2);
}

static void mbr(void)
{
    TEST_BEGIN("an empty disk has no table");
    clear();
    ASSERT_EQ(parse(), 0);
    ASSERT_EQ(table, PARTITION_NONE);
    TEST_END();

    TEST_BEGIN("primary and logical partitions have Linux's numbers");
    clear();
    mbr_entry(0, 0, 0x83, 64, 100);
    mbr_entry(0, 2, 0x82, 200, 100);
    mbr_entry(0, 3, 0x05, 1000, 1000);
    mbr_entry(1000, 0, 0x83, 10, 90);
    mbr_entry(1000, 1, 0x05, 500, 100);
    mbr_entry(1500, 0, 0x83, 1, 99);
    ASSERT_EQ(parse(), 4);
    ASSERT_EQ(table, PARTITION_MBR);
    ASSERT_EQ(found[0].number, 1);
    ASSERT_EQ(found[1].number, 3);
    ASSERT_EQ(found[2].number, 5);
    ASSERT_EQ(found[2].first, 1010);
    ASSERT_EQ(found[3].number, 6);
    ASSERT_EQ(found[3].first, 1501);
    ASSERT_EQ(found[3].sectors, 99);
    TEST_END();

    TEST_BEGIN("what does not lie on the disk, or on another, is left out");
    clear();
    mbr_entry(0, 0, 0x83, 64, 4032);
    mbr_entry(0, 1, 0x83, 100, 10);
    mbr_entry(0, 2, 0x83, 4000, 97);
    mbr_entry(0, 3, 0x83, 0, 64);
    ASSERT_EQ(parse(), 1);
    mbr_entry(0, 0, 0x83, UINT32_MAX, UINT32_MAX);
    mbr_entry(0, 1, 0x83, 4096, 1);
    mbr_entry(0, 2, 0x83, 4095, 1);
    mbr_entry(0, 3, 0x83, 64, 0);
    ASSERT_EQ(parse(), 1);
    ASSERT_EQ(found[0].number, 3);
    TEST_END();

    TEST_BEGIN("a boot sector without a table is none");
    clear();
    mbr_entry(0, 0, 0x83, 64, 100);
    image[446 + 16] = 0x7f;
    ASSERT_EQ(parse(), 0);
    TEST_END();

    TEST_BEGIN("a chain of logical partitions that bites itself ends");
    clear();
    mbr_entry(0, 0, 0x0f, 1000, 1000);
    mbr_entry(1000, 0, 0x83, 1, 10);
    mbr_entry(1000, 1, 0x05, 0, 100); /* itself */
    ASSERT_EQ(parse(), 1);
    mbr_entry(1000, 1, 0x05, 100, 100);
    mbr_entry(1100, 0, 0x83, 1, 10);
    mbr_entry(1100, 1, 0x05, 50, 100); /* back */
    ASSERT_EQ(parse(), 2);
    mbr_entry(1100, 1, 0x05, 3000, 100); /* out of it */
    ASSERT_EQ(parse(), 2);
    mbr_entry(1100, 0, 0x83, 950, 10); /* a partition out of it */
    ASSERT_EQ(parse(), 1);
    TEST_END();

    TEST_BEGIN("a long chain has an end, and no more are told than there is room for");
    clear();
    mbr_entry(0, 0, 0x05, 1, 4000);
    for (uint32_t i = 0; i < 200; i++) {
        mbr_entry(1 + i * 4, 0, 0x83, 1, 2);
        mbr_entry(1 + i * 4, 1, 0x05, (i + 1) * 4, 4);
    }
    ASSERT_EQ(parse(), ROOM);
    TEST_END();
}

/* ---- GPT ----------------------------------------------------------------------------------------- */

#define ENTRIES 128u

static void gpt_seal(uint64_t header, uint64_t entries, uint64_t block, uint64_t entry_bytes)
{
    uint64_t at = header * block;

    put(at + 88, partition_crc32(0, image + entries * block, ENTRIES * entry_bytes), 4);
    put(at + 16, 0, 4);
    put(at + 16, partition_crc32(0, image + at, 92), 4);
}

static void gpt_header(uint64_t header, uint64_t entries, uint64_t block)
{
    uint64_t at = header * block, blocks = SECTORS * 512 / block;

    memcpy(image + at, "EFI PART", 8);
    put(at + 8, 0x10000, 4);
    put(at + 12, 92, 4);
    put(at + 24, header, 8);
    put(at + 32, header == 1 ? blocks - 1 : 1, 8);
    put(at + 40, 34, 8);
    put(at + 48, blocks - 34, 8);
    put(at + 72, entries, 8);
    put(at + 80, ENTRIES, 4);
    put(at + 84, 128, 4);
}

static void gpt_entry(uint64_t entries, uint64_t block, unsigned index, uint64_t first,
                      uint64_t last)
{
    uint64_t at = entries * block + index * 128;

    memset(image + at, 0x11, 16);
    put(at + 32, first, 8);
    put(at + 40, last, 8);
}

#define BACKUP  (SECTORS - 1)
#define BACKUPS (SECTORS - 33)

static void gpt_make(uint64_t first, uint64_t last)
{
    clear();
    mbr_entry(0, 0, 0xee, 1, SECTORS - 1);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t entries = i ? BACKUPS : 2;

        gpt_header(i ? BACKUP : 1, entries, 512);
        gpt_entry(entries, 512, 0, 100, 199);
        gpt_entry(entries, 512, 5, first, last);
        gpt_seal(i ? BACKUP : 1, entries, 512, 128);
    }
}

static void gpt(void)
{
    TEST_BEGIN("the CRC is the usual one");
    ASSERT_EQ(partition_crc32(0, "123456789", 9), 0xcbf43926u);
    TEST_END();

    TEST_BEGIN("a GPT's partitions keep the numbers of their entries");
    gpt_make(2000, 2999);
    ASSERT_EQ(parse(), 2);
    ASSERT_EQ(table, PARTITION_GPT);
    ASSERT_EQ(found[0].number, 1);
    ASSERT_EQ(found[0].sectors, 100);
    ASSERT_EQ(found[1].number, 6);
    ASSERT_EQ(found[1].first, 2000);
    ASSERT_EQ(found[1].sectors, 1000);
    TEST_END();

    TEST_BEGIN("blocks of 4096 bytes count as such");
    clear();
    mbr_entry(0, 0, 0xee, 1, 511);
    gpt_header(1, 2, 4096);
    gpt_entry(2, 4096, 0, 40, 49);
    gpt_seal(1, 2, 4096, 128);
    ASSERT_EQ(parse_blocks(4096), 1);
    ASSERT_EQ(found[0].first, 320);
    ASSERT_EQ(found[0].sectors, 80);
    ASSERT_EQ(parse_blocks(1000), 0);
    ASSERT_EQ(parse_blocks(0), 0);
    ASSERT_EQ(parse_blocks(65536), 0);
    TEST_END();

    TEST_BEGIN("a damaged first table is read from the disk's end");
    static const uint64_t damaged[] = {512,      512 + 16, 512 + 24,
                                       512 + 72, 1024,     1024 + 5 * 128 + 40};
    for (unsigned i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        gpt_make(2000, 2999);
        image[damaged[i]] ^= 1;
        ASSERT_EQ(parse(), 2);
        image[BACKUP * 512 + 20] ^= 1; /* both */
        ASSERT_EQ(parse(), 0);
    }
    gpt_make(2000, 2999);
    broken = 1;
    ASSERT_EQ(parse(), 2);
    TEST_END();

    TEST_BEGIN("a damaged GPT is not taken for an MBR");
    gpt_make(2000, 2999);
    image[512] = image[BACKUP * 512] = 0;
    mbr_entry(0, 1, 0x83, 100, 100);
    ASSERT_EQ(parse(), 0);
    ASSERT_EQ(table, PARTITION_NONE);
    TEST_END();

    TEST_BEGIN("entries out of range, upside down or over others are left out");
    static const uint64_t bad[][2] = {{33, 100},       {10, 20},         {4000, 4063},
                                      {4090, 4095},    {300, 299},       {150, 160},
                                      {199, 300},      {50, 100},        {0, 0},
                                      {0, UINT64_MAX}, {34, UINT64_MAX}, {UINT64_MAX, UINT64_MAX},
                                      {UINT64_MAX, 5}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gpt_make(bad[i][0], bad[i][1]);
        ASSERT_EQ(parse(), 1);
    }
    TEST_END();

    TEST_BEGIN("numbers in the header that make no sense are no table");
    static const struct {
        uint64_t at, value;
        unsigned bytes;
    } fields[] = {
        {12, 91, 4},   {12, 513, 4},        {12, UINT32_MAX, 4}, {40, 4096, 8},
        {48, 4096, 8}, {48, UINT64_MAX, 8}, {72, 4096, 8},       {72, UINT64_MAX, 8},
        {80, 1025, 4}, {80, UINT32_MAX, 4}, {84, 0, 4},          {84, 127, 4},
        {84, 1024, 4}, {84, UINT32_MAX, 4}, {84, 384, 4},
    };
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        gpt_make(2000, 2999);
        image[BACKUP * 512] = 0;
        put(512 + fields[i].at, fields[i].value, fields[i].bytes);
        put(512 + 16, 0, 4);
        put(512 + 16, partition_crc32(0, image + 512, 92), 4);
        ASSERT_EQ(parse(), 0);
    }
    TEST_END();
}

/* A table that is nearly right, with a few bytes of it changed and its sums made right again. */
static void fuzz(void)
{
    uint64_t state = 1;

    TEST_BEGIN("20000 changed tables never tell of what is not there");
    for (unsigned round = 0; round < 20000; round++) {
        gpt_make(2000, 2999);
        if (round % 2) {
            clear();
            mbr_entry(0, 0, 0x83, 64, 100);
            mbr_entry(0, 3, 0x05, 1000, 1000);
            mbr_entry(1000, 0, 0x83, 10, 90);
            mbr_entry(1000, 1, 0x05, 500, 100);
            mbr_entry(1500, 0, 0x83, 1, 99);
        }
        for (unsigned i = 0; i < 4; i++) {
            uint64_t at;

            state = state * 6364136223846793005u + 1442695040888963407u;
            at = round % 2 ? (state >> 33) % 3 * 500 : (state >> 33) % 2;
            at = round % 2 ? (at ? 500 + at : 0) * 512 + 446 + (state >> 40) % 66
                           : 512 + at * 512 + (state >> 40) % 92;
            image[at] = (uint8_t)(state >> 56);
        }
        if (round % 2 == 0)
            gpt_seal(1, 2, 512, 128);
        parse();
    }
    TEST_END();
}

int main(void)
{
    image = malloc(SECTORS * 512);
    mbr();
    gpt();
    fuzz();
    free(image);
}
