// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
// long
/*
 * What an image may do to the library: bytes of its metadata are changed at random, and then everything
 * is walked, read and changed. Whatever comes of it is fine, but for a crash, a hang, or an access
 * outside of a block (the sanitizer watches). Some damage is done by hand, and must be named.
 */
#include "ext4_model.h"

#include <signal.h>

static uint8_t *pristine;
static uint8_t *is_metadata; /* a byte for each block of 1024 */
static unsigned visited;

static void too_long(int number)
{
    (void)number;
    (void)!write(1, "# it hangs\n", 11);
    abort();
}

/* ---- walking ---- */

struct found {
    unsigned count;
    struct {
        uint32_t ino, type;
        uint8_t length;
        char name[256];
    } entries[200];
};

static bool take(void *context, uint64_t position, const struct ext4_listed *entry)
{
    struct found *f = context;

    (void)position;
    if (f->count == 200)
        return false;
    f->entries[f->count].ino = entry->ino;
    f->entries[f->count].type = entry->type;
    f->entries[f->count].length = entry->length;
    memcpy(f->entries[f->count].name, entry->name, entry->length);
    f->count++;
    return true;
}

static bool take_attribute(void *context, uint8_t index, const char *name, size_t length)
{
    char value[64];

    ext4_getxattr(model.fs, *(uint32_t *)context, index, name, length, value, sizeof(value));
    return true;
}

static void look_at(uint32_t ino)
{
    static uint8_t data[70000];
    struct ext4_attr attr;

    visited++;
    if (ext4_getattr(model.fs, ino, &attr) < 0)
        return;
    ext4_listxattr(model.fs, ino, take_attribute, &ino);
    ext4_readlink(model.fs, ino, (char *)data, sizeof(data));
    ext4_read(model.fs, ino, 0, data, sizeof(data));
    ext4_read(model.fs, ino, attr.size - 5000, data, 5000);
}

static void walk(uint32_t dir, unsigned depth)
{
    struct found *f = calloc(1, sizeof(*f));
    uint64_t position = 0;

    ext4_readdir(model.fs, dir, &position, take, f);
    for (unsigned k = 0; k < f->count; k++) {
        uint32_t ino = f->entries[k].ino;
        bool dots = f->entries[k].name[0] == '.';

        ext4_lookup(model.fs, dir, f->entries[k].name, f->entries[k].length, &ino);
        look_at(ino);
        if (!dots && depth < 3)
            walk(ino, depth + 1);
    }
    free(f);
}

static void change_things(uint32_t dir, unsigned depth)
{
    struct ext4_new file = {.mode = S_IFREG | 0644}, folder = {.mode = S_IFDIR | 0755};
    struct found *f = calloc(1, sizeof(*f));
    uint64_t position = 0;
    char name[32];
    uint32_t ino;

    ext4_readdir(model.fs, dir, &position, take, f);
    for (unsigned k = 0; k < 12; k++) {
        snprintf(name, sizeof(name), "new%u", k);
        if (ext4_create(model.fs, dir, name, strlen(name), k % 3 ? &file : &folder, &ino) == 0)
            ext4_write(model.fs, ino, k * 3000, pristine, 9000);
    }
    for (unsigned k = 0; k < f->count; k++) {
        ino = f->entries[k].ino;
        if (f->entries[k].name[0] == '.')
            continue;
        if (depth < 2)
            change_things(ino, depth + 1);
        ext4_truncate(model.fs, ino, random_below(20000));
        ext4_punch(model.fs, ino, 1000, 30000);
        ext4_write(model.fs, ino, random_below(100000), pristine, 5000);
        if (ext4_unlink(model.fs, dir, f->entries[k].name, f->entries[k].length, &ino) == 0 ||
            ext4_rmdir(model.fs, dir, f->entries[k].name, f->entries[k].length, &ino) == 0)
            ext4_evict(model.fs, ino);
    }
    free(f);
}

static void mount_and_walk(void)
{
    alarm(60);
    model.fs = NULL;
    if (disk_mount_as(&model.fs, (struct ext4_options){0}) < 0)
        return;
    walk(EXT4_ROOT, 0);
    change_things(EXT4_ROOT, 0);
    ext4_unmount(model.fs);
    alarm(0);
}

/* ---- damage at random ---- */

