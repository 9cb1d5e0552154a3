/* SPDX-License-Identifier: MIT */
/* servers/fs: paths, names and permissions, by the calls that clients make. */
// links: FS
#include "fs_fake.h"

#define MKDIR(slot, path)  path_call(slot, FS_MKDIR, path, 0755, 0)
#define RMDIR(slot, path)  path_call(slot, FS_UNLINK, path, AT_REMOVEDIR, 0)
#define UNLINK(slot, path) path_call(slot, FS_UNLINK, path, 0, 0)

static int64_t link_names(uint32_t slot, const char *a, const char *b)
{
    return paths_call(slot, FS_LINK, a, b, 0);
}
static int64_t rename_names(uint32_t slot, const char *a, const char *b, uint64_t flags)
{
    return paths_call(slot, FS_RENAME, a, b, flags);
}
static int64_t symlink_names(uint32_t slot, const char *target, const char *path)
{
    return paths_call(slot, FS_SYMLINK, target, path, 0);
}

static void test_paths(void)
{
    char deep[4200], name[300];
    struct opened f;

    TEST_BEGIN("paths: slashes, dots and missing parts");
    ASSERT_EQ(MKDIR(ROOT, "a"), 0);
    ASSERT_EQ(MKDIR(ROOT, "/a/b/"), 0);
    ASSERT_EQ(make_text(ROOT, "a/b/f", "hello"), 5);
    ASSERT_TRUE(text_is("//a//./b/../b/f", "hello"));
    ASSERT_TRUE(text_is("/../../a/b/f", "hello"));
    ASSERT_EQ(path_call(ROOT, FS_STAT, "a/b/f/", 0, 0), -ENOTDIR);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "a/b/f/x", 0, 0), -ENOTDIR);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "a/x/f", 0, 0), -ENOENT);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "", 0, 0), -ENOENT);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "/", 0, 0), 0);
    ASSERT_EQ(serve(ROOT, FS_STAT, 0, 0, 0, 0, "a\0b", 3), -EINVAL);
    ASSERT_EQ(MKDIR(ROOT, "a/b"), -EEXIST);
    ASSERT_EQ(MKDIR(ROOT, "/"), -EEXIST);
    ASSERT_EQ(open_path(&f, ROOT, "new/", O_CREAT | O_WRONLY, 0644), -EISDIR);
    ASSERT_EQ(open_path(&f, ROOT, "a", O_WRONLY, 0), -EISDIR);
    ASSERT_EQ(open_path(&f, ROOT, "a/b/f", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    TEST_END();

    TEST_BEGIN("names of 255 bytes fit and of 256 do not; nor do paths over 4095");
    memset(name, 'n', sizeof(name));
    name[255] = 0;
    ASSERT_EQ(make_text(ROOT, name, "x"), 1);
    ASSERT_EQ(stat_of(name).size, 1);
    ASSERT_EQ(UNLINK(ROOT, name), 0);
    name[255] = 'n';
    name[256] = 0;
    ASSERT_EQ(make_text(ROOT, name, "x"), -ENAMETOOLONG);
    memset(deep, '/', sizeof(deep));
    ASSERT_EQ(serve(ROOT, FS_STAT, 0, 0, 0, 0, deep, 4096), -ENAMETOOLONG);
    ASSERT_EQ(serve(ROOT, FS_STAT, 0, 0, 0, 0, deep, 4095), 0);
    TEST_END();

    TEST_BEGIN("a directory's number is a base for paths, and a wrong one is refused");
    ASSERT_EQ(open_path(&f, ROOT, "a/b", O_RDONLY | O_DIRECTORY, 0), 0);
    ASSERT_EQ(serve(ROOT, FS_STAT, f.number, 0, 0, 0, "f", 1), 0);
    ASSERT_EQ(serve(ROOT, FS_STAT, f.number ^ (1ull << 40), 0, 0, 0, "f", 1), -EBADF);
    ASSERT_EQ(serve(ROOT, FS_STAT, f.number, AT_EMPTY_PATH, 0, 0, "", 0), 0);
    ASSERT_EQ(serve(ROOT, FS_GETCWD, f.number, 0, 0, 0, "", 0), 4);
    ASSERT_MEMEQ(message, "/a/b", 4);
    close_file(&f);
    ASSERT_EQ(serve(ROOT, FS_STAT, f.number, 0, 0, 0, "f", 1), -EBADF);
    ASSERT_EQ(file_call(&f, FS_READ, 0, 10, 0, "", 0), -EBADF);
    TEST_END();
}

static void test_symlinks(void)
{
    struct opened f;
    char name[16];

    TEST_BEGIN("symbolic links are followed in the middle, and at the end if asked");
    ASSERT_EQ(symlink_names(ROOT, "b/f", "a/link"), 0);
    ASSERT_EQ(symlink_names(ROOT, "/a", "abs"), 0);
    ASSERT_EQ(symlink_names(ROOT, "nowhere", "dangling"), 0);
    ASSERT_TRUE(text_is("abs/link", "hello"));
    ASSERT_EQ(stat_of("abs/link").mode & S_IFMT, S_IFLNK);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "dangling", 0, 0), -ENOENT);
    ASSERT_EQ(path_call(ROOT, FS_READLINK, "abs", 0, 0), 2);
    ASSERT_MEMEQ(message, "/a", 2);
    ASSERT_EQ(path_call(ROOT, FS_READLINK, "a", 0, 0), -EINVAL);
    ASSERT_EQ(open_path(&f, ROOT, "abs/link", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    ASSERT_EQ(open_path(&f, ROOT, "abs/link", O_PATH | O_NOFOLLOW, 0), 0);
    ASSERT_EQ(f.kind, FS_SYMBOLIC);
    close_file(&f);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "abs/link/", AT_SYMLINK_NOFOLLOW, 0), -ENOTDIR);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "abs/", AT_SYMLINK_NOFOLLOW, 0), 0);
    ASSERT_EQ(((struct fs_stat *)(void *)message)->mode & S_IFMT, S_IFDIR);
    TEST_END();

    TEST_BEGIN("open with O_CREAT makes what a dangling link names, but not with O_EXCL");
    ASSERT_EQ(open_path(&f, ROOT, "dangling", O_CREAT | O_EXCL | O_WRONLY, 0644), -EEXIST);
    ASSERT_EQ(make_text(ROOT, "dangling", "now"), 3);
    ASSERT_TRUE(text_is("nowhere", "now"));
    TEST_END();

    TEST_BEGIN("40 links are followed and 41 are not; a loop ends");
    ASSERT_EQ(symlink_names(ROOT, "nowhere", "s0"), 0);
    for (int i = 1; i <= 40; i++) {
        char target[16];

        snprintf(target, sizeof(target), "s%d", i - 1);
        snprintf(name, sizeof(name), "s%d", i);
        ASSERT_EQ(symlink_names(ROOT, target, name), 0);
    }
    ASSERT_TRUE(text_is("s39", "now"));
    ASSERT_EQ(path_call(ROOT, FS_STAT, "s40", 0, 0), -ELOOP);
    ASSERT_EQ(symlink_names(ROOT, "loop/x", "loop"), 0);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "loop", 0, 0), -ELOOP);
    for (int i = 0; i <= 40; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        ASSERT_EQ(UNLINK(ROOT, name), 0);
    }
    TEST_END();

    TEST_BEGIN("a link with a slash behind it is never what is removed or renamed");
    ASSERT_EQ(RMDIR(ROOT, "abs/"), -ENOTDIR);
    ASSERT_EQ(UNLINK(ROOT, "abs/"), -ENOTDIR);
    ASSERT_EQ(rename_names(ROOT, "abs/", "other", 0), -ENOTDIR);
    ASSERT_EQ(UNLINK(ROOT, "abs"), 0);
    ASSERT_EQ(stat_of("a").mode, S_IFDIR | 0755);
    TEST_END();
}

