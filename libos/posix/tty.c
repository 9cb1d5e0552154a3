/* SPDX-License-Identifier: MIT */
/*
 * Terminals: the client of the tty server (proto/tty.h).
 *
 * A read or write is a message that may answer "not now"; then we sleep on the terminal's state
 * words, which the server lends to everybody read-only in one page. Job control is the server's: it
 * sends SIGTTIN or SIGTTOU and answers -EINTR, and the call is tried again after the signal.
 *
 * A mode without lines may have time limits (VTIME). The server only knows tries: it says how long
 * to wait, and is called again when that time is over.
 */
#include "files.h"
#include "parcel.h"
#include "window.h"

#include <lib/linux/signal.h>
#include <lib/linux/termios.h>

/* struct file: caps[0] fs's endpoint of the node, caps[1] tty's endpoint of the open end, state its
 * struct tty_state, rdev the device, extra[0] the end's key. */
#define NODE 0
#define END  1
#define KEY  0

/* The page of state words: lent once to this environment, kept (with its capability), and inherited
 * by forks. */
static struct tty_state *states;
static exo_cap states_page;

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
    states_page = page;
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

/* Makes f the end that an answer of the form of TTY_OPEN tells of. */
static int64_t tty_become(struct file *f, exo_cap caps[2], const struct exo_message *m)
{
    f->caps[END] = caps[0];
    if (!states && (!caps[1] || !states_map(caps[1])))
        return -ENOMEM;
    if (!caps[0] || m->w[2] >= TTY_STATES)
        return -EIO;
    f->kind = FILE_TTY;
    f->ops = &tty_ops;
    f->extra[KEY] = m->w[3];
    f->state = states + m->w[2];
    return 0;
}

int64_t tty_open(struct file *f, uint64_t rdev, uint32_t flags)
{
    exo_cap caps[2] = {0, 0};
    uint64_t minor, kind = open_kind(rdev, &minor);
    struct exo_message m = {EXO_TAG(TTY_OPEN, 0, 0), {kind, minor, flags, 0}};
    int64_t result = server_call_caps(current()->tty, &m, caps, states ? 1 : 2);

    f->rdev = rdev;
    return result < 0 ? result : tty_become(f, caps, &m);
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

    if (w) { /* the words first (acquire), then the flags: proofs/memory/protocols/tty_state.py */
        waiter_add(w, &s->input, atomic_load(&s->input));
        if (events & POLL_OUT)
            waiter_add(w, &s->output, atomic_load(&s->output));
    }
    flags = atomic_load(&s->flags);
    if (flags & TTY_READABLE)
        ready |= POLL_IN;
    if (flags & TTY_WRITABLE)
        ready |= POLL_OUT;
    if (flags & TTY_PRIORITY)
        ready |= POLL_PRI;
    if (flags & TTY_HUNGUP)
        ready |= POLL_IN | POLL_OUT | POLL_HUP | POLL_ERR;
    return ready & (events | POLL_HUP | POLL_ERR);
}

static uint32_t tty_watch(struct file *f, const _Atomic uint64_t **units)
{
    units[0] = (const _Atomic uint64_t *)f->state;     /* input and output */
    units[1] = (const _Atomic uint64_t *)f->state + 1; /* flags */
    return 2;
}

/* ---- reading and writing ------------------------------------------------------------------------- */

static bool signal_is_off(int32_t signo)
{
    return (self()->sigmask & SIGNAL_BIT(signo)) != 0 ||
           current()->actions[signo].handler == SIG_IGN;
}

/* Who asks, for job control. */
static uint64_t caller_word(void)
{
    return current()->slot | (signal_is_off(SIGTTIN) ? TTY_NO_SIGTTIN : 0) |
           (signal_is_off(SIGTTOU) ? TTY_NO_SIGTTOU : 0);
}

