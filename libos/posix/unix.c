/* SPDX-License-Identifier: MIT */
/*
 * Named local sockets: bind, listen, connect, accept.
 *
 * A meeting place is a region that the binder makes and fs gives to whoever may connect:
 *
 *     page 0        struct meeting
 *     then, SLOTS times: one page of ring headers, two rings
 *
 * A slot goes FREE -> (name of the client, while it prepares) -> PENDING -> ACCEPTED, by single
 * atomic steps, and is FREE again when the kernel has marked both sides gone, or the client before
 * it was accepted. Whoever looks for a free slot finds that out (slot_settle). `gone` says that the
 * listener is no more. PENDING is stored with a release and taken with an acquire, so that the
 * listener sees what the client wrote of itself (proofs/memory/protocols/connect.py).
 */
#include "claim.h"
#include "parcel.h"
#include "socket.h"

#define SLOTS      47u /* two words each to wait on, and two more: see slot_wait */
#define SLOT_PAGES (1 + 2 * RING_PAGES)
#define PAGES      (1 + (uint64_t)SLOTS * SLOT_PAGES)

/* States of a slot; other values are names of claims. */
#define FREE     0u
#define PENDING  0x80000001u
#define ACCEPTED 0x80000002u

struct meeting {
    _Atomic uint32_t gone;      /* set by the kernel when the last listener is */
    _Atomic uint32_t listening; /* listen was called */
    _Atomic uint32_t asked;     /* counts connects; who accepts sleeps on it */
    _Atomic uint32_t answered;  /* counts accepts, for who waits for a slot */
    _Atomic uint32_t unused_word, backlog;
    uint32_t type; /* SOCK_* of who bound it */
    struct {
        _Atomic uint32_t state;
        int32_t pid;
        uint32_t uid, gid;
    } slot[SLOTS], server;
};
static_assert(sizeof(struct meeting) <= EXO_PAGE_SIZE, "shared: meeting");

static uint64_t slot_headers(const struct stream *s, uint32_t slot)
{
    return s->va + (1 + (uint64_t)slot * SLOT_PAGES) * EXO_PAGE_SIZE;
}

/* ---- addresses ----------------------------------------------------------------------------------- */

/* Reads a struct sockaddr_un: the path's length, or an errno. */
static int64_t address_get(char path[SOCKET_PATH_BYTES + 1], uint64_t user, uint64_t bytes_word)
{
    uint8_t address[2 + SOCKET_PATH_BYTES];
    uint32_t bytes = (uint32_t)bytes_word;

    if (bytes < 2 || bytes > sizeof address)
        return -EINVAL;
    if (user_read(address, user, bytes) < 0)
        return -EFAULT;
    if ((address[0] | address[1] << 8) != AF_UNIX)
        return -EAFNOSUPPORT;
    bytes -= 2;
    memcpy(path, address + 2, bytes);
    path[bytes] = 0;
    return bytes != 0 && path[0] == 0 ? bytes : (int64_t)strnlen(path, bytes);
}

/* Abstract names are bytes of any value behind a 0; nobody sees them in the file system. */
static bool is_abstract(const char *path, int64_t length)
{
    return length > 0 && path[0] == 0;
}

/* Puts what names a socket into a message: its length, and the words that go with it. */
static int64_t name_put(const char *name, int64_t length, struct exo_message *m)
{
    struct path path;

    *m = (struct exo_message){0};
    if (is_abstract(name, length)) {
        memcpy(exo_utcb()->msg, name, (size_t)length);
        m->w[2] = 1;
        return length;
    }
    path_from_text(&path, name);
    length = path_put(&path, 0, false);
    m->w[0] = path.base;
    return length;
}

/* ---- slots --------------------------------------------------------------------------------------- */

/* Is the slot free, or can it be freed? `client` writes ring 0. */
static void slot_settle(struct meeting *m, const struct stream *s, uint32_t slot)
{
    struct ring *rings = stream_ring(slot_headers(s, slot), 0);
    uint32_t state = atomic_load(&m->slot[slot].state);
    bool client_gone, server_gone;

    if (state == FREE)
        return;
    client_gone = atomic_load(&rings[0].writer_gone) == 1;
    server_gone = atomic_load(&rings[1].writer_gone) == 1;
    if ((state == PENDING && client_gone) || (state == ACCEPTED && client_gone && server_gone) ||
        (state != PENDING && state != ACCEPTED && !claim_holder_lives(state)))
        atomic_compare_exchange_strong(&m->slot[slot].state, &state, FREE);
}

