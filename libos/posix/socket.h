/* SPDX-License-Identifier: MIT */
/*
 * Local (AF_UNIX) stream sockets.
 *
 * A connected socket is two rings (ring.h) in a region, one a direction, and one kernel pair a side:
 * a side holds both ends of its pair, whose words are "the writer of my outgoing ring is gone" and
 * "the reader of my incoming ring is gone". So each side makes its pair alone, and no capability has
 * to travel from one to the other.
 *
 *   socketpair  region: one page of headers, two rings
 *   bind        region: struct meeting, and SLOTS times (one page of headers, two rings). fs keeps the
 *               region with the socket's name and gives it to whoever may connect; a connection takes
 *               a free slot of it (unix.c).
 *
 *   datagrams   bind: struct meeting, one page of headers, one ring: the inbox, which everybody writes
 *               to who may connect
 *
 * Behind the headers on their page lie the *marks* of each ring: where in it something begins that
 * is more than bytes (descriptors, credentials), and the key of the box in which fs keeps the
 * descriptors meanwhile (parcel.h). Sockets that are not streams keep records in their rings
 * (record.c).
 *
 * All clients of one listener share its region, and could read each other's connections: what is
 * said over a named socket is as private as the name's permissions, no more.
 */
#ifndef POSIX_SOCKET_H
#define POSIX_SOCKET_H

#include "stream.h"

#define AF_UNIX        1u
#define SOCK_STREAM    1u
#define SOCK_DGRAM     2u
#define SOCK_SEQPACKET 5u
#define SOCK_TYPE      0xfu

#define SOCKET_RINGS 2u /* on a page of headers */
#define MARKS        32u

/* Something that comes with the byte at `position` of a ring. */
struct mark {
    uint32_t position;
    uint32_t files; /* descriptors: parcel `parcel` of the box; 0: none */
    uint64_t parcel;
    int32_t pid; /* 0: no credentials */
    uint32_t uid, gid;
    uint32_t bytes; /* of the message, as far as they were written at once */
};
static_assert(sizeof(struct mark) == 32, "shared: mark");

/* The marks of a ring: positions as the ring's, `head` moved by the reader under reader_claim, `tail`
 * by the writer under writer_claim. */
struct marks {
    _Atomic uint32_t head, tail;
    _Atomic uint32_t wanted; /* the reader has SO_PASSCRED: all that is sent is marked */
    uint32_t unused;
    struct mark at[MARKS];
};

#define SOCKET_BOX   256u /* on the page of headers: the box's key */
#define SOCKET_MARKS 512u /* ... and the first ring's marks */
#define MARKS_STRIDE 1536u
static_assert(sizeof(struct marks) <= MARKS_STRIDE, "shared: marks");
static_assert(SOCKET_MARKS + SOCKET_RINGS * MARKS_STRIDE <= EXO_PAGE_SIZE, "shared: marks");

static inline uint64_t ring_page(const struct ring *r)
{
    return (uint64_t)r & ~(EXO_PAGE_SIZE - 1);
}
static inline struct marks *marks_of(const struct ring *r)
{
    uint64_t index = ((uint64_t)r - ring_page(r)) / sizeof *r;

    return (struct marks *)(ring_page(r) + SOCKET_MARKS + index * MARKS_STRIDE);
}
static inline _Atomic uint64_t *box_of(const struct ring *r)
{
    return (_Atomic uint64_t *)(ring_page(r) + SOCKET_BOX);
}

enum socket_phase { SOCKET_NEW, SOCKET_BOUND, SOCKET_LISTENING, SOCKET_CONNECTED };

#define SOCKET_PATH_BYTES 108u

/* state of a FILE_SOCKET; the rings are in struct file as stream.h says. caps[0], caps[1]: the ends
 * of this side's pair. */
struct socket {
    uint32_t type;
    enum socket_phase phase;
    bool pass_credentials;   /* SO_PASSCRED */
    struct stream *stream;   /* 0: none yet */
    struct stream *target;   /* datagrams: the inbox that it is connected to, by name */
    struct meeting *meeting; /* where it listens, or was connected; 0: neither */
    uint32_t slot;           /* of the meeting */
    int32_t peer_pid;        /* SO_PEERCRED */
    uint32_t peer_uid, peer_gid;
    uint32_t own_path_bytes, peer_path_bytes;
    char own_path[SOCKET_PATH_BYTES], peer_path[SOCKET_PATH_BYTES];
};

