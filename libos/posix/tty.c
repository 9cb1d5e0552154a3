/* SPDX-License-Identifier: MIT */
/*
 * Terminals: the client of the tty server (proto/tty.h).
 *
 * A read or write is a message that may answer "not now"; then we sleep on the terminal's state
 * words, which the server lends to everybody read-only in one page. Job control is the server's: it
 * sends SIGTTIN or SIGTTOU and answers -EINTR, and the call is tried again after the signal.
 *
 * Who reads in a mode without lines may have asked for time limits (VMIN, VTIME). The server only
 * knows tries, so those limits are kept here.
 */
#include "files.h"
#include "window.h"

#include <lib/format.h>

/* struct file: caps[0] fs's endpoint of the node, caps[1] tty's endpoint of the open end, state its
 * struct tty_state, rdev the device, extra[0] the minor. */
#define NODE  0
#define END   1
#define MINOR 0
#define TTY_IO_BYTES 4096u

/* The page of state words: lent once to this environment, kept, and inherited by forks. */
static struct tty_state *states;
static exo_cap states_cap;

/* ---- devices ------------------------------------------------------------------------------------ */

#define DEV_TTY     FS_DEV(5, 0)
#define DEV_CONSOLE FS_DEV(5, 1)
#define DEV_PTMX    FS_DEV(5, 2)
#define DEV_SERIAL  FS_DEV(4, 64)
#define PTS_MAJOR   136u

static bool pts_number(uint64_t rdev, uint32_t *number)
{
    *number = (uint32_t)(rdev & 0xff);
    return rdev >> 8 == PTS_MAJOR;
}

bool tty_is_device(uint64_t rdev)
{
    uint32_t number;

    return rdev == DEV_TTY || rdev == DEV_CONSOLE || rdev == DEV_PTMX || rdev == DEV_SERIAL ||
           pts_number(rdev, &number);
}

static bool states_map(exo_cap page)
{
    uint64_t va = window_place(1);

    if (!va || exo_map(0, va, 1, page, 0, EXO_MAP_READ | EXO_MAP_EAGER) < 0)
        return false;
    states = (struct tty_state *)va;
    states_cap = page;
    return true;
}

/* What to ask of the server for a device number. */
static uint64_t open_kind(uint64_t rdev, uint64_t *minor)
{
    uint32_t number;

    *minor = TTY_CONSOLE;
    if (rdev == DEV_TTY)
        return TTY_OPEN_CONTROLLING;
    if (rdev == DEV_PTMX)
        return TTY_OPEN_PTMX;
    if (pts_number(rdev, &number))
        *minor = TTY_PTS + number;
    return TTY_OPEN_MINOR;
}

int64_t tty_open(struct file *f, uint64_t rdev, uint32_t flags)
{
    exo_cap caps[2] = {0, 0};
    uint64_t minor, kind = open_kind(rdev, &minor);
    struct exo_message m = {EXO_TAG(TTY_OPEN, 0, 0), {kind, minor, flags, 0}};
    int64_t result = server_call_caps(current()->tty, &m, caps, states ? 1 : 2);

    if (result < 0)
        return result;
    f->caps[END] = caps[0];
    if (!states && (!caps[1] || !states_map(caps[1])))
        return -ENOMEM;
    if (!caps[0] || m.w[2] >= EXO_PAGE_SIZE / sizeof(struct tty_state))
        return -EIO;
    f->kind = FILE_TTY;
    f->ops = &tty_ops;
    f->rdev = rdev;
    f->extra[MINOR] = m.w[1];
    f->state = states + m.w[2];
    return 0;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

/* What the server's refusal for job control means for the call. */
static int64_t after_refusal(int64_t result)
{
    if (result != -EINTR)
        return result;
    return signal_waiting() ? -ERESTARTSYS : -EAGAIN;
}

static uint32_t tty_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct tty_state *s = f->state;
    uint32_t flags, ready = 0;

    if (w) {
        waiter_add(w, &s->input, atomic_load(&s->input));
        if (events & POLL_OUT)
            waiter_add(w, &s->output, atomic_load(&s->output));
    }
    flags = atomic_load(&s->flags);
    if (flags & TTY_READABLE)
        ready |= POLL_IN;
    if (flags & TTY_WRITABLE)
        ready |= POLL_OUT;
    if (flags & TTY_HUNGUP)
        ready |= POLL_IN | POLL_OUT | POLL_HUP | POLL_ERR;
    return ready & (events | POLL_HUP | POLL_ERR);
}

