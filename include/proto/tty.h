/* SPDX-License-Identifier: MIT */
/*
 * The protocol of `tty`, the server of terminals: the console, pseudo-terminals, line discipline
 * and job control. Badges as in proto/fs.h: a process badge opens, a file badge uses one open end.
 *
 * Reading and writing are tries: what would block answers -EAGAIN, and the caller waits until the
 * terminal's state words (a page lent read-only at open) change. A background process that may not
 * proceed gets its SIGTTIN/SIGTTOU through proc and the call answers -EINTR (retry after signals
 * were served) or -EIO (orphaned or ignored).
 */
#ifndef PROTO_TTY_H
#define PROTO_TTY_H

#include <assert.h>
#include <stdint.h>

#define TTY_CONSOLE 0u  /* minor of the console: /dev/console, /dev/ttyS0 (5:1, 4:64) */
#define TTY_PTS     16u /* minors 16 + n: pty n, slave side; /dev/pts/n is 136:n */
#define TTY_MAX     80u

/* State words of terminal end n, at index n of the lent page (page index in the reply). A terminal's
 * index is its minor; the master end of pty n has TTY_MASTER + n. */
struct tty_state {
    _Atomic uint32_t input;      /* changes when more can be read, or at hang-up */
    _Atomic uint32_t output;     /* changes when more can be written */
    _Atomic uint32_t flags;      /* TTY_READABLE, TTY_WRITABLE, TTY_HUNGUP: for poll */
    _Atomic uint32_t foreground; /* its foreground process group; 0: none */
};
static_assert(sizeof(struct tty_state) == 16, "ABI: tty_state");
#define TTY_READABLE 1u
#define TTY_WRITABLE 2u
#define TTY_HUNGUP   4u
#define TTY_PRIORITY 8u /* a master in packet mode: a control byte is there (POLLPRI) */
#define TTY_MASTER   128u
#define TTY_STATES   256u

#define TTY_IO_BYTES 4096u /* the most that one read or write message carries */

/* A file call's w3: the caller's slot in proc's table, and what only the process itself knows. */
#define TTY_CALLER_SLOT 0xffffu
#define TTY_NO_SIGTTIN  0x10000u /* it blocks or ignores SIGTTIN */
#define TTY_NO_SIGTTOU  0x20000u /* it blocks or ignores SIGTTOU */

enum tty_op {
    /* Process badge (or a server's, which is root). w0: TTY_OPEN_*; w1: minor (slave, console) ; w2: Linux open flags; caller's
     * session leader without a terminal gets it as controlling terminal unless O_NOCTTY.
     * Reply: w1 = minor; w2 = index of its tty_state; w3 = the end's key (TTY_CONTROLLING); caps:
     * [0] endpoint with file badge, lent; [1] region of the state page, read-only. */
    TTY_OPEN = 1,
    /* Process badge: TIOCSCTTY, which needs to know who asks. w0: key of an open end of the
     * terminal; w1: 1 to take it from another session (root only). */
    TTY_CONTROLLING,
    /* File badge. Each call's w3: caller's slot in proc's table with TTY_NO_*, which the LibOS
     * states and tty uses for job control only (a lie gives no authority that the holder of the end
     * lacks). */
    TTY_READ = 64, /* w0: bytes <= 4096; w1: TTY_READ_*; reply msg: data, w0 = bytes; w1 = value of
                       `input` before; w2, with -EAGAIN: if not 0, call again with TTY_READ_EXPIRED
                       when `input` has not changed for so many milliseconds (VTIME) */
    TTY_WRITE,     /* msg: data; reply w0 = bytes taken; w1 = value of `output` before */
    TTY_IOCTL,     /* w0: Linux request; w1: integer argument; msg: in-structure; reply msg: out.
                       -EAGAIN (TCSETSW, TCSETSF, TCSBRK): wait for `output`, w1 being its value.
                       TIOCGPTPEER: w1 = open flags, reply as TTY_OPEN. TIOCSCTTY: -EPERM, see above */
    TTY_FSTAT,     /* reply msg: struct fs_stat */
};
enum { TTY_OPEN_MINOR, TTY_OPEN_CONTROLLING /* /dev/tty */, TTY_OPEN_PTMX };
enum {
    TTY_READ_WAIT,     /* as VMIN and VTIME say */
    TTY_READ_EXPIRED,  /* VTIME is over: what there is, perhaps nothing */
    TTY_READ_NONBLOCK, /* O_NONBLOCK: what there is, or -EAGAIN */
};

#endif
