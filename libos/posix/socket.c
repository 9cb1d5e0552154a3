/* SPDX-License-Identifier: MIT */
/* Local sockets: their life, and what can be asked and set. See socket.h; names are in unix.c, messages
 * in message.c. */
#include "parcel.h"
#include "socket.h"
#include "window.h"

#include <lib/format.h>
#include <lib/linux/signal.h>
#include <lib/linux/termios.h>

#define SOCKETPAIR_PAGES (1 + 2 * RING_PAGES)
#define SOCK_NONBLOCK    ((uint32_t)O_NONBLOCK)
#define SOCK_CLOEXEC     ((uint32_t)O_CLOEXEC)

/* ---- tries --------------------------------------------------------------------------------------- */

static bool peer_writes_no_more(const struct file *f)
{
    return atomic_load(&stream_in(f)->writer_gone) || socket_abandoned(socket_of(f));
}

static bool peer_reads_no_more(const struct file *f)
{
    return atomic_load(&stream_out(f)->reader_gone) || socket_abandoned(socket_of(f));
}

static int64_t connected(const struct file *f)
{
    return socket_of(f)->phase == SOCKET_CONNECTED ? 0 : -ENOTCONN;
}

static int64_t socket_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)offset;
    if (socket_of(f)->type != SOCK_STREAM)
        return message_read(f, user, bytes);
    if (connected(f) < 0)
        return -EINVAL;
    if (marks_any(stream_in(f)))
        return message_read(f, user, bytes);
    return stream_take(stream_in(f), user, bytes,
                       peer_writes_no_more(f) || atomic_load(&stream_in(f)->reader_gone));
}

static int64_t stream_send(struct file *f, uint64_t user, uint64_t bytes)
{
    if (connected(f) < 0)
        return -ENOTCONN;
    if (peer_reads_no_more(f) || atomic_load(&stream_out(f)->writer_gone))
        return -EPIPE;
    return stream_put_bytes(stream_out(f), user, bytes);
}

static int64_t socket_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t result;

    (void)offset;
    if (socket_of(f)->type != SOCK_STREAM ||
        (stream_out(f) && atomic_load(&marks_of(stream_out(f))->wanted)))
        return message_write(f, user, bytes);
    result = stream_send(f, user, bytes);
    if (result == -EPIPE)
        signal_raise(SIGPIPE);
    return result;
}

static void gone_words(struct file *f, struct waiter *w)
{
    struct socket *s = socket_of(f);

    waiter_add(w, &stream_in(f)->writer_gone, atomic_load(&stream_in(f)->writer_gone));
    waiter_add(w, &stream_out(f)->reader_gone, atomic_load(&stream_out(f)->reader_gone));
    if (s->meeting)
        meeting_poll(s, w);
}

/* A socket of datagrams: its inbox, and the one that it is connected to. */
static uint32_t datagram_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct socket *s = socket_of(f);
    struct ring *in = stream_in(f), *out = s->target ? inbox_ring(s->target) : stream_out(f);
    uint32_t ready = out ? 0 : POLL_OUT;

    if (in)
        ready |= stream_poll_in(in, w);
    if (in && atomic_load(&in->reader_gone) == 2)
        ready |= POLL_IN | POLL_RDHUP;
    if (out && w)
        waiter_add(w, &out->reader_gone, atomic_load(&out->reader_gone));
    if (out && ((events & POLL_OUT) || !w))
        ready |= stream_poll_out(out, w);
    if (out && atomic_load(&out->reader_gone))
        ready |= POLL_OUT;
    return ready & (events | POLL_HUP | POLL_ERR);
}

static uint32_t socket_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct socket *s = socket_of(f);
    bool reads_end, writes_end;
    uint32_t ready = 0;

    if (s->type == SOCK_DGRAM)
        return datagram_poll(f, events, w);
    if (s->phase == SOCKET_LISTENING)
        return meeting_poll(s, w) & events;
    if (s->phase != SOCKET_CONNECTED)
        return (POLL_OUT | POLL_HUP) & (events | POLL_HUP);
    if (w)
        gone_words(f, w);
    if (!w || (events & POLL_IN))
        ready |= stream_poll_in(stream_in(f), w);
    if (!w || (events & POLL_OUT))
        ready |= stream_poll_out(stream_out(f), w);
    reads_end = peer_writes_no_more(f) || atomic_load(&stream_in(f)->reader_gone);
    writes_end = peer_reads_no_more(f) || atomic_load(&stream_out(f)->writer_gone);
    if (reads_end)
        ready |= POLL_IN | POLL_RDHUP;
    if (writes_end)
        ready |= POLL_OUT;
    if (reads_end && writes_end)
        ready |= POLL_HUP;
    return ready & (events | POLL_HUP | POLL_ERR);
}

