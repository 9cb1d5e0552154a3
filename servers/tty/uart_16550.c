/* SPDX-License-Identifier: MIT */
/*
 * The 16550 (PC16550D data sheet, National Semiconductor 1995; numbers in comments are its sections),
 * behind I/O ports on a PC and in memory elsewhere.
 */
#include "servers/tty/uart.h"
#include <libos/exo/once.h>

/* Registers (8.0), and the bits of them that we use. */
enum {
    DATA = 0, /* receive and transmit; with LCR_DLAB the divisor's low half */
    IER = 1,  /* interrupt enable; with LCR_DLAB the divisor's high half */
    IER_RECEIVED = 0x01,
    IER_EMPTY = 0x02,
    IIR = 2, /* read: why it interrupts (8.4) */
    FCR = 2, /* write: FIFO control (8.5) */
    FCR_ENABLE = 0x01,
    LCR = 3, /* line control (8.1) */
    LCR_8N1 = 0x03,
    LCR_DLAB = 0x80,
    MCR = 4, /* modem control (8.6) */
    MCR_DTR_RTS = 0x03,
    MCR_OUT2 = 0x08, /* on PCs: lets the interrupt through */
    LSR = 5,         /* line status (8.3) */
    LSR_RECEIVED = 0x01,
    LSR_EMPTY = 0x20, /* the transmit FIFO is empty: FIFO_BYTES fit */
};
#define FIFO_BYTES     16u
#define DIVISOR_115200 1u

#define PORTS EXO_HANDLE(EXO_SRV_DEVICE, 1)

static volatile uint8_t *memory; /* 0: ports */
static uint32_t shift;
static uint32_t fifo_room; /* bytes that surely fit now */
static uint32_t enabled = IER_RECEIVED;

static uint8_t read_register(uint32_t number)
{
    return memory ? memory[number << shift] : (uint8_t)exo_port_read(PORTS, number, 1);
}

static void write_register(uint32_t number, uint32_t value)
{
    if (memory)
        memory[number << shift] = (uint8_t)value;
    else
        exo_port_write(PORTS, number, 1, value);
}

static void start(const struct exo_console *console, volatile uint8_t *registers)
{
    memory = registers;
    shift = console->shift;
    write_register(IER, 0);
    write_register(LCR, LCR_DLAB);
    write_register(DATA, DIVISOR_115200);
    write_register(IER, 0);
    write_register(LCR, LCR_8N1);
    write_register(FCR, FCR_ENABLE);
    write_register(MCR, MCR_DTR_RTS | MCR_OUT2);
    write_register(IER, enabled);
}

static uint32_t room(void)
{
    if (fifo_room == 0 && (read_register(LSR) & LSR_EMPTY))
        fifo_room = FIFO_BYTES;
    return fifo_room;
}

static void put(uint8_t byte, uint64_t *note)
{
    once_put(PORTS, memory ? (uintptr_t)memory : DATA, byte, note);
    fifo_room--;
}

static bool received(void)
{
    return read_register(LSR) & LSR_RECEIVED;
}

static uint8_t get(void)
{
    return read_register(DATA);
}

static void want_room(bool wanted)
{
    uint32_t ier = IER_RECEIVED | (wanted ? IER_EMPTY : 0);

    if (ier != enabled)
        write_register(IER, ier);
    enabled = ier;
}

/* Reading the cause takes "the FIFO is empty" back (8.4). */
static void settle(void)
{
    read_register(IIR);
}

const struct uart uart_16550 = {start, room, put, received, get, want_room, settle};
