// SPDX-License-Identifier: MIT
/*
 * Message queues of System V: a log in the object's file (sysv.h).
 *
 * Behind the first page lie two halves. One is in use: messages are put behind the last one, and one that
 * is received is marked. When there is no room behind, those that are left are copied to the other half.
 * Which half it is and where it ends is one word, and marking is one store, so a process may die anywhere.
 */
#include "claim.h"
#include "core.h"
#include "files.h"
#include "sysv.h"

#define HALF_BYTES  ((uint64_t)128 << 10)
#define QUEUE_BYTES 16384u /* in messages, as long as nobody says otherwise */
#define MESSAGE_MAX 8192u
#define MSG_NOERROR 010000u
#define MSG_EXCEPT  020000u
#define MSG_COPY    040000u
#define END_BITS    32
enum { MSG_STAT = 11, MSG_INFO, MSG_STAT_ANY };

struct message {
    int64_t type;
    uint32_t bytes;
    _Atomic uint32_t taken;
    uint8_t text[];
};

static uint64_t message_bytes(uint64_t bytes)
{
    return (sizeof(struct message) + bytes + 7) & ~(uint64_t)7;
}

static char *half_at(const struct sysv *o, uint64_t half)
{
    return (char *)o->head + EXO_PAGE_SIZE + (half & 1) * HALF_BYTES;
}

/* The half in use, and how much of it. */
static void queue_read(const struct sysv *o, uint64_t *half, uint64_t *end)
{
    uint64_t word = atomic_load(&o->head->queue);

    *half = word >> END_BITS & 1;
    *end = word & (((uint64_t)1 << END_BITS) - 1);
    if (*end > HALF_BYTES)
        *end = 0;
}

static void queue_write(struct sysv *o, uint64_t half, uint64_t end)
{
    atomic_store(&o->head->queue, half << END_BITS | end);
}

/* The message at *at of a half that ends at `end`, not one that was received; 0: no more. Moves *at on. */
static struct message *next(const struct sysv *o, uint64_t half, uint64_t end, uint64_t *at)
{
    while (*at + sizeof(struct message) <= end) {
        struct message *m = (struct message *)(half_at(o, half) + *at);
        uint32_t bytes = m->bytes;

        if (bytes > MESSAGE_MAX || message_bytes(bytes) > end - *at)
            return 0;
        *at += message_bytes(bytes);
        if (!m->taken)
            return m;
    }
    return 0;
}

static void queue_count(const struct sysv *o, uint64_t *bytes, uint64_t *count)
{
    uint64_t half, end, at = 0;

    *bytes = *count = 0;
    queue_read(o, &half, &end);
    for (struct message *m; (m = next(o, half, end, &at)) != 0; (*count)++)
        *bytes += m->bytes;
}