static uint32_t socket_watch(struct file *f, const _Atomic uint64_t **units)
{
    struct socket *s = socket_of(f);

    if (s->phase != SOCKET_CONNECTED || s->meeting || s->type == SOCK_DGRAM)
        return 0; /* there are more words than two */
    units[0] = RING_INPUT(stream_in(f));
    units[1] = RING_OUTPUT(stream_out(f));
    return 2;
}

static int64_t socket_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    if (request != FIONREAD && request != TIOCOUTQ)
        return -ENOTTY;
    if (socket_of(f)->type != SOCK_STREAM && request == FIONREAD)
        return user_write32(arg, stream_in(f) ? record_next(stream_in(f)) : 0);
    if (connected(f) < 0)
        return -EINVAL;
    return user_write32(arg, ring_used(request == FIONREAD ? stream_in(f) : stream_out(f)));
}

static int64_t socket_stat(struct file *f, struct fs_stat *out)
{
    stream_stat(f, S_IFSOCK | 0777, out);
    return 0;
}

static void socket_release(struct file *f)
{
    struct socket *s = socket_of(f);

    /* Nobody else in any process has this end. */
    if (s && stream_in(f) && atomic_load(&f->ofd->users) == 1 && marks_any(stream_in(f)))
        message_forget(stream_in(f));
    if (s && s->target)
        stream_put(s->target);
    if (s && s->stream)
        stream_put(s->stream);
    heap_free(s);
    f->state = 0;
}

/* ---- to another process -------------------------------------------------------------------------- */

static uint64_t place_of(const struct socket *s, const void *at)
{
    return at ? (uint64_t)at - s->stream->va + 1 : 0;
}

static void socket_pack(struct file *f, struct parcel *p)
{
    const struct socket *s = f->state;

    p->text.words[0] = s->type | (uint64_t)s->phase << 8 | (uint64_t)s->slot << 32;
    p->text.words[1] = s->stream ? s->stream->pages : 0;
    p->text.words[2] = place_of(s, stream_in(f));
    p->text.words[3] = place_of(s, stream_out(f));
    p->text.words[4] = (uint32_t)s->peer_pid | (uint64_t)s->peer_uid << 32;
    p->text.words[5] = s->peer_gid | (uint64_t)(s->meeting != 0) << 32 |
                       (uint64_t)s->pass_credentials << 33 | (uint64_t)(s->target != 0) << 34 |
                       (uint64_t)s->own_path_bytes << 40 | (uint64_t)s->peer_path_bytes << 48;
    memcpy(p->text.paths[0], s->own_path, sizeof s->own_path);
    memcpy(p->text.paths[1], s->peer_path, sizeof s->peer_path);
    if (s->stream) {
        p->caps[0] = s->stream->region;
        p->caps[1] = f->caps[0];
        p->caps[2] = f->caps[1];
    }
    if (s->target)
        p->caps[s->stream ? 3 : 0] = s->target->region;
}

/* Is this where a ring can be in a region of so many pages? */
static bool place_good(uint64_t place, uint64_t pages)
{
    uint64_t offset = place - 1;

    return place == 0 ||
           (offset % sizeof(struct ring) == 0 &&
            offset % EXO_PAGE_SIZE < SOCKET_RINGS * sizeof(struct ring) &&
            offset / EXO_PAGE_SIZE + 1 + SOCKET_RINGS * RING_PAGES <= pages + RING_PAGES);
}