static void test_links_and_removal(void)
{
    struct opened f;

    TEST_BEGIN("hard links count, and the file lives while it has a name");
    ASSERT_EQ(link_names(ROOT, "a/b/f", "g"), 0);
    ASSERT_EQ(stat_of("g").nlink, 2);
    ASSERT_EQ(stat_of("g").ino, stat_of("a/b/f").ino);
    ASSERT_EQ(link_names(ROOT, "a", "a2"), -EPERM);
    ASSERT_EQ(link_names(ROOT, "a/b/f", "g"), -EEXIST);
    ASSERT_EQ(link_names(ROOT, "a/b/f", "h/"), -ENOENT);
    ASSERT_EQ(UNLINK(ROOT, "a/b/f"), 0);
    ASSERT_TRUE(text_is("g", "hello"));
    ASSERT_EQ(stat_of("g").nlink, 1);
    TEST_END();

    TEST_BEGIN("an open file outlives its name");
    uint64_t before = inode_count;
    ASSERT_EQ(open_path(&f, ROOT, "g", O_RDWR, 0), 0);
    ASSERT_EQ(UNLINK(ROOT, "g"), 0);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "g", 0, 0), -ENOENT);
    ASSERT_EQ(file_call(&f, FS_READ, 0, 100, 0, "", 0), 5);
    ASSERT_EQ(inode_count, before);
    close_file(&f);
    ASSERT_EQ(inode_count, before - 1);
    TEST_END();

    TEST_BEGIN("directories: link counts, rmdir and its errors");
    ASSERT_EQ(stat_of("a").nlink, 3);
    ASSERT_EQ(UNLINK(ROOT, "a/b"), -EISDIR);
    ASSERT_EQ(RMDIR(ROOT, "a"), -ENOTEMPTY);
    ASSERT_EQ(RMDIR(ROOT, "a/."), -EINVAL);
    ASSERT_EQ(RMDIR(ROOT, "a/.."), -ENOTEMPTY);
    ASSERT_EQ(RMDIR(ROOT, "/"), -EBUSY);
    ASSERT_EQ(RMDIR(ROOT, "nowhere"), -ENOTDIR);
    ASSERT_EQ(open_path(&f, ROOT, "a/b", O_RDONLY, 0), 0);
    ASSERT_EQ(RMDIR(ROOT, "a/b"), 0);
    ASSERT_EQ(stat_of("a").nlink, 2);
    ASSERT_EQ(serve(ROOT, FS_MKDIR, f.number, 0755, 0, 0, "x", 1), -ENOENT);
    ASSERT_EQ(serve(ROOT, FS_STAT, f.number, 0, 0, 0, "..", 2), 0);
    ASSERT_EQ(serve(ROOT, FS_GETCWD, f.number, 0, 0, 0, "", 0), -ENOENT);
    close_file(&f);
    TEST_END();
}

