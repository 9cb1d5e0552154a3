// SPDX-License-Identifier: MIT
/*
 * POSIX message queues: a file in /dev/mqueue that all who have it open map.
 *
 * It is an array of places behind one page of its own. A message takes effect when its place is marked
 * full, and is gone when it is marked empty: each is one store, so a process may die anywhere. Which is
 * next follows from priorities and numbers in the places. Who waits sleeps on the word of change.
 */
#include "claim.h"
#include "core.h"
#include "files.h"
#include "window.h"

#include <lib/format.h>

#define MESSAGES_USUAL 10u
#define BYTES_USUAL    8192u
#define MESSAGES_MOST  256u
#define BYTES_MOST     65536u
#define PRIORITY_MOST  32768u
#define READY          0x65756571u
#define NAME_MAX       255u
#define CLOCK_REALTIME 0

struct mqueue {
    _Atomic uint32_t ready, claim, change;
    uint32_t messages, bytes; /* places, and how much each has room for */
    uint32_t pad;
    uint64_t next; /* the number of the next message */
};

struct place {
    _Atomic uint32_t full;
    uint32_t bytes, priority, pad;
    uint64_t number;
    uint8_t text[];
};

/* struct mq_attr */
struct attributes {
    int64_t flags, messages, bytes, queued, reserved[4];
};

/* struct file: caps[0] the region, state where it is mapped, extra[0] its pages. */

static struct mqueue *queue_of(const struct file *f)
{
    return f->state;
}

static uint64_t place_bytes(uint64_t bytes)
{
    return (sizeof(struct place) + bytes + 7) & ~(uint64_t)7;
}

/* How many places there are: what the head says, if there is room for so many. */
static uint32_t places(const struct file *f)
{
    const struct mqueue *q = queue_of(f);
    uint32_t messages = q->messages, bytes = q->bytes;
    uint64_t room = (f->extra[0] - 1) * EXO_PAGE_SIZE;

    return bytes <= BYTES_MOST && messages <= MESSAGES_MOST && messages * place_bytes(bytes) <= room
               ? messages
               : 0;
}

static struct place *place_at(const struct file *f, uint32_t i)
{
    return (struct place *)((char *)f->state + EXO_PAGE_SIZE + i * place_bytes(queue_of(f)->bytes));
}

/* The message that is next; 0: there is none. */
static struct place *first(const struct file *f)
{
    struct place *best = 0;

    for (uint32_t i = 0; i < places(f); i++) {
        struct place *p = place_at(f, i);

        if (p->full && (!best || p->priority > best->priority ||
                        (p->priority == best->priority && p->number < best->number)))
            best = p;
    }
    return best;
}

static struct place *empty(const struct file *f)
{
    for (uint32_t i = 0; i < places(f); i++) {
        if (!place_at(f, i)->full)
            return place_at(f, i);
    }
    return 0;
}

/* ---- the descriptor ----------------------------------------------------------------------------------- */

static uint32_t mqueue_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct mqueue *q = queue_of(f);

    if (w)
        waiter_add(w, &q->change, atomic_load(&q->change));
    return events & ((first(f) ? POLL_IN : 0) | (empty(f) ? POLL_OUT : 0));
}

