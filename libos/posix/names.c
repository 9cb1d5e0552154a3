/* SPDX-License-Identifier: MIT */
/*
 * Names: making, moving and removing them; and what concerns whole files or file systems by path
 * (truncate, statfs, sync).
 */
#include "files.h"

#define CWD ((uint64_t)AT_FDCWD)

static uint32_t masked(uint64_t mode)
{
    return (uint32_t)mode & 07777 & ~current()->umask;
}

/* ---- one name ----------------------------------------------------------------------------------- */

static int64_t make_directory(uint64_t dirfd, uint64_t user, uint64_t mode)
{
    struct path path;

    path_from(&path, dirfd, user);
    return path_call(&path, FS_MKDIR, masked(mode), 0, 0);
}

DEFINE_CALL2(mkdir, user, mode)
{
    return make_directory(CWD, user, mode);
}

DEFINE_CALL3(mkdirat, dirfd, user, mode)
{
    return make_directory(dirfd, user, mode);
}

static int64_t make_node(uint64_t dirfd, uint64_t user, uint64_t mode, uint64_t rdev)
{
    uint32_t type = (uint32_t)mode & S_IFMT;
    struct path path;

    if (type == S_IFDIR)
        return -EPERM;
    if (type == 0)
        type = S_IFREG;
    path_from(&path, dirfd, user);
    return path_call(&path, FS_MKNOD, type | masked(mode), (uint32_t)rdev, 0);
}

DEFINE_CALL3(mknod, user, mode, rdev)
{
    return make_node(CWD, user, mode, rdev);
}

DEFINE_CALL4(mknodat, dirfd, user, mode, rdev)
{
    return make_node(dirfd, user, mode, rdev);
}

static int64_t remove_name(uint64_t dirfd, uint64_t user, uint32_t flags)
{
    struct path path;

    if (flags & ~(uint32_t)AT_REMOVEDIR)
        return -EINVAL;
    path_from(&path, dirfd, user);
    return path_call(&path, FS_UNLINK, flags, 0, 0);
}

DEFINE_CALL1(unlink, user)
{
    return remove_name(CWD, user, 0);
}

DEFINE_CALL1(rmdir, user)
{
    return remove_name(CWD, user, AT_REMOVEDIR);
}

DEFINE_CALL3(unlinkat, dirfd, user, flags)
{
    return remove_name(dirfd, user, (uint32_t)flags);
}

static int64_t read_link(uint64_t dirfd, uint64_t user, uint64_t buffer, int32_t bytes)
{
    struct path path;
    int64_t length;

    if (bytes <= 0)
        return -EINVAL;
    path_from(&path, dirfd, user);
    length = path_call_empty(&path, FS_READLINK, 0, 0, 0);
    if (length > bytes)
        length = bytes;
    if (length > 0 && user_write(buffer, exo_utcb()->msg, (uint64_t)length) < 0)
        return -EFAULT;
    return length;
}

DEFINE_CALL3(readlink, user, buffer, bytes)
{
    return read_link(CWD, user, buffer, (int32_t)bytes);
}

DEFINE_CALL4(readlinkat, dirfd, user, buffer, bytes)
{
    return read_link(dirfd, user, buffer, (int32_t)bytes);
}

/* ---- two names ---------------------------------------------------------------------------------- */

/* A call with two paths: both go into one message, the first's length in w2. */
static int64_t two_paths(struct path *old, struct path *new, uint32_t op, uint64_t w3, bool empty)
{
    int64_t first = path_put(old, 0, empty), second;
    struct exo_message m;

    if (first < 0)
        return first;
    second = path_put(new, (uint64_t)first, false);
    if (second < 0)
        return second;
    m = (struct exo_message){EXO_TAG(op, first + second, 0),
                             {old->base, new->base, (uint64_t)first, w3}};
    return server_call(current()->fs, &m);
}

static int64_t make_link(uint64_t old_dir, uint64_t old_user, uint64_t new_dir, uint64_t new_user,
                         uint32_t flags)
{
    struct path old, new;

    if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    path_from(&old, old_dir, old_user);
    path_from(&new, new_dir, new_user);
    return two_paths(&old, &new, FS_LINK, flags, (flags & AT_EMPTY_PATH) != 0);
}

