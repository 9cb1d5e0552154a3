/* SPDX-License-Identifier: MIT */
/*
 * TTY_IOCTL: Linux's requests on terminals. In-structures are in the message, out-structures go back
 * in it; the requests' numbers and meanings are ioctl_tty(2)'s.
 *
 * A master end means the same terminal: its settings, window and foreground group are the slave's.
 * Where a background process must not change a terminal, change_allowed says so; masters may always.
 */
#include "servers/tty/terminal.h"
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <lib/string.h>

/* The request's in-structure; false: it is too short. */
static bool take(const struct request *r, void *to, uint32_t bytes)
{
    if (r->bytes < bytes)
        return false;
    memcpy(to, r->data, bytes);
    return true;
}

static int64_t give(struct request *r, const void *from, uint32_t bytes)
{
    memcpy(r->out, from, bytes);
    r->out_bytes = bytes;
    return 0;
}

static int64_t give_int(struct request *r, int32_t value)
{
    return give(r, &value, sizeof value);
}

static int64_t change_allowed(const struct request *r, struct end *e)
{
    return e->is_master ? 0 : job_check(e->terminal, r->w[3], SIGTTOU);
}

/* Output to a pty is with the other side at once; a serial line takes time. */
static bool drained(struct terminal *t)
{
    return t->minor != TTY_CONSOLE || discipline_is_drained(&t->line);
}

/* ---- settings -------------------------------------------------------------------------------------- */

enum when { NOW, DRAINED, FLUSHED };

static int64_t set_termios(const struct request *r, struct end *e, enum when when,
                           const struct termios *wanted)
{
    struct terminal *t = e->terminal;
    int64_t result = change_allowed(r, e);

    if (result < 0)
        return result;
    if (when != NOW && !drained(t))
        return -EAGAIN;
    if (when == FLUSHED)
        discipline_flush_input(&t->line);
    discipline_set(&t->line, wanted);
    return 0;
}

static int64_t set_new(const struct request *r, struct end *e, enum when when)
{
    struct termios wanted;

    return take(r, &wanted, sizeof wanted) ? set_termios(r, e, when, &wanted) : -EINVAL;
}

/* struct termio has the low halves of the flags, and the first characters. */
static int64_t set_old(const struct request *r, struct end *e, enum when when)
{
    struct termios wanted = e->terminal->line.termios;
    struct termio old;

    if (!take(r, &old, sizeof old))
        return -EINVAL;
    wanted.iflag = (wanted.iflag & 0xffff0000u) | old.iflag;
    wanted.oflag = (wanted.oflag & 0xffff0000u) | old.oflag;
    wanted.cflag = (wanted.cflag & 0xffff0000u) | old.cflag;
    wanted.lflag = (wanted.lflag & 0xffff0000u) | old.lflag;
    wanted.line = old.line;
    memcpy(wanted.cc, old.cc, sizeof old.cc);
    return set_termios(r, e, when, &wanted);
}

static int64_t get_old(struct request *r, const struct termios *t)
{
    struct termio old = {.iflag = (uint16_t)t->iflag,
                         .oflag = (uint16_t)t->oflag,
                         .cflag = (uint16_t)t->cflag,
                         .lflag = (uint16_t)t->lflag,
                         .line = t->line};

    memcpy(old.cc, t->cc, sizeof old.cc);
    return give(r, &old, sizeof old);
}

static int64_t get_new(struct request *r, const struct termios *t)
{
    struct termios2 out = {.termios = *t, .ispeed = 38400, .ospeed = 38400};

    return give(r, &out, sizeof out);
}

static int64_t settings(struct request *r, struct end *e)
{
    const struct termios *t = &e->terminal->line.termios;

    switch (r->w[0]) {
    case TCGETS: return give(r, t, sizeof *t);
    case TCGETS2: return get_new(r, t);
    case TCGETA: return get_old(r, t);
    case TCSETS:
    case TCSETS2: return set_new(r, e, NOW);
    case TCSETSW:
    case TCSETSW2: return set_new(r, e, DRAINED);
    case TCSETSF:
    case TCSETSF2: return set_new(r, e, FLUSHED);
    case TCSETA: return set_old(r, e, NOW);
    case TCSETAW: return set_old(r, e, DRAINED);
    case TCSETAF: return set_old(r, e, FLUSHED);
    default: return -ENOTTY;
    }
}

/* ---- buffers and flow ------------------------------------------------------------------------------ */

static int64_t flush(struct end *e, uint64_t what)
{
    struct discipline *line = &e->terminal->line;

    if (what > TCIOFLUSH)
        return -EINVAL;
    /* Seen from a master, input and output change places. */
    if (e->is_master && what != TCIOFLUSH)
        what = what == TCIFLUSH ? TCOFLUSH : TCIFLUSH;
    if (what != TCOFLUSH)
        discipline_flush_input(line);
    if (what != TCIFLUSH)
        discipline_flush_output(line);
    return 0;
}

static int64_t count(struct request *r, const struct end *e, bool input)
{
    const struct discipline *line = &e->terminal->line;

    return give_int(r, (int32_t)(input != e->is_master ? discipline_input_count(line)
                                                       : discipline_output_count(line)));
}

