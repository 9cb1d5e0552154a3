/* SPDX-License-Identifier: MIT */
/*
 * splice, tee, vmsplice: bytes between a pipe and another file.
 *
 * On Linux they spare copies; here a pipe is a ring in shared memory, so they copy, by way of the
 * page of file_bounce_page. What was taken from a pipe and cannot be written at once is kept here
 * during the sleep.
 */
#include "stream.h"

#define SPLICE_F_NONBLOCK 2u
#define SPLICE_FLAGS      0xfu /* MOVE, NONBLOCK, MORE, GIFT: the others change nothing */

#define LOOK_AGAIN (-ERESTARTSYS - 1) /* of splice_piece: it has slept */

static bool is_pipe(const struct file *f)
{
    return f->kind == FILE_PIPE || f->kind == FS_FIFO;
}

struct splice {
    struct file *in, *out;
    uint64_t *in_offset, *out_offset; /* 0: it has none */
    bool wait;
};

/* Writes what lies at the bounce page, all of it: 0 or an errno. */
static int64_t put_all(const struct splice *s, uint64_t page, uint64_t bytes)
{
    uint8_t kept[EXO_PAGE_SIZE];
    uint64_t done = 0;
    int64_t result;

    if (user_read(kept, page, bytes) < 0)
        return -EFAULT;
    while (done < bytes) {
        result = s->out->ops->write(s->out, page + done, bytes - done, s->out_offset);
        if (result > 0)
            done += (uint64_t)result;
        else if (result != -EAGAIN)
            return result < 0 ? result : -EIO;
        else if ((result = file_wait(s->out, POLL_OUT, EXO_FOREVER)) < 0)
            return result;
        else if (user_write(page + done, kept + done, bytes - done) < 0)
            return -EFAULT;
    }
    return 0;
}

/* Sleeps for one side, unless the call is not to. */
static int64_t side_wait(const struct splice *s, struct file *f, uint32_t events)
{
    return s->wait ? file_wait(f, events, EXO_FOREVER) : -EAGAIN;
}

/* One piece: the bytes moved, 0 at the end, -EAGAIN, LOOK_AGAIN. Nothing is taken before there is room. */
static int64_t splice_piece(const struct splice *s, uint64_t bytes)
{
    uint64_t page = file_bounce_page();
    int64_t result;

    if (!page)
        return -ENOMEM;
    if (is_pipe(s->out) && !file_poll(s->out, POLL_OUT, 0)) {
        result = side_wait(s, s->out, POLL_OUT);
        return result < 0 ? result : LOOK_AGAIN;
    }
    if (bytes > EXO_PAGE_SIZE)
        bytes = EXO_PAGE_SIZE;
    result = s->in->ops->read(s->in, page, bytes, s->in_offset);
    if (result == -EAGAIN) {
        result = side_wait(s, s->in, POLL_IN);
        return result < 0 ? result : LOOK_AGAIN;
    }
    if (result > 0) {
        int64_t put = put_all(s, page, (uint64_t)result);

        if (put < 0)
            return put;
    }
    return result;
}

static int64_t splice_all(struct splice *s, uint64_t bytes)
{
    uint64_t done = 0;
    int64_t result = 0;

    while (done < bytes) {
        if (done != 0 && is_pipe(s->in))
            s->wait = false; /* what is there now */
        result = splice_piece(s, bytes - done);
        if (result == LOOK_AGAIN)
            continue;
        if (result <= 0)
            break;
        done += (uint64_t)result;
    }
    return done ? (int64_t)done : result;
}

/* Where a side begins: at the program's offset, or at its own. */
static int64_t side_offset(const struct file *f, uint64_t user, uint64_t *offset, uint64_t **out)
{
    *out = f->ops->seek ? offset : 0;
    if (!user) {
        if (f->ops->seek)
            *offset = ofd_offset_take(f->ofd);
        return 0;
    }
    if (is_pipe(f))
        return -ESPIPE;
    if (!f->ops->seek)
        return -EINVAL;
    if (user_read64(offset, user) < 0)
        return -EFAULT;
    return (int64_t)*offset < 0 ? -EINVAL : 0;
}

static int64_t side_store(const struct file *f, uint64_t user, uint64_t offset, int64_t result)
{
    if (user)
        return user_write64(user, offset) < 0 ? -EFAULT : result;
    if (f->ops->seek)
        ofd_offset_store(f->ofd, offset);
    return result;
}

DEFINE_CALL6(splice, in_fd, in_user, out_fd, out_user, bytes, flags)
{
    struct splice s = {.in = fd_file(in_fd), .out = fd_file(out_fd)};
    uint64_t in_offset = 0, out_offset = 0;
    int64_t result;

    if ((uint32_t)flags & ~SPLICE_FLAGS)
        return -EINVAL;
    if (!s.in || !s.out || !file_can_read(s.in) || !file_can_write(s.out))
        return -EBADF;
    if ((!is_pipe(s.in) && !is_pipe(s.out)) || !s.in->ops->read || !s.out->ops->write ||
        (file_flags(s.out) & O_APPEND) || s.in->state == s.out->state)
        return -EINVAL;
    s.wait = !((uint32_t)flags & SPLICE_F_NONBLOCK);
    result = side_offset(s.in, in_user, &in_offset, &s.in_offset);
    if (result == 0) {
        result = side_offset(s.out, out_user, &out_offset, &s.out_offset);
        if (result == 0) {
            file_get(s.in);
            file_get(s.out);
            result = splice_all(&s, bytes > FILE_IO_MAX ? FILE_IO_MAX : bytes);
            result = side_store(s.out, out_user, out_offset, result);
            result = side_store(s.in, in_user, in_offset, result);
            file_put(s.out);
            file_put(s.in);
        }
    }
    return result;
}

/* At most a page a time, which callers expect: what is there is told by the result. */
DEFINE_CALL4(tee, in_fd, out_fd, bytes, flags)
{
    struct splice s = {.in = fd_file(in_fd), .out = fd_file(out_fd)};
    uint64_t page = file_bounce_page();
    int64_t result;

    if ((uint32_t)flags & ~SPLICE_FLAGS)
        return -EINVAL;
    if (!s.in || !s.out || !file_can_read(s.in) || !file_can_write(s.out))
        return -EBADF;
    if (s.in->kind != FILE_PIPE || s.out->kind != FILE_PIPE || s.in->state == s.out->state)
        return -EINVAL;
    s.wait = !((uint32_t)flags & SPLICE_F_NONBLOCK);
    if (!page)
        return -ENOMEM;
    if (bytes > EXO_PAGE_SIZE)
        bytes = EXO_PAGE_SIZE;
    file_get(s.in);
    file_get(s.out);
    do {
        bool gone = atomic_load(&stream_in(s.in)->writer_gone) != 0;

        result = stream_peek(stream_in(s.in), page, bytes, gone);
    } while (result == -EAGAIN && (result = side_wait(&s, s.in, POLL_IN)) == 0);
    if (result > 0) {
        int64_t put = put_all(&s, page, (uint64_t)result);

        result = put < 0 ? put : result;
    }
    file_put(s.out);
    file_put(s.in);
    return result;
}

/* From memory into a pipe, or the other way round. */
DEFINE_CALL4(vmsplice, fd, vector, count, flags)
{
    struct file *f = fd_file(fd);

    if ((uint32_t)flags & ~SPLICE_FLAGS)
        return -EINVAL;
    if (!f || !is_pipe(f))
        return -EBADF;
    return file_can_write(f) ? posix_writev(fd, vector, count, 0, 0, 0)
                             : posix_readv(fd, vector, count, 0, 0, 0);
}
