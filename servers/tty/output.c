/* SPDX-License-Identifier: MIT */
/*
 * Output: from what programs write, and from echo, to what the terminal gets.
 *
 * OPOST changes newlines, carriage returns and tabs, and for that keeps track of the column. One
 * character becomes at most eight (a tab).
 */
#include "servers/tty/discipline.h"
#include <lib/undo.h>

#define WIDEST 8u /* characters that one can become */

uint32_t discipline_output_count(const struct discipline *d)
{
    return d->out_head - d->out_tail;
}

/* What a program may write now. */
static uint32_t write_room(const struct discipline *d)
{
    uint32_t used = discipline_output_count(d), limit = OUTPUT_BYTES - ECHO_BYTES;

    return used < limit ? limit - used : 0;
}

static void store(struct discipline *d, uint8_t c)
{
    if (discipline_output_count(d) == OUTPUT_BYTES)
        return;
    SET(d->output[d->out_head % OUTPUT_BYTES], c);
    d->out_head++;
}

void output_plain(struct discipline *d, uint8_t c)
{
    store(d, c);
}

static void newline(struct discipline *d)
{
    if (d->termios.oflag & ONLRET)
        d->column = 0;
    if (d->termios.oflag & ONLCR) {
        d->column = 0;
        store(d, '\r');
    }
    d->canon_column = d->column;
    store(d, '\n');
}

static void carriage_return(struct discipline *d)
{
    if ((d->termios.oflag & ONOCR) && d->column == 0)
        return;
    if (d->termios.oflag & OCRNL) {
        if (d->termios.oflag & ONLRET)
            d->canon_column = d->column = 0;
        store(d, '\n');
        return;
    }
    d->canon_column = d->column = 0;
    store(d, '\r');
}

static void tab(struct discipline *d)
{
    uint32_t width = 8 - d->column % 8;

    d->column += width;
    if ((d->termios.oflag & TABDLY) != XTABS) {
        store(d, '\t');
        return;
    }
    while (width-- > 0)
        store(d, ' ');
}

static void process(struct discipline *d, uint8_t c)
{
    if (!(d->termios.oflag & OPOST)) {
        store(d, c);
        return;
    }
    switch (c) {
    case '\n': newline(d); return;
    case '\r': carriage_return(d); return;
    case '\t': tab(d); return;
    case '\b':
        if (d->column > 0)
            d->column--;
        break;
    default:
        if (!is_control(c) && !is_continuation(d, c))
            d->column++;
        break;
    }
    store(d, c);
}

void output_echo(struct discipline *d, uint8_t c)
{
    if (discipline_output_count(d) <= OUTPUT_BYTES - WIDEST)
        process(d, c);
    if (write_room(d) < WRITE_WAKE)
        d->full = true;
}

size_t discipline_write(struct discipline *d, const uint8_t *from, size_t count)
{
    size_t taken = 0;

    while (taken < count && write_room(d) >= WIDEST)
        process(d, from[taken++]);
    if (taken < count || write_room(d) < WRITE_WAKE)
        d->full = true;
    return taken;
}

bool discipline_writable(const struct discipline *d)
{
    return write_room(d) >= WRITE_WAKE;
}

static void tell_writers(struct discipline *d)
{
    bool empty = discipline_output_count(d) == 0;

    if ((d->full && discipline_writable(d)) || (d->draining && empty)) {
        d->full = false;
        d->draining = false;
        d->drained++;
    }
}

size_t discipline_take(struct discipline *d, uint8_t *to, size_t size)
{
    size_t count = discipline_output_count(d);

    if (d->stopped || d->held)
        return 0;
    if (count > size)
        count = size;
    for (size_t i = 0; i < count; i++)
        to[i] = d->output[d->out_tail++ % OUTPUT_BYTES];
    tell_writers(d);
    return count;
}

bool discipline_is_drained(struct discipline *d)
{
    if (discipline_output_count(d) == 0)
        return true;
    d->draining = true;
    return false;
}

void discipline_flush_output(struct discipline *d)
{
    d->out_tail = d->out_head;
    d->packet |= TIOCPKT_FLUSHWRITE;
    tell_writers(d);
}

void output_start(struct discipline *d)
{
    if (!d->stopped)
        return;
    d->stopped = false;
    d->packet = (uint8_t)((d->packet & ~TIOCPKT_STOP) | TIOCPKT_START);
}

void output_stop(struct discipline *d)
{
    if (d->stopped)
        return;
    d->stopped = true;
    d->packet = (uint8_t)((d->packet & ~TIOCPKT_START) | TIOCPKT_STOP);
}

bool discipline_flow(struct discipline *d, uint64_t action)
{
    switch (action) {
    case TCOOFF: d->held = true; return true;
    case TCOON: d->held = false; return true;
    case TCIOFF: output_plain(d, d->termios.cc[VSTOP]); return true;
    case TCION: output_plain(d, d->termios.cc[VSTART]); return true;
    default: return false;
    }
}