static bool socket_parcel_good(const struct parcel *p)
{
    const uint64_t *words = p->text.words;

    return words[1] <= WINDOW_BIG_PAGES && (words[1] == 0 || p->caps[0] != 0) &&
           place_good(words[2], words[1]) && place_good(words[3], words[1]) &&
           (words[5] >> 40 & 0xff) <= SOCKET_PATH_BYTES &&
           (words[5] >> 48 & 0xff) <= SOCKET_PATH_BYTES;
}

static void socket_words(struct socket *s, const struct parcel *p)
{
    const uint64_t *words = p->text.words;

    s->type = words[0] & SOCK_TYPE;
    s->phase = (enum socket_phase)(words[0] >> 8 & 3);
    s->slot = (uint32_t)(words[0] >> 32);
    s->peer_pid = (int32_t)words[4];
    s->peer_uid = (uint32_t)(words[4] >> 32);
    s->peer_gid = (uint32_t)words[5];
    s->pass_credentials = words[5] >> 33 & 1;
    s->own_path_bytes = words[5] >> 40 & 0xff;
    s->peer_path_bytes = (uint32_t)(words[5] >> 48) & 0xff;
    memcpy(s->own_path, p->text.paths[0], sizeof s->own_path);
    memcpy(s->peer_path, p->text.paths[1], sizeof s->peer_path);
}

int64_t socket_unpack(struct file *f, struct parcel *p)
{
    const uint64_t *words = p->text.words;
    struct socket *s = socket_parcel_good(p) ? heap_zeroed(1, sizeof *s) : 0;

    if (!s)
        return -EINVAL;
    socket_words(s, p);
    if (words[1] != 0) {
        s->stream = stream_map(p->caps[0], words[1]);
        p->caps[0] = 0;
    }
    if (words[5] >> 34 & 1) {
        s->target = inbox_map(p->caps[words[1] ? 3 : 0]);
        p->caps[words[1] ? 3 : 0] = 0;
    }
    if ((words[1] != 0 && !s->stream) ||
        (s->phase == SOCKET_CONNECTED && s->type != SOCK_DGRAM && (!words[2] || !words[3])) ||
        !meeting_slot_good(s, words[5] >> 32 & 1)) {
        if (s->stream)
            stream_put(s->stream);
        if (s->target)
            stream_put(s->target);
        heap_free(s);
        return -EINVAL;
    }
    f->caps[0] = p->caps[1];
    f->caps[1] = p->caps[2];
    p->caps[1] = p->caps[2] = 0;
    f->state = s;
    f->kind = FILE_SOCKET;
    f->ops = &socket_ops;
    f->extra[0] = words[2] ? s->stream->va + words[2] - 1 : 0;
    f->extra[1] = words[3] ? s->stream->va + words[3] - 1 : 0;
    return 0;
}

const struct file_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .stat = socket_stat,
    .release = socket_release,
    .watch = socket_watch,
    .parcel = PARCEL_SOCKET,
    .pack = socket_pack,
};

/* ---- making -------------------------------------------------------------------------------------- */

struct file *socket_new(uint32_t type, uint32_t flags)
{
    struct file *f = file_new(&socket_ops, FILE_SOCKET, O_RDWR | (flags & SOCK_NONBLOCK));
    char name[FILE_NAME_BYTES];
    struct socket *s;

    if (!f)
        return 0;
    s = heap_zeroed(1, sizeof *s);
    f->state = s;
    if (!s) {
        file_put(f);
        return 0;
    }
    s->type = type;
    f->ino = stream_number();
    format_text(name, sizeof name, "socket:[%llu]", (unsigned long long)f->ino);
    file_name_set(f, name);
    return f;
}

int64_t socket_get(uint64_t fd, struct file **out)
{
    *out = fd_file(fd);
    if (!*out)
        return -EBADF;
    return (*out)->kind == FILE_SOCKET ? 0 : -ENOTSOCK;
}

int64_t socket_connect_rings(struct file *f, struct stream *s, uint64_t headers, uint32_t side)
{
    struct ring *out = stream_ring(headers, side), *in = stream_ring(headers, !side);
    exo_cap ends[2];

    if (exo_pair_create(s->region, (uint64_t)&out->writer_gone - s->va,
                        (uint64_t)&in->reader_gone - s->va, ends) < 0) {
        stream_put(s);
        return -ENOMEM;
    }
    f->caps[0] = ends[0];
    f->caps[1] = ends[1];
    f->extra[0] = (uint64_t)in;
    f->extra[1] = (uint64_t)out;
    socket_of(f)->stream = s;
    socket_of(f)->phase = SOCKET_CONNECTED;
    if (socket_of(f)->pass_credentials)
        atomic_store(&marks_of(in)->wanted, 1);
    return 0;
}

