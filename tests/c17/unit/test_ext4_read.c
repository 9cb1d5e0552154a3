// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
/* Images that the host's mke2fs filled from a folder are read, and compared with the folder. */
#include "ext4_disk.h"

#include <dirent.h>

static struct ext4 *fs;

struct listed {
    unsigned count, room; /* room: for so many names more in this call */
    char names[4096][256];
};

static bool take(void *context, uint64_t position, const struct ext4_listed *entry)
{
    struct listed *l = context;

    (void)position;
    if (l->room-- == 0)
        return false;
    memcpy(l->names[l->count], entry->name, entry->length);
    l->names[l->count++][entry->length] = 0;
    return true;
}

static void compare_file(const char *path, uint32_t ino, uint64_t size)
{
    uint8_t a[5000], b[5000];
    FILE *file = fopen(path, "r");

    ASSERT_NOT_NULL(file);
    for (uint64_t at = 0; at < size;) {
        size_t got = fread(a, 1, sizeof(a), file);

        ASSERT_EQ(ext4_read(fs, ino, at, b, sizeof(b)), got);
        ASSERT_MEMEQ(a, b, got);
        at += got;
    }
    ASSERT_EQ(ext4_read(fs, ino, size, b, 1), 0);
    fclose(file);
}

static unsigned compare_folder(const char *path, uint32_t ino);

static unsigned compare_one(const char *path, uint32_t dir, const char *name)
{
    struct ext4_attr attr;
    struct stat st;
    uint32_t ino;
    char target[4096], expected[4096];

    ASSERT_EQ(lstat(path, &st), 0);
    ASSERT_EQ(ext4_lookup(fs, dir, name, strlen(name), &ino), 0);
    ASSERT_EQ(ext4_getattr(fs, ino, &attr), 0);
    ASSERT_EQ(attr.mode, st.st_mode);
    ASSERT_EQ(attr.uid, st.st_uid);
    ASSERT_EQ(attr.mtime.seconds, st.st_mtim.tv_sec);
    if (S_ISDIR(st.st_mode))
        return 1 + compare_folder(path, ino);
    ASSERT_EQ(attr.size, st.st_size);
    ASSERT_EQ(attr.nlink, st.st_nlink);
    if (S_ISREG(st.st_mode))
        compare_file(path, ino, attr.size);
    if (S_ISLNK(st.st_mode)) {
        ASSERT_EQ(readlink(path, expected, sizeof(expected)), attr.size);
        ASSERT_EQ(ext4_readlink(fs, ino, target, sizeof(target)), attr.size);
        ASSERT_MEMEQ(target, expected, attr.size);
    }
    return 1;
}

/* @return how many files were compared */
static unsigned compare_folder(const char *path, uint32_t ino)
{
    struct listed *l = calloc(1, sizeof(*l));
    unsigned there = 0, count = 0;
    uint64_t position = 0;
    struct dirent *entry;
    DIR *dir = opendir(path);
    char below[600];
    int64_t more;

    ASSERT_NOT_NULL(dir);
    do {
        l->room = 99;
        more = ext4_readdir(fs, ino, &position, take, l);
        ASSERT_GE(more, 0);
    } while (more);
    while ((entry = readdir(dir))) {
        unsigned k = 0;

        while (k < l->count && strcmp(l->names[k], entry->d_name) != 0)
            k++;
        ASSERT_LT(k, l->count);
        there++;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        count += compare_one(below, ino, entry->d_name);
    }
    closedir(dir);
    for (unsigned k = 0; k < l->count; k++)
        there += strcmp(l->names[k], "lost+found") == 0;
    ASSERT_EQ(there, l->count);
    free(l);
    return count;
}

static const char *const make_folder =
    "mkdir -p %1$s/src && cd %1$s/src && mkdir -p a/b/c many && echo hello >a/hello && "
    "ln -s hello a/short && ln -s $(printf 'x%%.0s' $(seq 300)) a/long && ln a/hello a/b/again && "
    "head -c 3000000 /dev/urandom >big && : >empty && mkfifo fifo && "
    "truncate -s 50M sparse && echo end | dd of=sparse bs=1 seek=30000000 conv=notrunc 2>/dev/null "
    "&& for i in $(seq 1500); do echo $i >many/file_with_a_long_name_$i; done && "
    "chmod 4755 a/hello && touch -d '2037-01-01 12:00:00 UTC' empty";

static void read_image(const char *options, bool index)
{
    disk_make(64, options);
    if (index)
        run("/sbin/e2fsck -fyD %s", disk.path);
    fs = NULL;
    ASSERT_EQ(disk_mount_as(&fs, (struct ext4_options){.read_only = true}), 0);
    printf("# %u files\n", compare_folder("/proc/self/cwd", EXT4_ROOT));
    ASSERT_EQ(ext4_unmount(fs), 0);
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

int main(void)
{
    static const char *const options[] = {
        "-d @/src",
        "-b 1024 -d @/src",
        "-b 2048 -d @/src",
        "-b 1024 -I 128 -O ^metadata_csum,^64bit -d @/src",
        "-b 4096 -O ^metadata_csum,uninit_bg -d @/src",
        "-b 4096 -O orphan_file,metadata_csum_seed -d @/src",
        "-O ^flex_bg,^dir_index -b 4096 -d @/src",
    };
    char folder[200];

    TEST_BEGIN("a folder to compare with");
    disk_make(8, "");
    ASSERT_EQ(run(make_folder, disk.folder), 0);
    snprintf(folder, sizeof(folder), "%s/src", disk.folder);
    ASSERT_EQ(chdir(folder), 0);
    TEST_END();
    for (size_t k = 0; k < sizeof(options) / sizeof(options[0]); k++) {
        TEST_BEGIN(options[k]);
        read_image(options[k], false);
        TEST_END();
    }
    TEST_BEGIN("with indexes that e2fsck made, for blocks of 4096 and 1024 bytes");
    read_image("-b 4096 -d @/src", true);
    read_image("-b 1024 -d @/src", true);
    TEST_END();
    if (chdir("/") != 0)
        return 1;
    return 0;
}
