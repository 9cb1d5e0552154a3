/* SPDX-License-Identifier: MIT */
/* The line discipline's input: see discipline.h. */
#include "servers/tty/discipline.h"
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <lib/string.h>
#include <lib/undo.h>
#include <proto/tty.h>

#define CONTROL(letter) ((letter)&0x1f)

static void mark_set(struct discipline *d, uint32_t position, enum mark mark)
{
    uint8_t *place = &d->marks[position % INPUT_BYTES];

    if (*place != mark)
        SET(*place, mark);
}

/* A line is short as a rule. */
static void marks_clear(struct discipline *d)
{
    for (uint32_t at = 0; at < INPUT_BYTES; at += 8) {
        uint64_t *word = (uint64_t *)(void *)&d->marks[at];

        if (*word != 0)
            SET(*word, 0);
    }
}

void discipline_init(struct discipline *d)
{
    static const struct termios cooked = {
        .iflag = ICRNL | IXON | IUTF8,
        .oflag = OPOST | ONLCR,
        .cflag = B38400 | CS8 | CREAD | HUPCL,
        .lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .cc = {[VINTR] = CONTROL('C'),
               [VQUIT] = 0x1c,
               [VERASE] = 0x7f,
               [VKILL] = CONTROL('U'),
               [VEOF] = CONTROL('D'),
               [VMIN] = 1,
               [VSTART] = CONTROL('Q'),
               [VSTOP] = CONTROL('S'),
               [VSUSP] = CONTROL('Z'),
               [VREPRINT] = CONTROL('R'),
               [VDISCARD] = CONTROL('O'),
               [VWERASE] = CONTROL('W'),
               [VLNEXT] = CONTROL('V')},
    };

    undo_save(d, offsetof(struct discipline, input));
    memset(d, 0, offsetof(struct discipline, input));
    marks_clear(d);
    d->termios = cooked;
}

static bool flow_keys_standard(const struct termios *t)
{
    return (t->iflag & IXON) && t->cc[VSTART] == CONTROL('Q') && t->cc[VSTOP] == CONTROL('S');
}

void discipline_set(struct discipline *d, const struct termios *t)
{
    struct termios old = d->termios;

    d->termios = *t;
    d->literal = false;
    if ((old.lflag ^ t->lflag) & ICANON) {
        /* What was typed under the other rules is whole as it is. */
        marks_clear(d);
        d->canon = d->head;
        if ((t->lflag & ICANON) && d->head != d->tail)
            mark_set(d, d->head - 1, MARK_LINE);
        d->arrived++;
    }
    if ((old.iflag & IXON) && !(t->iflag & IXON))
        output_start(d);
    if (flow_keys_standard(&old) != flow_keys_standard(t)) {
        d->packet &= (uint8_t) ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
        d->packet |= flow_keys_standard(t) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
    }
}

/* ---- receiving --------------------------------------------------------------------------------- */

static bool canonical(const struct discipline *d)
{
    return d->termios.lflag & ICANON;
}

/* The last place is for the end of a line. While a whole line waits to be read the sender can wait
 * too; but a line that is too long must be able to end, so what is over its end is lost. */
bool discipline_has_room(const struct discipline *d)
{
    return d->head - d->tail < INPUT_BYTES - 1 || (canonical(d) && d->canon == d->tail);
}

static void put(struct discipline *d, uint8_t c, enum mark mark)
{
    uint32_t limit = mark == MARK_NONE ? INPUT_BYTES - 1 : INPUT_BYTES;

    if (d->head - d->tail >= limit) {
        if (d->termios.iflag & IMAXBEL)
            echo_raw(d, '\a');
        return;
    }
    SET(*input_at(d, d->head), c);
    mark_set(d, d->head, mark);
    d->head++;
    if (mark != MARK_NONE)
        d->canon = d->head;
    if (mark != MARK_NONE || !canonical(d))
        d->arrived++;
}

static void put_data(struct discipline *d, uint8_t c)
{
    if (c == 0xff && (d->termios.iflag & PARMRK))
        put(d, c, MARK_NONE); /* doubled, because one announces an error */
    put(d, c, MARK_NONE);
}

static bool is_key(const struct discipline *d, uint8_t c, unsigned key)
{
    return c == d->termios.cc[key] && c != 0;
}

static bool receive_flow(struct discipline *d, uint8_t c)
{
    if (!(d->termios.iflag & IXON))
        return false;
    if (is_key(d, c, VSTART))
        output_start(d);
    else if (is_key(d, c, VSTOP))
        output_stop(d);
    else
        return false;
    return true;
}

static bool receive_signal(struct discipline *d, uint8_t c)
{
    int signo;

    if (!(d->termios.lflag & ISIG))
        return false;
    if (is_key(d, c, VINTR))
        signo = SIGINT;
    else if (is_key(d, c, VQUIT))
        signo = SIGQUIT;
    else if (is_key(d, c, VSUSP))
        signo = SIGTSTP;
    else
        return false;
    d->signals |= SIGNAL_BIT(signo);
    if (!(d->termios.lflag & NOFLSH)) {
        discipline_flush_input(d);
        discipline_flush_output(d);
    }
    if (d->termios.iflag & IXON)
        output_start(d);
    if (d->termios.lflag & ECHO)
        echo_character(d, c);
    return true;
}

