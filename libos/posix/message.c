/* SPDX-License-Identifier: MIT */
/*
 * Sending to sockets and receiving from them: bytes and records, with descriptors (SCM_RIGHTS),
 * credentials (SCM_CREDENTIALS) and addresses beside them.
 *
 * One path for all kinds: where does it go (struct route), what goes with it (struct extras), then
 * the loop of tries and sleeps. A stream's bytes without anything beside them take the short way
 * through socket_write and socket_read.
 */
#include "parcel.h"
#include "socket.h"

#include <lib/linux/signal.h>

#define MSG_PEEK         0x2u
#define MSG_CTRUNC       0x8u
#define MSG_TRUNC        0x20u
#define MSG_DONTWAIT     0x40u
#define MSG_EOR          0x80u
#define MSG_WAITALL      0x100u
#define MSG_NOSIGNAL     0x4000u
#define MSG_MORE         0x8000u
#define MSG_WAITFORONE   0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR)
#define RECEIVE_FLAGS \
    (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_WAITALL | MSG_CMSG_CLOEXEC | MSG_TRUNC)

#define SOL_SOCKET      1u
#define SCM_RIGHTS      1u
#define SCM_CREDENTIALS 2u
#define SCM_FILES_MAX   253u

static bool is_stream(const struct file *f)
{
    return socket_of(f)->type == SOCK_STREAM;
}

static bool is_datagram(const struct file *f)
{
    return socket_of(f)->type == SOCK_DGRAM;
}

static bool waits(const struct file *f, uint32_t flags)
{
    return !file_nonblocking(f) && !(flags & MSG_DONTWAIT);
}

/* ---- where to ------------------------------------------------------------------------------------ */

struct route {
    struct ring *out;
    struct stream *stream; /* in whose region it lies */
    bool inbox;            /* a named one; a use of the stream is ours */
};

static int64_t route_find(struct route *r, const struct file *f, uint64_t name, uint64_t name_bytes)
{
    const struct socket *s = socket_of(f);
    int64_t result;

    *r = (struct route){.out = stream_out(f), .stream = s->stream};
    if (name && !is_datagram(f))
        return s->phase == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    if (!name && !s->target)
        return s->phase == SOCKET_CONNECTED ? 0 : -ENOTCONN;
    if (name) {
        result = inbox_find(name, name_bytes, &r->stream);
        if (result < 0)
            return result;
    } else {
        r->stream = s->target;
        r->stream->users++;
    }
    r->inbox = true;
    r->out = inbox_ring(r->stream);
    return 0;
}

static void route_end(const struct route *r)
{
    if (r->inbox)
        stream_put(r->stream);
}

/* Is there still somebody to read it? */
static int64_t route_open(const struct route *r, const struct file *f)
{
    if (r->inbox)
        return inbox_gone(r->stream) ? -ECONNREFUSED : 0;
    if (atomic_load(&r->out->reader_gone) || socket_abandoned(socket_of(f)))
        return is_datagram(f) ? -ECONNREFUSED : -EPIPE;
    return atomic_load(&r->out->writer_gone) ? -EPIPE : 0;
}

/* Sleeps until the reader has moved from where it was, or is gone. */
static int64_t route_wait(const struct route *r, uint32_t head)
{
    struct waiter w;

    waiter_init(&w, EXO_FOREVER);
    atomic_store(&r->out->writers_wait, 1);
    waiter_add(&w, &r->out->head, head);
    waiter_add(&w, &r->out->reader_gone, 0);
    if (r->inbox)
        waiter_add(&w, (const _Atomic uint32_t *)r->stream->va, 0); /* struct meeting.gone */
    return waiter_sleep(&w);
}

/* ---- what goes with it --------------------------------------------------------------------------- */

struct control {
    uint64_t user, bytes;
};

struct cmsghdr {
    uint64_t bytes;
    uint32_t level, type;
};
static_assert(sizeof(struct cmsghdr) == 16, "Linux ABI: struct cmsghdr");
#define CMSG_ALIGN(bytes) (((bytes) + 7) & ~(uint64_t)7)

static void own_credentials(struct mark *m)
{
    const struct process *p = current();

    m->pid = p->pid;
    m->uid = p->entry->ruid;
    m->gid = p->entry->rgid;
}

static bool is_one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == a || id == b || id == c;
}

