/* SPDX-License-Identifier: MIT */
/*
 * Files of fs: regular ones, and the synthetic files of procfs and sysfs.
 *
 * Reading. fs lends the contents as a region; we map it and copy from there, without a message.
 * Because most files are read once and are small, the first read asks by message instead (FS_READ),
 * which is cheaper than lending, mapping and unmapping. Should a copy from the window fail (fs has
 * truncated the file meanwhile, or the place is a hole), a message decides: it knows the truth,
 * and it tells a bad buffer of the program from a page that went away. Messages it is, too, while
 * somebody watches for reads by inotify.
 *
 * Writing is always a message: fs allocates, accounts and keeps times.
 */
#include "files.h"
#include "mmap.h"
#include "parcel.h"
#include "window.h"

#include <exo/service.h>
#include <lib/linux/termios.h>

/* struct file for these kinds: caps[0] the endpoint, caps[LENT_*] regions, state the window,
 * extra[0] reads made by message, extra[1] see flock.c. */
enum { LENT_READ = 1, LENT_EXEC, LENT_WRITE };
#define MESSAGE_READS 2u /* reads by message before a window is opened */

/* ---- messages ---------------------------------------------------------------------------------- */

/* One FS_READ of at most FS_IO_BYTES into utcb->msg. */
static int64_t message_read(struct file *f, uint64_t bytes, uint64_t offset)
{
    struct exo_message m = {EXO_TAG(FS_READ, 0, 0), {offset, bytes, 0, 0}};
    int64_t got = server_call(f->caps[0], &m);

    return got > (int64_t)bytes ? -EIO : got;
}

static int64_t read_by_message(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t done = 0;

    while (done < bytes) {
        uint64_t piece = bytes - done < FS_IO_BYTES ? bytes - done : FS_IO_BYTES;
        int64_t got = message_read(f, piece, *offset);

        if (got > 0 && user_write(user + done, exo_utcb()->msg, (uint64_t)got) < 0)
            got = -EFAULT;
        if (got < 0)
            return done ? (int64_t)done : got;
        done += (uint64_t)got;
        *offset += (uint64_t)got;
        if ((uint64_t)got < piece)
            break;
    }
    return (int64_t)done;
}

int64_t file_load(struct file *f, void *to, uint64_t bytes, uint64_t offset)
{
    uint64_t done = 0;

    if (f->ops->read != regular_ops.read && f->ops->read != synthetic_ops.read)
        return -EACCES;
    while (done < bytes) {
        uint64_t piece = bytes - done < FS_IO_BYTES ? bytes - done : FS_IO_BYTES;
        int64_t got = message_read(f, piece, offset + done);

        if (got < 0)
            return got;
        memcpy((uint8_t *)to + done, exo_utcb()->msg, (size_t)got);
        done += (uint64_t)got;
        if ((uint64_t)got < piece)
            break;
    }
    return (int64_t)done;
}

static int64_t regular_size(struct file *f);

/* RLIMIT_FSIZE: how much of a write is allowed; -EFBIG: nothing. */
static int64_t write_limited(struct file *f, uint64_t bytes, uint64_t offset)
{
    uint64_t limit = limit_file_bytes();
    int64_t size;

    if (file_flags(f) & O_APPEND) {
        size = regular_size(f);
        if (size < 0)
            return size;
        offset = (uint64_t)size;
    }
    if (bytes == 0 || (offset < limit && bytes <= limit - offset))
        return (int64_t)bytes;
    return offset < limit ? (int64_t)(limit - offset) : limit_file_end(UINT64_MAX);
}

/* Tells this write from all others through the same open file, in this process and in others. */
static uint64_t write_number(void)
{
    static _Atomic uint32_t count;

    return (uint64_t)(uint32_t)current()->pid << 32 | ++count;
}