/* Is this a socket that we have? */
static int64_t kind_check(uint64_t family, uint64_t type, uint64_t protocol)
{
    uint32_t kind = (uint32_t)type & SOCK_TYPE;

    if ((uint32_t)family != AF_UNIX)
        return -EAFNOSUPPORT;
    if ((uint32_t)type & ~(SOCK_TYPE | SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    if ((uint32_t)protocol != 0 && (uint32_t)protocol != AF_UNIX)
        return -EPROTONOSUPPORT;
    return kind == SOCK_STREAM || kind == SOCK_DGRAM || kind == SOCK_SEQPACKET ? 0
                                                                               : -ESOCKTNOSUPPORT;
}

DEFINE_CALL3(socket, family, type, protocol)
{
    int64_t result = kind_check(family, type, protocol);
    struct file *f;

    if (result < 0)
        return result;
    f = socket_new((uint32_t)type & SOCK_TYPE, (uint32_t)type);
    return f ? fd_add(f, 0, ((uint32_t)type & SOCK_CLOEXEC) != 0) : -ENFILE;
}

static void peer_is_self(struct socket *s)
{
    const struct process *p = current();

    s->peer_pid = p->pid;
    s->peer_uid = p->entry->euid;
    s->peer_gid = p->entry->egid;
}

/* Two sides of one region. */
static int64_t pair_make(struct file *files[2], uint32_t type)
{
    int64_t region = exo_region_create(0, SOCKETPAIR_PAGES, 1);
    struct stream *s = region < 0 ? 0 : stream_map((exo_cap)region, SOCKETPAIR_PAGES);
    int64_t result = s ? 0 : -ENFILE;

    for (uint32_t side = 0; side < 2; side++) {
        files[side] = socket_new(type & SOCK_TYPE, type);
        if (!files[side])
            result = -ENFILE;
    }
    for (uint32_t side = 0; result == 0 && side < 2; side++) {
        s->users++;
        result = socket_connect_rings(files[side], s, s->va, side);
        peer_is_self(socket_of(files[side]));
    }
    if (s)
        stream_put(s);
    for (uint32_t side = 0; result < 0 && side < 2; side++) {
        if (files[side])
            file_put(files[side]);
    }
    return result;
}

DEFINE_CALL4(socketpair, family, type, protocol, user)
{
    int64_t result = kind_check(family, type, protocol);
    struct file *files[2];

    if (result < 0)
        return result;
    result = pair_make(files, (uint32_t)type);
    return result < 0 ? result : fd_add_pair(files, user, ((uint32_t)type & SOCK_CLOEXEC) != 0);
}

/* ---- shutting down ------------------------------------------------------------------------------- */

DEFINE_CALL2(shutdown, fd, how)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    if ((uint32_t)how > 2)
        return -EINVAL;
    if (connected(f) < 0)
        return -ENOTCONN;
    if (!stream_in(f) || !stream_out(f)) /* datagrams, connected by a name */
        return -EOPNOTSUPP;
    if ((uint32_t)how != 1) { /* SHUT_RD, SHUT_RDWR */
        atomic_store(&stream_in(f)->reader_gone, 2);
        exo_wake(&stream_in(f)->reader_gone, UINT32_MAX);
        exo_wake(&stream_in(f)->tail, UINT32_MAX);
    }
    if ((uint32_t)how != 0) { /* SHUT_WR, SHUT_RDWR */
        atomic_store(&stream_out(f)->writer_gone, 2);
        exo_wake(&stream_out(f)->writer_gone, UINT32_MAX);
        exo_wake(&stream_out(f)->head, UINT32_MAX);
    }
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------- */

#define SOL_SOCKET    1u
#define SO_REUSEADDR  2u
#define SO_TYPE       3u
#define SO_ERROR      4u
#define SO_SNDBUF     7u
#define SO_RCVBUF     8u
#define SO_KEEPALIVE  9u
#define SO_PASSCRED   16u
#define SO_PEERCRED   17u
#define SO_ACCEPTCONN 30u
#define SO_PROTOCOL   38u
#define SO_DOMAIN     39u

/* An option that is a number: >= 0, or an errno. */
static int64_t option_number(const struct socket *s, uint32_t option)
{
    switch (option) {
    case SO_TYPE: return s->type;
    case SO_DOMAIN: return AF_UNIX;
    case SO_SNDBUF:
    case SO_RCVBUF: return RING_BYTES;
    case SO_ACCEPTCONN: return s->phase == SOCKET_LISTENING;
    case SO_ERROR:
    case SO_PROTOCOL:
    case SO_REUSEADDR:
    case SO_KEEPALIVE: return 0;
    case SO_PASSCRED: return s->pass_credentials;
    default: return -ENOPROTOOPT;
    }
}

/* Stores at most as many bytes as the program has room for, and says how many there are. */
static int64_t option_store(uint64_t user, uint64_t user_bytes, const void *value, uint32_t bytes)
{
    uint32_t room;

    if (user_read32(&room, user_bytes) < 0)
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    if (room > bytes)
        room = bytes;
    if (user_write(user, value, room) < 0 || user_write32(user_bytes, room) < 0)
        return -EFAULT;
    return 0;
}

DEFINE_CALL5(getsockopt, fd, level, option, user, user_bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);
    uint32_t number;

    if (result < 0)
        return result;
    if ((uint32_t)level != SOL_SOCKET)
        return -EOPNOTSUPP;
    if ((uint32_t)option == SO_PEERCRED) {
        const struct socket *s = socket_of(f);
        uint32_t who[3] = {(uint32_t)s->peer_pid, s->peer_uid, s->peer_gid};

        return option_store(user, user_bytes, who, sizeof who);
    }
    result = option_number(socket_of(f), (uint32_t)option);
    number = (uint32_t)result;
    return result < 0 ? result : option_store(user, user_bytes, &number, sizeof number);
}

DEFINE_CALL5(setsockopt, fd, level, option, user, bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);
    uint32_t value;

    if (result < 0)
        return result;
    if ((uint32_t)level != SOL_SOCKET)
        return -ENOPROTOOPT;
    if ((uint32_t)bytes < sizeof value)
        return -EINVAL;
    if (user_read32(&value, user) < 0)
        return -EFAULT;
    switch ((uint32_t)option) {
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_SNDBUF: /* a hint: the ring has its size */
    case SO_RCVBUF: return 0;
    case SO_PASSCRED:
        socket_of(f)->pass_credentials = value != 0;
        if (stream_in(f))
            atomic_store(&marks_of(stream_in(f))->wanted, value != 0);
        return 0;
    default: return -ENOPROTOOPT;
    }
}