/* Root may say that it is anybody; others tell the truth. */
static int64_t credentials_check(const uint32_t said[3], struct mark *m)
{
    const struct proc_entry *e = current()->entry;

    if (e->euid != 0 &&
        ((int32_t)said[0] != current()->pid || !is_one_of(said[1], e->ruid, e->euid, e->suid) ||
         !is_one_of(said[2], e->rgid, e->egid, e->sgid)))
        return -EPERM;
    m->pid = (int32_t)said[0];
    m->uid = said[1];
    m->gid = said[2];
    return 0;
}

static int64_t files_send(const struct route *r, uint64_t user, uint64_t count, struct mark *m)
{
    int64_t result = 0;
    uint32_t fd;

    for (uint64_t i = 0; i < count; i++) {
        if (user_read32(&fd, user + 4 * i) < 0)
            return -EFAULT;
        if (!fd_file(fd))
            return -EBADF;
    }
    if (count != 0)
        result = parcel_box(box_of(r->out), r->stream->region);
    for (uint64_t i = 0; result >= 0 && i < count; i++) {
        struct file *f = user_read32(&fd, user + 4 * i) < 0 ? 0 : fd_file(fd);

        result = f ? parcel_send(atomic_load(box_of(r->out)), &m->parcel, f) : -EBADF;
        m->files += result >= 0;
    }
    return result;
}

static void files_drop(const struct ring *r, struct mark *m)
{
    if (m->files)
        parcel_drop(atomic_load(box_of(r)), m->parcel);
    m->files = 0;
}

static int64_t control_one(const struct route *r, const struct cmsghdr *h, uint64_t data,
                           struct mark *m)
{
    uint64_t bytes = h->bytes - sizeof *h;
    uint32_t said[3];

    if (h->type == SCM_RIGHTS) {
        if (bytes / 4 + m->files > SCM_FILES_MAX)
            return -EINVAL;
        return files_send(r, data, bytes / 4, m);
    }
    if (h->type != SCM_CREDENTIALS || bytes != sizeof said)
        return -EINVAL;
    if (user_read(said, data, sizeof said) < 0)
        return -EFAULT;
    return credentials_check(said, m);
}

/* Reads the control messages: fills in the mark. What was sent already is dropped if it fails. */
static int64_t control_read(const struct route *r, const struct control *c, struct mark *m)
{
    uint64_t at = 0;
    int64_t result = 0;

    while (result >= 0 && at + sizeof(struct cmsghdr) <= c->bytes) {
        struct cmsghdr h;

        if (user_read(&h, c->user + at, sizeof h) < 0)
            result = -EFAULT;
        else if (h.bytes < sizeof h || h.bytes > c->bytes - at)
            result = -EINVAL;
        else if (h.level == SOL_SOCKET)
            result = control_one(r, &h, c->user + at + sizeof h, m);
        at += CMSG_ALIGN(h.bytes);
    }
    if (result < 0)
        files_drop(r->out, m);
    return result;
}

/* ---- sending ------------------------------------------------------------------------------------- */

/* The next bytes of a stream, from `done` on; the mark goes with the first of them. */
static int64_t stream_try(const struct route *r, const struct pieces *p, uint64_t done,
                          const struct mark *m)
{
    bool marked = done == 0 && (m->files || m->pid);
    uint64_t user, bytes;
    int64_t more = pieces_at(p, done, &user, &bytes);

    if (more <= 0)
        return more;
    return marked ? marked_put(r->out, user, bytes, m) : stream_put_bytes(r->out, user, bytes);
}

static int64_t send_routed(struct file *f, const struct route *r, const struct pieces *p,
                           const struct extras *e, bool wait)
{
    uint64_t done = 0;
    int64_t result = 0;

    do {
        uint32_t head = atomic_load(&r->out->head);

        result = route_open(r, f);
        if (result == 0)
            result = is_stream(f) ? stream_try(r, p, done, &e->mark) : record_put(r->out, p, e);
        if (result > 0)
            done += (uint64_t)result;
        else if (result == -EAGAIN && wait)
            result = route_wait(r, head);
    } while (result >= 0 && done < p->bytes);
    return done > 0 ? (int64_t)done : result;
}