/* One try. *patience: for -EAGAIN, milliseconds after which to say TTY_READ_EXPIRED; 0: never. */
static int64_t read_try(struct file *f, uint64_t user, uint64_t bytes, uint32_t how,
                        uint64_t *patience)
{
    struct exo_message m = {EXO_TAG(TTY_READ, 0, 0),
                            {bytes < TTY_IO_BYTES ? bytes : TTY_IO_BYTES, how, 0, caller_word()}};
    int64_t got = server_call(f->caps[END], &m);

    *patience = m.w[2];
    if (got > 0 && ((uint64_t)got > bytes || user_write(user, exo_utcb()->msg, (uint64_t)got) < 0))
        return -EFAULT;
    return after_refusal(got);
}

/* Waits for `patience` at most, and reads. */
static int64_t read_patiently(struct file *f, uint64_t user, uint64_t bytes, uint64_t patience)
{
    int64_t got = -EAGAIN;

    file_get(f);
    while (got == -EAGAIN && patience) {
        struct tty_state *s = f->state;
        struct waiter w;

        waiter_init(&w, time_now() + patience * 1000000);
        waiter_add(&w, &s->input, atomic_load(&s->input));
        got = waiter_sleep(&w);
        if (got == 0 || got == -ETIMEDOUT)
            got = read_try(f, user, bytes, got == 0 ? TTY_READ_WAIT : TTY_READ_EXPIRED, &patience);
    }
    file_put(f);
    return got;
}

static int64_t tty_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    bool nonblocking = file_nonblocking(f);
    uint64_t patience;
    int64_t got;

    (void)offset;
    if (bytes == 0)
        return 0;
    got = read_try(f, user, bytes, nonblocking ? TTY_READ_NONBLOCK : TTY_READ_WAIT, &patience);
    if (got == -EAGAIN && !nonblocking && patience)
        got = read_patiently(f, user, bytes, patience);
    return got;
}

static int64_t tty_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t piece = bytes < TTY_IO_BYTES ? bytes : TTY_IO_BYTES;
    struct exo_message m = {EXO_TAG(TTY_WRITE, piece, 0), {0, 0, 0, caller_word()}};
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

/* Sizes of what requests carry. */
enum {
    T = sizeof(struct termios),
    T2 = sizeof(struct termios2),
    TA = sizeof(struct termio),
    WS = sizeof(struct winsize),
    INT = 4
};

static const struct tty_request requests[] = {
    {TCGETS, 0, T},      {TCSETS, T, 0},      {TCSETSW, T, 0},      {TCSETSF, T, 0},
    {TCGETS2, 0, T2},    {TCSETS2, T2, 0},    {TCSETSW2, T2, 0},    {TCSETSF2, T2, 0},
    {TCGETA, 0, TA},     {TCSETA, TA, 0},     {TCSETAW, TA, 0},     {TCSETAF, TA, 0},
    {TIOCGWINSZ, 0, WS}, {TIOCSWINSZ, WS, 0}, {TIOCGPGRP, 0, INT},  {TIOCSPGRP, INT, 0},
    {TIOCGSID, 0, INT},  {FIONREAD, 0, INT},  {TIOCOUTQ, 0, INT},   {TIOCGPTN, 0, INT},
    {TIOCGDEV, 0, INT},  {TIOCGETD, 0, INT},  {TIOCSETD, INT, 0},   {TIOCMGET, 0, INT},
    {TIOCPKT, INT, 0},   {TIOCGPKT, 0, INT},  {TIOCSPTLCK, INT, 0}, {TIOCGPTLCK, 0, INT},
    {TIOCSTI, 1, 0},     {TIOCGEXCL, 0, INT}, {TIOCEXCL, 0, 0},     {TIOCNXCL, 0, 0},
    {TCSBRK, 0, 0},      {TCSBRKP, 0, 0},     {TIOCSBRK, 0, 0},     {TIOCCBRK, 0, 0},
    {TCXONC, 0, 0},      {TCFLSH, 0, 0},      {TIOCNOTTY, 0, 0},    {TIOCVHANGUP, 0, 0},
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
                            {r->request, r->in || r->out ? 0 : arg, 0, caller_word()}};
    int64_t result;

    if (r->in && user_read(exo_utcb()->msg, arg, r->in) < 0)
        return -EFAULT;
    result = server_call(f->caps[END], &m);
    if (result >= 0 && r->out && user_write(arg, exo_utcb()->msg, r->out) < 0)
        return -EFAULT;
    return after_refusal(result);
}