static void test_rename(void)
{
    TEST_BEGIN("rename moves, replaces, and knows what may replace what");
    ASSERT_EQ(MKDIR(ROOT, "r"), 0);
    ASSERT_EQ(MKDIR(ROOT, "r/d"), 0);
    ASSERT_EQ(MKDIR(ROOT, "r/e"), 0);
    ASSERT_EQ(make_text(ROOT, "r/f", "f"), 1);
    ASSERT_EQ(make_text(ROOT, "r/g", "g"), 1);
    ASSERT_EQ(rename_names(ROOT, "r/f", "r/d/a-name-that-is-longer-than-twenty-eight", 0), 0);
    ASSERT_TRUE(text_is("r/d/a-name-that-is-longer-than-twenty-eight", "f"));
    ASSERT_EQ(rename_names(ROOT, "r/d/a-name-that-is-longer-than-twenty-eight", "r/g", 0), 0);
    ASSERT_TRUE(text_is("r/g", "f"));
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/d", 0), -EISDIR);
    ASSERT_EQ(rename_names(ROOT, "r/d", "r/g", 0), -ENOTDIR);
    ASSERT_EQ(rename_names(ROOT, "r/d", "r/e", 0), 0);
    ASSERT_EQ(stat_of("r").nlink, 3);
    ASSERT_EQ(make_text(ROOT, "r/e/inside", "i"), 1);
    ASSERT_EQ(MKDIR(ROOT, "r/d"), 0);
    ASSERT_EQ(rename_names(ROOT, "r/d", "r/e", 0), -ENOTEMPTY);
    ASSERT_EQ(rename_names(ROOT, "r/missing", "r/x", 0), -ENOENT);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/x/", 0), -ENOTDIR);
    ASSERT_EQ(rename_names(ROOT, "r/.", "r/x", 0), -EBUSY);
    TEST_END();

    TEST_BEGIN("rename: not into itself, not over an ancestor");
    ASSERT_EQ(rename_names(ROOT, "r", "r/e/x", 0), -EINVAL);
    ASSERT_EQ(rename_names(ROOT, "r", "r/x", 0), -EINVAL);
    ASSERT_EQ(rename_names(ROOT, "r/e/inside", "r", 0), -ENOTEMPTY);
    ASSERT_EQ(MKDIR(ROOT, "r/e/sub"), 0);
    ASSERT_EQ(rename_names(ROOT, "r/e/sub", "r/e", 0), -ENOTEMPTY);
    ASSERT_EQ(rename_names(ROOT, "r/e/sub", "r", RENAME_EXCHANGE), -EINVAL);
    ASSERT_EQ(rename_names(ROOT, "r/e", "r/e", 0), 0);
    TEST_END();

    TEST_BEGIN("rename: two names of one file are left alone; NOREPLACE and EXCHANGE");
    ASSERT_EQ(link_names(ROOT, "r/g", "r/h"), 0);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/h", 0), 0);
    ASSERT_EQ(stat_of("r/g").nlink, 2);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/h", RENAME_NOREPLACE), -EEXIST);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/d", RENAME_EXCHANGE), 0);
    ASSERT_TRUE(text_is("r/d", "f"));
    ASSERT_EQ(stat_of("r/g").mode & S_IFMT, S_IFDIR);
    ASSERT_EQ(stat_of("r").nlink, 4);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/e/inside", RENAME_EXCHANGE), 0);
    ASSERT_EQ(stat_of("r").nlink, 3);
    ASSERT_EQ(stat_of("r/e").nlink, 4);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/z", 4), -EINVAL);
    ASSERT_EQ(rename_names(ROOT, "r/g", "r/z", RENAME_EXCHANGE), -ENOENT);
    TEST_END();
}