static int64_t message_send(struct file *f, const struct pieces *p, uint32_t flags,
                            const struct control *c, uint64_t name, uint64_t name_bytes)
{
    struct socket *s = socket_of(f);
    struct extras e = {0};
    struct route r;
    int64_t result;

    if (flags & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    result = route_find(&r, f, name, name_bytes);
    if (result < 0)
        return result;
    if (!is_stream(f) || atomic_load(&marks_of(r.out)->wanted))
        own_credentials(&e.mark);
    if (is_datagram(f)) {
        e.name_bytes = s->own_path_bytes;
        memcpy(e.name, s->own_path, s->own_path_bytes);
    }
    result = c ? control_read(&r, c, &e.mark) : 0;
    file_get(f);
    if (result >= 0 && (p->bytes != 0 || !is_stream(f)))
        result = send_routed(f, &r, p, &e, waits(f, flags));
    else if (result >= 0)
        result = 0;
    if (result < 0 || (is_stream(f) && p->bytes == 0))
        files_drop(r.out, &e.mark);
    file_put(f);
    route_end(&r);
    if (result == -EPIPE && !(flags & MSG_NOSIGNAL))
        signal_raise(SIGPIPE);
    return result;
}

int64_t message_write(struct file *f, uint64_t user, uint64_t bytes)
{
    struct pieces p = pieces_one(user, bytes);

    return message_send(f, &p, MSG_DONTWAIT, 0, 0, 0);
}

/* ---- receiving ----------------------------------------------------------------------------------- */

static bool writer_gone(const struct file *f)
{
    const struct ring *in = stream_in(f);

    if (atomic_load(&in->reader_gone) == 2) /* shut down by us */
        return true;
    return !is_datagram(f) &&
           (atomic_load(&in->writer_gone) != 0 || socket_abandoned(socket_of(f)));
}

static int64_t stream_receive_try(struct file *f, const struct pieces *p, uint64_t done,
                                  uint32_t flags, struct extras *e)
{
    bool gone = writer_gone(f);
    struct ring *in = stream_in(f);
    uint64_t user, bytes;
    int64_t more = pieces_at(p, done, &user, &bytes);

    if (more <= 0)
        return more;
    if (flags & MSG_PEEK)
        return stream_peek(in, user, bytes, gone);
    if (done != 0 && marks_any(in))
        return 0; /* what comes next may not be joined to this */
    return marked_take(in, user, bytes, &e->mark, gone);
}

static int64_t receive_try(struct file *f, const struct pieces *p, uint64_t done, uint32_t flags,
                           struct extras *e)
{
    if (is_stream(f))
        return stream_receive_try(f, p, done, flags, e);
    if (!stream_in(f))
        return -EAGAIN; /* a socket of datagrams without a name */
    return record_take(stream_in(f), p, e, (flags & MSG_PEEK) != 0, writer_gone(f));
}

/* Streams: until there is something, or all of it with MSG_WAITALL. */
static int64_t receive_waiting(struct file *f, const struct pieces *p, uint32_t flags,
                               struct extras *e)
{
    bool all = is_stream(f) && (flags & MSG_WAITALL) && !(flags & MSG_PEEK);
    struct mark first = {0};
    uint64_t done = 0;
    int64_t result = 0;

    do {
        result = receive_try(f, p, done, flags, e);
        if (result > 0 && done == 0)
            first = e->mark;
        if (result > 0)
            done += (uint64_t)result;
        if (result == -EAGAIN && waits(f, flags) && (done == 0 || all)) {
            result = file_wait(f, POLL_IN, EXO_FOREVER);
            if (result == 0)
                continue;
        }
        if (result <= 0 || !is_stream(f) || (flags & MSG_PEEK))
            break;
    } while (done < p->bytes);
    if (is_stream(f))
        e->mark = first;
    return done > 0 ? (int64_t)done : result;
}

/* Can anything be received at all? */
static int64_t receivable(const struct file *f)
{
    const struct socket *s = socket_of(f);

    if (s->phase == SOCKET_CONNECTED || is_datagram(f))
        return 0;
    return is_stream(f) ? -EINVAL : -ENOTCONN;
}

static int64_t message_receive(struct file *f, const struct pieces *p, uint32_t flags,
                               struct extras *e)
{
    int64_t result = receivable(f);

    memset(e, 0, sizeof *e);
    if (flags & ~RECEIVE_FLAGS)
        return -EOPNOTSUPP;
    if (result < 0 || (is_stream(f) && p->bytes == 0))
        return result;
    file_get(f);
    result = receive_waiting(f, p, flags, e);
    file_put(f);
    return result;
}

int64_t message_read(struct file *f, uint64_t user, uint64_t bytes)
{
    struct pieces p = pieces_one(user, bytes);
    struct extras e;
    int64_t result = message_receive(f, &p, MSG_DONTWAIT, &e);

    if (result >= 0)
        files_drop(stream_in(f), &e.mark);
    return result;
}

void message_forget(const struct ring *r)
{
    struct marks *marks = marks_of(r);
    uint32_t tail = atomic_load(&marks->tail);

    for (uint32_t i = atomic_load(&marks->head); i != tail && tail - i <= MARKS; i++)
        files_drop(r, &marks->at[i % MARKS]);
}

/* ---- control messages to the program ------------------------------------------------------------- */

struct reply {
    uint64_t user, room, used;
    uint32_t flags; /* MSG_CTRUNC */
};

static int64_t reply_head(const struct reply *to, uint32_t type, uint64_t bytes)
{
    struct cmsghdr h = {sizeof h + bytes, SOL_SOCKET, type};

    return user_write(to->user + to->used, &h, sizeof h);
}

static int64_t credentials_reply(struct reply *to, const struct mark *m)
{
    uint32_t who[3] = {(uint32_t)m->pid, m->pid ? m->uid : 65534, m->pid ? m->gid : 65534};

    if (to->room - to->used < sizeof(struct cmsghdr) + sizeof who) {
        to->flags |= MSG_CTRUNC;
        return 0;
    }
    if (reply_head(to, SCM_CREDENTIALS, sizeof who) < 0 ||
        user_write(to->user + to->used + sizeof(struct cmsghdr), who, sizeof who) < 0)
        return -EFAULT;
    to->used += CMSG_ALIGN(sizeof(struct cmsghdr) + sizeof who);
    if (to->used > to->room)
        to->used = to->room;
    return 0;
}

/* Takes one descriptor of the message: its number, or an errno. */
static int64_t file_take(const struct ring *r, const struct mark *m, bool cloexec)
{
    struct file *f;
    int64_t result = parcel_receive(atomic_load(box_of(r)), m->parcel, &f);

    return result < 0 ? result : fd_add(f, 0, cloexec);
}

static int64_t files_reply(struct reply *to, const struct ring *r, struct mark *m, bool cloexec)
{
    uint64_t left = to->room - to->used, count = 0, at = to->user + to->used;
    uint64_t fits = left < sizeof(struct cmsghdr) + 4 ? 0 : (left - sizeof(struct cmsghdr)) / 4;
    int64_t result = 0;

    while (count < m->files && count < fits) {
        int64_t fd = file_take(r, m, cloexec);

        if (fd < 0)
            break;
        result = user_write32(at + sizeof(struct cmsghdr) + 4 * count++, (uint32_t)fd);
        if (result < 0)
            break;
    }
    if (count < m->files) {
        to->flags |= MSG_CTRUNC;
        files_drop(r, m);
    }
    if (count == 0)
        return 0;
    if (result < 0 || reply_head(to, SCM_RIGHTS, 4 * count) < 0)
        return -EFAULT;
    to->used += CMSG_ALIGN(sizeof(struct cmsghdr) + 4 * count);
    if (to->used > to->room)
        to->used = to->room;
    return 0;
}

static int64_t control_reply(struct reply *to, const struct file *f, struct mark *m, uint32_t flags)
{
    int64_t result = 0;

    if (socket_of(f)->pass_credentials)
        result = credentials_reply(to, m);
    if (result == 0 && m->files && !(flags & MSG_PEEK))
        result = files_reply(to, stream_in(f), m, (flags & MSG_CMSG_CLOEXEC) != 0);
    return result;
}

/* What the call answers for a record that did not fit. */
static int64_t whole_bytes(const struct file *f, int64_t got, const struct extras *e,
                           uint32_t flags)
{
    return got >= 0 && !is_stream(f) && (flags & MSG_TRUNC) ? (int64_t)e->record_bytes : got;
}

/* The sender's address, where there is one. */
static int64_t name_store(const struct extras *e, uint64_t user, uint64_t user_bytes)
{
    if (e->name_bytes == 0)
        return user_write32(user_bytes, 0);
    return address_store(user, user_bytes, e->name, e->name_bytes);
}

/* ---- the calls ----------------------------------------------------------------------------------- */

DEFINE_CALL6(sendto, fd, user, bytes, flags, address, address_bytes)
{
    struct pieces p = pieces_one(user, bytes > FILE_IO_MAX ? FILE_IO_MAX : bytes);
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    return message_send(f, &p, (uint32_t)flags, 0, address, address_bytes);
}

DEFINE_CALL6(recvfrom, fd, user, bytes, flags, address, address_bytes)
{
    struct pieces p = pieces_one(user, bytes > FILE_IO_MAX ? FILE_IO_MAX : bytes);
    struct extras e;
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    result = message_receive(f, &p, (uint32_t)flags, &e);
    if (result < 0)
        return result;
    if (!(flags & MSG_PEEK))
        files_drop(stream_in(f), &e.mark);
    if (address && name_store(&e, address, address_bytes) < 0)
        return -EFAULT;
    return whole_bytes(f, result, &e, (uint32_t)flags);
}

/* Linux's struct msghdr on 64-bit machines. */
struct msghdr {
    uint64_t name;
    uint32_t name_bytes, pad;
    uint64_t vector, count, control, control_bytes;
    uint32_t flags, pad_end;
};
static_assert(sizeof(struct msghdr) == 56, "Linux ABI: struct msghdr");

static int64_t msghdr_send(struct file *f, uint64_t user, uint32_t flags)
{
    struct msghdr m;
    struct pieces p;
    int64_t result;

    if (user_read(&m, user, sizeof m) < 0)
        return -EFAULT;
    result = pieces_read(&p, m.vector, m.count);
    if (result < 0)
        return result;
    struct control c = {m.control, m.control_bytes};

    return message_send(f, &p, flags, m.control_bytes ? &c : 0, m.name_bytes ? m.name : 0,
                        m.name_bytes);
}

static int64_t msghdr_receive(struct file *f, uint64_t user, uint32_t flags)
{
    struct reply to;
    struct msghdr m;
    struct pieces p;
    struct extras e;
    int64_t result;

    if (user_read(&m, user, sizeof m) < 0)
        return -EFAULT;
    result = pieces_read(&p, m.vector, m.count);
    if (result == 0)
        result = message_receive(f, &p, flags, &e);
    if (result < 0)
        return result;
    to = (struct reply){m.control, m.control_bytes, 0, 0};
    if (control_reply(&to, f, &e.mark, flags) < 0)
        return -EFAULT;
    if (!is_stream(f) && e.record_bytes > (uint64_t)result)
        to.flags |= MSG_TRUNC;
    if (m.name && name_store(&e, m.name, user + offsetof(struct msghdr, name_bytes)) < 0)
        return -EFAULT;
    if (user_write64(user + offsetof(struct msghdr, control_bytes), to.used) < 0 ||
        user_write32(user + offsetof(struct msghdr, flags), to.flags | (flags & MSG_CMSG_CLOEXEC)) <
            0)
        return -EFAULT;
    return whole_bytes(f, result, &e, flags);
}

DEFINE_CALL3(sendmsg, fd, user, flags)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    return result < 0 ? result : msghdr_send(f, user, (uint32_t)flags);
}

