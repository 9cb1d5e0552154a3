/* SPDX-License-Identifier: MIT */
/*
 * What is known about a file besides its contents: stat, access, mode, owner, times, extended
 * attributes (of which there are none).
 *
 * A call on a descriptor is the call on an empty path with the file's number as its base, so that
 * the caller's credentials count, not those of whoever opened the file.
 */
#include "files.h"

#include <linux_abi.h>

#define NS_PER_S 1000000000u

/* ---- stat --------------------------------------------------------------------------------------- */

/* A time of fs, signed: seconds, rounded down, and the rest. */
static int64_t seconds_of(uint64_t ns)
{
    int64_t time = (int64_t)ns, second = NS_PER_S;

    return time / second - (time % second < 0);
}

static int64_t rest_of(uint64_t ns)
{
    int64_t rest = (int64_t)ns % (int64_t)NS_PER_S;

    return rest < 0 ? rest + (int64_t)NS_PER_S : rest;
}

int64_t stat_store(uint64_t user, const struct fs_stat *from)
{
    struct linux_stat to = {
        .dev = from->dev,
        .ino = from->ino,
        .nlink = from->nlink,
        .mode = from->mode,
        .uid = from->uid,
        .gid = from->gid,
        .rdev = from->rdev,
        .size = (int64_t)from->size,
        .blksize = from->blksize,
        .blocks = (int64_t)from->blocks,
        .atime = seconds_of(from->atime_ns),
        .atime_ns = rest_of(from->atime_ns),
        .mtime = seconds_of(from->mtime_ns),
        .mtime_ns = rest_of(from->mtime_ns),
        .ctime = seconds_of(from->ctime_ns),
        .ctime_ns = rest_of(from->ctime_ns),
    };

    return user_write(user, &to, sizeof to);
}

/* What stat tells about a path, or with AT_EMPTY_PATH perhaps about a descriptor. */
static int64_t stat_at(uint64_t dirfd, uint64_t user, uint32_t flags, struct fs_stat *out)
{
    struct path path;
    int64_t result;

    path_from(&path, dirfd, user);
    result = path_put(&path, 0, (flags & AT_EMPTY_PATH) != 0);
    if (result < 0)
        return result;
    if (result == 0 && (int32_t)dirfd != AT_FDCWD)
        return fd_file(dirfd) ? file_stat(fd_file(dirfd), out) : -EBADF;

    struct exo_message m = {EXO_TAG(FS_STAT, result, 0),
                            {path.base, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), 0, 0}};
    result = server_call(current()->fs, &m);
    if (result >= 0)
        memcpy(out, exo_utcb()->msg, sizeof *out);
    return result;
}

static int64_t stat_path(uint64_t dirfd, uint64_t user, uint64_t buffer, uint32_t flags)
{
    struct fs_stat stat;
    int64_t result = stat_at(dirfd, user, flags, &stat);

    return result < 0 ? result : stat_store(buffer, &stat);
}

DEFINE_CALL2(stat, user, buffer)
{
    return stat_path((uint64_t)AT_FDCWD, user, buffer, 0);
}

DEFINE_CALL2(lstat, user, buffer)
{
    return stat_path((uint64_t)AT_FDCWD, user, buffer, AT_SYMLINK_NOFOLLOW);
}

DEFINE_CALL2(fstat, fd, buffer)
{
    struct file *f = fd_file(fd);
    struct fs_stat stat;
    int64_t result = f ? file_stat(f, &stat) : -EBADF;

    return result < 0 ? result : stat_store(buffer, &stat);
}

DEFINE_CALL4(newfstatat, dirfd, user, buffer, flags)
{
    if ((uint32_t)flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
        return -EINVAL;
    return stat_path(dirfd, user, buffer, (uint32_t)flags);
}

/* Linux's struct statx, the same on all machines. */
struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds, pad;
};
struct linux_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct linux_statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount;
    uint32_t unused[26];
};
static_assert(sizeof(struct linux_statx) == 256, "Linux ABI: struct statx");

#define STATX_BASIC_AND_BTIME 0xfffu
#define STATX_RESERVED        0x80000000u

static struct linux_statx_time statx_time(uint64_t ns)
{
    return (struct linux_statx_time){seconds_of(ns), (uint32_t)rest_of(ns), 0};
}

/* Numbers of devices as programs see them in st_dev: 12 bits of major, 20 of minor. */
static uint32_t device_major(uint64_t dev)
{
    return (uint32_t)(dev >> 8) & 0xfff;
}

static uint32_t device_minor(uint64_t dev)
{
    return (uint32_t)(dev & 0xff) | ((uint32_t)(dev >> 12) & 0xfff00);
}