/* Copies what is left to the other half. */
static uint64_t compact(struct sysv *o, uint64_t half, uint64_t end)
{
    uint64_t at = 0, to = 0;

    for (struct message *m; (m = next(o, half, end, &at)) != 0;) {
        memcpy(half_at(o, half ^ 1) + to, m, sizeof *m + m->bytes);
        to += message_bytes(m->bytes);
    }
    queue_write(o, half ^ 1, to);
    return to;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

struct request {
    bool sends;
    int64_t type;
    uint64_t user, bytes, flags;
};

/* -EAGAIN: there is no room. */
static int64_t put(struct sysv *o, const struct request *r)
{
    uint64_t half, end, queued, count;

    queue_count(o, &queued, &count);
    if (queued + r->bytes > o->head->size || count >= o->head->size)
        return -EAGAIN;
    queue_read(o, &half, &end);
    if (end + message_bytes(r->bytes) > HALF_BYTES) {
        end = compact(o, half, end);
        half ^= 1;
        if (end + message_bytes(r->bytes) > HALF_BYTES)
            return -EAGAIN;
    }
    struct message *m = (struct message *)(half_at(o, half) + end);
    if (r->bytes && user_read(m->text, r->user + 8, r->bytes) < 0)
        return -EFAULT;
    m->type = r->type;
    m->bytes = (uint32_t)r->bytes;
    m->taken = 0;
    queue_write(o, half, end + message_bytes(r->bytes));
    o->head->time[0] = sysv_now();
    o->head->pid[0] = current()->pid;
    return 0;
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

/* The message that is wanted; 0: there is none. */
static struct message *find(const struct sysv *o, int64_t type, uint64_t flags)
{
    struct message *best = 0;
    uint64_t half, end, at = 0;

    queue_read(o, &half, &end);
    for (struct message *m; (m = next(o, half, end, &at)) != 0;) {
        if (type == 0 || (type > 0 && (m->type == type) != ((flags & MSG_EXCEPT) != 0)))
            return m;
        if (type < 0 && m->type <= -type && (!best || m->type < best->type))
            best = m;
    }
    return best;
}

/* The message's bytes, or -ENOMSG: it is not there. */
static int64_t take(struct sysv *o, const struct request *r)
{
    struct message *m = find(o, r->type, r->flags);

    if (!m)
        return -ENOMSG;
    uint64_t bytes = m->bytes;
    if (bytes > MESSAGE_MAX || (bytes > r->bytes && !(r->flags & MSG_NOERROR)))
        return -E2BIG;
    if (bytes > r->bytes)
        bytes = r->bytes;
    if (user_write64(r->user, (uint64_t)m->type) < 0 ||
        (bytes && user_write(r->user + 8, m->text, bytes) < 0))
        return -EFAULT;
    atomic_store(&m->taken, 1);
    o->head->time[1] = sysv_now();
    o->head->pid[1] = current()->pid;
    return (int64_t)bytes;
}

/* ---- the calls ---------------------------------------------------------------------------------------- */

/* Sleeps until something changes. */
static int64_t wait(struct sysv *o, uint32_t seen)
{
    struct waiter w;

    waiter_init(&w, EXO_FOREVER);
    waiter_add(&w, &o->head->change, seen);
    int64_t st = waiter_sleep(&w);
    return st == -ERESTARTSYS ? -EINTR : st;
}

/* Tries until it is done, or the queue is gone. */
static int64_t transfer(uint64_t id, const struct request *r)
{
    for (bool slept = false;; slept = true) {
        struct sysv *o;
        int64_t st = sysv_find('q', (int32_t)id, true, &o);

        if (st < 0)
            return slept && st == -EINVAL ? -EIDRM : st;
        sysv_begin(o);
        uint32_t seen = atomic_load(&o->head->change);
        st = r->sends ? put(o, r) : take(o, r);
        sysv_end(o);
        if (st >= 0)
            sysv_changed(o);
        if ((st != -EAGAIN && st != -ENOMSG) || r->flags & IPC_NOWAIT)
            return st;
        st = wait(o, seen);
        if (st < 0)
            return st;
    }
}

DEFINE_CALL4(msgsnd, id, user, bytes, flags)
{
    struct request r = {.sends = true, .user = user, .bytes = bytes, .flags = flags};

    if (user_read(&r.type, user, sizeof r.type) < 0)
        return -EFAULT;
    return r.type < 1 || bytes > MESSAGE_MAX ? -EINVAL : transfer(id, &r);
}

DEFINE_CALL5(msgrcv, id, user, room, type, flags)
{
    struct request r = {.type = (int64_t)type, .user = user, .bytes = room, .flags = flags};

    if ((int64_t)room < 0 || (flags & MSG_COPY))
        return flags & MSG_COPY ? -ENOSYS : -EINVAL;
    return transfer(id, &r);
}

/* ---- control ------------------------------------------------------------------------------------------ */

DEFINE_CALL2(msgget, key, flags)
{
    int64_t id = sysv_get('q', (int32_t)key, 0, 2 * HALF_BYTES, (uint32_t)flags);
    struct sysv *o;

    if (id >= 0 && sysv_find('q', (int32_t)id, true, &o) == 0 && o->head->size == 0)
        o->head->size = QUEUE_BYTES;
    return id;
}

static int64_t stat_write(const struct sysv *o, uint64_t user)
{
    const struct sysv_head *h = o->head;
    struct {
        uint8_t perm[48];
        int64_t stime, rtime, ctime;
        uint64_t bytes, count, limit;
        int32_t sender, receiver;
        uint64_t unused[2];
    } out = {.stime = h->time[0],
             .rtime = h->time[1],
             .ctime = h->ctime,
             .limit = h->size,
             .sender = h->pid[0],
             .receiver = h->pid[1]};

    static_assert(sizeof out == 120, "struct msqid64_ds");
    sysv_perm(out.perm, o);
    queue_count(o, &out.bytes, &out.count);
    return user_write(user, &out, sizeof out);
}

static int64_t info_write(uint64_t user)
{
    uint32_t used;
    int64_t highest = sysv_highest('q', &used);
    const int32_t info[8] = {(int32_t)used, 0,  MESSAGE_MAX, QUEUE_BYTES,
                             SYSV_OBJECTS,  16, QUEUE_BYTES};
    int64_t st = user_write(user, info, sizeof info);

    return st < 0 ? st : highest;
}

/* IPC_SET of a queue may make it larger, too; only root beyond what is usual. */
static int64_t set(struct sysv *o, uint64_t user)
{
    uint64_t limit;
    int64_t st = user_read64(&limit, user + 48 + 5 * 8);

    if (st < 0)
        return st;
    if (limit > HALF_BYTES / 2 || (limit > QUEUE_BYTES && current()->entry->euid != 0))
        return -EPERM;
    st = sysv_set(o, user);
    if (st == 0)
        o->head->size = limit;
    return st;
}

DEFINE_CALL3(msgctl, id, command, user)
{
    struct sysv *o;
    int64_t st;

    command &= ~(uint64_t)IPC_64;
    if (command == IPC_INFO || command == MSG_INFO)
        return info_write(user);
    st = sysv_find('q', (int32_t)id, command == IPC_SET, &o);
    if (st < 0)
        return st;
    switch (command) {
    case IPC_STAT: return stat_write(o, user);
    case MSG_STAT:
    case MSG_STAT_ANY: st = stat_write(o, user); return st < 0 ? st : o->id;
    case IPC_SET: return set(o, user);
    case IPC_RMID: return sysv_remove(o);
    default: return -EINVAL;
    }
}
