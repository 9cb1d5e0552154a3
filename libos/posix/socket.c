/* SPDX-License-Identifier: MIT */
/* Local sockets: moving data, and what can be asked and set. See socket.h; names are in unix.c. */
#include "socket.h"
#include "window.h"

#include <lib/format.h>
#include <lib/linux/signal.h>
#include <lib/linux/termios.h>

#define SOCKETPAIR_PAGES (1 + 2 * RING_PAGES)
#define SOCK_NONBLOCK    ((uint32_t)O_NONBLOCK)
#define SOCK_CLOEXEC     ((uint32_t)O_CLOEXEC)

#define MSG_PEEK         0x2u
#define MSG_DONTWAIT     0x40u
#define MSG_EOR          0x80u
#define MSG_WAITALL      0x100u
#define MSG_NOSIGNAL     0x4000u
#define MSG_MORE         0x8000u
#define MSG_CMSG_CLOEXEC 0x40000000u

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
    if (connected(f) < 0)
        return -EINVAL;
    return stream_take(stream_in(f), user, bytes,
                       peer_writes_no_more(f) || atomic_load(&stream_in(f)->reader_gone));
}

/* Sends, without a signal. */
static int64_t socket_send(struct file *f, uint64_t user, uint64_t bytes)
{
    if (connected(f) < 0)
        return -ENOTCONN;
    if (peer_reads_no_more(f) || atomic_load(&stream_out(f)->writer_gone))
        return -EPIPE;
    return stream_put_bytes(stream_out(f), user, bytes);
}

static int64_t socket_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t result = socket_send(f, user, bytes);

    (void)offset;
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

static uint32_t socket_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct socket *s = socket_of(f);
    bool reads_end, writes_end;
    uint32_t ready = 0;

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

    if (s->phase != SOCKET_CONNECTED || s->meeting)
        return 0; /* there are more words than two */
    units[0] = RING_INPUT(stream_in(f));
    units[1] = RING_OUTPUT(stream_out(f));
    return 2;
}

static int64_t socket_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    if (request != FIONREAD && request != TIOCOUTQ)
        return -ENOTTY;
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

    if (s && s->stream)
        stream_put(s->stream);
    heap_free(s);
    f->state = 0;
}

const struct file_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .stat = socket_stat,
    .release = socket_release,
    .watch = socket_watch,
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
        files[side] = socket_new(SOCK_STREAM, type);
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
    if (((uint32_t)type & SOCK_TYPE) != SOCK_STREAM)
        return -EOPNOTSUPP; /* no records */
    result = pair_make(files, (uint32_t)type);
    return result < 0 ? result : fd_add_pair(files, user, ((uint32_t)type & SOCK_CLOEXEC) != 0);
}

/* ---- sending and receiving ----------------------------------------------------------------------- */

static int64_t send_bytes(struct file *f, uint64_t user, uint64_t bytes, uint32_t flags)
{
    bool wait = !file_nonblocking(f) && !(flags & MSG_DONTWAIT);
    uint64_t done = 0;
    int64_t result = 0;

    if (bytes > FILE_IO_MAX)
        bytes = FILE_IO_MAX;
    file_get(f);
    while (result >= 0 && done < bytes) {
        result = socket_send(f, user + done, bytes - done);
        if (result > 0)
            done += (uint64_t)result;
        else if (result == -EAGAIN && wait)
            result = file_wait(f, POLL_OUT, EXO_FOREVER);
    }
    file_put(f);
    if (result == -EPIPE && !(flags & MSG_NOSIGNAL))
        signal_raise(SIGPIPE);
    return done > 0 ? (int64_t)done : result;
}

static int64_t receive_try(struct file *f, uint64_t user, uint64_t bytes, uint32_t flags)
{
    if (connected(f) < 0)
        return socket_of(f)->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    return flags & MSG_PEEK ? stream_peek(stream_in(f), user, bytes, peer_writes_no_more(f))
                            : socket_read(f, user, bytes, 0);
}

static int64_t receive_bytes(struct file *f, uint64_t user, uint64_t bytes, uint32_t flags)
{
    bool wait = !file_nonblocking(f) && !(flags & MSG_DONTWAIT);
    uint64_t done = 0;
    int64_t result = 0;

    if (bytes > FILE_IO_MAX)
        bytes = FILE_IO_MAX;
    file_get(f);
    while (result >= 0 && done < bytes) {
        result = receive_try(f, user + done, bytes - done, flags);
        if (result == -EAGAIN && wait && (done == 0 || (flags & MSG_WAITALL))) {
            result = file_wait(f, POLL_IN, EXO_FOREVER);
            continue;
        }
        if (result <= 0)
            break;
        done += (uint64_t)result;
        if (!(flags & MSG_WAITALL) || (flags & MSG_PEEK))
            break;
    }
    file_put(f);
    return done > 0 ? (int64_t)done : result;
}

