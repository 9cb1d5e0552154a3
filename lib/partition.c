/* SPDX-License-Identifier: MIT */
/* Partition tables: see partition.h. Tests: tests/c17/unit/test_lib_partition.c */
#include <lib/partition.h>
#include <lib/string.h>

#define BLOCK_MOST 4096u

struct found {
    struct partition *out;
    uint32_t count, room;
};

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static bool on_disk(const struct partition_disk *disk, uint64_t first, uint64_t sectors)
{
    return sectors != 0 && first != 0 && first < disk->sectors && sectors <= disk->sectors - first;
}

static bool is_free(const struct found *found, uint64_t first, uint64_t sectors)
{
    for (uint32_t i = 0; i < found->count; i++) {
        const struct partition *p = &found->out[i];

        if (first < p->first + p->sectors && p->first < first + sectors)
            return false;
    }
    return true;
}

/* Takes a partition, unless it is not on the disk or overlaps one that was taken. */
static void take(const struct partition_disk *disk, struct found *found, struct partition p)
{
    if (found->count < found->room && on_disk(disk, p.first, p.sectors) &&
        is_free(found, p.first, p.sectors))
        found->out[found->count++] = p;
}

/* ---- MBR ----------------------------------------------------------------------------------------- */

#define MBR_TABLE     446u
#define MBR_ENTRIES   4u
#define MBR_PROTECTS  0xeeu /* the type of an entry that stands for a GPT */
#define LOGICAL_FIRST 5u
#define LOGICAL_MOST  64u /* links of the chain that are followed */

struct mbr_entry {
    uint8_t flags, type;
    uint64_t first, sectors;
};

/* The four entries of the sector at `first`; false: it has none. The flags tell a table from the code of
 * a boot sector that ends in the same two bytes. */
static bool mbr_entries(const struct partition_disk *disk, uint64_t first,
                        struct mbr_entry entries[MBR_ENTRIES])
{
    uint8_t sector[PARTITION_SECTOR];

    if (!disk->read(disk->context, first, 1, sector) || sector[510] != 0x55 || sector[511] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *at = sector + MBR_TABLE + 16 * i;

        entries[i] = (struct mbr_entry){at[0], at[4], number(at + 8, 4), number(at + 12, 4)};
        if (at[0] != 0 && at[0] != 0x80)
            return false;
    }
    return true;
}

static bool is_extended(const struct mbr_entry *e)
{
    return e->type == 0x05 || e->type == 0x0f || e->type == 0x85;
}

/* A chain of tables in an extended partition: the first entry of each is a logical partition relative
 * to the table, the second the next table relative to the extended partition. Each lies behind the one
 * before, so there is no circle. */
static void logical_read(const struct partition_disk *disk, const struct mbr_entry *extended,
                         struct found *found)
{
    uint64_t at = extended->first, end = extended->first + extended->sectors;
    struct mbr_entry entries[MBR_ENTRIES];

    for (uint32_t i = 0; i < LOGICAL_MOST && mbr_entries(disk, at, entries); i++) {
        struct partition p = {LOGICAL_FIRST + i, at + entries[0].first, entries[0].sectors};
        uint64_t next = extended->first + entries[1].first;

        if (entries[0].type != 0 && p.first > at && p.first < end && p.sectors <= end - p.first)
            take(disk, found, p);
        if (!is_extended(&entries[1]) || next <= at || next >= end)
            return;
        at = next;
    }
}

static void mbr_read(const struct partition_disk *disk, const struct mbr_entry entries[MBR_ENTRIES],
                     struct found *found)
{
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        if (entries[i].type != 0 && !is_extended(&entries[i]))
            take(disk, found, (struct partition){i + 1, entries[i].first, entries[i].sectors});
    }
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        if (is_extended(&entries[i]) && on_disk(disk, entries[i].first, entries[i].sectors) &&
            is_free(found, entries[i].first, entries[i].sectors)) {
            logical_read(disk, &entries[i], found);
            return; /* there is one at most */
        }
    }
}

/* ---- GPT ----------------------------------------------------------------------------------------- */

#define GPT_HEADER_BYTES 92u
#define GPT_ENTRY_BYTES  128u
#define GPT_ENTRIES_MOST 1024u

struct gpt {
    uint64_t first_usable, last_usable, entries_at; /* blocks */
    uint32_t entries, entry_bytes, entries_crc;
};