DEFINE_CALL5(statx, dirfd, user, flags, mask, buffer)
{
    uint32_t known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    struct fs_stat s;
    int64_t result;

    if (((uint32_t)flags & ~known) || ((uint32_t)mask & STATX_RESERVED) ||
        ((uint32_t)flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    result = stat_at(dirfd, user, (uint32_t)flags, &s);
    if (result < 0)
        return result;

    struct linux_statx x = {
        .mask = STATX_BASIC_AND_BTIME,
        .blksize = s.blksize,
        .nlink = s.nlink,
        .uid = s.uid,
        .gid = s.gid,
        .mode = (uint16_t)s.mode,
        .ino = s.ino,
        .size = s.size,
        .blocks = s.blocks,
        .atime = statx_time(s.atime_ns),
        .btime = statx_time(s.btime_ns),
        .ctime = statx_time(s.ctime_ns),
        .mtime = statx_time(s.mtime_ns),
        .rdev_major = device_major(s.rdev),
        .rdev_minor = device_minor(s.rdev),
        .dev_major = device_major(s.dev),
        .dev_minor = device_minor(s.dev),
    };
    return user_write(buffer, &x, sizeof x);
}

/* ---- access ------------------------------------------------------------------------------------- */

static int64_t access_at(uint64_t dirfd, uint64_t user, uint32_t mode, uint32_t flags)
{
    struct path path;

    if ((mode & ~(uint32_t)(R_OK | W_OK | X_OK)) ||
        (flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    path_from(&path, dirfd, user);
    return flags & AT_EMPTY_PATH ? path_call_empty(&path, FS_ACCESS, mode, flags, 0)
                                 : path_call(&path, FS_ACCESS, mode, flags, 0);
}

DEFINE_CALL2(access, user, mode)
{
    return access_at((uint64_t)AT_FDCWD, user, (uint32_t)mode, 0);
}

DEFINE_CALL3(faccessat, dirfd, user, mode)
{
    return access_at(dirfd, user, (uint32_t)mode, 0);
}

DEFINE_CALL4(faccessat2, dirfd, user, mode, flags)
{
    return access_at(dirfd, user, (uint32_t)mode, (uint32_t)flags);
}

/* ---- mode and owner ------------------------------------------------------------------------------ */

/* The number of a descriptor's file for the calls on it: > 0, or an errno. */
static int64_t fd_number(uint64_t fd, uint64_t *number)
{
    struct file *f = fd_file(fd);

    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    *number = f->number;
    return f->number ? 0 : -EPERM; /* a pipe: Linux would let its owner */
}

/* One call of fs on a path or, if that may be and is empty, on the descriptor itself. */
static int64_t change_at(uint64_t dirfd, uint64_t user, uint32_t flags, uint32_t op, uint64_t w1,
                         uint64_t w2, uint64_t w3)
{
    struct path path;

    path_from(&path, dirfd, user);
    return flags & AT_EMPTY_PATH ? path_call_empty(&path, op, w1, w2, w3)
                                 : path_call(&path, op, w1, w2, w3);
}

DEFINE_CALL2(chmod, user, mode)
{
    return change_at((uint64_t)AT_FDCWD, user, 0, FS_CHMOD, mode & 07777, 0, 0);
}

DEFINE_CALL3(fchmodat, dirfd, user, mode)
{
    return change_at(dirfd, user, 0, FS_CHMOD, mode & 07777, 0, 0);
}

DEFINE_CALL2(fchmod, fd, mode)
{
    uint64_t number;
    int64_t result = fd_number(fd, &number);

    return result < 0 ? result : number_call(number, FS_CHMOD, mode & 07777, AT_EMPTY_PATH, 0);
}

static uint64_t owner_word(uint64_t uid, uint64_t gid)
{
    return (uint32_t)uid | (uint64_t)(uint32_t)gid << 32;
}

DEFINE_CALL3(chown, user, uid, gid)
{
    return change_at((uint64_t)AT_FDCWD, user, 0, FS_CHOWN, owner_word(uid, gid), 0, 0);
}

DEFINE_CALL3(lchown, user, uid, gid)
{
    return change_at((uint64_t)AT_FDCWD, user, 0, FS_CHOWN, owner_word(uid, gid),
                     AT_SYMLINK_NOFOLLOW, 0);
}

DEFINE_CALL5(fchownat, dirfd, user, uid, gid, flags)
{
    if ((uint32_t)flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return change_at(dirfd, user, (uint32_t)flags, FS_CHOWN, owner_word(uid, gid), (uint32_t)flags,
                     0);
}

DEFINE_CALL3(fchown, fd, uid, gid)
{
    uint64_t number;
    int64_t result = fd_number(fd, &number);

    return result < 0 ? result
                      : number_call(number, FS_CHOWN, owner_word(uid, gid), AT_EMPTY_PATH, 0);
}

/* ---- times --------------------------------------------------------------------------------------- */

#define TIME_NOW    UINT64_MAX /* as FS_UTIMES has them */
#define TIME_KEEP   (UINT64_MAX - 1)
#define SECONDS_MAX (INT64_MAX / (int64_t)NS_PER_S - 1)
#define UTIME_NOW   0x3fffffff
#define UTIME_OMIT  0x3ffffffe

/* A time of the program in fs's form, from seconds and a part that is `unit` nanoseconds each. */
static int64_t time_word(int64_t seconds, int64_t part, uint64_t unit, uint64_t *out)
{
    if (unit == 1 && (part == UTIME_NOW || part == UTIME_OMIT)) {
        *out = part == UTIME_NOW ? TIME_NOW : TIME_KEEP;
        return 0;
    }
    if (part < 0 || (uint64_t)part >= NS_PER_S / unit)
        return -EINVAL;
    if (seconds > SECONDS_MAX || seconds < -SECONDS_MAX) /* as far away as can be told */
        seconds = seconds < 0 ? -SECONDS_MAX : SECONDS_MAX;
    *out = (uint64_t)(seconds * (int64_t)NS_PER_S + part * (int64_t)unit);
    if (*out >= TIME_KEEP) /* two nanoseconds before 1970 have another meaning */
        *out = TIME_KEEP - 1;
    return 0;
}

/* Two timespec (unit 1) or timeval (unit 1000) at `user`; 0: both now. */
static int64_t times_get(uint64_t user, uint64_t unit, uint64_t out[2])
{
    int64_t raw[4];
    int64_t result;

    out[0] = out[1] = TIME_NOW;
    if (!user)
        return 0;
    if (user_read(raw, user, sizeof raw) < 0)
        return -EFAULT;
    result = time_word(raw[0], raw[1], unit, &out[0]);
    return result < 0 ? result : time_word(raw[2], raw[3], unit, &out[1]);
}

static int64_t times_set(uint64_t dirfd, uint64_t user, const uint64_t times[2], uint32_t flags)
{
    uint64_t number;
    int64_t result;

    if (user)
        return change_at(dirfd, user, flags, FS_UTIMES, times[0], times[1], flags);
    result = fd_number(dirfd, &number); /* futimens */
    return result < 0 ? result : number_call(number, FS_UTIMES, times[0], times[1], AT_EMPTY_PATH);
}

DEFINE_CALL4(utimensat, dirfd, user, times, flags)
{
    uint64_t words[2];
    int64_t result = times_get(times, 1, words);

    if ((uint32_t)flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (result < 0 || (words[0] == TIME_KEEP && words[1] == TIME_KEEP))
        return result;
    return times_set(dirfd, user, words, (uint32_t)flags);
}

DEFINE_CALL3(futimesat, dirfd, user, times)
{
    uint64_t words[2];
    int64_t result = times_get(times, 1000, words);

    return result < 0 ? result : times_set(dirfd, user, words, 0);
}

DEFINE_CALL2(utimes, user, times)
{
    return posix_futimesat((uint64_t)AT_FDCWD, user, times, 0, 0, 0);
}

DEFINE_CALL2(utime, user, times)
{
    int64_t seconds[2];
    uint64_t words[2] = {TIME_NOW, TIME_NOW};

    if (times) {
        if (user_read(seconds, times, sizeof seconds) < 0)
            return -EFAULT;
        time_word(seconds[0], 0, 1, &words[0]);
        time_word(seconds[1], 0, 1, &words[1]);
    }
    return times_set((uint64_t)AT_FDCWD, user, words, 0);
}

/* ---- extended attributes: no file has any --------------------------------------------------------- */

/* 0 if the file is there, else why not. */
static int64_t path_exists(uint64_t user, uint32_t flags)
{
    struct path path;

    path_from(&path, (uint64_t)AT_FDCWD, user);
    return path_call(&path, FS_STAT, flags, 0, 0);
}

static int64_t exists_but(int64_t exists, int64_t answer)
{
    return exists < 0 ? exists : answer;
}

DEFINE_CALL1(getxattr, user)
{
    return exists_but(path_exists(user, 0), -ENODATA);
}

DEFINE_CALL1(lgetxattr, user)
{
    return exists_but(path_exists(user, AT_SYMLINK_NOFOLLOW), -ENODATA);
}

DEFINE_CALL1(fgetxattr, fd)
{
    return fd_file(fd) ? -ENODATA : -EBADF;
}

DEFINE_CALL1(setxattr, user)
{
    return exists_but(path_exists(user, 0), -EOPNOTSUPP);
}

DEFINE_CALL1(lsetxattr, user)
{
    return exists_but(path_exists(user, AT_SYMLINK_NOFOLLOW), -EOPNOTSUPP);
}

DEFINE_CALL1(fsetxattr, fd)
{
    return fd_file(fd) ? -EOPNOTSUPP : -EBADF;
}

DEFINE_CALL1(listxattr, user)
{
    return path_exists(user, 0);
}

DEFINE_CALL1(llistxattr, user)
{
    return path_exists(user, AT_SYMLINK_NOFOLLOW);
}

DEFINE_CALL1(flistxattr, fd)
{
    return fd_file(fd) ? 0 : -EBADF;
}

DEFINE_CALL1(removexattr, user)
{
    return exists_but(path_exists(user, 0), -ENODATA);
}

DEFINE_CALL1(lremovexattr, user)
{
    return exists_but(path_exists(user, AT_SYMLINK_NOFOLLOW), -ENODATA);
}

DEFINE_CALL1(fremovexattr, fd)
{
    return fd_file(fd) ? -ENODATA : -EBADF;
}
