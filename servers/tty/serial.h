/* SPDX-License-Identifier: MIT */
/* The serial line of the console, whatever chip (uart.h) drives it. */
#ifndef TTY_SERIAL_H
#define TTY_SERIAL_H

#include "servers/tty/terminal.h"

#define SERIAL_EVENT 0x1u /* event bit of its interrupt */

/** Sets the chip up; interrupts arrive at `notification`. 0 or a negative EXO_E*. */
int64_t serial_init(exo_cap notification);
/** Moves output of the line to the chip, as much as it takes; the rest follows by interrupt. */
void serial_transmit(struct terminal *console);
/** From now on the input says how large the window is (window.h). */
void serial_follow_window(void);
/** After an interrupt, or when room has been made: moves output to the chip, and to the line what the chip
 *  has received, as far as there is room; then the interrupt may come again. Commits. */
void serial_service(struct terminal *console);

#endif