int64_t path_link(const char *old_name, const char *new_name)
{
    struct path old, new;

    path_from_text(&old, old_name);
    path_from_text(&new, new_name);
    return two_paths(&old, &new, FS_LINK, 0, false);
}

DEFINE_CALL2(link, old, new)
{
    return make_link(CWD, old, CWD, new, 0);
}

DEFINE_CALL5(linkat, old_dir, old, new_dir, new, flags)
{
    return make_link(old_dir, old, new_dir, new, (uint32_t)flags);
}

static int64_t rename_path(uint64_t old_dir, uint64_t old_user, uint64_t new_dir, uint64_t new_user,
                           uint32_t flags)
{
    struct path old, new;

    if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    path_from(&old, old_dir, old_user);
    path_from(&new, new_dir, new_user);
    return two_paths(&old, &new, FS_RENAME, flags, false);
}

DEFINE_CALL2(rename, old, new)
{
    return rename_path(CWD, old, CWD, new, 0);
}

DEFINE_CALL4(renameat, old_dir, old, new_dir, new)
{
    return rename_path(old_dir, old, new_dir, new, 0);
}

DEFINE_CALL5(renameat2, old_dir, old, new_dir, new, flags)
{
    return rename_path(old_dir, old, new_dir, new, (uint32_t)flags);
}

static int64_t make_symlink(uint64_t target, uint64_t dirfd, uint64_t user)
{
    struct path link;
    int64_t first = user_string((char *)exo_utcb()->msg, target, PATH_BYTES), second;
    struct exo_message m;

    if (first <= 0)
        return first < 0 ? first : -ENOENT;
    path_from(&link, dirfd, user);
    second = path_put(&link, (uint64_t)first, false);
    if (second < 0)
        return second;
    m = (struct exo_message){EXO_TAG(FS_SYMLINK, first + second, 0),
                             {link.base, 0, (uint64_t)first, 0}};
    return server_call(current()->fs, &m);
}

DEFINE_CALL2(symlink, target, user)
{
    return make_symlink(target, CWD, user);
}

DEFINE_CALL3(symlinkat, target, dirfd, user)
{
    return make_symlink(target, dirfd, user);
}

/* ---- sizes -------------------------------------------------------------------------------------- */

DEFINE_CALL2(truncate, user, size)
{
    struct path path;

    if ((int64_t)size < 0)
        return -EINVAL;
    if (limit_file_end(size) < 0)
        return -EFBIG;
    path_from(&path, CWD, user);
    return path_call(&path, FS_TRUNCATE, size, 0, 0);
}

DEFINE_CALL2(ftruncate, fd, size)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    if ((int64_t)size < 0 || !file_can_write(f) || !f->ops->truncate)
        return -EINVAL;
    if (limit_file_end(size) < 0)
        return -EFBIG;
    return f->ops->truncate(f, size);
}

/* fs does it in pieces that it can answer soon. */
static int64_t allocate_pieces(struct file *f, uint32_t mode, uint64_t offset, uint64_t bytes)
{
    int64_t result = 0;

    while (result >= 0 && bytes > 0) {
        uint64_t piece = bytes < FS_FALLOCATE_BYTES ? bytes : FS_FALLOCATE_BYTES;
        struct exo_message m = {EXO_TAG(FS_FALLOCATE, 0, 0), {mode, offset, piece, 0}};

        result = server_call(f->caps[0], &m);
        offset += piece;
        bytes -= piece;
    }
    return result < 0 ? result : 0;
}

DEFINE_CALL4(fallocate, fd, mode, offset, bytes)
{
    struct file *f = fd_file(fd);

    if (!f || !file_can_write(f))
        return -EBADF;
    if ((int64_t)offset < 0 || (int64_t)bytes <= 0)
        return -EINVAL;
    if ((int64_t)(offset + bytes) < 0)
        return -EFBIG;
    if (f->kind != FS_REGULAR)
        return f->ops->seek ? -ENODEV : -ESPIPE;
    if (limit_file_end(offset + bytes) < 0)
        return -EFBIG;
    return allocate_pieces(f, (uint32_t)mode, offset, bytes);
}