static int64_t mqueue_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out =
        (struct fs_stat){.dev = 18, .ino = 1, .mode = S_IFREG | 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static void mqueue_release(struct file *f)
{
    if (f->state)
        window_free((uint64_t)f->state, f->extra[0]);
    f->state = 0;
}

static const struct file_ops mqueue_ops = {
    .poll = mqueue_poll,
    .stat = mqueue_stat,
    .release = mqueue_release,
};

/* ---- opening ------------------------------------------------------------------------------------------ */

static int64_t name_read(char path[NAME_MAX + 16], uint64_t user)
{
    static const char folder[] = "/dev/mqueue/";
    int64_t st;

    memcpy(path, folder, sizeof folder);
    st = user_string(path + sizeof folder - 1, user, NAME_MAX + 1);
    if (st == 0)
        return -ENOENT;
    return st > 0 && strchr(path + sizeof folder - 1, '/') ? -EACCES : st;
}

/* Maps the queue that `from` is the file of. */
static int64_t queue_map(struct file *f, struct file *from)
{
    struct fs_stat stat;
    uint64_t first_page;
    exo_cap cap;
    int64_t st = file_stat(from, &stat);

    if (st == 0)
        st = from->ops->region
                 ? from->ops->region(from, EXO_MAP_READ | EXO_MAP_WRITE, &cap, &first_page)
                 : -EINVAL;
    if (st < 0)
        return st;
    uint64_t pages = PAGES((uint64_t)stat.size), va;
    if (pages < 2 || pages > WINDOW_BIG_PAGES)
        return -EINVAL;
    st = exo_cap_copy(cap, 0, 0);
    if (st < 0)
        return errno_of(st);
    f->caps[0] = (exo_cap)st;
    va = window_place(pages);
    if (!va)
        return -ENOMEM;
    if (exo_map(0, va, pages, f->caps[0], first_page, EXO_MAP_READ | EXO_MAP_WRITE) < 0) {
        window_free(va, 0);
        return -ENOMEM;
    }
    f->state = (void *)va;
    f->extra[0] = pages;
    return 0;
}

static int64_t attributes_read(struct attributes *a, uint64_t user)
{
    *a = (struct attributes){.messages = MESSAGES_USUAL, .bytes = BYTES_USUAL};
    if (user && user_read(a, user, sizeof *a) < 0)
        return -EFAULT;
    if (a->messages <= 0 || a->bytes <= 0 || a->messages > MESSAGES_MOST || a->bytes > BYTES_MOST)
        return -EINVAL;
    return 0;
}

/* A new queue: its file has no name before it is whole. */
static int64_t queue_make(const char *path, uint32_t mode, const struct attributes *a,
                          struct file *f)
{
    char unnamed[48];
    struct path old;
    struct file *file;

    format_text(unnamed, sizeof unnamed, "/dev/mqueue/.new-%d", current()->pid);
    int64_t st =
        file_open(unnamed, O_RDWR | O_CREAT | O_EXCL, mode & ~current()->umask & 0777, &file);
    if (st < 0)
        return st;
    st = file->ops->truncate(file, EXO_PAGE_SIZE +
                                       (uint64_t)a->messages * place_bytes((uint64_t)a->bytes));
    if (st == 0)
        st = queue_map(f, file);
    file_put(file);
    if (st == 0) {
        queue_of(f)->messages = (uint32_t)a->messages;
        queue_of(f)->bytes = (uint32_t)a->bytes;
        atomic_store(&queue_of(f)->ready, READY);
        st = path_link(unnamed, path);
    }
    path_from_text(&old, unnamed);
    path_call(&old, FS_UNLINK, 0, 0, 0);
    return st;
}

static int64_t queue_open(const char *path, uint32_t flags, uint32_t mode,
                          const struct attributes *a, struct file *f)
{
    struct file *file;

    for (;;) {
        int64_t st = file_open(path, O_RDWR, 0, &file);

        if (st == 0) {
            st = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) ? -EEXIST : queue_map(f, file);
            file_put(file);
            return st == 0 && queue_of(f)->ready != READY ? -EINVAL : st;
        }
        if (st != -ENOENT || !(flags & O_CREAT))
            return st;
        st = queue_make(path, mode, a, f);
        if (st != -EEXIST || (flags & O_EXCL))
            return st;
        mqueue_release(f); /* another was faster */
        cap_drop(&f->caps[0]);
    }
}

DEFINE_CALL4(mq_open, user, flags, mode, attributes)
{
    char path[NAME_MAX + 16];
    struct attributes a;
    int64_t st = name_read(path, user);

    if (st >= 0)
        st = attributes_read(&a, flags & O_CREAT ? attributes : 0);
    if (st < 0)
        return st;
    struct file *f = file_new(&mqueue_ops, FILE_OTHER, (uint32_t)flags & (O_ACCMODE | O_NONBLOCK));
    if (!f)
        return -ENFILE;
    st = queue_open(path, (uint32_t)flags, (uint32_t)mode, &a, f);
    if (st < 0) {
        file_put(f);
        return st;
    }
    file_name_set(f, path);
    return fd_add(f, 0, true);
}