static uint32_t tty_watch(struct file *f, const _Atomic uint64_t **units)
{
    units[0] = (const _Atomic uint64_t *)f->state;       /* input and output */
    units[1] = (const _Atomic uint64_t *)f->state + 1;   /* flags */
    return 2;
}

/* ---- reading and writing ------------------------------------------------------------------------- */

static int64_t read_try(struct file *f, uint64_t user, uint64_t bytes)
{
    struct exo_message m = {
        EXO_TAG(TTY_READ, 0, 0),
        {bytes < TTY_IO_BYTES ? bytes : TTY_IO_BYTES, 0, 0, current()->slot}};
    int64_t got = server_call(f->caps[END], &m);

    if (got > 0 &&
        ((uint64_t)got > bytes || user_write(user, exo_utcb()->msg, (uint64_t)got) < 0))
        return -EFAULT;
    return after_refusal(got);
}

/* The parts of struct termios (as TCGETS stores it) that matter here. */
#define TERMIOS_LFLAG 12
#define TERMIOS_VTIME (17 + 5)
#define TERMIOS_VMIN  (17 + 6)
#define LFLAG_ICANON  0x2u

/* Nothing can be read now: how long a read waits, as the terminal's mode says. false: not at all.
 * Otherwise *deadline. */
static bool read_patience(struct file *f, exo_time *deadline)
{
    struct exo_message m = {EXO_TAG(TTY_IOCTL, 0, 0), {TCGETS, 0, 0, current()->slot}};
    const uint8_t *termios = exo_utcb()->msg;
    uint32_t flags;

    *deadline = EXO_FOREVER;
    if (server_call(f->caps[END], &m) < 0)
        return true;
    memcpy(&flags, termios + TERMIOS_LFLAG, sizeof flags);
    if ((flags & LFLAG_ICANON) || termios[TERMIOS_VMIN] > 0)
        return true;
    *deadline = time_now() + termios[TERMIOS_VTIME] * (uint64_t)100000000;
    return termios[TERMIOS_VTIME] > 0;
}

static int64_t tty_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t got = bytes ? read_try(f, user, bytes) : 0, slept;
    exo_time deadline;

    (void)offset;
    if (got != -EAGAIN || file_nonblocking(f))
        return got;
    if (!read_patience(f, &deadline))
        return 0;
    if (deadline == EXO_FOREVER)
        return -EAGAIN; /* the usual way: file.c waits */
    file_get(f);
    while (got == -EAGAIN) {
        slept = file_wait(f, POLL_IN, deadline);
        if (slept == -ETIMEDOUT)
            got = 0;
        else
            got = slept < 0 ? slept : read_try(f, user, bytes);
    }
    file_put(f);
    return got;
}

static int64_t tty_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t piece = bytes < TTY_IO_BYTES ? bytes : TTY_IO_BYTES;
    struct exo_message m = {EXO_TAG(TTY_WRITE, piece, 0), {0, 0, 0, current()->slot}};
    int64_t put;

    (void)offset;
    if (bytes == 0)
        return 0;
    if (user_read(exo_utcb()->msg, user, piece) < 0)
        return -EFAULT;
    put = server_call(f->caps[END], &m);
    return put > (int64_t)piece ? -EIO : after_refusal(put);
}

/* ---- ioctl ---------------------------------------------------------------------------------------- */

/* What a request takes from and gives to program memory, in bytes. With neither, its argument is
 * passed on as a number. */
