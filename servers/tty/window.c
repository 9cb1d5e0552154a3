/* SPDX-License-Identifier: MIT */
/* See window.h. Tests: tests/c17/unit/test_tty_window.c */
#include "servers/tty/window.h"

#define INTRODUCER 0xffu
#define NUMBER_MAX 9999u

enum { NOWHERE, INTRODUCED, ROWS, COLUMNS };

/* A digit of the number that is being said; false: it is none, or one too many. */
static bool digit(uint16_t *number, uint8_t c)
{
    if (c < '0' || c > '9' || *number > NUMBER_MAX / 10)
        return false;
    *number = (uint16_t)(*number * 10 + (c - '0'));
    return true;
}

enum window_said window_hear(struct window *w, uint8_t c)
{
    uint8_t at = w->at;

    if (at == NOWHERE && c != INTRODUCER)
        return WINDOW_INPUT;
    w->at = NOWHERE; /* what is no such word ends here */
    if (at == NOWHERE) {
        *w = (struct window){.at = INTRODUCED};
    } else if (at == INTRODUCED && c == INTRODUCER) {
        return WINDOW_INPUT;
    } else if (at <= ROWS && digit(&w->number[0], c)) {
        w->at = ROWS;
    } else if (at == ROWS && c == ';') {
        w->at = COLUMNS;
    } else if (at == COLUMNS && digit(&w->number[1], c)) {
        w->at = COLUMNS;
    } else if (at == COLUMNS && c == 't' && w->number[0] != 0 && w->number[1] != 0) {
        return WINDOW_SIZE;
    }
    return WINDOW_WORD;
}