DEFINE_CALL4(fadvise64, fd, offset, bytes, advice)
{
    struct file *f = fd_file(fd);

    (void)offset, (void)bytes;
    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    if (!f->ops->seek && f->kind != FS_DIRECTORY)
        return -ESPIPE;
    return (uint32_t)advice > 5 ? -EINVAL : 0; /* contents are in memory: there is nothing to do */
}

DEFINE_CALL1(readahead, fd)
{
    struct file *f = fd_file(fd);

    if (!f || !file_can_read(f))
        return -EBADF;
    return f->kind == FS_REGULAR ? 0 : -EINVAL;
}

/* ---- keeping ------------------------------------------------------------------------------------ */

int64_t file_sync(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_FSYNC, 0, 0), {0, 0, 0, 0}};

    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    if (f->ops->sync)
        return f->ops->sync(f);
    if (f->kind != FS_REGULAR && f->kind != FS_DIRECTORY)
        return f->kind == FS_SYNTHETIC ? 0 : -EINVAL;
    return server_call(f->caps[0], &m);
}

DEFINE_CALL1(fsync, fd)
{
    return file_sync(fd_file(fd));
}

DEFINE_CALL1(fdatasync, fd)
{
    return file_sync(fd_file(fd));
}

DEFINE_CALL4(sync_file_range, fd, offset, bytes, flags)
{
    if ((uint32_t)flags > 7 || (int64_t)offset < 0 || (int64_t)bytes < 0)
        return -EINVAL;
    return file_sync(fd_file(fd));
}

DEFINE_CALL0(sync)
{
    number_call(0, FS_SYNC, 0, 0, 0);
    return 0;
}

DEFINE_CALL1(syncfs, fd)
{
    return fd_file(fd) ? number_call(0, FS_SYNC, 0, 0, 0) : -EBADF;
}

/* ---- file systems -------------------------------------------------------------------------------- */

/* Linux's struct statfs on 64-bit machines. */
struct linux_statfs {
    int64_t type, bsize;
    uint64_t blocks, bfree, bavail, files, ffree;
    uint32_t fsid[2];
    int64_t namelen, frsize, flags, spare[4];
};
static_assert(sizeof(struct linux_statfs) == 120, "Linux ABI: struct statfs");

/* Passes on the answer that lies in utcb->msg. */
static int64_t statfs_store(uint64_t buffer)
{
    struct fs_statfs s;

    memcpy(&s, exo_utcb()->msg, sizeof s);
    struct linux_statfs to = {
        .type = (int64_t)s.type,
        .bsize = (int64_t)s.bsize,
        .blocks = s.blocks,
        .bfree = s.bfree,
        .bavail = s.bavail,
        .files = s.files,
        .ffree = s.ffree,
        .namelen = (int64_t)s.namelen,
        .frsize = (int64_t)s.bsize,
        .flags = (int64_t)s.flags,
    };
    return user_write(buffer, &to, sizeof to);
}

DEFINE_CALL2(statfs, user, buffer)
{
    struct path path;
    int64_t result;

    path_from(&path, CWD, user);
    result = path_call(&path, FS_STATFS, 0, 0, 0);
    return result < 0 ? result : statfs_store(buffer);
}

DEFINE_CALL2(fstatfs, fd, buffer)
{
    struct file *f = fd_file(fd);
    int64_t result;

    if (!f)
        return -EBADF;
    if (f->number == 0) { /* a pipe or a socket: a file system of no size */
        struct fs_statfs none = {.type = f->kind == FILE_PIPE ? PIPEFS_MAGIC : SOCKFS_MAGIC,
                                 .bsize = 4096,
                                 .namelen = 255};

        memcpy(exo_utcb()->msg, &none, sizeof none);
        return statfs_store(buffer);
    }
    result = number_call(f->number, FS_STATFS, 0, 0, 0);
    return result < 0 ? result : statfs_store(buffer);
}
