/* SPDX-License-Identifier: MIT */
/* servers/fs: the boot archive, the volumes, and procfs. */
// links: FS
#include "fs_fake.h"

#define ARCHIVE_BYTES 65536

static size_t archive_at;

static void put_bytes(const void *from, size_t bytes)
{
    memcpy(fake_archive + archive_at, from, bytes);
    archive_at += bytes;
}

static void put_entry(const char *name, uint32_t ino, uint32_t mode, uint32_t links,
                      const char *data, bool align)
{
    size_t bytes = strlen(data), name_bytes = strlen(name) + 1;
    char header[111];
    size_t end = archive_at + 110 + name_bytes, step = align && bytes ? 4096 : 4;

    name_bytes += (step - end % step) % step;
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             ino, mode, 7u, 8u, links, 1000u, (unsigned)bytes, 0u, 0u, 1u, 3u, (unsigned)name_bytes,
             0u);
    put_bytes(header, 110);
    memset(fake_archive + archive_at, 0, name_bytes);
    memcpy(fake_archive + archive_at, name, strlen(name));
    archive_at += name_bytes;
    put_bytes(data, bytes);
    while (archive_at % 4)
        put_bytes("", 1);
}

static char *pattern(char c, size_t bytes)
{
    static char text[10000];

    memset(text, c, bytes);
    text[bytes] = 0;
    return text;
}

static void make_archive(void)
{
    fake_archive = aligned_alloc(4096, ARCHIVE_BYTES);
    memset(fake_archive, 0, ARCHIVE_BYTES);
    put_entry(".", 1, S_IFDIR | 0755, 2, "", true);
    put_entry("etc", 2, S_IFDIR | 0755, 2, "", true);
    put_entry("etc/passwd", 3, S_IFREG | 0644, 1, "root:x:0:0\n", true);
    put_entry("etc/old", 4, S_IFREG | 0644, 1, "old", true);
    put_entry("usr/bin/big", 5, S_IFREG | 04755, 1, pattern('B', 5000), true);
    put_entry("bin", 6, S_IFLNK | 0777, 1, "usr/bin", true);
    put_entry("h1", 7, S_IFREG | 0644, 2, "", true);
    put_entry("h2", 7, S_IFREG | 0644, 2, "hard", true);
    put_entry("TRAILER!!!", 0, 0, 1, "", true);
    put_entry("etc/old", 4, S_IFREG | 0600, 1, "new text", false);
    put_entry("./bin/extra", 9, S_IFREG | 0644, 1, "extra", false);
    put_entry("etc", 10, S_IFDIR | 0700, 2, "", false);
    put_entry("h1", 7, S_IFREG | 0644, 1, "alone", false);
    put_entry("../../etc/up", 11, S_IFREG | 0644, 1, "up", false);
    put_entry("bad/..", 12, S_IFREG | 0644, 1, "x", false);
    put_entry("TRAILER!!!", 0, 0, 1, "", true);
}

