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

enum socket_phase { SOCKET_NEW, SOCKET_BOUND, SOCKET_LISTENING, SOCKET_CONNECTED };

#define SOCKET_PATH_BYTES 108u

/* state of a FILE_SOCKET; the rings are in struct file as stream.h says. caps[0], caps[1]: the ends
 * of this side's pair. */
struct socket {
    uint32_t type;
    enum socket_phase phase;
    struct stream *stream;   /* 0: none yet */
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

/* unix.c: has the listener gone before it accepted? Then the words of its slot say nothing. */
bool socket_abandoned(const struct socket *s);
/* A listener: are there connections to accept? With their word added to w. */
uint32_t meeting_poll(struct socket *s, struct waiter *w);

#endif