/* Which blocks are read when the volume is walked without reading data? Those are metadata. */
static void find_metadata(void)
{
    is_metadata = calloc(disk.bytes / 1024 + 1, 1);
    for (uint64_t block = 0; block < disk.bytes / 1024; block++) {
        const uint8_t *at = disk.image + block * 1024;
        bool zero = true, text = true;

        for (unsigned k = 0; k < 1024; k++) {
            zero &= at[k] == 0;
            text &= at[k] == 'd';
        }
        is_metadata[block] = !zero && !text;
    }
}

static void damage(void)
{
    uint64_t blocks = disk.bytes / 1024, block;
    unsigned flips = 1 + random_below(12);

    while (flips-- > 0) {
        do
            block = test_random() % blocks;
        while (!is_metadata[block]);
        disk.image[block * 1024 + random_below(random_below(2) ? 128 : 1024)] =
            (uint8_t)(random_below(3) ? test_random() >> 30 : random_below(2) * 255);
    }
}

static void hostile(const char *options, unsigned rounds)
{
    unsigned mounted = 0;

    disk_make(12, options);
    ASSERT_EQ(disk_mount_as(&model.fs, (struct ext4_options){0}), 0);
    model_start(model.fs);
    for (unsigned step = 0; step < 500; step++)
        model_step();
    model_compare();
    ASSERT_EQ(ext4_unmount(model.fs), 0);
    model_end();
    pristine = malloc(disk.bytes);
    memcpy(pristine, disk.image, disk.bytes);
    find_metadata();
    disk.quiet = true;
    visited = 0;
    for (unsigned round = 0; round < rounds; round++) {
        unsigned before = visited;

        memcpy(disk.image, pristine, disk.bytes);
        damage();
        mount_and_walk();
        mounted += visited > before;
    }
    printf("# %u of %u damaged volumes were mounted, %u inodes looked at\n", mounted, rounds,
           visited);
    disk.quiet = false;
    free(pristine);
    free(is_metadata);
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

/* ---- damage by hand ---- */

static void refused(const char *options, const char *prepare, int64_t status, const char *said)
{
    struct ext4 *fs = NULL;
    int64_t got;

    disk_make(8, options);
    if (*prepare)
        ASSERT_EQ(run(prepare, disk.path), 0);
    disk.quiet = true;
    got = disk_mount_as(&fs, (struct ext4_options){0});
    if (got != status || !disk_said(said))
        printf("# %s: it said: %s", said, disk.reported);
    ASSERT_EQ(got, status);
    ASSERT_TRUE(disk_said(said));
    if (fs) {
        ASSERT_TRUE(ext4_is_read_only(fs) == (status == 0));
        ext4_unmount(fs);
    }
    disk.quiet = false;
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

int main(void)
{
    unsigned rounds = getenv("EXO_LONG") ? 4000 : 60;

    signal(SIGALRM, too_long);
    if (getenv("EXO_SEED"))
        test_random_state = strtoull(getenv("EXO_SEED"), NULL, 0) | 1;
    TEST_BEGIN("features are refused by name, or make it read-only");
    refused("-O inline_data", "", -EOPNOTSUPP, "inline_data");
    refused("-O bigalloc", "", 0, "bigalloc");
    refused("-O ^has_journal", "", 0, "has_journal");
    refused("-O mmp", "", -EOPNOTSUPP, "mmp");
    refused("-O quota", "", 0, "quota");
    refused("", "debugfs -w -R 'feature FEATURE_I27' %s", -EOPNOTSUPP, "feature bit 27");
    refused("", "dd if=/dev/zero of=%s bs=512 seek=2 count=1 conv=notrunc 2>&1", -EINVAL,
            "magic number");
    refused("", "debugfs -w -R 'set_block_group 0 block_bitmap 99999999' %s", -EUCLEAN,
            "descriptor of group 0: bg_checksum");
    refused("", "debugfs -w -R 'set_inode_field <2> size 17' %s", -EUCLEAN, "directory 2: i_size");
    TEST_END();
    TEST_BEGIN("bytes at random, without checksums");
    hostile("-b 1024 -O ^metadata_csum,^64bit", rounds);
    TEST_END();
    TEST_BEGIN("bytes at random, with checksums and an orphan file");
    hostile("-b 4096 -O orphan_file", rounds);
    TEST_END();
    return 0;
}