static inline struct socket *socket_of(const struct file *f)
{
    return f->state;
}

extern const struct file_ops socket_ops;

/* A socket without a region; 0: no memory. */
struct file *socket_new(uint32_t type, uint32_t flags);
/* The socket of a descriptor: 0, -EBADF, -ENOTSOCK. */
int64_t socket_get(uint64_t fd, struct file **out);
/* Makes f one side of the rings on a page of headers: side 0 writes ring 0. Takes one use of the
 * stream, which it gives back when it fails. */
int64_t socket_connect_rings(struct file *f, struct stream *s, uint64_t headers, uint32_t side);

/* Stores the peer's struct sockaddr_un. */
int64_t socket_peer_store(const struct file *f, uint64_t user, uint64_t user_bytes);

/* ---- what is sent and received at once: message.c, record.c ---- */

/* Buffers of a call: an array of struct iovec in the program, or one that is here. */
struct pieces {
    uint64_t vector, count; /* vector 0: only `one` */
    uint64_t one[2];
    uint64_t bytes; /* of all */
};
int64_t pieces_read(struct pieces *p, uint64_t vector, uint64_t count);
struct pieces pieces_one(uint64_t user, uint64_t bytes);
/* The next place at or after `offset` in them: its address and length; 0: the end. -EFAULT */
int64_t pieces_at(const struct pieces *p, uint64_t offset, uint64_t *user, uint64_t *bytes);

/* What comes with the bytes. */
struct extras {
    struct mark mark;
    uint32_t name_bytes; /* datagrams: the sender's path */
    char name[SOCKET_PATH_BYTES];
    uint32_t record_bytes; /* whole length of a record that was received */
};

/* Records. Tries: -EAGAIN, -EMSGSIZE: longer than the ring. */
int64_t record_put(struct ring *r, const struct pieces *p, const struct extras *e);
int64_t record_take(struct ring *r, const struct pieces *p, struct extras *e, bool peek, bool gone);
uint32_t record_next(const struct ring *r); /* bytes of the next one, 0: none */

/* Streams, with marks. */
int64_t marked_put(struct ring *r, uint64_t user, uint64_t bytes, const struct mark *m);
/* What came with it is in *m (zeroes: nothing). */
int64_t marked_take(struct ring *r, uint64_t user, uint64_t bytes, struct mark *m, bool gone);
static inline bool marks_any(const struct ring *r)
{
    const struct marks *m = marks_of(r);

    return atomic_load(&m->head) != atomic_load(&m->tail);
}

/* read and write of a socket; what comes beside the bytes is lost. */
int64_t message_read(struct file *f, uint64_t user, uint64_t bytes);
int64_t message_write(struct file *f, uint64_t user, uint64_t bytes);
/* Nobody will receive what is still in the ring: the descriptors in it are given up. */
void message_forget(const struct ring *r);

/* unix.c: the inbox at a path (struct sockaddr_un of the program), as a stream with one use; the
 * ring in it. */
int64_t inbox_find(uint64_t user, uint64_t bytes, struct stream **out);
/* The same for a region that came from elsewhere; takes it over. 0: it is none. */
struct stream *inbox_map(exo_cap region);
struct ring *inbox_ring(const struct stream *s);
bool inbox_gone(const struct stream *s);
/* A socket that came from elsewhere: is its slot one of its region's? Then `meeting` is set. */
bool meeting_slot_good(struct socket *s, bool has_meeting);

/* Stores a struct sockaddr_un with this path. */
int64_t address_store(uint64_t user, uint64_t user_bytes, const char *path, uint32_t length);

/* unix.c: has the listener gone before it accepted? Then the words of its slot say nothing. */
bool socket_abandoned(const struct socket *s);
/* A listener: are there connections to accept? With their word added to w. */
uint32_t meeting_poll(struct socket *s, struct waiter *w);

#endif
