/* SPDX-License-Identifier: MIT */
/*
 * open and its kin: from a path to a file of the right kind.
 *
 * fs checks the path and the permissions and says what is there. What it serves itself (regular
 * files, directories, procfs) is used through the endpoint that came with the answer; for devices,
 * terminals and FIFOs the endpoint stays for fstat and the work is done elsewhere.
 *
 * Paths like /proc/self/fd/3 and /dev/stdin name a descriptor, which only this process knows: they
 * are recognised here, before fs is asked.
 */
#include "files.h"
#include "parcel.h"

#include <linux_abi.h>

#define OPEN_FLAGS                                                                                 \
    ((uint32_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |        \
                O_SYNC | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | \
                O_TMPFILE))
/* Which of them matter once the file is open. */
#define KEPT_FLAGS                                                                      \
    ((uint32_t)(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECTORY | O_NOFOLLOW | \
                O_NOATIME | O_PATH))

/* ---- names of one's own descriptors ------------------------------------------------------------- */

static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : 0;
}

/* A decimal number that ends the text; -1 otherwise. */
static int64_t number_at(const char *text)
{
    int64_t number = 0;

    if (!text || *text == 0)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || number > INT32_MAX / 10)
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

/* The descriptor that a path names, -1 if it names none. */
static int64_t descriptor_named(const char *path)
{
    const char *rest;

    if ((rest = after(path, "/dev/std"))) {
        return strcmp(rest, "in") == 0    ? 0
               : strcmp(rest, "out") == 0 ? 1
               : strcmp(rest, "err") == 0 ? 2
                                          : -1;
    }
    if ((rest = after(path, "/dev/fd/")) || (rest = after(path, "/proc/self/fd/")))
        return number_at(rest);
    return -1;
}

/* May a file be used as `flags` ask? */
static bool access_covers(const struct file *f, uint32_t flags)
{
    uint32_t mode = flags & O_ACCMODE;

    return (mode == O_WRONLY || file_can_read(f)) && (mode == O_RDONLY || file_can_write(f));
}

/*
 * Opens what descriptor `fd` has open. A file of fs is opened anew, with an offset of its own and
 * the access that is asked for; of anything else one gets a second reference.
 */
static int64_t descriptor_open(uint32_t fd, uint32_t flags, struct file **out)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -ENOENT;
    if (flags & O_NOFOLLOW)
        return -ELOOP;
    if (f->number != 0 && f->kind <= FS_SYNTHETIC && f->kind != FS_FIFO) {
        struct path path = {.text = "", .base = f->number};

        return path_open_at(&path, 0, flags & ~(uint32_t)(O_CREAT | O_EXCL), 0, out);
    }
    if (!access_covers(f, flags))
        return -EACCES;
    *out = file_get(f);
    return 0;
}

/* ---- names for /proc/PID/fd --------------------------------------------------------------------- */

