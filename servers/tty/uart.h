/* SPDX-License-Identifier: MIT */
/* What serial.c asks of a serial chip. One chip drives the console; which one, the boot record says. */
#ifndef TTY_UART_H
#define TTY_UART_H

#include <exo.h>
#include <stdbool.h>

struct uart {
    /** 8 bits, no parity, FIFOs on, interrupts for input. `registers`: where they are mapped, or 0
     *  on a machine that has ports for them. */
    void (*start)(const struct exo_console *console, volatile uint8_t *registers);
    /** How many bytes surely fit into the transmit FIFO now. */
    uint32_t (*room)(void);
    /** Also makes *note 0, if need be in its next life: see libos/exo/once.h. */
    void (*put)(uint8_t byte, uint64_t *note);
    /** Whether a byte has come, and the byte. */
    bool (*received)(void);
    uint8_t (*get)(void);
    /** Whether to interrupt when there is room again. */
    void (*want_room)(bool wanted);
    /** Takes an interrupt's cause back, where reading and writing do not. */
    void (*settle)(void);
};

extern const struct uart uart_16550, uart_pl011;

#endif