/* Opens the slave side of a master, as flags say. */
static int64_t peer_open(struct file *master, uint32_t flags)
{
    struct exo_message m = {EXO_TAG(TTY_IOCTL, 0, 0),
                            {TIOCGPTPEER, flags & ~(uint32_t)O_CLOEXEC, 0, caller_word()}};
    struct file *peer = file_new(&tty_ops, FILE_TTY, flags & (O_ACCMODE | O_NONBLOCK));
    exo_cap caps[2] = {0, 0};
    int64_t result;

    if (!peer)
        return -ENFILE;
    result = server_call_caps(master->caps[END], &m, caps, states ? 1 : 2);
    if (result >= 0)
        result = tty_become(peer, caps, &m);
    if (result < 0) {
        file_put(peer);
        return result;
    }
    return fd_add(peer, 0, (flags & O_CLOEXEC) != 0);
}

/* TIOCSCTTY: the server wants to know who asks, so it goes by the process's own endpoint. */
static int64_t controlling_set(struct file *f, uint64_t steal)
{
    struct exo_message m = {EXO_TAG(TTY_CONTROLLING, 0, 0), {f->extra[KEY], steal == 1, 0, 0}};

    return server_call(current()->tty, &m);
}

/* Some requests wait until the output is out: those are tried again when there is more room. */
static int64_t tty_ioctl(struct file *f, uint32_t request, uint64_t arg)
{
    const struct tty_request *r = request_find(request);
    struct tty_state *s = f->state;
    int64_t result = -EAGAIN;

    if (request == TIOCGPTPEER)
        return peer_open(f, (uint32_t)arg);
    if (request == TIOCSCTTY)
        return controlling_set(f, arg);
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

/* The node that was opened, or where there was none (a peer), what tty says. */
static int64_t tty_stat(struct file *f, struct fs_stat *out)
{
    struct exo_message m = {EXO_TAG(TTY_FSTAT, 0, 0), {0, 0, 0, caller_word()}};
    int64_t result;

    if (f->caps[NODE])
        return path_ops.stat(f, out);
    result = server_call(f->caps[END], &m);
    if (result >= 0)
        memcpy(out, exo_utcb()->msg, sizeof *out);
    return result;
}

/* The console as a mere stream of bytes, for runs whose output somebody compares: to the program it
 * is a pipe, so that it neither asks for a terminal's size nor waits for keys. */
static int64_t stream_stat(struct file *f, struct fs_stat *out)
{
    int64_t result = tty_stat(f, out);

    if (result >= 0) {
        out->mode = S_IFIFO | 0600;
        out->rdev = 0;
    }
    return result;
}

/* ---- to another process -------------------------------------------------------------------------- */

static void tty_pack(struct file *f, struct parcel *p)
{
    const struct tty_state *state = f->state;

    /* An end that has no node (TIOCGPTPEER) travels without. */
    p->caps[0] = f->caps[END];
    p->caps[1] = states_page;
    p->caps[2] = f->caps[NODE];
    p->text.words[0] = f->extra[KEY];
    p->text.words[1] = (uint64_t)(state - states);
    p->text.words[2] = f->ops != &tty_ops;
}

int64_t tty_unpack(struct file *f, struct parcel *p)
{
    struct exo_message m = {0, {0, 0, p->text.words[1], p->text.words[0]}};
    int64_t result;

    f->caps[NODE] = p->caps[2];
    p->caps[2] = 0;
    result = tty_become(f, p->caps, &m);
    if (f->caps[END])
        p->caps[0] = 0;
    if (states_page == p->caps[1])
        p->caps[1] = 0;
    if (result == 0 && p->text.words[2])
        tty_to_stream(f);
    return result;
}

static const struct file_ops stream_ops = {
    .write = tty_write,
    .poll = tty_poll,
    .stat = stream_stat,
    .watch = tty_watch,
    .parcel = PARCEL_TTY,
    .pack = tty_pack,
};

void tty_to_stream(struct file *f)
{
    if (f->ops == &tty_ops)
        f->ops = &stream_ops;
}

const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .stat = tty_stat,
    .watch = tty_watch,
    .parcel = PARCEL_TTY,
    .pack = tty_pack,
};
