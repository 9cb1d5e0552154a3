/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing in several pieces (readv, writev and their kin), and from file to file
 * (sendfile, copy_file_range).
 *
 * What goes between two files, and small vectors for pipes and the like (which must not be torn),
 * passes through one page of program memory that the LibOS keeps for itself. Its contents do not
 * survive a sleep, so that each try fills it anew.
 */
#include "files.h"

#define IOV_MAX 1024u

/* Linux's struct iovec on a 64-bit machine. */
struct iovec {
    uint64_t base, bytes;
};

static bool bounce_mapped;

/* The page between the stack and the LibOS. */
uint64_t file_bounce_page(void)
{
    if (!bounce_mapped) {
        int64_t result =
            exo_map(0, POSIX_STACK_TOP, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_KEEP);

        if (result < 0 && result != EXO_EEXIST)
            return 0;
        bounce_mapped = true;
    }
    return POSIX_STACK_TOP;
}

void file_bounce_reset(void)
{
    bounce_mapped = false;
}

static int64_t iovec_get(struct iovec *out, uint64_t vector, uint64_t i)
{
    if (user_read(out, vector + i * sizeof *out, sizeof *out) < 0)
        return -EFAULT;
    return (int64_t)out->bytes < 0 ? -EINVAL : 0;
}

/* The sum of the lengths, or an errno: checked before anything moves. */
static int64_t iovec_total(uint64_t vector, uint64_t count)
{
    uint64_t total = 0;
    struct iovec piece;

    if (count > IOV_MAX)
        return -EINVAL;
    for (uint64_t i = 0; i < count; i++) {
        int64_t result = iovec_get(&piece, vector, i);

        if (result < 0)
            return result;
        total += piece.bytes;
        if ((int64_t)total < 0)
            return -EINVAL;
    }
    return (int64_t)total;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

typedef int64_t move(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset);

/* Only the first piece may wait: afterwards the program gets what there is. */
static int64_t move_rest(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    return f->ops->read(f, user, bytes, offset);
}

/* Piece by piece, until one comes out short. */
static int64_t move_pieces(struct file *f, uint64_t vector, uint64_t count, uint64_t *offset,
                           move *first, move *later)
{
    uint64_t done = 0;
    struct iovec piece;

    for (uint64_t i = 0; i < count && done < FILE_IO_MAX; i++) {
        int64_t moved = iovec_get(&piece, vector, i);

        if (moved == 0 && piece.bytes == 0)
            continue;
        if (moved == 0) {
            if (piece.bytes > FILE_IO_MAX - done)
                piece.bytes = FILE_IO_MAX - done;
            moved = (done ? later : first)(f, piece.base, piece.bytes, offset);
        }
        if (moved < 0)
            return done ? (int64_t)done : moved;
        done += (uint64_t)moved;
        if ((uint64_t)moved < piece.bytes)
            break;
    }
    return (int64_t)done;
}

static int64_t gather(uint64_t page, uint64_t vector, uint64_t count)
{
    uint64_t at = page;
    struct iovec piece;

    for (uint64_t i = 0; i < count; i++) {
        /* Another thread may change the vector between the check and now. */
        if (iovec_get(&piece, vector, i) < 0 || piece.bytes > page + EXO_PAGE_SIZE - at ||
            user_read((void *)at, piece.base, piece.bytes) < 0)
            return -EFAULT;
        at += piece.bytes;
    }
    return 0;
}

/* A vector of at most a page, as if it were one buffer. */
static int64_t write_gathered(struct file *f, uint64_t vector, uint64_t count, uint64_t total)
{
    uint64_t page = file_bounce_page(), done = 0;
    int64_t result = page ? 0 : -ENOMEM;

    file_get(f);
    while (result >= 0 && done < total) {
        result = gather(page, vector, count);
        if (result == 0)
            result = f->ops->write(f, page + done, total - done, 0);
        if (result > 0)
            done += (uint64_t)result;
        else if (result == -EAGAIN && !file_nonblocking(f))
            result = file_wait(f, POLL_OUT, EXO_FOREVER);
        else if (result == 0)
            break;
    }
    file_put(f);
    return done > 0 ? (int64_t)done : result;
}

static int64_t vector_read(uint64_t fd, uint64_t vector, uint64_t count, uint64_t *at)
{
    struct file *f = fd_file(fd);
    int64_t total = iovec_total(vector, count);
    uint64_t offset;

    if (!f || !file_can_read(f))
        return -EBADF;
    if (total < 0)
        return total;
    if (!f->ops->read)
        return -EINVAL;
    if (at || !f->ops->seek)
        return move_pieces(f, vector, count, at, file_read_at, move_rest);
    offset = ofd_offset_take(f->ofd);
    total = move_pieces(f, vector, count, &offset, file_read_at, move_rest);
    ofd_offset_store(f->ofd, offset);
    return total;
}

static int64_t vector_write(uint64_t fd, uint64_t vector, uint64_t count, uint64_t *at)
{
    struct file *f = fd_file(fd);
    int64_t total = iovec_total(vector, count);
    uint64_t offset;

    if (!f || !file_can_write(f))
        return -EBADF;
    if (total < 0)
        return total;
    if (!f->ops->write)
        return -EINVAL;
    if (at || f->ops->seek) {
        offset = at ? *at : ofd_offset_take(f->ofd);
        total = move_pieces(f, vector, count, &offset, file_write_at, file_write_at);
        if (!at)
            ofd_offset_store(f->ofd, offset);
        return total;
    }
    if (total > 0 && total <= (int64_t)EXO_PAGE_SIZE && count > 1)
        return write_gathered(f, vector, count, (uint64_t)total);
    return move_pieces(f, vector, count, 0, file_write_at, file_write_at);
}

DEFINE_CALL3(readv, fd, vector, count)
{
    return vector_read(fd, vector, count, 0);
}

DEFINE_CALL3(writev, fd, vector, count)
{
    return vector_write(fd, vector, count, 0);
}

static int64_t place_check(uint64_t fd, uint64_t offset)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    if ((int64_t)offset < 0)
        return -EINVAL;
    return f->ops->seek ? 0 : -ESPIPE;
}