static int64_t fs_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint32_t flags = file_flags(f);
    bool append = (flags & O_APPEND) != 0;
    uint64_t done = 0;

    if (limit_file_bytes() != UINT64_MAX && f->kind == FS_REGULAR) {
        int64_t allowed = write_limited(f, bytes, *offset);

        if (allowed < 0)
            return allowed;
        bytes = (uint64_t)allowed;
    }
    while (done < bytes) {
        uint64_t piece = bytes - done < FS_IO_BYTES ? bytes - done : FS_IO_BYTES;
        struct exo_message m = {EXO_TAG(FS_WRITE, piece, 0),
                                {append ? UINT64_MAX : *offset, 0, 0, write_number()}};
        int64_t put = user_read(exo_utcb()->msg, user + done, piece);

        if (put == 0)
            put = server_call(f->caps[0], &m);
        if (put < 0)
            return done ? (int64_t)done : put;
        done += (uint64_t)put;
        *offset = m.w[1];
        if ((uint64_t)put < piece)
            break;
    }
    if ((flags & O_DSYNC) && done) {
        int64_t synced = file_sync(f);

        return synced < 0 ? synced : (int64_t)done;
    }
    return (int64_t)done;
}

static int64_t fs_file_stat(struct file *f, struct fs_stat *out)
{
    struct exo_message m = {EXO_TAG(FS_FSTAT, 0, 0), {0, 0, 0, 0}};
    int64_t result = server_call(f->caps[0], &m);

    if (result >= 0)
        memcpy(out, exo_utcb()->msg, sizeof *out);
    return result;
}

static int64_t fs_truncate(struct file *f, uint64_t size)
{
    struct exo_message m = {EXO_TAG(FS_FTRUNCATE, 0, 0), {size, 0, 0, 0}};

    return server_call(f->caps[0], &m);
}

/* ---- loans ------------------------------------------------------------------------------------- */

/* The region with at least these rights (EXO_MAP_*), lent at most once in each of three kinds: a
 * capability behind a mapping must stay while the file is open. */
static int64_t region_borrow(struct file *f, uint32_t rights, exo_cap *cap)
{
    uint32_t kind = rights & EXO_MAP_WRITE  ? LENT_WRITE
                    : rights & EXO_MAP_EXEC ? LENT_EXEC
                                            : LENT_READ;
    struct exo_message m = {EXO_TAG(FS_LEND, 0, 0), {rights | EXO_MAP_READ, 0, 0, 0}};
    int64_t result;

    if (!f->caps[kind]) {
        result = server_call_caps(f->caps[0], &m, &f->caps[kind], 1);
        if (result < 0)
            return result;
        if (!f->caps[kind])
            return -ENOMEM;
    }
    *cap = f->caps[kind];
    return 0;
}

static int64_t regular_region(struct file *f, uint32_t rights, exo_cap *cap, uint64_t *first_page)
{
    *first_page = 1; /* page 0 is struct fs_state */
    return region_borrow(f, rights, cap);
}

static struct window *regular_window(struct file *f)
{
    struct exo_message m = {EXO_TAG(FS_LEND, 0, 0), {EXO_MAP_READ, 0, 0, 0}};

    if (!f->caps[LENT_READ] && server_call_caps(f->caps[0], &m, &f->caps[LENT_READ], 1) < 0)
        return 0;
    if (f->caps[LENT_READ])
        f->state = window_open(f->caps[LENT_READ], m.w[1]);
    return f->state;
}

const struct fs_state *regular_state(struct file *f)
{
    struct window *w = f->state ? f->state : regular_window(f);

    return w ? w->state : 0;
}

/* Is it mapped so that a page of it may be written? */
static bool mapped_to_write(const struct file *f)
{
    for (uint32_t i = 0; i < image_state.vma_count; i++) {
        const struct vma *v = &image_state.vmas[i];

        if (v->file == f && (v->flags & MAP_SHARED) && (v->rights & EXO_MAP_WRITE))
            return true;
    }
    return false;
}

int64_t regular_seals(struct file *f, uint64_t add, bool allow)
{
    struct exo_message m = {EXO_TAG(FS_SEAL, 0, 0), {add, allow, 0, 0}};

    if (f->kind != FS_REGULAR)
        return -EINVAL;
    if ((add & F_SEAL_WRITE) && !mapped_to_write(f))
        cap_drop(&f->caps[LENT_WRITE]);
    int64_t result = server_call(f->caps[0], &m);
    return result < 0 ? result : (int64_t)m.w[1];
}

/* ---- regular files ----------------------------------------------------------------------------- */

static int64_t read_by_window(struct file *f, struct window *w, uint64_t user, uint64_t bytes,
                              uint64_t *offset)
{
    uint64_t done = 0;

    while (done < bytes) {
        uint64_t piece = bytes - done;
        const void *from = window_look(w, *offset, &piece);

        if (!from || user_write(user + done, from, piece) < 0) {
            int64_t rest = from || *offset < atomic_load(&w->state->size)
                               ? read_by_message(f, user + done, bytes - done, offset)
                               : 0;

            return done ? (int64_t)done + (rest > 0 ? rest : 0) : rest;
        }
        done += piece;
        *offset += piece;
    }
    return (int64_t)done;
}

