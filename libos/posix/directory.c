/* SPDX-License-Identifier: MIT */
/*
 * Directories: listing them, and where a process is (cwd, root).
 */
#include "files.h"
#include "parcel.h"

#include <lib/format.h>

/* ---- listing ----------------------------------------------------------------------------------- */

static int64_t directory_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)user, (void)bytes, (void)offset;
    return -EISDIR;
}

/* fs makes the records in Linux's own form; positions are its own. */
static int64_t directory_list(struct file *f, uint64_t user, uint64_t bytes)
{
    uint64_t position = ofd_offset_take(f->ofd);
    struct exo_message m = {EXO_TAG(FS_READDIR, 0, 0),
                            {position, bytes < FS_IO_BYTES ? bytes : FS_IO_BYTES, 0, 0}};
    int64_t got = server_call(f->caps[0], &m);

    if (got > 0 && ((uint64_t)got > bytes || user_write(user, exo_utcb()->msg, (uint64_t)got) < 0))
        got = -EFAULT;
    ofd_offset_store(f->ofd, got > 0 ? m.w[1] : position);
    return got;
}

static int64_t directory_seek(struct file *f, int64_t offset, int whence)
{
    uint64_t now = ofd_offset_take(f->ofd);
    int64_t target = whence == SEEK_SET ? offset : whence == SEEK_CUR ? (int64_t)now + offset : -1;

    if (target < 0)
        target = -EINVAL;
    ofd_offset_store(f->ofd, target < 0 ? now : (uint64_t)target);
    return target;
}

static int64_t directory_stat(struct file *f, struct fs_stat *out)
{
    return path_ops.stat(f, out);
}

const struct file_ops directory_ops = {
    .read = directory_read,
    .seek = directory_seek,
    .stat = directory_stat,
    .readdir = directory_list,
    .parcel = PARCEL_FILE,
};

DEFINE_CALL3(getdents64, fd, buffer, bytes)
{
    struct file *f = fd_file(fd);

    if (!f || !file_can_read(f))
        return -EBADF;
    if (!f->ops->readdir)
        return -ENOTDIR;
    return f->ops->readdir(f, buffer, (uint32_t)bytes);
}

/* ---- where we are ------------------------------------------------------------------------------ */

/* The path of a directory into utcb->msg: its length. */
static int64_t directory_path(const struct file *directory)
{
    return number_call(directory ? directory->number : 0, FS_GETCWD, 0, 0, 0);
}

/* Takes over the reference to `directory`. */
static void cwd_set(struct process *p, struct file *directory)
{
    int64_t length;

    if (p->cwd)
        file_put(p->cwd);
    p->cwd = directory;
    length = directory_path(directory);
    if (length < 0 || length >= (int64_t)sizeof p->cwd_path)
        length = 0; /* too long to tell */
    memcpy(p->cwd_path, exo_utcb()->msg, (size_t)length);
    p->cwd_path[length] = 0;
    if (p->shared)
        memcpy(p->shared->cwd, p->cwd_path, sizeof p->shared->cwd);
}

/* Opens a directory that the caller may search. */
static int64_t directory_enter(struct path *path, struct file **out)
{
    int64_t result = path_open(path, O_PATH | O_DIRECTORY, 0, out);

    if (result < 0)
        return result;
    result = number_call((*out)->number, FS_ACCESS, X_OK, AT_EACCESS | AT_EMPTY_PATH, 0);
    if (result < 0)
        file_put(*out);
    return result;
}

static int64_t chdir_to(struct path *path)
{
    struct file *directory;
    int64_t result = directory_enter(path, &directory);

    if (result < 0)
        return result;
    cwd_set(current(), directory);
    return 0;
}

int64_t path_chdir(const char *text)
{
    struct path path;

    path_from_text(&path, text);
    return chdir_to(&path);
}

DEFINE_CALL1(chdir, user)
{
    struct path path;

    path_from(&path, (uint64_t)AT_FDCWD, user);
    return chdir_to(&path);
}

DEFINE_CALL1(fchdir, fd)
{
    struct file *f = fd_file(fd);
    int64_t result;

    if (!f)
        return -EBADF;
    if (f->number == 0)
        return -ENOTDIR;
    result = number_call(f->number, FS_ACCESS, X_OK, AT_EACCESS | AT_EMPTY_PATH, 0);
    if (result >= 0)
        result = directory_path(f); /* -ENOTDIR if it is none */
    if (result < 0 && result != -ENOENT)
        return result;
    cwd_set(current(), file_get(f));
    return 0;
}

DEFINE_CALL1(chroot, user)
{
    struct process *p = current();
    struct path path;
    struct file *directory;
    int64_t result;

    if (p->entry->euid != 0)
        return -EPERM;
    path_from(&path, (uint64_t)AT_FDCWD, user);
    result = directory_enter(&path, &directory);
    if (result < 0)
        return result;
    if (p->root)
        file_put(p->root);
    p->root = directory;
    return 0;
}

/* Of a path that fs tells from the real root, what follows this process's root. */
static int64_t path_inside_root(const char *text, int64_t length, const struct process *p)
{
    static char root[PATH_BYTES];
    int64_t root_length;

    if (!p->root || length < 0)
        return 0;
    root_length = directory_path(p->root);
    if (root_length <= 1 || root_length > length)
        return 0;
    memcpy(root, exo_utcb()->msg, (size_t)root_length);
    if (memcmp(root, text, (size_t)root_length) != 0)
        return 0;
    return root_length;
}

DEFINE_CALL2(getcwd, user, bytes)
{
    static char text[PATH_BYTES]; /* under the image lock */
    struct process *p = current();
    int64_t length = directory_path(p->cwd), skip;

    if (length < 0)
        return length;
    if (length >= (int64_t)sizeof text)
        return -ENAMETOOLONG;
    memcpy(text, exo_utcb()->msg, (size_t)length);
    text[length] = 0;
    skip = path_inside_root(text, length, p);
    if (skip == length)
        text[--skip] = '/';
    length -= skip;
    if ((uint64_t)length + 1 > bytes)
        return -ERANGE;
    return user_write(user, text + skip, (uint64_t)length + 1) < 0 ? -EFAULT : length + 1;
}

DEFINE_CALL1(umask, mask)
{
    struct process *p = current();
    uint32_t old = p->umask;

    p->umask = (uint32_t)mask & 0777;
    return old;
}