#define SEND_FLAGS    (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR)
#define RECEIVE_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_WAITALL | MSG_CMSG_CLOEXEC)

DEFINE_CALL6(sendto, fd, user, bytes, flags, address, address_bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    (void)address_bytes;
    if (result < 0)
        return result;
    if ((uint32_t)flags & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    if (address)
        return connected(f) < 0 ? -EOPNOTSUPP : -EISCONN;
    return send_bytes(f, user, bytes, (uint32_t)flags);
}

DEFINE_CALL6(recvfrom, fd, user, bytes, flags, address, address_bytes)
{
    struct file *f;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    if ((uint32_t)flags & ~RECEIVE_FLAGS)
        return -EOPNOTSUPP;
    result = receive_bytes(f, user, bytes, (uint32_t)flags);
    if (result >= 0 && address && user_write32(address_bytes, 0) < 0)
        return -EFAULT;
    return result;
}

/* Linux's struct msghdr and iovec on 64-bit machines. */
struct msghdr {
    uint64_t name;
    uint32_t name_bytes, pad;
    uint64_t vector, count, control, control_bytes;
    uint32_t flags, pad_end;
};
static_assert(sizeof(struct msghdr) == 56, "Linux ABI: struct msghdr");

typedef int64_t move_bytes(struct file *f, uint64_t user, uint64_t bytes, uint32_t flags);

/* Piece by piece until one comes out short; all but the first do not wait when receiving. */
static int64_t message_move(struct file *f, const struct msghdr *m, move_bytes *move,
                            uint32_t flags, uint32_t later)
{
    uint64_t piece[2], done = 0;

    if (m->count > 1024)
        return -EMSGSIZE;
    for (uint64_t i = 0; i < m->count; i++) {
        int64_t moved;

        if (user_read(piece, m->vector + i * sizeof piece, sizeof piece) < 0)
            return done ? (int64_t)done : -EFAULT;
        if (piece[1] == 0)
            continue;
        moved = (int64_t)piece[1] < 0 ? -EINVAL
                                      : move(f, piece[0], piece[1], flags | (done ? later : 0));
        if (moved < 0)
            return done ? (int64_t)done : moved;
        done += (uint64_t)moved;
        if ((uint64_t)moved < piece[1])
            break;
    }
    return (int64_t)done;
}

DEFINE_CALL3(sendmsg, fd, user, flags)
{
    struct file *f;
    struct msghdr m;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    if (user_read(&m, user, sizeof m) < 0)
        return -EFAULT;
    if (((uint32_t)flags & ~SEND_FLAGS) || m.control_bytes) /* no descriptors in messages */
        return -EOPNOTSUPP;
    return message_move(f, &m, send_bytes, (uint32_t)flags, 0);
}

DEFINE_CALL3(recvmsg, fd, user, flags)
{
    struct file *f;
    struct msghdr m;
    int64_t result = socket_get(fd, &f);

    if (result < 0)
        return result;
    if (user_read(&m, user, sizeof m) < 0)
        return -EFAULT;
    if ((uint32_t)flags & ~RECEIVE_FLAGS)
        return -EOPNOTSUPP;
    result = message_move(f, &m, receive_bytes, (uint32_t)flags, MSG_DONTWAIT);
    if (result < 0)
        return result;
    m.name_bytes = 0;
    m.control_bytes = 0;
    m.flags = 0;
    return user_write(user, &m, sizeof m) < 0 ? -EFAULT : result;
}

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
    case SO_KEEPALIVE:
    case SO_PASSCRED: return 0;
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
    case SO_PASSCRED: return value ? -ENOPROTOOPT : 0;
    default: return -ENOPROTOOPT;
    }
}

/* ---- addresses ----------------------------------------------------------------------------------- */

/* struct sockaddr_un: a 16-bit family, a path. */
static int64_t address_store(uint64_t user, uint64_t user_bytes, const char *path, uint32_t length)
{
    uint8_t address[2 + SOCKET_PATH_BYTES + 1] = {AF_UNIX, 0};
    uint32_t room, bytes = length ? 2 + length + 1 : 2;

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
