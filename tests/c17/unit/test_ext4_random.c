// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
// long
/* Random operations on volumes of several formats, against a model; e2fsck looks in between. */
#include "ext4_model.h"

static unsigned rounds, steps;

static void remount(bool restart)
{
    struct ext4_statfs before, after;

    ext4_statfs(model.fs, &before);
    ASSERT_EQ(ext4_unmount(model.fs), 0);
    disk_check();
    ASSERT_EQ(disk_mount_as(&model.fs, (struct ext4_options){.restart = restart}), 0);
    ext4_statfs(model.fs, &after);
    ASSERT_EQ(before.free_blocks, after.free_blocks);
    ASSERT_EQ(before.free_inodes, after.free_inodes);
}

/* `late`: the device answers late and in any order, and no call waits for it. */
static void random_volume(unsigned mib, const char *options, bool late)
{
    struct ext4 *fs;

    disk_make(mib, options);
    disk.late = late;
    fs = NULL;
    ASSERT_EQ(disk_mount_as(&fs, (struct ext4_options){.restart = late}), 0);
    model_start(fs);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned step = 0; step < steps; step++) {
            model_step();
            if (random_below(100) == 0) {
                uint64_t ticket = 0;
                int64_t status;

                AGAIN(status, ext4_sync(model.fs, &ticket));
                ASSERT_EQ(status, 0);
            }
        }
        model_compare();
        remount(late);
        model_compare();
    }
    ASSERT_EQ(ext4_unmount(model.fs), 0);
    disk_check();
    printf("# %u names at the end, %llu reads, %llu writes, %llu flushes\n", model.count,
           (unsigned long long)disk.reads, (unsigned long long)disk.writes,
           (unsigned long long)disk.flushes);
    model_end();
    disk.late = false;
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

int main(void)
{
    bool many = getenv("EXO_LONG");

    rounds = many ? 20 : 2;
    steps = many ? 5000 : 1200;
    if (getenv("EXO_SEED"))
        test_random_state = strtoull(getenv("EXO_SEED"), NULL, 0) | 1;
    TEST_BEGIN("as mke2fs makes it");
    random_volume(64, "-b 4096", false);
    TEST_END();
    TEST_BEGIN("blocks of 1024 bytes, long names");
    model.names_style = 'l';
    random_volume(64, "-b 1024", false);
    TEST_END();
    TEST_BEGIN("no call waits, and the device is late");
    random_volume(64, "-b 1024", true);
    TEST_END();
    TEST_BEGIN("with an orphan file and its own seed of checksums");
    model.names_style = 0;
    random_volume(64, "-b 4096 -O orphan_file,metadata_csum_seed", true);
    TEST_END();
    TEST_BEGIN("without checksums, 64 bits and large inodes");
    random_volume(64, "-b 2048 -I 128 -O ^metadata_csum,^64bit", false);
    TEST_END();
    TEST_BEGIN("a full disk says so, and nothing else happens");
    random_volume(7, "-b 1024", false);
    TEST_END();
    return 0;
}