/* Takes a free slot for this process; -1: there is none. */
static int32_t slot_take(struct meeting *m, const struct stream *s)
{
    uint32_t backlog = atomic_load(&m->backlog), pending = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        slot_settle(m, s, i);
        pending += atomic_load(&m->slot[i].state) == PENDING;
    }
    for (uint32_t i = 0; pending <= backlog && i < SLOTS; i++) {
        uint32_t free = FREE;

        if (atomic_compare_exchange_strong(&m->slot[i].state, &free, claim_own_name()))
            return (int32_t)i;
    }
    return -1;
}

bool socket_abandoned(const struct socket *s)
{
    return s->meeting && s->phase == SOCKET_CONNECTED &&
           atomic_load(&s->meeting->slot[s->slot].state) == PENDING &&
           atomic_load(&s->meeting->gone);
}

uint32_t meeting_poll(struct socket *s, struct waiter *w)
{
    struct meeting *m = s->meeting;

    if (w) {
        waiter_add(w, &m->asked, atomic_load(&m->asked));
        waiter_add(w, &m->gone, atomic_load(&m->gone));
    }
    for (uint32_t i = 0; s->phase == SOCKET_LISTENING && i < SLOTS; i++) {
        if (atomic_load(&m->slot[i].state) == PENDING)
            return POLL_IN;
    }
    return 0;
}

/* ---- the listener -------------------------------------------------------------------------------- */

/* ---- inboxes of datagrams ------------------------------------------------------------------------ */

/* One page for struct meeting, one for the header, the ring. */
#define INBOX_PAGES (2 + (uint64_t)RING_PAGES)

struct ring *inbox_ring(const struct stream *s)
{
    return stream_ring(s->va + EXO_PAGE_SIZE, 0);
}

bool inbox_gone(const struct stream *s)
{
    return atomic_load(&((const struct meeting *)s->va)->gone) != 0;
}

/* ---- making meeting places ----------------------------------------------------------------------- */

bool meeting_slot_good(struct socket *s, bool has_meeting)
{
    bool datagram = s->type == SOCK_DGRAM;

    if (!has_meeting)
        return s->phase != SOCKET_LISTENING && s->phase != SOCKET_BOUND;
    if (!s->stream || s->stream->pages != (datagram ? INBOX_PAGES : PAGES) || s->slot >= SLOTS)
        return false;
    s->meeting = (struct meeting *)s->stream->va;
    return true;
}

/* The region of a new meeting place; f holds the pair that says when it is gone. */
static int64_t meeting_make(struct file *f)
{
    struct socket *socket = socket_of(f);
    uint64_t pages = socket->type == SOCK_DGRAM ? INBOX_PAGES : PAGES;
    int64_t region = exo_region_create(0, pages, 1);
    struct stream *s = region < 0 ? 0 : stream_map((exo_cap)region, pages);
    exo_cap ends[2];

    if (!s)
        return -ENFILE;
    if (exo_pair_create(s->region, offsetof(struct meeting, gone),
                        offsetof(struct meeting, unused_word), ends) < 0) {
        stream_put(s);
        return -ENFILE;
    }
    f->caps[0] = ends[0];
    f->caps[1] = ends[1];
    socket->stream = s;
    socket->meeting = (struct meeting *)s->va;
    socket->meeting->type = socket->type;
    if (socket->type == SOCK_DGRAM) {
        f->extra[0] = (uint64_t)inbox_ring(s);
        atomic_store(&marks_of(inbox_ring(s))->wanted, socket->pass_credentials);
    }
    return 0;
}

/* Gives fs the region, and the name. */
static int64_t meeting_name(const struct socket *socket, const char *name, int64_t length)
{
    struct exo_message m;

    length = name_put(name, length, &m);
    if (length < 0)
        return length;
    exo_utcb()->send[0] = (struct exo_send){socket->stream->region, EXO_SEND_COPY};
    m.tag = EXO_TAG(FS_SOCKET_BIND, length, 1);
    m.w[1] = 0777 & ~current()->umask;
    return server_call(current()->fs, &m);
}

