/* SPDX-License-Identifier: MIT */
/*
 * Echo, and the erasing of what was echoed.
 *
 * To take a character back from the screen one must know how wide it was. Control characters are
 * two columns as ^X, or none; a character of several bytes is one; a tab reached to the next stop
 * from a place that is found by adding up the line before it.
 */
#include "servers/tty/discipline.h"

void echo_raw(struct discipline *d, uint8_t c)
{
    output_echo(d, c);
}

void echo_character(struct discipline *d, uint8_t c)
{
    if (is_control(c) && c != '\t' && (d->termios.lflag & ECHOCTL)) {
        output_echo(d, '^');
        output_echo(d, c ^ 0x40);
    } else {
        output_echo(d, c);
    }
}

void echo_input(struct discipline *d, uint8_t c)
{
    editing_end(d);
    if (d->canon == d->head)
        d->canon_column = d->column;
    if (c == '\n')
        echo_raw(d, c);
    else
        echo_character(d, c);
}

void editing_end(struct discipline *d)
{
    if (d->erasing) {
        echo_raw(d, '/');
        d->erasing = false;
    }
}

void editing_reprint(struct discipline *d)
{
    d->canon_column = d->column;
    for (uint32_t at = d->canon; at != d->head; at++)
        echo_character(d, *input_at(d, at));
}

/* ---- erasing ----------------------------------------------------------------------------------- */

static void rub_out(struct discipline *d)
{
    echo_raw(d, '\b');
    echo_raw(d, ' ');
    echo_raw(d, '\b');
}

/* The cursor goes back over a tab that ended the line at d->head. */
static void rub_out_tab(struct discipline *d)
{
    uint32_t width = 0, at = d->head;
    bool after_tab = false;

    while (at != d->canon && !after_tab) {
        uint8_t c = *input_at(d, --at);

        if (c == '\t')
            after_tab = true;
        else if (is_control(c))
            width += d->termios.lflag & ECHOCTL ? 2 : 0;
        else if (!is_continuation(d, c))
            width++;
    }
    if (!after_tab)
        width += d->canon_column;
    for (width = 8 - width % 8; width > 0; width--)
        echo_raw(d, '\b');
}

/* How the screen learns that the `bytes` from d->head on, which begin with c, are gone. */
static void erase_echo(struct discipline *d, uint8_t c, uint32_t bytes, bool one)
{
    const uint32_t lflag = d->termios.lflag;

    if (!(lflag & ECHO))
        return;
    if (lflag & ECHOPRT) {
        if (!d->erasing) {
            echo_raw(d, '\\');
            d->erasing = true;
        }
        echo_character(d, c);
        for (uint32_t i = 1; i < bytes; i++)
            echo_raw(d, *input_at(d, d->head + i));
    } else if (one && !(lflag & ECHOE)) {
        echo_character(d, d->termios.cc[VERASE]);
    } else if (c == '\t') {
        rub_out_tab(d);
    } else {
        if (is_control(c) && (lflag & ECHOCTL))
            rub_out(d);
        if (!is_control(c) || (lflag & ECHOCTL))
            rub_out(d);
    }
}

/* Where the last character of the line begins; d->head if it cannot be told (a line that begins
 * in the middle of a character). */
static uint32_t last_character(struct discipline *d)
{
    uint32_t at = d->head;

    do {
        at--;
    } while (is_continuation(d, *input_at(d, at)) && at != d->canon);
    return is_continuation(d, *input_at(d, at)) ? d->head : at;
}

static bool in_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c >= 0x80;
}

static void kill_plainly(struct discipline *d)
{
    d->head = d->canon;
    if (!(d->termios.lflag & ECHO))
        return;
    editing_end(d);
    echo_character(d, d->termios.cc[VKILL]);
    if (d->termios.lflag & ECHOK)
        echo_raw(d, '\n');
}

void editing_erase(struct discipline *d, uint8_t c)
{
    const uint32_t visible = ECHO | ECHOK | ECHOKE | ECHOE;
    bool one = c == d->termios.cc[VERASE], word = !one && c == d->termios.cc[VWERASE];
    bool word_seen = false;

    if (d->head == d->canon)
        return;
    if (!one && !word && (d->termios.lflag & visible) != visible) {
        kill_plainly(d);
        return;
    }
    while (d->head != d->canon) {
        uint32_t at = last_character(d), bytes = d->head - at;

        if (bytes == 0)
            break;
        c = *input_at(d, at);
        if (word && in_word(c))
            word_seen = true;
        else if (word_seen)
            break;
        d->head = at;
        erase_echo(d, c, bytes, one);
        if (one)
            break;
    }
    if (d->head == d->canon && (d->termios.lflag & ECHO))
        editing_end(d);
}