static int64_t control_buffers(const struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;
    int64_t result = change_allowed(r, e);

    if (result < 0)
        return result;
    switch (r->w[0]) {
    case TCFLSH: return flush(e, r->w[1]);
    case TCXONC: return discipline_flow(&t->line, r->w[1]) ? 0 : -EINVAL;
    default: /* a break cannot be sent to what is on the other side; waiting can be done */
        return drained(t) ? 0 : -EAGAIN;
    }
}

static int64_t buffers(struct request *r, struct end *e)
{
    switch (r->w[0]) {
    case FIONREAD: return count(r, e, true);
    case TIOCOUTQ: return count(r, e, false);
    case TCFLSH:
    case TCXONC:
    case TCSBRK:
    case TCSBRKP: return control_buffers(r, e);
    default: return -ENOTTY;
    }
}

/* ---- job control and the window ------------------------------------------------------------------- */

void terminal_resize(struct terminal *t, const struct winsize *wanted)
{
    if (memcmp(wanted, &t->size, sizeof *wanted) == 0)
        return;
    t->size = *wanted;
    job_signal_foreground(t, SIGWINCH);
}

static int64_t set_window(const struct request *r, struct terminal *t)
{
    struct winsize wanted;

    if (!take(r, &wanted, sizeof wanted))
        return -EINVAL;
    terminal_resize(t, &wanted);
    return 0;
}

static int64_t set_foreground(const struct request *r, struct end *e, const struct caller *c)
{
    int32_t pgid;
    int64_t result;

    if (!take(r, &pgid, sizeof pgid))
        return -EINVAL;
    result = change_allowed(r, e);
    return result < 0 ? result : job_set_foreground(e->terminal, c, pgid);
}

static int64_t jobs(struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;
    struct caller c;

    if (!caller_find(r->w[3] & TTY_CALLER_SLOT, &c))
        return -ESRCH;
    bool own = c.tty == (int32_t)t->minor && t->session != 0 && c.sid == t->session;
    switch (r->w[0]) {
    case TIOCGPGRP: return own || e->is_master ? give_int(r, t->foreground) : -ENOTTY;
    case TIOCGSID:
        return (own || e->is_master) && t->session != 0 ? give_int(r, t->session) : -ENOTTY;
    case TIOCSPGRP: return set_foreground(r, e, &c);
    case TIOCNOTTY: return job_give_up(t, &c);
    case TIOCSCTTY: return -EPERM; /* TTY_CONTROLLING */
    case TIOCVHANGUP:
        if (c.euid != 0)
            return -EPERM;
        terminal_hangup(t);
        return 0;
    default: return -ENOTTY;
    }
}

/* ---- ptys, and the rest ---------------------------------------------------------------------------- */

static int64_t set_packets(const struct request *r, struct terminal *t)
{
    int32_t wanted;

    if (!take(r, &wanted, sizeof wanted))
        return -EFAULT;
    if (wanted && !t->packets)
        t->line.packet = 0;
    t->packets = wanted != 0;
    return 0;
}

static int64_t set_lock(const struct request *r, struct terminal *t)
{
    int32_t wanted;

    if (!take(r, &wanted, sizeof wanted))
        return -EFAULT;
    t->locked = wanted != 0;
    return 0;
}

static int64_t master_only(struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;

    if (!e->is_master)
        return -ENOTTY;
    switch (r->w[0]) {
    case TIOCGPTN: return give_int(r, (int32_t)(t->minor - TTY_PTS));
    case TIOCSPTLCK: return set_lock(r, t);
    case TIOCGPTLCK: return give_int(r, t->locked);
    case TIOCPKT: return set_packets(r, t);
    case TIOCGPKT: return give_int(r, t->packets);
    case TIOCGPTPEER: return open_peer(r, t, r->w[1]);
    default: return -ENOTTY;
    }
}

#define MODEM_LINES 0x166 /* DTR, RTS; CTS, CD, DSR: a terminal that is there */

static int64_t others(struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;
    int32_t number;

    switch (r->w[0]) {
    case TIOCGWINSZ: return give(r, &t->size, sizeof t->size);
    case TIOCSWINSZ: return set_window(r, t);
    case TIOCEXCL: t->exclusive = true; return 0;
    case TIOCNXCL: t->exclusive = false; return 0;
    case TIOCGEXCL: return give_int(r, t->exclusive);
    case TIOCMGET: return t->minor == TTY_CONSOLE ? give_int(r, MODEM_LINES) : -ENOTTY;
    case TIOCGETD: return give_int(r, 0); /* N_TTY, the only one */
    case TIOCSETD: return take(r, &number, sizeof number) && number == 0 ? 0 : -EINVAL;
    case TIOCGDEV:
        return give_int(r, t->minor == TTY_CONSOLE ? 5 << 8 | 1
                                                   : 136 << 8 | (int32_t)(t->minor - TTY_PTS));
    case TIOCSTI: return -EIO; /* as Linux since 6.2: it fakes what another user types */
    default: return -ENOTTY;
    }
}

int64_t ioctl_serve(struct request *r, struct end *e)
{
    int64_t (*const kinds[])(struct request *, struct end *) = {settings, buffers, master_only,
                                                                others, jobs};
    int64_t result = -ENOTTY;

    if (end_is_dead(e))
        return -EIO;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0] && result == -ENOTTY; i++)
        result = kinds[i](r, e);
    return result;
}