DEFINE_CALL3(bind, fd, user, bytes)
{
    char path[SOCKET_PATH_BYTES + 1];
    struct file *f;
    struct socket *s;
    int64_t result = socket_get(fd, &f), length;

    if (result < 0)
        return result;
    s = socket_of(f);
    length = address_get(path, user, bytes);
    if (length < 0)
        return length;
    if (s->phase != SOCKET_NEW)
        return -EINVAL;
    if (length == 0) /* no automatic names */
        return -EADDRNOTAVAIL;
    if (!s->stream && (result = meeting_make(f)) < 0)
        return result;
    result = meeting_name(s, path, length);
    if (result < 0)
        return result == -EEXIST ? -EADDRINUSE : result;
    s->phase = SOCKET_BOUND;
    s->own_path_bytes = (uint32_t)length;
    memcpy(s->own_path, path, (size_t)length);
    return 0;
}

DEFINE_CALL2(listen, fd, backlog)
{
    struct file *f;
    struct socket *s;
    int64_t result = socket_get(fd, &f);
    uint32_t limit = (int32_t)backlog < 0 ? 0 : (uint32_t)backlog;

    if (result < 0)
        return result;
    s = socket_of(f);
    if (s->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (s->phase != SOCKET_BOUND && s->phase != SOCKET_LISTENING)
        return -EINVAL;
    s->meeting->server.pid = current()->pid;
    s->meeting->server.uid = current()->entry->euid;
    s->meeting->server.gid = current()->entry->egid;
    atomic_store(&s->meeting->backlog, limit < SLOTS ? limit : SLOTS);
    atomic_store(&s->meeting->listening, 1);
    s->phase = SOCKET_LISTENING;
    return 0;
}

/* Takes the first connection that waits: its slot, or -EAGAIN. */
static int64_t accept_take(struct meeting *m)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t pending = PENDING;

        if (atomic_compare_exchange_strong(&m->slot[i].state, &pending, ACCEPTED)) {
            atomic_fetch_add(&m->answered, 1);
            exo_wake(&m->answered, UINT32_MAX);
            return i;
        }
    }
    return -EAGAIN;
}

static int64_t accept_wait(struct file *f)
{
    int64_t slot = accept_take(socket_of(f)->meeting);

    file_get(f);
    while (slot == -EAGAIN && !file_nonblocking(f)) {
        int64_t slept = file_wait(f, POLL_IN, EXO_FOREVER);

        slot = slept < 0 ? slept : accept_take(socket_of(f)->meeting);
    }
    file_put(f);
    return slot;
}

/* Nobody will ever serve an accepted slot: the client finds its peer gone. */
static void slot_refuse(const struct stream *s, uint32_t slot)
{
    struct ring *rings = stream_ring(slot_headers(s, slot), 0);

    atomic_store(&rings[1].writer_gone, 1);
    atomic_store(&rings[0].reader_gone, 1);
    exo_wake(&rings[1].writer_gone, UINT32_MAX);
    exo_wake(&rings[0].reader_gone, UINT32_MAX);
}

/* The server's side of an accepted slot. */
static int64_t accept_side(struct file *listener, uint32_t slot, uint32_t flags, struct file **out)
{
    struct socket *l = socket_of(listener), *s;
    struct file *f = socket_new(l->type, flags);
    int64_t result;

    if (!f)
        return -ENFILE;
    l->stream->users++;
    socket_of(f)->pass_credentials = l->pass_credentials;
    result = socket_connect_rings(f, l->stream, slot_headers(l->stream, slot), 1);
    if (result < 0) {
        file_put(f);
        return result;
    }
    s = socket_of(f);
    s->peer_pid = l->meeting->slot[slot].pid;
    s->peer_uid = l->meeting->slot[slot].uid;
    s->peer_gid = l->meeting->slot[slot].gid;
    memcpy(s->own_path, l->own_path, sizeof s->own_path);
    s->own_path_bytes = l->own_path_bytes;
    *out = f;
    return 0;
}