DEFINE_CALL1(mq_unlink, user)
{
    char name[NAME_MAX + 16];
    struct path path;
    int64_t st = name_read(name, user);

    if (st < 0)
        return st;
    path_from_text(&path, name);
    st = path_call(&path, FS_UNLINK, 0, 0, 0);
    return st == -EPERM ? -EACCES : st;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static int64_t queue_find(uint64_t fd, bool write, struct file **f)
{
    *f = fd_file(fd);
    if (!*f || (*f)->ops != &mqueue_ops || !(write ? file_can_write(*f) : file_can_read(*f)))
        return -EBADF;
    return 0;
}

static int64_t deadline_read(uint64_t user, exo_time *deadline)
{
    uint64_t ns;

    *deadline = EXO_FOREVER;
    if (!user)
        return 0;
    int64_t st = timespec_read(user, &ns);
    return st < 0 ? st : time_absolute(CLOCK_REALTIME, ns, deadline);
}

static void changed(struct mqueue *q)
{
    claim_drop(&q->claim);
    atomic_fetch_add(&q->change, 1);
    exo_wake(&q->change, UINT32_MAX);
}

static int64_t send(struct file *f, uint64_t user, uint64_t bytes, uint32_t priority)
{
    struct mqueue *q = queue_of(f);

    claim_take(&q->claim, claim_own_name());
    struct place *p = empty(f);
    int64_t st = !p ? -EAGAIN : bytes > q->bytes ? -EMSGSIZE : user_read(p->text, user, bytes);
    if (st < 0) {
        claim_drop(&q->claim);
        return st;
    }
    p->bytes = (uint32_t)bytes;
    p->priority = priority;
    p->number = q->next++;
    atomic_store(&p->full, 1);
    changed(q);
    return 0;
}

static int64_t receive(struct file *f, uint64_t user, uint64_t priority)
{
    struct mqueue *q = queue_of(f);

    claim_take(&q->claim, claim_own_name());
    struct place *p = first(f);
    int64_t st = p ? (int64_t)p->bytes : -EAGAIN;
    if (st > (int64_t)q->bytes)
        st = -EIO;
    if (st > 0 && user_write(user, p->text, (uint64_t)st) < 0)
        st = -EFAULT;
    if (st >= 0 && priority && user_write32(priority, p->priority) < 0)
        st = -EFAULT;
    if (st < 0) {
        claim_drop(&q->claim);
        return st;
    }
    atomic_store(&p->full, 0);
    changed(q);
    return st;
}

/* Tries until it is done, or the time is up. */
static int64_t transfer(uint64_t fd, bool sends, uint64_t user, uint64_t bytes, uint64_t priority,
                        uint64_t timeout)
{
    exo_time deadline;
    struct file *f;
    int64_t st = deadline_read(timeout, &deadline);

    if (st == 0)
        st = sends && priority >= PRIORITY_MOST ? -EINVAL : queue_find(fd, sends, &f);
    if (st == 0 && (sends ? bytes > queue_of(f)->bytes : bytes < queue_of(f)->bytes))
        st = -EMSGSIZE;
    if (st < 0)
        return st;
    file_get(f);
    while ((st = sends ? send(f, user, bytes, (uint32_t)priority) : receive(f, user, priority)) ==
               -EAGAIN &&
           !file_nonblocking(f)) {
        if ((st = file_wait(f, sends ? POLL_OUT : POLL_IN, deadline)) < 0)
            break;
    }
    file_put(f);
    return st;
}

DEFINE_CALL5(mq_timedsend, fd, user, bytes, priority, timeout)
{
    return transfer(fd, true, user, bytes, priority, timeout);
}

DEFINE_CALL5(mq_timedreceive, fd, user, bytes, priority, timeout)
{
    return transfer(fd, false, user, bytes, priority, timeout);
}

DEFINE_CALL3(mq_getsetattr, fd, new, old)
{
    struct file *f = fd_file(fd);
    struct attributes a, now = {0};

    if (!f || f->ops != &mqueue_ops)
        return -EBADF;
    if (new &&user_read(&a, new, sizeof a) < 0)
        return -EFAULT;
    if (new && (a.flags & ~(int64_t)O_NONBLOCK))
        return -EINVAL;
    now.flags = file_nonblocking(f) ? O_NONBLOCK : 0;
    now.messages = queue_of(f)->messages;
    now.bytes = queue_of(f)->bytes;
    for (uint32_t i = 0; i < places(f); i++)
        now.queued += place_at(f, i)->full != 0;
    if (old && user_write(old, &now, sizeof now) < 0)
        return -EFAULT;
    if (new && (a.flags & O_NONBLOCK))
        atomic_fetch_or(&f->ofd->flags, O_NONBLOCK);
    else if (new)
        atomic_fetch_and(&f->ofd->flags, ~(uint32_t)O_NONBLOCK);
    return 0;
}
