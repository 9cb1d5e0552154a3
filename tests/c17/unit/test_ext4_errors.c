// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
// long
/*
 * A device that fails: one read, one write, or whatever touches a certain block. The caller gets EIO; a
 * call that failed has done nothing; when the journal cannot be written any more the volume becomes
 * read-only. With the device well again it mounts, what was synced is there, and e2fsck finds nothing.
 */
#include "ext4_disk.h"
#include "lib/linux/errno.h"

#define FILES 24

static struct ext4 *fs;
static bool synced[FILES]; /* the file was made, and a sync after that said 0 */
static bool made[FILES];
static bool failed; /* some call said EIO */

static int64_t once(int64_t status)
{
    failed |= status == -EIO;
    ASSERT_TRUE(status >= 0 || status == -EIO || status == -EROFS);
    return status;
}

static const uint8_t data[6000] = {1, 2, 3};

/* One file: made (again, if that failed), written, and each fourth one removed later. */
static void work_one(unsigned k)
{
    struct ext4_new new = {.mode = S_IFREG | 0600};
    char name[8];
    uint32_t ino;
    int64_t status;

    snprintf(name, sizeof(name), "f%u", k);
    status = once(ext4_create(fs, EXT4_ROOT, name, strlen(name), &new, &ino));
    if (status == -EIO && !ext4_is_read_only(fs))
        status = once(ext4_create(fs, EXT4_ROOT, name, strlen(name), &new, &ino));
    if (status < 0)
        return;
    status = once(ext4_write(fs, ino, 0, data, sizeof(data)));
    made[k] = status == sizeof(data);
    if (k % 4 == 3) {
        snprintf(name, sizeof(name), "f%u", k - 1);
        synced[k - 1] = made[k - 1] = false;
        if (once(ext4_unlink(fs, EXT4_ROOT, name, strlen(name), &ino)) == 0)
            once(ext4_evict(fs, ino));
    }
}

static void work(void)
{
    memset(made, 0, sizeof(made));
    memset(synced, 0, sizeof(synced));
    for (unsigned k = 0; k < FILES; k++) {
        uint64_t ticket = 0;

        work_one(k);
        if (k % 5 == 4 && once(ext4_sync(fs, &ticket)) == 0)
            memcpy(synced, made, sizeof(synced));
    }
}

static void check_synced(void)
{
    uint8_t got[sizeof(data) + 1];
    uint32_t ino;
    char name[8];

    fs = disk_mount();
    for (unsigned k = 0; k < FILES; k++) {
        snprintf(name, sizeof(name), "f%u", k);
        if (!synced[k])
            continue;
        ASSERT_EQ(ext4_lookup(fs, EXT4_ROOT, name, strlen(name), &ino), 0);
        ASSERT_EQ(ext4_read(fs, ino, 0, got, sizeof(got)), sizeof(data));
        ASSERT_MEMEQ(got, data, sizeof(data));
    }
    ASSERT_EQ(ext4_unmount(fs), 0);
    disk_check();
}

/* The workload on a fresh volume, with the failure that was asked for. */
static void one_failure(const uint8_t *pristine)
{
    int64_t status;
    bool said;

    memcpy(disk.image, pristine, disk.bytes);
    disk.reads = disk.writes = 0;
    failed = false;
    memset(synced, 0, sizeof(synced));
    status = disk_mount_as(&fs, (struct ext4_options){0});
    ASSERT_TRUE(status == 0 || status == -EIO);
    if (status == 0) {
        work();
        said = ext4_is_read_only(fs);
        ASSERT_TRUE(!said || disk_said("nothing is written any more") || disk_said("read-only"));
        status = ext4_unmount(fs);
        ASSERT_TRUE(status == 0 || status == -EIO);
        if (status == 0)
            ASSERT_FALSE(said);
    }
    disk.fail_read = disk.fail_write = disk.fail_block = 0;
    check_synced();
}

int main(void)
{
    bool many = getenv("EXO_LONG");
    unsigned step = many ? 1 : 9, count = 0, visible = 0;
    uint8_t *pristine;
    uint64_t reads, writes;

    disk_make(8, "-b 1024 -O orphan_file");
    pristine = malloc(disk.bytes);
    memcpy(pristine, disk.image, disk.bytes);
    disk.quiet = true;
    TEST_BEGIN("without a failure");
    one_failure(pristine);
    ASSERT_FALSE(failed);
    TEST_END();
    reads = disk.reads;
    writes = disk.writes;
    TEST_BEGIN("each read");
    for (uint64_t n = 1; n <= reads; n += step, count++, visible += failed) {
        disk.fail_read = n;
        one_failure(pristine);
    }
    printf("# %u reads failed, %u times a call said so\n", count, visible);
    TEST_END();
    TEST_BEGIN("each write");
    count = visible = 0;
    for (uint64_t n = 1; n <= writes; n += step, count++, visible += failed) {
        disk.fail_write = n;
        one_failure(pristine);
    }
    printf("# %u writes failed, %u times a call said so\n", count, visible);
    TEST_END();
    TEST_BEGIN("each block that is in use");
    count = visible = 0;
    for (uint64_t at = 1024; at < disk.bytes; at += 1024) {
        bool zero = pristine[at] == 0 && memcmp(pristine + at, pristine + at + 1, 1023) == 0;

        if ((zero && random_below(200)) || random_below(many ? 1 : 6))
            continue;
        disk.fail_block = at;
        one_failure(pristine);
        count++;
        visible += failed;
    }
    printf("# %u blocks failed, %u times a call said so\n", count, visible);
    TEST_END();
    free(pristine);
    return 0;
}