/* ---- addresses ----------------------------------------------------------------------------------- */

/* struct sockaddr_un: a 16-bit family, a path. */
int64_t address_store(uint64_t user, uint64_t user_bytes, const char *path, uint32_t length)
{
    uint8_t address[2 + SOCKET_PATH_BYTES + 1] = {AF_UNIX, 0};
    bool abstract = length != 0 && path[0] == 0;
    uint32_t room, bytes = length ? 2 + length + !abstract : 2;

    if (user_read32(&room, user_bytes) < 0)
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    memcpy(address + 2, path, length);
    if (user_write(user, address, room < bytes ? room : bytes) < 0 ||
        user_write32(user_bytes, bytes) < 0)
        return -EFAULT;
    return 0;
}

int64_t socket_peer_store(const struct file *f, uint64_t user, uint64_t user_bytes)
{
    const struct socket *s = socket_of(f);

    return address_store(user, user_bytes, s->peer_path, s->peer_path_bytes);
}

DEFINE_CALL3(getsockname, fd, user, user_bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    return address_store(user, user_bytes, socket_of(f)->own_path, socket_of(f)->own_path_bytes);
}

DEFINE_CALL3(getpeername, fd, user, user_bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0 || (result = connected(f)) < 0)
        return result;
    return socket_peer_store(f, user, user_bytes);
}