/* Puts prefix/text into name, or nothing if it does not fit. */
static void name_join(char name[FILE_NAME_BYTES], const char *prefix, const char *text)
{
    size_t length = strnlen(text, FILE_NAME_BYTES), before = 0;

    if (text[0] != '/') {
        before = strnlen(prefix, FILE_NAME_BYTES);
        while (text[0] == '.' && text[1] == '/')
            text += 2, length -= 2;
    }
    name[0] = 0;
    if (before + length + 2 > FILE_NAME_BYTES || (text[0] != '/' && before == 0))
        return;
    memcpy(name, prefix, before);
    if (before > 1)
        name[before++] = '/';
    memcpy(name + before, text, length);
    name[before + length] = 0;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static int64_t device_open(struct file *f, uint64_t rdev, uint32_t flags)
{
    const struct file_ops *ops = device_ops(rdev, &f->kind);

    if (ops) {
        f->ops = ops;
        return 0;
    }
    if (blockdev_is_device(rdev))
        return blockdev_open(f);
    return tty_is_device(rdev) ? tty_open(f, rdev, flags) : -ENXIO;
}

/* Makes f what fs says it is. */
static int64_t file_become(struct file *f, const struct fs_open_reply *reply, uint32_t flags)
{
    f->number = reply->number;
    f->ino = reply->stat.ino;
    f->rdev = reply->stat.rdev;
    f->kind = reply->kind;
    f->ops = &path_ops;
    if (flags & O_PATH)
        return 0;
    switch (reply->kind) {
    case FS_REGULAR: f->ops = &regular_ops; return 0;
    case FS_SYNTHETIC: f->ops = &synthetic_ops; return 0;
    case FS_DIRECTORY: f->ops = &directory_ops; return 0;
    case FS_DEVICE: return device_open(f, reply->stat.rdev, flags);
    case FS_FIFO: return fifo_open(f, flags);
    default: return -ENXIO;
    }
}

/* The other end of a FIFO does not matter: it is open already. */
int64_t file_unpack(struct file *f, struct parcel *p)
{
    struct fs_open_reply reply = {
        .number = p->text.number,
        .kind = p->text.kind,
        .stat = {.ino = p->text.ino, .rdev = p->text.rdev},
    };
    uint32_t kind = f->kind;
    int64_t result;

    f->caps[0] = p->caps[0];
    p->caps[0] = 0;
    if (!f->caps[0])
        return -EBADF;
    if (kind == FILE_NULL || kind == FILE_ZERO || kind == FILE_FULL || kind == FILE_RANDOM) {
        f->ops = device_ops(p->text.rdev, &f->kind);
        return f->ops ? 0 : -ENXIO;
    }
    if (kind == FS_DEVICE && !(p->text.flags & O_PATH))
        return -ENXIO;
    result = file_become(f, &reply, p->text.flags | O_NONBLOCK);
    return result == -ENXIO && kind == FS_FIFO ? 0 : result;
}

/* Sends what path_put has put into the message; on success f has its endpoint. */
static int64_t open_send(struct file *f, uint64_t base, uint64_t length, uint32_t flags,
                         uint32_t mode)
{
    uint32_t asked = flags & ~(uint32_t)(O_CLOEXEC | O_LARGEFILE);
    struct exo_message m = {EXO_TAG(FS_OPEN, length, 0),
                            {base, asked, mode & ~current()->umask & 07777, 0}};
    struct fs_open_reply reply;
    int64_t result = server_call_caps(current()->fs, &m, &f->caps[0], 1);

    if (result < 0)
        return result;
    memcpy(&reply, exo_utcb()->msg, sizeof reply);
    return f->caps[0] ? file_become(f, &reply, flags) : -ENFILE;
}

int64_t path_open_at(struct path *path, const char *prefix, uint32_t flags, uint32_t mode,
                     struct file **out)
{
    int64_t length = path_put(path, 0, !prefix), result;
    const char *text = (const char *)exo_utcb()->msg;
    char name[FILE_NAME_BYTES];
    struct file *f;

    if (length < 0)
        return length;
    if (text[0] == '/' && !current()->root) {
        int64_t fd = descriptor_named(text);

        if (fd >= 0 && !(flags & O_PATH))
            return descriptor_open((uint32_t)fd, flags, out);
    }
    name_join(name, prefix ? prefix : "", text);
    f = file_new(&path_ops, FILE_OTHER, flags & KEPT_FLAGS);
    if (!f)
        return -ENFILE;
    memcpy(file_name_room(f), name, sizeof name);
    result = open_send(f, path->base, (uint64_t)length, flags, mode);
    if (result < 0) {
        file_put(f);
        return result;
    }
    *out = f;
    return 0;
}

int64_t path_open(struct path *path, uint32_t flags, uint32_t mode, struct file **out)
{
    return path_open_at(path, current()->cwd_path, flags, mode, out);
}

int64_t file_open(const char *text, uint32_t flags, uint32_t mode, struct file **out)
{
    struct path path;

    path_from_text(&path, text);
    return path_open(&path, flags, mode, out);
}

int64_t path_executable(const char *text)
{
    struct path path;
    const struct fs_stat *stat = (const struct fs_stat *)(const void *)exo_utcb()->msg;
    int64_t result;

    path_from_text(&path, text);
    result = path_call(&path, FS_STAT, 0, 0, 0);
    if (result >= 0 && !S_ISREG(stat->mode))
        result = -EACCES;
    if (result >= 0)
        result = path_call(&path, FS_ACCESS, X_OK, AT_EACCESS, 0);
    return result;
}

/* ---- the calls ---------------------------------------------------------------------------------- */

static int64_t open_fd(uint64_t dirfd, uint64_t user, uint32_t flags, uint32_t mode)
{
    struct path path;
    struct file *f = 0, *directory;
    const char *prefix = current()->cwd_path;
    int64_t result;

    if ((flags & ~OPEN_FLAGS) || (flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return -EINVAL;
    path_from(&path, dirfd, user);
    if ((int32_t)dirfd != AT_FDCWD && (directory = fd_file(dirfd)))
        prefix = file_name(directory);
    result = path_open_at(&path, prefix, flags, mode, &f);
    return result < 0 ? result : fd_add(f, 0, (flags & O_CLOEXEC) != 0);
}

DEFINE_CALL4(openat, dirfd, user, flags, mode)
{
    return open_fd(dirfd, user, linux_open_flags((uint32_t)flags), (uint32_t)mode);
}

DEFINE_CALL3(open, user, flags, mode)
{
    return open_fd((uint64_t)AT_FDCWD, user, linux_open_flags((uint32_t)flags), (uint32_t)mode);
}

DEFINE_CALL2(creat, user, mode)
{
    return open_fd((uint64_t)AT_FDCWD, user, O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)mode);
}