static void test_permissions(void)
{
    struct opened f;

    TEST_BEGIN("permissions: owner, group, others, and root");
    ASSERT_EQ(path_call(ROOT, FS_MKDIR, "pub", 01777, 0), 0);
    ASSERT_EQ(make_text(ALICE, "pub/alice", "secret"), 6);
    ASSERT_EQ(stat_of("pub/alice").uid, 1000);
    ASSERT_EQ(path_call(ALICE, FS_CHMOD, "pub/alice", 0600, 0), 0);
    ASSERT_EQ(open_path(&f, BOB, "pub/alice", O_RDONLY, 0), -EACCES);
    ASSERT_EQ(path_call(BOB, FS_CHMOD, "pub/alice", 0666, 0), -EPERM);
    ASSERT_EQ(path_call(ALICE, FS_CHMOD, "pub/alice", 0060, 0), 0);
    ASSERT_EQ(open_path(&f, ALICE, "pub/alice", O_RDONLY, 0), -EACCES);
    ASSERT_EQ(open_path(&f, ROOT, "pub/alice", O_RDWR, 0), 0);
    close_file(&f);
    ASSERT_EQ(path_call(ROOT, FS_CHOWN, "pub/alice", 1000 | 1001ull << 32, 0), 0);
    ASSERT_EQ(open_path(&f, BOB, "pub/alice", O_RDWR, 0), 0);
    close_file(&f);
    ASSERT_EQ(make_text(ALICE, "top", "x"), -EACCES);
    ASSERT_EQ(path_call(ROOT, FS_ACCESS, "pub/alice", X_OK, 0), -EACCES);
    ASSERT_EQ(path_call(BOB, FS_ACCESS, "pub/alice", R_OK | W_OK, 0), 0);
    ASSERT_EQ(path_call(BOB, FS_ACCESS, "pub/alice", X_OK, 0), -EACCES);
    ASSERT_EQ(path_call(77, FS_STAT, "pub", 0, 0), -ESRCH);
    ASSERT_EQ(path_call(PROC_MAX + 5, FS_STAT, "pub", 0, 0), -ESRCH);
    TEST_END();

    TEST_BEGIN("a directory without x hides what is in it");
    ASSERT_EQ(path_call(ALICE, FS_MKDIR, "pub/d", 0700, 0), 0);
    ASSERT_EQ(make_text(ALICE, "pub/d/f", "x"), 1);
    ASSERT_EQ(path_call(BOB, FS_STAT, "pub/d/f", 0, 0), -EACCES);
    ASSERT_EQ(path_call(BOB, FS_STAT, "pub/d/missing", 0, 0), -EACCES);
    TEST_END();

    TEST_BEGIN("sticky directories: only owners remove and rename");
    ASSERT_EQ(make_text(BOB, "pub/bob", "b"), 1);
    ASSERT_EQ(UNLINK(ALICE, "pub/bob"), -EPERM);
    ASSERT_EQ(rename_names(ALICE, "pub/bob", "pub/x", 0), -EPERM);
    ASSERT_EQ(rename_names(ALICE, "pub/alice", "pub/bob", 0), -EPERM);
    ASSERT_EQ(UNLINK(BOB, "pub/bob"), 0);
    TEST_END();

    TEST_BEGIN("chown is root's, but an owner may give a file to his groups; set-id bits go");
    ASSERT_EQ(make_text(ALICE, "pub/s", "s"), 1);
    ASSERT_EQ(path_call(ALICE, FS_CHMOD, "pub/s", 06755, 0), 0);
    ASSERT_EQ(stat_of("pub/s").mode & 07777, 06755);
    ASSERT_EQ(path_call(ALICE, FS_CHOWN, "pub/s", 1001 | 0xffffffffull << 32, 0), -EPERM);
    ASSERT_EQ(path_call(ALICE, FS_CHOWN, "pub/s", 0xffffffffull | 50ull << 32, 0), -EPERM);
    fake_table[ALICE].groups[0] = 50;
    fake_table[ALICE].group_count = 1;
    ASSERT_EQ(path_call(ALICE, FS_CHOWN, "pub/s", 0xffffffffull | 50ull << 32, 0), 0);
    ASSERT_EQ(stat_of("pub/s").gid, 50);
    ASSERT_EQ(stat_of("pub/s").mode & 07777, 0755);
    ASSERT_EQ(path_call(ALICE, FS_CHMOD, "pub/s", 06755, 0), 0);
    ASSERT_EQ(open_path(&f, ALICE, "pub/s", O_WRONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_WRITE, 0, 0, 0, "x", 1), 1);
    close_file(&f);
    ASSERT_EQ(stat_of("pub/s").mode & 07777, 0755);
    TEST_END();

    TEST_BEGIN("set-gid directories give their group on");
    ASSERT_EQ(path_call(ROOT, FS_MKDIR, "shared", 0777, 0), 0);
    ASSERT_EQ(path_call(ROOT, FS_CHOWN, "shared", 0xffffffffull | 50ull << 32, 0), 0);
    ASSERT_EQ(path_call(ROOT, FS_CHMOD, "shared", 02777, 0), 0);
    ASSERT_EQ(make_text(BOB, "shared/f", "x"), 1);
    ASSERT_EQ(stat_of("shared/f").gid, 50);
    ASSERT_EQ(MKDIR(BOB, "shared/d"), 0);
    ASSERT_EQ(stat_of("shared/d").mode & 07777, 02755);
    TEST_END();
}