static void test_archive(void)
{
    struct opened f;

    TEST_BEGIN("archives are laid over each other");
    make_archive();
    ASSERT_GT(archive_read(fake_archive, ARCHIVE_BYTES), 12);
    ASSERT_TRUE(text_is("etc/passwd", "root:x:0:0\n"));
    ASSERT_TRUE(text_is("etc/old", "new text"));
    ASSERT_EQ(stat_of("etc/old").mode, S_IFREG | 0600);
    ASSERT_EQ(stat_of("etc").mode, S_IFDIR | 0700);
    ASSERT_TRUE(text_is("usr/bin/extra", "extra"));
    ASSERT_TRUE(text_is("h1", "alone"));
    ASSERT_TRUE(text_is("h2", "hard"));
    ASSERT_EQ(stat_of("h2").nlink, 1);
    ASSERT_TRUE(text_is("etc/up", "up"));
    ASSERT_EQ(stat_of("bin").mode, S_IFLNK | 0777);
    ASSERT_EQ(stat_of("usr/bin/big").uid, 7);
    ASSERT_EQ(stat_of("usr/bin/big").mode, S_IFREG | 04755);
    ASSERT_EQ(stat_of("usr/bin/big").mtime_ns, 1000000000000);
    TEST_END();

    TEST_BEGIN("aligned data change owner when the file is lent; their tail is clean");
    ASSERT_EQ(open_path(&f, ROOT, "usr/bin/big", O_RDONLY | 0, 0), 0);
    ASSERT_EQ(file_call(&f, FS_LEND, EXO_MAP_READ | EXO_MAP_EXEC, 0, 0, "", 0), 0);
    ASSERT_EQ(fake_adopted, 2);
    exo_cap loan = q.give;
    ASSERT_EQ(fake_page(fake_region(loan), 2, false)[5000 - 4096 - 1], 'B');
    ASSERT_EQ(fake_page(fake_region(loan), 2, false)[5000 - 4096], 0);
    ASSERT_EQ(fake_page(fake_region(loan), 2, false)[4095], 0);
    close_file(&f);
    ASSERT_EQ(open_path(&f, ROOT, "usr/bin/big", O_RDONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_READ, 4998, 100, 0, "", 0), 2);
    close_file(&f);
    ASSERT_EQ(open_path(&f, ROOT, "etc/old", O_RDONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_LEND, EXO_MAP_READ, 0, 0, "", 0), 0);
    ASSERT_EQ(fake_adopted, 2);
    close_file(&f);
    ASSERT_TRUE(text_is("bin/extra", "extra"));
    TEST_END();

    TEST_BEGIN("a file of the archive that is written to becomes one's own");
    ASSERT_EQ(open_path(&f, ROOT, "etc/passwd", O_WRONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_WRITE, 0, 0, 0, "ROOT", 4), 4);
    close_file(&f);
    ASSERT_TRUE(text_is("etc/passwd", "ROOT:x:0:0\n"));
    ASSERT_EQ(open_path(&f, ROOT, "etc/passwd", O_WRONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 4, 0, 0, "", 0), 0);
    close_file(&f);
    ASSERT_TRUE(text_is("etc/passwd", "ROOT"));
    TEST_END();

    TEST_BEGIN("a damaged archive is read as far as it goes");
    memcpy(fake_archive + archive_at + 4, "garbage", 7);
    ASSERT_EQ(archive_read(fake_archive, ARCHIVE_BYTES), -EINVAL);
    TEST_END();
}

static void test_volumes(void)
{
    TEST_BEGIN("/dev, /proc and /sys are volumes of their own");
    ASSERT_EQ(volumes_make(), 0);
    ASSERT_EQ(stat_of("dev/null").rdev, 0x103);
    ASSERT_EQ(stat_of("dev/null").mode, S_IFCHR | 0666);
    ASSERT_NE(stat_of("dev").dev, stat_of("/").dev);
    ASSERT_EQ(stat_of("dev/null").dev, stat_of("dev").dev);
    ASSERT_NE(stat_of("dev/shm").dev, stat_of("dev").dev);
    ASSERT_TRUE(text_is("sys/devices/system/cpu/online", "0\n"));
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "dev/pts", AT_REMOVEDIR, 0), -EBUSY);
    ASSERT_EQ(paths_call(ROOT, FS_RENAME, "etc/old", "dev/shm/x", 0), -EXDEV);
    ASSERT_EQ(make_text(ROOT, "sys/x", "x"), -EPERM);
    ASSERT_EQ(make_text(ROOT, "proc/x", "x"), -ENOENT);
    ASSERT_EQ(make_text(ALICE, "dev/shm/x", "x"), 1);
    ASSERT_EQ(path_call(ROOT, FS_STATFS, "proc", 0, 0), 0);
    ASSERT_EQ(((struct fs_statfs *)(void *)message)->type, PROC_MAGIC);
    ASSERT_EQ(path_call(ROOT, FS_STATFS, "/", 0, 0), 0);
    ASSERT_EQ(((struct fs_statfs *)(void *)message)->type, TMPFS_MAGIC);
    TEST_END();
}

