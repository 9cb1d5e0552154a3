// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
/*
 * What random operations do not reach: a directory whose index has two levels, a file whose extents
 * have three, a file beyond 4 GiB, and a log that is written round and round.
 */
#include "ext4_disk.h"
#include "lib/linux/errno.h"

static struct ext4 *fs;

static void put_away(void)
{
    ASSERT_EQ(ext4_unmount(fs), 0);
    disk_check();
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

/* ---- names ---- */

#define NAMES 12000u

static uint8_t seen[NAMES];

static size_t name_of(unsigned k, char *to)
{
    return (size_t)sprintf(to, "%u-a-name-of-some-length-that-fills-the-leaves-of-an-index", k);
}

static unsigned in_one_go;

static bool see(void *context, uint64_t position, const struct ext4_listed *entry)
{
    (void)context;
    (void)position;
    if (in_one_go-- == 0)
        return false;
    if (entry->name[0] != '.')
        seen[atoi(entry->name)]++;
    return true;
}

static void add_name(uint32_t dir, uint32_t ino, unsigned k)
{
    char name[80];

    ASSERT_EQ(ext4_link(fs, ino, dir, name, name_of(k, name)), 0);
}

static void remove_name(uint32_t dir, unsigned k)
{
    uint32_t ino;
    char name[80];

    ASSERT_EQ(ext4_unlink(fs, dir, name, name_of(k, name), &ino), 0);
}

/* Listing while every third name comes and goes: the others are told once each. */
static void list_and_change(uint32_t dir, uint32_t ino)
{
    uint64_t position = 0;
    unsigned k = 0;
    int64_t more;

    memset(seen, 0, sizeof(seen));
    do {
        in_one_go = 37;
        more = ext4_readdir(fs, dir, &position, see, NULL);
        ASSERT_GE(more, 0);
        for (unsigned n = 0; n < 20; n++, k++) {
            if (k < NAMES && k % 3 == 0)
                remove_name(dir, k);
            else if (k >= NAMES && k < 2 * NAMES && k % 3 == 0)
                add_name(dir, ino, k - NAMES);
        }
    } while (more);
    for (unsigned n = 0; n < NAMES; n++) {
        if (n % 3)
            ASSERT_EQ(seen[n], 1);
    }
}

static void names(void)
{
    struct ext4_new folder = {.mode = S_IFDIR | 0755}, file = {.mode = S_IFREG | 0644};
    uint32_t dir, ino, found;
    struct ext4_attr attr;
    char name[80];

    disk_make(64, "-b 1024");
    fs = disk_mount();
    ASSERT_EQ(ext4_create(fs, EXT4_ROOT, "many", 4, &folder, &dir), 0);
    ASSERT_EQ(ext4_create(fs, EXT4_ROOT, "file", 4, &file, &ino), 0);
    for (unsigned k = 0; k < NAMES; k++)
        add_name(dir, ino, k);
    list_and_change(dir, ino);
    for (unsigned k = 1; k < NAMES; k += 3)
        ASSERT_EQ(ext4_lookup(fs, dir, name, name_of(k, name), &found), 0);
    ASSERT_EQ(ext4_getattr(fs, dir, &attr), 0);
    printf("# the directory has %llu blocks\n", (unsigned long long)attr.size / 1024);
    ASSERT_EQ(ext4_unmount(fs), 0);
    disk_check();
    ASSERT_EQ(run("debugfs -R 'htree_dump /many' %s | grep -q 'Indirect levels: 1'", disk.path), 0);
    fs = disk_mount();
    for (unsigned k = 0; k < NAMES; k++) {
        if (ext4_lookup(fs, dir, name, name_of(k, name), &found) == 0)
            remove_name(dir, k);
    }
    ASSERT_EQ(ext4_rmdir(fs, EXT4_ROOT, "many", 4, &dir), 0);
    ASSERT_EQ(ext4_evict(fs, dir), 0);
    put_away();
}

/* ---- extents ---- */

#define PIECES 9000u

static bool holds(uint32_t ino, unsigned piece)
{
    uint8_t data[1024];

    ASSERT_EQ(ext4_read(fs, ino, (uint64_t)piece * 2048, data, sizeof(data)), sizeof(data));
    ASSERT_TRUE(data[0] == 0 || data[0] == (uint8_t)(piece | 1));
    return data[0] != 0;
}

/* Every other block: each is an extent. `order` goes through them forwards, backwards or about. */
static void pieces(unsigned order)
{
    static bool there[PIECES];
    struct ext4_new file = {.mode = S_IFREG | 0644};
    uint8_t data[1024];
    uint32_t ino;

    ASSERT_EQ(ext4_create(fs, EXT4_ROOT, "pieces", 6, &file, &ino), 0);
    for (unsigned n = 0; n < PIECES; n++) {
        unsigned k = order == 0 ? n : order == 1 ? PIECES - 1 - n : n * 7919 % PIECES;

        memset(data, (int)(k | 1), sizeof(data));
        ASSERT_EQ(ext4_write(fs, ino, (uint64_t)k * 2048, data, sizeof(data)), sizeof(data));
        there[k] = true;
    }
    for (unsigned n = 0; n < 40; n++) {
        unsigned from = random_below(PIECES), count = random_below(300);

        ASSERT_EQ(ext4_punch(fs, ino, (uint64_t)from * 2048, (uint64_t)count * 2048 + 1), 0);
        for (unsigned k = from; k < from + count && k < PIECES; k++)
            there[k] = false;
        if (from + count < PIECES && there[from + count]) { /* its first byte is gone */
            ASSERT_EQ(ext4_punch(fs, ino, (uint64_t)(from + count) * 2048, 1024), 0);
            there[from + count] = false;
        }
    }
    for (unsigned k = 0; k < PIECES - 1; k++)
        ASSERT_EQ(holds(ino, k), there[k]);
    ASSERT_EQ(ext4_truncate(fs, ino, 2048 * 4000), 0);
    for (unsigned k = 0; k < 3999; k++)
        ASSERT_EQ(holds(ino, k), there[k]);
    ASSERT_EQ(ext4_unlink(fs, EXT4_ROOT, "pieces", 6, &ino), 0);
    ASSERT_EQ(ext4_evict(fs, ino), 0);
    ASSERT_EQ(ext4_unmount(fs), 0);
    disk_check();
    fs = disk_mount();
}

static void far_away(void)
{
    struct ext4_new file = {.mode = S_IFREG | 0644};
    uint64_t size = (1ull << 41) + 12345;
    struct ext4_run run;
    uint8_t data[100];
    uint32_t ino;

    ASSERT_EQ(ext4_create(fs, EXT4_ROOT, "far", 3, &file, &ino), 0);
    ASSERT_EQ(ext4_write(fs, ino, size - 10, "0123456789", 10), 10);
    ASSERT_EQ(ext4_read(fs, ino, size - 5, data, sizeof(data)), 5);
    ASSERT_MEMEQ(data, "56789", 5);
    ASSERT_EQ(ext4_map(fs, ino, 1, 1u << 30, &run), 0);
    ASSERT_EQ(run.physical, 0);
    ASSERT_EQ(run.count, 1u << 30);
    ASSERT_EQ(ext4_write(fs, ino, UINT64_MAX - 3, data, 3), -EFBIG);
    ASSERT_EQ(ext4_fallocate(fs, ino, 0, 20 << 20, true), 0);
    ASSERT_EQ(ext4_truncate(fs, ino, 5 << 20), 0);
}

/* 64 MiB in one stretch are few extents, and lie in one piece where the disk does. */
static void one_stretch(void)
{
    struct ext4_new file = {.mode = S_IFREG | 0644};
    static uint8_t data[1 << 20];
    unsigned runs = 0;
    uint64_t at = 0;
    uint32_t ino;

    disk_make(128, "-b 4096");
    fs = disk_mount();
    ASSERT_EQ(ext4_create(fs, EXT4_ROOT, "big", 3, &file, &ino), 0);
    memset(data, 'b', sizeof(data));
    for (unsigned k = 0; k < 64; k++)
        ASSERT_EQ(ext4_write(fs, ino, (uint64_t)k << 20, data, sizeof(data)), sizeof(data));
    for (; at < 64 << 8; runs++) {
        struct ext4_run run;

        ASSERT_EQ(ext4_map(fs, ino, at, UINT32_MAX, &run), 0);
        ASSERT_NE(run.physical, 0);
        at += run.count;
    }
    printf("# 64 MiB in %u runs\n", runs);
    ASSERT_LE(runs, 8);
    put_away();
}

int main(void)
{
    TEST_BEGIN("an index of two levels, listed while it changes");
    names();
    TEST_END();
    TEST_BEGIN("extents in every order");
    disk_make(64, "-b 1024");
    fs = disk_mount();
    pieces(0);
    pieces(1);
    pieces(2);
    far_away();
    put_away();
    TEST_END();
    TEST_BEGIN("a file of 64 MiB");
    one_stretch();
    TEST_END();
    return 0;
}
