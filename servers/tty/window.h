/* SPDX-License-Identifier: MIT */
/*
 * The console's window as it changes.
 *
 * A serial line cannot say how large its screen is. Whoever runs the machine says it in the console's input, if
 * the kernel's command line has the word `resize=1`: the byte 0xff, which is in no UTF-8 text, and then what xterm
 * says of its size behind "CSI 8 ;", as in "33;101t". A byte 0xff that was meant comes twice.
 */
#ifndef TTY_WINDOW_H
#define TTY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct window {
    uint8_t at;         /* in a word: 0 is not */
    uint16_t number[2]; /* rows and columns, as far as they were said */
};

/** What a byte of the input is. */
enum window_said {
    WINDOW_INPUT, /* it is for the line */
    WINDOW_WORD,  /* it is not */
    WINDOW_SIZE,  /* nor is this one, and `number` has the size now: 1 .. 9999 each */
};
enum window_said window_hear(struct window *w, uint8_t c);

#endif