static void test_times(void)
{
    TEST_BEGIN("times follow reads, writes and utimes");
    fake_now += 1000;
    ASSERT_EQ(make_text(ROOT, "t", "x"), 1);
    ASSERT_EQ(stat_of("t").mtime_ns, fake_now);
    fake_now += 1000;
    ASSERT_TRUE(text_is("t", "x"));
    ASSERT_EQ(stat_of("t").atime_ns, fake_now);
    ASSERT_EQ(serve(ALICE, FS_UTIMES, 0, 5, 6, 0, "t", 1), -EPERM);
    ASSERT_EQ(serve(ALICE, FS_UTIMES, 0, UINT64_MAX, UINT64_MAX, 0, "t", 1), -EACCES);
    ASSERT_EQ(serve(ROOT, FS_UTIMES, 0, 5, UINT64_MAX - 1, 0, "t", 1), 0);
    ASSERT_EQ(stat_of("t").atime_ns, 5);
    ASSERT_EQ(stat_of("t").mtime_ns, fake_now - 1000);
    ASSERT_EQ(stat_of("t").ctime_ns, fake_now);
    TEST_END();
}

/* Reads a directory in small pieces; counts names. */
static uint32_t list(const char *path, const char *wanted, bool *found)
{
    uint64_t position = 0;
    uint32_t count = 0;
    struct opened f;
    int64_t bytes;

    *found = false;
    ASSERT_EQ(open_path(&f, ROOT, path, O_RDONLY | O_DIRECTORY, 0), 0);
    while ((bytes = file_call(&f, FS_READDIR, position, 300, 0, "", 0)) > 0) {
        for (int64_t at = 0; at < bytes;) {
            struct linux_dirent64 *d = (struct linux_dirent64 *)(void *)(message + at);

            ASSERT_EQ(d->d_reclen % 8, 0);
            *found |= strcmp(d->d_name, wanted) == 0;
            count++;
            at += d->d_reclen;
        }
        position = q.r[1];
    }
    ASSERT_EQ(bytes, 0);
    close_file(&f);
    return count;
}