struct tty_request {
    uint32_t request;
    uint8_t in, out;
};

#define TERMIOS_BYTES 36
#define WINSIZE_BYTES 8

static const struct tty_request requests[] = {
    {TCGETS, 0, TERMIOS_BYTES},     {TCSETS, TERMIOS_BYTES, 0},  {TCSETSW, TERMIOS_BYTES, 0},
    {TCSETSF, TERMIOS_BYTES, 0},    {TIOCGWINSZ, 0, WINSIZE_BYTES},
    {TIOCSWINSZ, WINSIZE_BYTES, 0}, {TIOCGPGRP, 0, 4},           {TIOCSPGRP, 4, 0},
    {TIOCGSID, 0, 4},               {FIONREAD, 0, 4},            {TIOCOUTQ, 0, 4},
    {TIOCGPTN, 0, 4},               {TIOCSPTLCK, 4, 0},          {TIOCGPTLCK, 0, 4},
    {TIOCGETD, 0, 4},               {TIOCPKT, 4, 0},             {TIOCMGET, 0, 4},
    {TIOCSTI, 1, 0},                {TCSBRK, 0, 0},              {TCSBRKP, 0, 0},
    {TCXONC, 0, 0},                 {TCFLSH, 0, 0},              {TIOCSCTTY, 0, 0},
    {TIOCNOTTY, 0, 0},              {TIOCEXCL, 0, 0},            {TIOCNXCL, 0, 0},
};

static const struct tty_request *request_find(uint32_t request)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].request == request)
            return &requests[i];
    }
    return 0;
}

static int64_t ioctl_try(struct file *f, const struct tty_request *r, uint64_t arg)
{
    struct exo_message m = {EXO_TAG(TTY_IOCTL, r->in, 0),
                            {r->request, r->in || r->out ? 0 : arg, 0, current()->slot}};
    int64_t result;

    if (r->in && user_read(exo_utcb()->msg, arg, r->in) < 0)
        return -EFAULT;
    result = server_call(f->caps[END], &m);
    if (result >= 0 && r->out && user_write(arg, exo_utcb()->msg, r->out) < 0)
        return -EFAULT;
    return after_refusal(result);
}

/* Opens the slave side of a master, as flags say. */
static int64_t peer_open(struct file *f, uint32_t flags)
{
    uint32_t number = (uint32_t)(f->extra[MINOR] - TTY_PTS);
    struct file *peer;
    char path[32];
    int64_t result;

    if (f->rdev != DEV_PTMX || (flags & ~(uint32_t)(O_RDWR | O_WRONLY | O_NOCTTY | O_CLOEXEC |
                                                    O_NONBLOCK)))
        return -EINVAL;
    format_text(path, sizeof path, "/dev/pts/%u", number);
    result = file_open(path, flags & ~(uint32_t)O_CLOEXEC, 0, &peer);
    return result < 0 ? result : fd_add(peer, 0, (flags & O_CLOEXEC) != 0);
}

/* Some requests wait until the output is out: those are tried again when there is more room. */
static int64_t tty_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    const struct tty_request *r = request_find(request);
    struct tty_state *s = f->state;
    int64_t result = -EAGAIN;

    if (request == TIOCGPTPEER)
        return peer_open(f, (uint32_t)arg);
    if (!r)
        return -ENOTTY;
    file_get(f);
    while (result == -EAGAIN) {
        struct waiter w;

        waiter_init(&w, EXO_FOREVER);
        waiter_add(&w, &s->output, atomic_load(&s->output));
        result = ioctl_try(f, r, arg);
        if (result == -EAGAIN) {
            result = waiter_sleep(&w);
            if (result == 0)
                result = -EAGAIN;
        }
    }
    file_put(f);
    return result;
}

static int64_t tty_stat(struct file *f, struct fs_stat *out)
{
    return path_ops.stat(f, out);
}

const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .stat = tty_stat,
    .watch = tty_watch,
};