static int64_t accept_fd(uint64_t fd, uint64_t user, uint64_t user_bytes, uint32_t flags)
{
    struct file *f, *made;
    int64_t result = socket_get(fd, &f), slot;

    if (result < 0)
        return result;
    if (flags & ~(uint32_t)(O_NONBLOCK | O_CLOEXEC))
        return -EINVAL;
    if (socket_of(f)->phase != SOCKET_LISTENING)
        return socket_of(f)->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
    file_get(f);
    result = slot = accept_wait(f);
    if (slot >= 0)
        result = accept_side(f, (uint32_t)slot, flags, &made);
    if (slot >= 0 && result < 0)
        slot_refuse(socket_of(f)->stream, (uint32_t)slot);
    file_put(f);
    if (result < 0)
        return result;
    if (user && socket_peer_store(made, user, user_bytes) < 0) {
        file_put(made);
        return -EFAULT;
    }
    return fd_add(made, 0, (flags & O_CLOEXEC) != 0);
}

DEFINE_CALL3(accept, fd, user, user_bytes)
{
    return accept_fd(fd, user, user_bytes, 0);
}

DEFINE_CALL4(accept4, fd, user, user_bytes, flags)
{
    return accept_fd(fd, user, user_bytes, (uint32_t)flags);
}

/* ---- the client ---------------------------------------------------------------------------------- */

/* As the kernel says, since another made it; 0 if it is larger than any of ours. */
static uint64_t region_pages(exo_cap region)
{
    struct exo_cap_info info;

    if (exo_cap_info(region, &info) < 0 || info.size > PAGES * EXO_PAGE_SIZE)
        return 0;
    return info.size / EXO_PAGE_SIZE;
}

/* Asks fs for the meeting place behind a path, and maps it. */
struct stream *inbox_map(exo_cap region)
{
    if (region && region_pages(region) == INBOX_PAGES)
        return stream_map(region, INBOX_PAGES);
    cap_drop(&region);
    return 0;
}

static int64_t meeting_find(const char *name, int64_t length, uint32_t type, struct stream **out)
{
    struct exo_message m;
    exo_cap region = 0;
    int64_t result = name_put(name, length, &m);

    if (result < 0)
        return result;
    m.tag = EXO_TAG(FS_SOCKET_CONNECT, result, 0);
    result = server_call_caps(current()->fs, &m, &region, 1);
    if (result < 0)
        return result;
    *out = region ? stream_map(region, region_pages(region)) : 0;
    if (!*out)
        return -ECONNREFUSED;
    if (((const struct meeting *)(*out)->va)->type == type &&
        (*out)->pages == (type == SOCK_DGRAM ? INBOX_PAGES : PAGES))
        return 0;
    stream_put(*out);
    return -EPROTOTYPE;
}

int64_t inbox_find(uint64_t user, uint64_t bytes, struct stream **out)
{
    char path[SOCKET_PATH_BYTES + 1];
    int64_t length = address_get(path, user, bytes);
    int64_t result = length <= 0 ? length : meeting_find(path, length, SOCK_DGRAM, out);

    if (length == 0)
        return -ECONNREFUSED;
    if (result == 0 && inbox_gone(*out)) {
        stream_put(*out);
        return -ECONNREFUSED;
    }
    return result;
}

/* connect of datagrams: from now on without naming the inbox. AF_UNSPEC: no more. */
static int64_t datagram_connect(struct file *f, uint64_t user, uint64_t bytes)
{
    struct socket *s = socket_of(f);
    struct stream *target = 0;
    uint16_t family = 0;
    int64_t result;

    if (user_read(&family, user, bytes < 2 ? 0 : 2) < 0)
        return -EFAULT;
    if (family != 0 || bytes < 2) {
        result = inbox_find(user, bytes, &target);
        if (result < 0)
            return result;
    }
    if (s->target)
        stream_put(s->target);
    s->target = target;
    return 0;
}

static bool refuses(const struct meeting *m)
{
    return atomic_load(&m->gone) || !atomic_load(&m->listening);
}

