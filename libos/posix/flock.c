/* SPDX-License-Identifier: MIT */
/*
 * Locks on files: fcntl's (of a process, or of a description) and flock's. fs keeps them and never
 * lets a caller wait; who wants to wait sleeps here, on a word of the file's state page that changes
 * when a lock is given up. A holder that died tells nobody, so that we look again after a while.
 */
#include "files.h"
#include "window.h"

#define LOOK_AGAIN_NS 1000000000u
#define LOOK_OFTEN_NS 20000000u /* where there is no state page: directories */

/* Linux's struct flock on 64-bit machines. */
struct linux_flock {
    int16_t type, whence;
    int32_t pad;
    int64_t start, length;
    int32_t pid, pad_end;
};
static_assert(sizeof(struct linux_flock) == 32, "Linux ABI: struct flock");

/* A lock as FS_LOCK wants it. */
struct wish {
    uint32_t command, type;
    uint64_t first, last;
};

/* f->extra[1] of a regular file: this process has had locks on it. */
#define LOCKED 1

static int64_t wish_send(struct file *f, const struct wish *wish, struct exo_message *m)
{
    int32_t pid = current()->pid;

    memcpy(exo_utcb()->msg, &pid, sizeof pid);
    *m = (struct exo_message){EXO_TAG(FS_LOCK, sizeof pid, 0),
                              {wish->command, wish->type, wish->first, wish->last}};
    return server_call(f->caps[0], m);
}

/* Tries until there is no conflict, or a signal comes. */
static int64_t wish_wait(struct file *f, const struct wish *wish)
{
    const struct fs_state *state = f->kind == FS_REGULAR ? regular_state(f) : 0;
    int64_t result = -EAGAIN;
    struct exo_message m;

    file_get(f);
    while (result == -EAGAIN) {
        struct waiter w;

        waiter_init(&w, time_now() + (state ? LOOK_AGAIN_NS : LOOK_OFTEN_NS));
        if (state)
            waiter_add(&w, &state->locks, atomic_load(&state->locks));
        result = wish_send(f, wish, &m);
        if (result == -EAGAIN) {
            result = waiter_sleep(&w);
            if (result == 0 || result == -ETIMEDOUT)
                result = -EAGAIN;
        }
    }
    file_put(f);
    return result;
}

/* ---- fcntl --------------------------------------------------------------------------------------- */

/* The range that a struct flock means. */
static int64_t range_of(struct file *f, const struct linux_flock *l, struct wish *wish)
{
    int64_t start = l->start, base = 0, end;
    struct fs_stat stat;

    if (l->whence == SEEK_CUR)
        base = (int64_t)atomic_load(&f->ofd->offset);
    else if (l->whence == SEEK_END && file_stat(f, &stat) >= 0)
        base = (int64_t)stat.size;
    else if (l->whence != SEEK_SET)
        return -EINVAL;
    if (__builtin_add_overflow(start, base, &start) || start < 0)
        return -EINVAL;
    wish->first = (uint64_t)start;
    wish->last = UINT64_MAX;
    if (l->length == 0)
        return 0;
    if (__builtin_add_overflow(start, l->length, &end))
        return -EOVERFLOW;
    if (end < 0)
        return -EINVAL;
    wish->first = (uint64_t)(end < start ? end : start);
    wish->last = (uint64_t)(end < start ? start : end) - 1;
    return 0;
}

static bool is_query(uint32_t command)
{
    return command == F_GETLK || command == F_OFD_GETLK;
}

static bool waits(uint32_t command)
{
    return command == F_SETLKW || command == F_OFD_SETLKW;
}

/* Tells the program who is in the way. */
static int64_t query_store(uint64_t user, struct linux_flock *l, const struct exo_message *m)
{
    int32_t pid;

    l->type = (int16_t)m->w[1];
    if (m->w[1] != F_UNLCK) {
        memcpy(&pid, exo_utcb()->msg, sizeof pid);
        l->whence = SEEK_SET;
        l->start = (int64_t)m->w[2];
        l->length = m->w[3] == UINT64_MAX ? 0 : (int64_t)(m->w[3] - m->w[2] + 1);
        l->pid = pid;
    }
    return user_write(user, l, sizeof *l);
}

int64_t lock_fcntl(struct file *f, uint32_t command, uint64_t user)
{
    struct wish wish = {.command = command};
    struct linux_flock l;
    struct exo_message m;
    int64_t result;

    if (user_read(&l, user, sizeof l) < 0)
        return -EFAULT;
    if (f->kind != FS_REGULAR || (uint16_t)l.type > F_UNLCK)
        return -EINVAL;
    if (command >= F_OFD_GETLK && command <= F_OFD_SETLKW && l.pid != 0)
        return -EINVAL;
    wish.type = (uint32_t)l.type;
    result = range_of(f, &l, &wish);
    if (result < 0)
        return result;
    if (!is_query(command) && wish.type != F_UNLCK)
        f->extra[LOCKED] = 1;
    if (waits(command))
        return wish_wait(f, &wish);
    result = wish_send(f, &wish, &m);
    return is_query(command) && result >= 0 ? query_store(user, &l, &m) : result;
}

void lock_close(struct file *f)
{
    struct wish all = {F_SETLK, F_UNLCK, 0, UINT64_MAX};
    struct exo_message m;

    if (f->kind == FS_REGULAR && f->extra[LOCKED])
        wish_send(f, &all, &m);
}

/* ---- flock --------------------------------------------------------------------------------------- */

DEFINE_CALL2(flock, fd, operation)
{
    struct file *f = fd_file(fd);
    uint32_t what = (uint32_t)operation & ~(uint32_t)LOCK_NB;
    struct wish wish = {FS_FLOCK, F_UNLCK, 0, UINT64_MAX};
    struct exo_message m;

    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    if (what == LOCK_SH)
        wish.type = F_RDLCK;
    else if (what == LOCK_EX)
        wish.type = F_WRLCK;
    else if (what != LOCK_UN)
        return -EINVAL;
    if (f->number == 0)
        return -EINVAL;
    return (uint32_t)operation & LOCK_NB || what == LOCK_UN ? wish_send(f, &wish, &m)
                                                            : wish_wait(f, &wish);
}