DEFINE_CALL3(recvmsg, fd, user, flags)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    return result < 0 ? result : msghdr_receive(f, user, (uint32_t)flags);
}

/* struct mmsghdr: a msghdr, then how many bytes it moved. */
#define MMSGHDR_BYTES 64u
#define MMSG_MAX      1024u

static int64_t many(uint64_t fd, uint64_t user, uint64_t count, uint32_t flags,
                    int64_t (*one)(struct file *f, uint64_t user, uint32_t flags), bool receiving)
{
    struct file *f;
    int64_t result = socket_get(fd, &f), done = 0;

    if (result < 0)
        return result;
    if (count > MMSG_MAX)
        count = MMSG_MAX;
    file_get(f);
    while (done < (int64_t)count) {
        uint64_t at = user + (uint64_t)done * MMSGHDR_BYTES;
        bool first_only = receiving && done > 0 && (flags & MSG_WAITFORONE);

        result = one(f, at, (flags & ~MSG_WAITFORONE) | (first_only ? MSG_DONTWAIT : 0));
        if (result >= 0 && user_write32(at + sizeof(struct msghdr), (uint32_t)result) < 0)
            result = -EFAULT;
        if (result < 0)
            break;
        done++;
    }
    file_put(f);
    return done ? done : result;
}

DEFINE_CALL4(sendmmsg, fd, user, count, flags)
{
    return many(fd, user, (uint32_t)count, (uint32_t)flags, msghdr_send, false);
}

DEFINE_CALL5(recvmmsg, fd, user, count, flags, timeout)
{
    if (timeout) /* how long altogether: nobody asks */
        return -EOPNOTSUPP;
    return many(fd, user, (uint32_t)count, (uint32_t)flags, msghdr_receive, true);
}
