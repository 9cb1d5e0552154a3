/* SPDX-License-Identifier: MIT */
/*
 * Open files on their way to another process (SCM_RIGHTS).
 *
 * A file is its capabilities, its shared description, and a few words. Capabilities travel through
 * fs alone (FS_PARCEL_*); everything else is in the parcel's text. Who takes a parcel believes
 * nothing of it that could hurt: places in regions are checked, the rest is the file's own affair.
 *
 * The description: within one fork lineage it is shared, so the parcel counts as one user of it,
 * which the receiver takes over. A receiver of another lineage makes one of its own: flags and
 * offset are those of the moment, and are not shared afterwards.
 */
#ifndef POSIX_PARCEL_H
#define POSIX_PARCEL_H

#include "files.h"

enum parcel_kind {
    PARCEL_NONE,
    PARCEL_FILE, /* of fs, by its endpoint */
    PARCEL_TTY,
    PARCEL_PIPE,
    PARCEL_SOCKET,
    PARCEL_EVENT,
    PARCEL_TIMER,
    PARCEL_SIGNAL,
    PARCEL_PID,
    PARCEL_KINDS
};

struct parcel {
    exo_cap caps[EXO_MSG_CAPS]; /* not part of the text */
    struct parcel_text {
        uint32_t what, kind; /* enum parcel_kind, file.kind */
        uint32_t flags;
        uint32_t ofd; /* index, if the lineage is ours */
        uint64_t lineage, offset;
        uint64_t number, rdev, ino;
        uint64_t words[6]; /* of the kind */
        char name[FILE_NAME_BYTES];
        char paths[2][112]; /* of a socket */
    } text;
};
static_assert(sizeof(struct parcel_text) <= FS_PARCEL_BYTES, "a parcel fits");

/* Makes the file what the parcel says: takes capabilities over by clearing them. 0 or an errno. */
typedef int64_t parcel_open(struct file *f, struct parcel *p);
parcel_open file_unpack, tty_unpack, pipe_unpack, socket_unpack, event_unpack, timerfd_unpack,
    signalfd_unpack, pidfd_unpack;

/* The box of a socket, whose key lies at *key (0: none yet); the key or an errno in *result. */
int64_t parcel_box(_Atomic uint64_t *key, exo_cap region);
/* Sends one file; *number is 0 or that of the parcel that it follows. */
int64_t parcel_send(uint64_t box, uint64_t *number, struct file *f);
/* The next file of a parcel, with a reference. */
int64_t parcel_receive(uint64_t box, uint64_t number, struct file **out);
void parcel_drop(uint64_t box, uint64_t number);

#endif