/* The whole text of a file, NUL-terminated. */
static const char *slurp(uint32_t slot, const char *path)
{
    static char text[65537];
    struct opened f;
    size_t at = 0;
    int64_t bytes;

    text[0] = 0;
    if (open_path(&f, slot, path, O_RDONLY, 0) < 0)
        return NULL;
    while ((bytes = file_call(&f, FS_READ, at, 100, 0, "", 0)) > 0) {
        memcpy(text + at, message, (size_t)bytes);
        at += (size_t)bytes;
    }
    close_file(&f);
    text[at] = 0;
    return bytes < 0 ? NULL : text;
}

static void test_proc(void)
{
    struct proc_shared *s = &fake_shared[ALICE];
    struct opened f;

    TEST_BEGIN("/proc/PID/stat has 52 fields in their places");
    strcpy(s->comm, "a) b\n");
    s->vm_pages = 300;
    fake_table[ALICE].cpu_ns = 1230000000;
    char expected[] = "101 (a) b?) S 1 101 101 1088 -1 0 0 0 0 0 123 0 0 0 20 0 1 0 100 1228800 3 "
                      "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 "
                      "0\n";
    ASSERT_STREQ(slurp(ROOT, "proc/101/stat"), expected);
    int fields = 0;
    for (char *at = strrchr(expected, ')') + 1; (at = strchr(at, ' ')); at++)
        fields++;
    ASSERT_EQ(fields, 50);
    TEST_END();

    TEST_BEGIN("/proc/self is the caller; its secrets are its own");
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self", 0, 0), 3);
    ASSERT_MEMEQ(message, "101", 3);
    ASSERT_EQ(strncmp(slurp(ALICE, "proc/self/stat"), "101 (a) b?) R", 13), 0);
    strcpy(s->exe, "/usr/bin/big");
    strcpy(s->cwd, "/etc");
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self/exe", 0, 0), 12);
    ASSERT_EQ(path_call(BOB, FS_READLINK, "proc/101/exe", 0, 0), -EACCES);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "proc/101/cwd/passwd", 0, 0), 0);
    ASSERT_NULL(slurp(BOB, "proc/101/environ"));
    memcpy(s->environment, "A=1\0B=2", 8);
    s->environ_bytes = 8;
    ASSERT_MEMEQ(slurp(ALICE, "proc/self/environ"), "A=1\0B=2", 8);
    memcpy(s->cmdline, "ls\0-l", 6);
    s->cmdline_bytes = 6;
    ASSERT_MEMEQ(slurp(BOB, "proc/101/cmdline"), "ls\0-l", 6);
    TEST_END();

    TEST_BEGIN("descriptors and threads are listed and found");
    for (uint32_t i = 0; i < 64; i++)
        s->fds[i].fd = -1;
    s->fds[0].fd = 0;
    strcpy(s->fds[0].name, "/dev/null");
    s->fds[7].fd = 7;
    strcpy(s->fds[7].name, "pipe:[12]");
    s->fd_count = 8;
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self/fd/7", 0, 0), 9);
    ASSERT_MEMEQ(message, "pipe:[12]", 9);
    ASSERT_EQ(path_call(ALICE, FS_STAT, "proc/self/fd/0", 0, 0), 0);
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self/fd/3", 0, 0), -ENOENT);
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self/fd/07", 0, 0), -ENOENT);
    ASSERT_EQ(open_path(&f, ALICE, "proc/self/fd", O_RDONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_READDIR, 0, 4096, 0, "", 0), 4 * 24);
    ASSERT_EQ(file_call(&f, FS_READDIR, q.r[1], 4096, 0, "", 0), 0);
    ASSERT_EQ(serve(ALICE, FS_GETCWD, f.number, 0, 0, 0, "", 0), 12);
    ASSERT_MEMEQ(message, "/proc/101/fd", 12);
    close_file(&f);
    ASSERT_NOT_NULL(strstr(slurp(BOB, "proc/101/task/101/status"), "Pid:\t101\n"));
    ASSERT_EQ(path_call(BOB, FS_STAT, "proc/101/task/102/stat", 0, 0), -ENOENT);
    ASSERT_EQ(path_call(BOB, FS_STAT, "proc/101/task/../../102/stat", 0, 0), 0);
    ASSERT_EQ(path_call(BOB, FS_STAT, "proc/999", 0, 0), -ENOENT);
    TEST_END();

    TEST_BEGIN("mappings are shown by address, with what is in memory");
    s->map_count = 3;
    s->maps[0] = (struct proc_map){.start = 0x9000, .end = 0xa000, .rights = 1, .name = "[heap]"};
    s->maps[2] = (struct proc_map){.start = 0x1000, .end = 0x9000, .rights = 7};
    const char *maps = slurp(ALICE, "proc/self/maps");
    ASSERT_EQ(strncmp(maps, "00001000-00009000 rwxp", 22), 0);
    ASSERT_NOT_NULL(strstr(maps, "\n00009000-0000a000 r--p"));
    ASSERT_NULL(slurp(BOB, "proc/101/smaps"));
    ASSERT_NOT_NULL(strstr(slurp(ROOT, "proc/101/smaps"), "\nRss:                  12 kB\n"));
    TEST_END();

    TEST_BEGIN("any bytes may be published");
    memset((uint8_t *)s + 4096, 0xff, sizeof(*s) - 4096);
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/stat"));
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/status"));
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/maps"));
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/smaps"));
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/cmdline"));
    ASSERT_NOT_NULL(slurp(ALICE, "proc/self/environ"));
    ASSERT_EQ(path_call(ALICE, FS_READLINK, "proc/self/exe", 0, 0), 512);
    ASSERT_EQ(path_call(ALICE, FS_STAT, "proc/self/exe", 0, 0), -ENAMETOOLONG);
    ASSERT_EQ(path_call(ALICE, FS_STAT, "proc/self/fd/5", 0, 0), -ENOENT);
    memset(s, 0, sizeof(*s));
    TEST_END();

    TEST_BEGIN("an open file of a process that is gone says so");
    ASSERT_EQ(open_path(&f, ROOT, "proc/102/stat", O_RDONLY, 0), 0);
    fake_table[BOB].state = PROC_FREE;
    ASSERT_EQ(file_call(&f, FS_READ, 0, 100, 0, "", 0), -ESRCH);
    close_file(&f);
    fake_process(BOB, 102, 1001, 1001);
    TEST_END();

    TEST_BEGIN("the machine's files");
    static const char *const files[] = {"stat",
                                        "meminfo",
                                        "uptime",
                                        "loadavg",
                                        "cpuinfo",
                                        "version",
                                        "filesystems",
                                        "mounts",
                                        "vmstat",
                                        "swaps",
                                        "cmdline",
                                        "self/mountinfo",
                                        "sys/kernel/pid_max",
                                        "sys/kernel/osrelease",
                                        "sys/kernel/hostname",
                                        "sys/vm/overcommit_memory",
                                        "sys/kernel/random/uuid",
                                        "exo/counters",
                                        "devices",
                                        "sys/net/core/somaxconn",
                                        "thread-self/stat"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "proc/%s", files[i]);
        const char *text = slurp(ALICE, path);
        ASSERT_NOT_NULL(text);
        ASSERT_EQ(text[strlen(text) - 1], '\n');
        if (getenv("SHOW"))
            printf("--- %s\n%s", files[i], text);
    }
    ASSERT_STREQ(slurp(BOB, "proc/uptime"), "10.00 4.00\n");
    ASSERT_STREQ(slurp(BOB, "proc/sys/kernel/osrelease"), "6.1.0-exov6\n");
    TEST_END();

    TEST_BEGIN("nothing of procfs stays behind");
    uint64_t before = inode_count;
    slurp(ALICE, "proc/self/stat");
    path_call(ALICE, FS_STAT, "proc/self/fd/../task", 0, 0);
    ASSERT_EQ(open_path(&f, ROOT, "proc", O_RDONLY, 0), 0);
    ASSERT_GT(file_call(&f, FS_READDIR, 0, 4096, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_READDIR, q.r[1], 4096, 0, "", 0), 0);
    close_file(&f);
    ASSERT_EQ(inode_count, before);
    TEST_END();
}

int main(void)
{
    fs_begin();
    test_archive();
    test_volumes();
    test_proc();
    return 0;
}
