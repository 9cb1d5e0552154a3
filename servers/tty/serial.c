/* SPDX-License-Identifier: MIT */
/*
 * The serial line of the console: see serial.h. Numbers in comments are sections of the data sheet.
 *
 * Nothing is ever lost here. Output that the chip does not take stays in the line's ring, whose
 * writers wait. Input for which the line has no room stays in the chip's FIFO, and the sender (QEMU)
 * holds back.
 *
 * The interrupt is an edge on most machines: one that arises while the line is masked is gone. So
 * after unmasking we look once more.
 */
#include "servers/tty/serial.h"
#include <exo.h>

#define PORTS EXO_HANDLE(EXO_SRV_DEVICE, 1)
#define IRQ   EXO_HANDLE(EXO_SRV_DEVICE + 1, 1)

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

static uint32_t fifo_room; /* bytes that surely fit now */
static uint32_t enabled = IER_RECEIVED;

static uint8_t get(uint32_t reg)
{
    return (uint8_t)exo_port_read(PORTS, reg, 1);
}

static void set(uint32_t reg, uint32_t value)
{
    exo_port_write(PORTS, reg, 1, value);
}

int64_t serial_init(exo_cap notification)
{
    set(IER, 0);
    set(LCR, LCR_DLAB);
    set(DATA, DIVISOR_115200);
    set(IER, 0);
    set(LCR, LCR_8N1);
    set(FCR, FCR_ENABLE);
    set(MCR, MCR_DTR_RTS | MCR_OUT2);
    int64_t st = exo_irq_bind(IRQ, notification, SERIAL_EVENT);
    if (st < 0)
        return st;
    set(IER, enabled);
    return 0;
}

/* Whether to be told when the transmit FIFO is empty. */
static void want_empty(bool wanted)
{
    uint32_t ier = IER_RECEIVED | (wanted ? IER_EMPTY : 0);

    if (ier != enabled)
        set(IER, ier);
    enabled = ier;
}

void serial_transmit(struct discipline *line)
{
    uint8_t bytes[FIFO_BYTES];

    while (discipline_output_count(line) > 0) {
        if (fifo_room == 0) {
            if (!(get(LSR) & LSR_EMPTY)) {
                want_empty(true);
                return;
            }
            fifo_room = FIFO_BYTES;
        }
        size_t count = discipline_take(line, bytes, fifo_room);
        if (count == 0)
            break; /* the output stands still */
        for (size_t i = 0; i < count; i++)
            set(DATA, bytes[i]);
        fifo_room -= (uint32_t)count;
    }
    want_empty(false);
}

void serial_receive(struct discipline *line)
{
    while (discipline_has_room(line) && (get(LSR) & LSR_RECEIVED)) {
        uint8_t c = get(DATA);

        discipline_receive(line, &c, 1);
    }
}

/* Is there something to do that an interrupt may have told of while it was masked? */
static bool more(const struct discipline *line)
{
    uint8_t status = get(LSR);

    return ((status & LSR_RECEIVED) && discipline_has_room(line)) ||
           ((status & LSR_EMPTY) && (enabled & IER_EMPTY));
}

void serial_service(struct terminal *console)
{
    do {
        get(IIR); /* takes "empty" back (8.4) */
        serial_receive(&console->line);
        terminal_settle(console);
        exo_irq_ack(IRQ);
    } while (more(&console->line));
}