DEFINE_CALL4(preadv, fd, vector, count, offset)
{
    int64_t result = place_check(fd, offset);

    return result < 0 ? result : vector_read(fd, vector, count, &offset);
}

DEFINE_CALL4(pwritev, fd, vector, count, offset)
{
    int64_t result = place_check(fd, offset);

    return result < 0 ? result : vector_write(fd, vector, count, &offset);
}

/* RWF_HIPRI is a hint; RWF_NOWAIT and RWF_APPEND we do not have. */
#define RWF_HIPRI 1u
#define RWF_DSYNC 2u
#define RWF_SYNC  4u

DEFINE_CALL6(preadv2, fd, vector, count, offset, high, flags)
{
    if ((uint32_t)flags & ~RWF_HIPRI)
        return -EOPNOTSUPP;
    return offset == UINT64_MAX ? posix_readv(fd, vector, count, 0, 0, 0)
                                : posix_preadv(fd, vector, count, offset, high, 0);
}

DEFINE_CALL6(pwritev2, fd, vector, count, offset, high, flags)
{
    if ((uint32_t)flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
        return -EOPNOTSUPP;
    int64_t result = offset == UINT64_MAX ? posix_writev(fd, vector, count, 0, 0, 0)
                                          : posix_pwritev(fd, vector, count, offset, high, 0);
    if (result > 0 && ((uint32_t)flags & (RWF_DSYNC | RWF_SYNC))) {
        int64_t synced = posix_fsync(fd, 0, 0, 0, 0, 0);

        if (synced < 0 && synced != -EINVAL) /* a pipe has nothing to sync */
            return synced;
    }
    return result;
}

/* ---- from file to file ------------------------------------------------------------------------- */

/* Writes what is at the bounce page; waits for nothing. */
static int64_t pour(struct file *out, uint64_t page, uint64_t bytes, uint64_t *offset)
{
    uint64_t done = 0;

    while (done < bytes) {
        int64_t result = out->ops->write(out, page + done, bytes - done, offset);

        if (result <= 0)
            return done ? (int64_t)done : result;
        done += (uint64_t)result;
    }
    return (int64_t)done;
}

/* Moves up to `bytes` from place *from of `in` (a file with places) to `out`. */
static int64_t file_transfer(struct file *in, struct file *out, uint64_t *from, uint64_t *to,
                             uint64_t bytes)
{
    uint64_t page = file_bounce_page(), done = 0;
    int64_t result = page ? 0 : -ENOMEM;

    file_get(in);
    file_get(out);
    while (result >= 0 && done < bytes) {
        uint64_t piece = bytes - done < EXO_PAGE_SIZE ? bytes - done : EXO_PAGE_SIZE, at = *from;

        result = in->ops->read(in, page, piece, &at);
        if (result > 0)
            result = pour(out, page, (uint64_t)result, to);
        else if (result == 0)
            break;
        if (result > 0) {
            *from += (uint64_t)result;
            done += (uint64_t)result;
        } else if (result == -EAGAIN && !file_nonblocking(out)) {
            result = file_wait(out, POLL_OUT, EXO_FOREVER);
        } else if (result == 0) {
            break;
        }
    }
    file_put(in);
    file_put(out);
    return done > 0 ? (int64_t)done : result;
}

/* A place given by address (stored back there), or the file's own offset. */
struct place {
    struct file *file;
    uint64_t user;
    uint64_t offset;
};

/* Without a claim, since the transfer may sleep; Linux does the same. */
static int64_t place_take(struct place *place)
{
    if (!place->user) {
        place->offset = atomic_load(&place->file->ofd->offset);
        return 0;
    }
    if (user_read64(&place->offset, place->user) < 0)
        return -EFAULT;
    return (int64_t)place->offset < 0 ? -EINVAL : 0;
}

static int64_t place_store(struct place *place, int64_t result)
{
    if (place->user)
        return user_write64(place->user, place->offset) < 0 ? -EFAULT : result;
    if (place->file->ops->seek)
        ofd_offset_store(place->file->ofd, place->offset);
    return result;
}

static int64_t transfer(struct place *in, struct place *out, uint64_t bytes)
{
    int64_t result = place_take(in);

    if (result < 0)
        return result;
    result = in->file->ofd == out->file->ofd && !out->user ? -EINVAL : place_take(out);
    if (result == 0) {
        if (bytes > FILE_IO_MAX)
            bytes = FILE_IO_MAX;
        result = file_transfer(in->file, out->file, &in->offset,
                               out->file->ops->seek ? &out->offset : 0, bytes);
        result = place_store(out, result);
    }
    return place_store(in, result);
}

DEFINE_CALL4(sendfile, out_fd, in_fd, offset, bytes)
{
    struct place in = {fd_file(in_fd), offset, 0}, out = {fd_file(out_fd), 0, 0};

    if (!in.file || !out.file || !file_can_read(in.file) || !file_can_write(out.file))
        return -EBADF;
    if (!in.file->ops->seek || !in.file->ops->read || !out.file->ops->write)
        return -EINVAL;
    return transfer(&in, &out, bytes);
}

DEFINE_CALL6(copy_file_range, in_fd, in_offset, out_fd, out_offset, bytes, flags)
{
    struct place in = {fd_file(in_fd), in_offset, 0}, out = {fd_file(out_fd), out_offset, 0};

    if ((uint32_t)flags)
        return -EINVAL;
    if (!in.file || !out.file || !file_can_read(in.file) || !file_can_write(out.file) ||
        (file_flags(out.file) & O_APPEND))
        return -EBADF;
    if (in.file->kind == FS_DIRECTORY || out.file->kind == FS_DIRECTORY)
        return -EISDIR;
    if (in.file->kind != FS_REGULAR || out.file->kind != FS_REGULAR)
        return -EINVAL;
    return transfer(&in, &out, bytes);
}