static int64_t regular_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    struct window *w = f->state;

    if (!w) {
        if (bytes <= FS_IO_BYTES && f->extra[0] < MESSAGE_READS) {
            f->extra[0]++;
            return read_by_message(f, user, bytes, offset);
        }
        w = regular_window(f);
        if (!w)
            return read_by_message(f, user, bytes, offset);
    }
    if (atomic_load_explicit(&w->state->reads_watched, memory_order_relaxed))
        return read_by_message(f, user, bytes, offset);
    return read_by_window(f, w, user, bytes, offset);
}

static int64_t regular_size(struct file *f)
{
    struct window *w = f->state;
    struct fs_stat stat;
    int64_t result;

    if (w)
        return (int64_t)atomic_load(&w->state->size);
    result = fs_file_stat(f, &stat);
    return result < 0 ? result : (int64_t)stat.size;
}

/* The new offset of lseek, before it is stored. */
static int64_t seek_target(struct file *f, int64_t offset, int whence, uint64_t now)
{
    int64_t base = 0, size;

    if (whence == SEEK_CUR)
        base = (int64_t)now;
    else if (whence != SEEK_SET) {
        size = regular_size(f);
        if (size < 0)
            return size;
        if (whence == SEEK_END)
            base = size;
        else if (whence != SEEK_DATA && whence != SEEK_HOLE)
            return -EINVAL;
        else if (offset < 0 || offset >= size)
            return -ENXIO;
        else if (whence == SEEK_HOLE)
            return size; /* all of it counts as data */
    }
    if (__builtin_add_overflow(base, offset, &offset) || offset < 0)
        return -EINVAL;
    return offset;
}

static int64_t regular_seek(struct file *f, int64_t offset, int whence)
{
    uint64_t now = ofd_offset_take(f->ofd);
    int64_t target = seek_target(f, offset, whence, now);

    ofd_offset_store(f->ofd, target < 0 ? now : (uint64_t)target);
    return target;
}

/* What cp and dpkg try. */
#define FICLONE       0x40049409u
#define FS_IOC_FIEMAP 0xc020660bu

static int64_t regular_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    int64_t rest;

    switch (request) {
    case FIONREAD:
        rest = regular_size(f);
        if (rest < 0)
            return rest;
        rest -= (int64_t)atomic_load(&f->ofd->offset);
        return user_write32(arg, (uint32_t)rest);
    case FICLONE:
    case FS_IOC_FIEMAP: return -EOPNOTSUPP;
    default: return -ENOTTY;
    }
}

static void regular_release(struct file *f)
{
    if (f->state)
        window_close(f->state);
    f->state = 0;
}

const struct file_ops regular_ops = {
    .read = regular_read,
    .write = fs_write,
    .seek = regular_seek,
    .ioctl = regular_ioctl,
    .stat = fs_file_stat,
    .truncate = fs_truncate,
    .region = regular_region,
    .release = regular_release,
    .parcel = PARCEL_FILE,
};

/* ---- synthetic files, and files that are only names -------------------------------------------- */

/* The program asks for the native capability behind the file: include/rs.h. It is its own from then on. */
static int64_t synthetic_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    struct exo_message m = {EXO_TAG(FS_SERVICES, 0, 0), {0, 0, 0, 0}};
    exo_cap cap = 0;
    int64_t result;

    if (request != RS_IOCTL_TABLE)
        return -ENOTTY;
    if ((result = server_call_caps(f->caps[0], &m, &cap, 1)) < 0)
        return result;
    if (!cap)
        return -ENFILE;
    if ((result = user_write64(arg, cap)) < 0)
        exo_cap_delete(cap, 0);
    return result;
}

const struct file_ops synthetic_ops = {
    .read = read_by_message,
    .write = fs_write,
    .ioctl = synthetic_ioctl,
    .seek = regular_seek,
    .stat = fs_file_stat,
    .parcel = PARCEL_FILE,
};

/* O_PATH: something to start from, and to ask about. */
const struct file_ops path_ops = {
    .stat = fs_file_stat,
    .parcel = PARCEL_FILE,
};