uint32_t partition_crc32(uint32_t crc, const void *from, uint64_t bytes)
{
    const uint8_t *at = from;

    crc = ~crc;
    for (uint64_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static bool block_read(const struct partition_disk *disk, uint64_t block, void *to)
{
    uint32_t each = disk->block_bytes / PARTITION_SECTOR;

    return block < disk->sectors / each && disk->read(disk->context, block * each, each, to);
}

/* Table 5.5. The checksum is that of the header with 0 in its place. */
static bool gpt_header(const struct partition_disk *disk, uint64_t at, struct gpt *out)
{
    uint64_t blocks = disk->sectors / (disk->block_bytes / PARTITION_SECTOR);
    uint8_t h[BLOCK_MOST];
    uint32_t crc, bytes;

    if (!block_read(disk, at, h) || memcmp(h, "EFI PART", 8) != 0)
        return false;
    bytes = (uint32_t)number(h + 12, 4);
    crc = (uint32_t)number(h + 16, 4);
    memset(h + 16, 0, 4);
    if (bytes < GPT_HEADER_BYTES || bytes > disk->block_bytes ||
        partition_crc32(0, h, bytes) != crc || number(h + 24, 8) != at)
        return false;
    *out = (struct gpt){.first_usable = number(h + 40, 8),
                        .last_usable = number(h + 48, 8),
                        .entries_at = number(h + 72, 8),
                        .entries = (uint32_t)number(h + 80, 4),
                        .entry_bytes = (uint32_t)number(h + 84, 4),
                        .entries_crc = (uint32_t)number(h + 88, 4)};
    return out->first_usable <= out->last_usable && out->last_usable < blocks &&
           out->entry_bytes >= GPT_ENTRY_BYTES && out->entry_bytes <= disk->block_bytes &&
           disk->block_bytes % out->entry_bytes == 0 && out->entries <= GPT_ENTRIES_MOST &&
           out->entries_at < blocks;
}

/* The entries, twice: the first time for the checksum only (found 0). */
static bool gpt_entries(const struct partition_disk *disk, const struct gpt *gpt,
                        struct found *found)
{
    static const uint8_t unused[16];
    uint32_t each = disk->block_bytes / PARTITION_SECTOR, crc = 0, i = 0;
    uint8_t block[BLOCK_MOST];

    for (uint64_t at = gpt->entries_at; i < gpt->entries; at++) {
        if (!block_read(disk, at, block))
            return false;
        for (uint32_t b = 0; b < disk->block_bytes && i < gpt->entries; b += gpt->entry_bytes) {
            const uint8_t *e = block + b;
            uint64_t first = number(e + 32, 8), last = number(e + 40, 8);

            i++;
            crc = partition_crc32(crc, e, gpt->entry_bytes);
            if (found && memcmp(e, unused, sizeof unused) != 0 && first >= gpt->first_usable &&
                last <= gpt->last_usable && first <= last)
                take(disk, found, (struct partition){i, first * each, (last - first + 1) * each});
        }
    }
    return found || crc == gpt->entries_crc;
}

/* The first header, or, if it or its entries are damaged, the one at the disk's end. */
static bool gpt_find(const struct partition_disk *disk, struct gpt *gpt)
{
    uint64_t blocks = disk->sectors / (disk->block_bytes / PARTITION_SECTOR);

    if (gpt_header(disk, 1, gpt) && gpt_entries(disk, gpt, 0))
        return true;
    return blocks > 2 && gpt_header(disk, blocks - 1, gpt) && gpt_entries(disk, gpt, 0);
}

uint32_t partition_read(const struct partition_disk *disk, struct partition *out, uint32_t room,
                        enum partition_table *table)
{
    struct found found = {.out = out, .room = room};
    struct mbr_entry entries[MBR_ENTRIES];
    bool protects = false;
    struct gpt gpt;

    *table = PARTITION_NONE;
    if (disk->block_bytes < PARTITION_SECTOR || disk->block_bytes > BLOCK_MOST ||
        disk->block_bytes % PARTITION_SECTOR != 0 || !mbr_entries(disk, 0, entries))
        return 0;
    for (unsigned i = 0; i < MBR_ENTRIES; i++)
        protects = protects || entries[i].type == MBR_PROTECTS;
    if (protects) { /* a damaged GPT is no MBR: what that says would be wrong */
        if (!gpt_find(disk, &gpt))
            return 0;
        *table = PARTITION_GPT;
        gpt_entries(disk, &gpt, &found);
    } else {
        *table = PARTITION_MBR;
        mbr_read(disk, entries, &found);
    }
    return found.count;
}