/* Keys that edit the line. */
static bool receive_edit(struct discipline *d, uint8_t c)
{
    const uint32_t lflag = d->termios.lflag;
    const bool extended = lflag & IEXTEN;

    if (is_key(d, c, VERASE) || is_key(d, c, VKILL) || (extended && is_key(d, c, VWERASE))) {
        editing_erase(d, c);
    } else if (extended && is_key(d, c, VLNEXT)) {
        d->literal = true;
        if (lflag & ECHO) {
            editing_end(d);
            if (lflag & ECHOCTL) {
                echo_raw(d, '^');
                echo_raw(d, '\b');
            }
        }
    } else if (extended && (lflag & ECHO) && is_key(d, c, VREPRINT)) {
        editing_end(d);
        echo_character(d, c);
        echo_raw(d, '\n');
        editing_reprint(d);
    } else {
        return false;
    }
    return true;
}

/* Keys that end the line. */
static bool receive_end(struct discipline *d, uint8_t c)
{
    const uint32_t lflag = d->termios.lflag;

    if (c == '\n') {
        if (lflag & (ECHO | ECHONL))
            echo_raw(d, '\n');
        put(d, c, MARK_LINE);
    } else if (is_key(d, c, VEOF)) {
        put(d, 0, MARK_EOF);
    } else if (is_key(d, c, VEOL) || ((lflag & IEXTEN) && is_key(d, c, VEOL2))) {
        if (lflag & ECHO)
            echo_input(d, c);
        put(d, c, MARK_LINE);
    } else {
        return false;
    }
    return true;
}

static void receive_data(struct discipline *d, uint8_t c)
{
    if (d->termios.lflag & ECHO)
        echo_input(d, c);
    put_data(d, c);
}

static void receive(struct discipline *d, uint8_t c)
{
    const uint32_t iflag = d->termios.iflag;

    if (iflag & ISTRIP)
        c &= 0x7f;
    if (d->literal) {
        d->literal = false;
        receive_data(d, c);
        return;
    }
    if (receive_flow(d, c) || receive_signal(d, c))
        return;
    if (d->stopped && (iflag & IXON) && (iflag & IXANY))
        output_start(d);
    if (c == '\r') {
        if (iflag & IGNCR)
            return;
        if (iflag & ICRNL)
            c = '\n';
    } else if (c == '\n' && (iflag & INLCR)) {
        c = '\r';
    }
    if (canonical(d) && (receive_edit(d, c) || receive_end(d, c)))
        return;
    receive_data(d, c);
}

size_t discipline_receive(struct discipline *d, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;

    while (taken < count && discipline_has_room(d))
        receive(d, bytes[taken++]);
    if ((d->termios.iflag & IXOFF) && !d->input_stopped && d->head - d->tail > INPUT_BYTES - 128) {
        d->input_stopped = true;
        output_plain(d, d->termios.cc[VSTOP]);
    }
    return taken;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void read_resume(struct discipline *d)
{
    if (d->input_stopped && d->head - d->tail < 128) {
        d->input_stopped = false;
        output_plain(d, d->termios.cc[VSTART]);
    }
}

static int64_t read_line(struct discipline *d, uint8_t *to, size_t size)
{
    size_t count = 0;
    enum mark mark = MARK_NONE;

    if (d->canon == d->tail)
        return -EAGAIN;
    while (mark == MARK_NONE && d->tail != d->canon) {
        mark = d->marks[d->tail % INPUT_BYTES];
        if (mark != MARK_EOF) {
            if (count == size)
                break;
            to[count++] = *input_at(d, d->tail);
        }
        mark_set(d, d->tail, MARK_NONE);
        d->tail++;
    }
    return (int64_t)count;
}

static int64_t read_raw(struct discipline *d, uint8_t *to, size_t size)
{
    size_t count = d->head - d->tail;

    if (count > size)
        count = size;
    for (size_t i = 0; i < count; i++)
        to[i] = *input_at(d, d->tail + (uint32_t)i);
    d->tail += (uint32_t)count;
    d->canon = d->tail;
    return (int64_t)count;
}

/* VMIN and VTIME: is there enough for a read now? If not: for how long to wait at most, 0: for
 * ever. See termios(3), "noncanonical mode". */
static bool enough(const struct discipline *d, size_t size, unsigned how, uint32_t *patience_ms)
{
    uint32_t least = d->termios.cc[VMIN], time = d->termios.cc[VTIME] * 100u;
    uint32_t count = d->head - d->tail;

    if (how != TTY_READ_WAIT && count > 0)
        return true;
    if (least == 0) {
        if (count > 0 || time == 0 || how == TTY_READ_EXPIRED)
            return true;
        *patience_ms = time; /* from the beginning of the read */
        return false;
    }
    if (count >= (least < size ? least : size))
        return true;
    *patience_ms = count > 0 ? time : 0; /* from the last character */
    return false;
}

int64_t discipline_read(struct discipline *d, uint8_t *to, size_t size, unsigned how,
                        uint32_t *patience_ms)
{
    int64_t count;

    *patience_ms = 0;
    if (canonical(d))
        count = read_line(d, to, size);
    else if (enough(d, size, how, patience_ms))
        count = read_raw(d, to, size);
    else
        count = -EAGAIN;
    read_resume(d);
    return count;
}

bool discipline_readable(const struct discipline *d)
{
    uint32_t least = d->termios.cc[VTIME] == 0 ? d->termios.cc[VMIN] : 1;

    if (canonical(d))
        return d->canon != d->tail;
    return d->head - d->tail >= (least == 0 ? 1 : least);
}

uint32_t discipline_input_count(const struct discipline *d)
{
    uint32_t count = 0;

    if (!canonical(d))
        return d->head - d->tail;
    for (uint32_t at = d->tail; at != d->canon; at++)
        count += d->marks[at % INPUT_BYTES] != MARK_EOF;
    return count;
}

void discipline_flush_input(struct discipline *d)
{
    while (d->tail != d->head)
        mark_set(d, d->tail++, MARK_NONE);
    d->canon = d->head;
    d->erasing = false;
    d->packet |= TIOCPKT_FLUSHREAD;
    read_resume(d);
}