/* Adds what changes when a slot becomes free: a side of it goes. */
static void slots_watch(struct meeting *m, const struct stream *s, struct waiter *w)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct ring *rings = stream_ring(slot_headers(s, i), 0);
        uint32_t state = atomic_load(&m->slot[i].state), client, server;

        if (state != PENDING && state != ACCEPTED)
            continue; /* and its pages may not exist */
        client = atomic_load(&rings[0].writer_gone);
        server = atomic_load(&rings[1].writer_gone);
        if (client != 1)
            waiter_add(w, &rings[0].writer_gone, client);
        if (server != 1 && state == ACCEPTED)
            waiter_add(w, &rings[1].writer_gone, server);
    }
}
static_assert(2 * SLOTS + 2 <= EXO_WAIT_WORDS, "one sleep watches all slots");

/* Waits for a slot. The words are read before the slots are looked at. */
static int64_t slot_wait(struct file *f, struct meeting *m, const struct stream *s)
{
    for (;;) {
        struct waiter w;
        int64_t result;
        int32_t slot;

        waiter_init(&w, EXO_FOREVER);
        waiter_add(&w, &m->answered, atomic_load(&m->answered));
        waiter_add(&w, &m->gone, 0);
        slots_watch(m, s, &w);
        slot = refuses(m) ? -1 : slot_take(m, s);
        if (slot >= 0)
            return slot;
        if (refuses(m))
            return -ECONNREFUSED;
        if (file_nonblocking(f))
            return -EAGAIN;
        result = waiter_sleep(&w);
        if (result < 0)
            return result;
    }
}

/* What the slot's last users left. */
static void slot_clear(uint64_t headers)
{
    _Atomic uint64_t *box = box_of(stream_ring(headers, 0));

    if (atomic_load(box))
        parcel_drop(atomic_exchange(box, 0), 0);
    memset((void *)headers, 0, SOCKET_RINGS * sizeof(struct ring));
    for (uint32_t i = 0; i < SOCKET_RINGS; i++)
        memset(marks_of(stream_ring(headers, i)), 0, offsetof(struct marks, at));
}

/* Makes f the client of a slot that is ours, and tells the listener. Takes the use of s. */
static int64_t slot_enter(struct file *f, struct stream *s, uint32_t slot)
{
    struct meeting *m = (struct meeting *)s->va;
    const struct process *p = current();
    uint64_t headers = slot_headers(s, slot);
    int64_t result;

    slot_clear(headers);
    result = socket_connect_rings(f, s, headers, 0);
    if (result < 0) {
        atomic_store(&m->slot[slot].state, FREE);
        return result;
    }
    m->slot[slot].pid = p->pid;
    m->slot[slot].uid = p->entry->euid;
    m->slot[slot].gid = p->entry->egid;
    socket_of(f)->meeting = m;
    socket_of(f)->slot = slot;
    socket_of(f)->peer_pid = m->server.pid;
    socket_of(f)->peer_uid = m->server.uid;
    socket_of(f)->peer_gid = m->server.gid;
    atomic_store(&m->slot[slot].state, PENDING);
    atomic_fetch_add(&m->asked, 1);
    exo_wake(&m->asked, UINT32_MAX);
    return 0;
}

DEFINE_CALL3(connect, fd, user, bytes)
{
    char path[SOCKET_PATH_BYTES + 1];
    struct stream *stream;
    struct file *f;
    int64_t result = socket_get(fd, &f), length;

    if (result < 0)
        return result;
    if (socket_of(f)->type == SOCK_DGRAM)
        return datagram_connect(f, user, bytes);
    length = address_get(path, user, bytes);
    if (length < 0)
        return length;
    if (socket_of(f)->phase != SOCKET_NEW)
        return socket_of(f)->phase == SOCKET_CONNECTED ? -EISCONN : -EINVAL;
    if (length == 0)
        return -ECONNREFUSED;
    result = meeting_find(path, length, socket_of(f)->type, &stream);
    if (result < 0)
        return result;
    file_get(f);
    result = slot_wait(f, (struct meeting *)stream->va, stream);
    if (result < 0)
        stream_put(stream);
    else
        result = slot_enter(f, stream, (uint32_t)result);
    if (result == 0) {
        socket_of(f)->peer_path_bytes = (uint32_t)length;
        memcpy(socket_of(f)->peer_path, path, (size_t)length);
    }
    file_put(f);
    return result;
}