static void test_readdir(void)
{
    struct opened f;
    bool found;

    TEST_BEGIN("readdir shows each name once, and deletion meanwhile is harmless");
    ASSERT_EQ(MKDIR(ROOT, "big"), 0);
    for (int i = 0; i < 500; i++) {
        char name[32];

        snprintf(name, sizeof(name), "big/file%d", i);
        ASSERT_EQ(make_text(ROOT, name, "x"), 1);
    }
    ASSERT_EQ(list("big", "file377", &found), 502);
    ASSERT_TRUE(found);
    ASSERT_EQ(open_path(&f, ROOT, "big", O_RDONLY, 0), 0);
    for (uint64_t position = 0, removed = 0; removed < 500;) {
        int64_t bytes = file_call(&f, FS_READDIR, position, 300, 0, "", 0);
        char names[300];

        ASSERT_GT(bytes, 0);
        position = q.r[1];
        memcpy(names, message, (size_t)bytes);
        for (int64_t at = 0; at < bytes;) {
            struct linux_dirent64 d;
            char name[64];

            memcpy(&d, names + at, sizeof(d));
            snprintf(name, sizeof(name), "big/%s",
                     names + at + offsetof(struct linux_dirent64, d_name));
            if (name[4] != '.') {
                ASSERT_EQ(UNLINK(ROOT, name), 0);
                removed++;
            }
            at += d.d_reclen;
        }
    }
    close_file(&f);
    ASSERT_EQ(RMDIR(ROOT, "big"), 0);
    TEST_END();
}

static void test_hostile(void)
{
    struct opened f;

    TEST_BEGIN("unknown calls and flags are refused");
    ASSERT_EQ(path_call(ROOT, 50, "a", 0, 0), -ENOSYS);
    ASSERT_EQ(path_call(ROOT, 0, "a", 0, 0), -ENOSYS);
    ASSERT_EQ(path_call(ROOT, FS_READ, "a", 0, 0), -ENOSYS);
    ASSERT_EQ(path_call(ROOT, FS_MOUNT, "a", 0, 0), -ENODEV);
    ASSERT_EQ(path_call(ROOT, 65535, "a", 0, 0), -ENOSYS);
    ASSERT_EQ(serve(FS_BADGE_FILE | 1u << 30, FS_READ, 0, 0, 0, 0, "", 0), -EBADF);
    ASSERT_EQ(serve(FS_BADGE_FILE, FS_READ, 0, 0, 0, 0, "", 0), -EBADF);
    ASSERT_EQ(open_path(&f, ROOT, "a", O_DIRECT, 0), -EINVAL);
    ASSERT_EQ(open_path(&f, ROOT, "a", 1ull << 40, 0), -EINVAL);
    ASSERT_EQ(open_path(&f, ROOT, "a", 3, 0), -EINVAL);
    ASSERT_EQ(path_call(ROOT, FS_STAT, "a", 0x8000, 0), -EINVAL);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "a", 1, 0), -EINVAL);
    ASSERT_EQ(path_call(ROOT, FS_MKDIR, "m", 1u << 20, 0), -EINVAL);
    ASSERT_EQ(serve(ROOT, FS_RENAME, 0, 0, 5000, 0, "a", 1), -EINVAL);
    ASSERT_EQ(path_call(ALICE, FS_MKNOD, "pub/dev", S_IFCHR | 0666, 0x103), -EPERM);
    ASSERT_EQ(path_call(ROOT, FS_MKNOD, "pub/dir", S_IFDIR | 0666, 0), -EPERM);
    TEST_END();

    TEST_BEGIN("no memory is ENOSPC and changes nothing");
    uint64_t before = inode_count;
    heap_is_full = true;
    ASSERT_EQ(MKDIR(ROOT, "full"), -ENOSPC);
    ASSERT_EQ(rename_names(ROOT, "nowhere", "a-very-long-name-of-more-than-28-bytes", 0), -ENOSPC);
    heap_is_full = false;
    ASSERT_EQ(inode_count, before);
    ASSERT_TRUE(text_is("nowhere", "now"));
    TEST_END();

    TEST_BEGIN("O_TMPFILE makes a file without a name that a link can name");
    ASSERT_EQ(open_path(&f, ALICE, "pub", O_TMPFILE | O_RDWR, 0600), 0);
    ASSERT_EQ(f.stat.nlink, 0);
    ASSERT_EQ(serve(ALICE, FS_LINK, f.number, 0, 0, AT_EMPTY_PATH, "pub/named", 9), 0);
    close_file(&f);
    ASSERT_EQ(stat_of("pub/named").nlink, 1);
    TEST_END();
}

int main(void)
{
    fs_begin();
    test_paths();
    test_symlinks();
    test_links_and_removal();
    test_rename();
    test_permissions();
    test_times();
    test_readdir();
    test_hostile();
    return 0;
}
