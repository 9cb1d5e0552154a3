/* SPDX-License-Identifier: MIT */
/*
 * Arm's PL011 (PrimeCell UART technical reference manual, DDI 0183; numbers in comments are its
 * sections). Baud rate and line format stay as the firmware left them: only it knows the clock.
 */
#include "servers/tty/uart.h"
#include <libos/exo/once.h>

/* Registers (3.2) by 32-bit word, and the bits of them that we use. */
enum {
    DR = 0x00 / 4, /* data (3.3.1) */
    FR = 0x18 / 4, /* flags (3.3.3) */
    FR_RECEIVE_EMPTY = 0x10,
    FR_TRANSMIT_FULL = 0x20,
    FR_TRANSMIT_EMPTY = 0x80,
    LCRH = 0x2c / 4, /* line control (3.3.7) */
    LCRH_FIFO_8BIT = 0x70,
    CR = 0x30 / 4, /* control (3.3.8) */
    CR_ENABLE = 0x301,
    IMSC = 0x38 / 4, /* interrupts let through (3.3.10) */
    ICR = 0x44 / 4,  /* interrupts taken back (3.3.13) */
    INT_RECEIVE = 0x10,
    INT_TRANSMIT = 0x20,
    INT_TIMEOUT = 0x40, /* bytes lie in the receive FIFO, fewer than its level */
    INT_ALL = 0x7ff,
};
#define FIFO_BYTES 16u

static volatile uint32_t *registers;
static uint32_t fifo_room; /* bytes that surely fit now */

static void start(const struct exo_console *console, volatile uint8_t *memory)
{
    (void)console;
    registers = (volatile uint32_t *)(uintptr_t)memory;
    registers[IMSC] = 0;
    registers[LCRH] = LCRH_FIFO_8BIT;
    registers[CR] = CR_ENABLE;
    registers[ICR] = INT_ALL;
    registers[IMSC] = INT_RECEIVE | INT_TIMEOUT;
}

static uint32_t room(void)
{
    if (fifo_room == 0) {
        uint32_t flags = registers[FR];

        fifo_room = flags & FR_TRANSMIT_EMPTY ? FIFO_BYTES : flags & FR_TRANSMIT_FULL ? 0 : 1;
    }
    return fifo_room;
}

static void put(uint8_t byte, uint64_t *note)
{
    once_put(0, (uintptr_t)&registers[DR], byte, note); /* 8 bits are enough (3.3.1) */
    fifo_room--;
}

static bool received(void)
{
    return !(registers[FR] & FR_RECEIVE_EMPTY);
}

static uint8_t get(void)
{
    return (uint8_t)registers[DR];
}

static void want_room(bool wanted)
{
    registers[IMSC] = INT_RECEIVE | INT_TIMEOUT | (wanted ? INT_TRANSMIT : 0);
}

static void settle(void)
{
    registers[ICR] = INT_RECEIVE | INT_TIMEOUT | INT_TRANSMIT;
}

const struct uart uart_pl011 = {start, room, put, received, get, want_room, settle};
