/* SPDX-License-Identifier: MIT */
/*
 * The serial line of the console: see serial.h.
 *
 * Nothing is ever lost here. Output that the chip does not take stays in the line's ring, whose
 * writers wait. Input for which the line has no room stays in the chip's FIFO, and the sender (QEMU)
 * holds back.
 *
 * The interrupt is an edge on most machines: one that arises while the line is masked is gone. So
 * after unmasking we look once more.
 */
#include "servers/tty/serial.h"
#include "servers/tty/uart.h"
#include "servers/tty/window.h"
#include <exo.h>
#include <libos/exo/once.h>
#include <lib/linux/signal.h>

/* The rights file's word `console` puts them here. */
#define REGISTERS EXO_HANDLE(EXO_SRV_DEVICE, 1)
#define IRQ       EXO_HANDLE(EXO_SRV_DEVICE + 1, 1)

#define REGISTERS_VA 0x0000310000000000u

static const struct uart *chip;
static bool waiting; /* for room in the transmit FIFO */
static bool follows; /* the input says how large the window is */
KEPT static struct window window;

/* A byte on its way: IN_HAND + byte, or 0. */
#define IN_HAND 0x100u
KEPT static uint64_t
    leaving; /* it has left the line's ring, until the chip has it (libos/exo/once.h) */
KEPT static uint64_t in_hand; /* the chip has given it up, until it is committed */

/* The console's registers, where they lie in memory. */
static int64_t map_registers(const struct exo_console *console, volatile uint8_t **registers)
{
    uint64_t offset = console->base % EXO_PAGE_SIZE;
    uint64_t pages = (offset + console->bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;

    *registers = (volatile uint8_t *)(REGISTERS_VA + offset);
    return exo_map(0, REGISTERS_VA, pages, REGISTERS, 0, EXO_MAP_READ | EXO_MAP_WRITE);
}

int64_t serial_init(exo_cap notification)
{
    const struct exo_console *console = &((const struct exo_boot *)EXO_BOOT_VA)->console;
    volatile uint8_t *registers = NULL;
    int64_t st = EXO_OK;

    switch (console->kind) {
    case EXO_CONSOLE_16550_PORTS: chip = &uart_16550; break;
    case EXO_CONSOLE_16550:
        chip = &uart_16550;
        st = map_registers(console, &registers);
        break;
    case EXO_CONSOLE_PL011:
        chip = &uart_pl011;
        st = map_registers(console, &registers);
        break;
    default: return EXO_ENOSYS;
    }
    /* Bound first: an edge that nobody was there for is gone. */
    if (st < 0 || (st = exo_irq_bind(IRQ, notification, SERIAL_EVENT)) < 0)
        return st;
    chip->start(console, registers);
    once_settle(&leaving);
    return EXO_OK;
}

static void want_room(bool wanted)
{
    if (wanted != waiting)
        chip->want_room(wanted);
    waiting = wanted;
}

static void take_one(struct discipline *line)
{
    uint8_t byte;

    undo_save(&line->out_tail, sizeof line->out_tail);
    undo_save(&line->full, 2 * sizeof line->full);
    undo_save(&line->drained, sizeof line->drained);
    if (discipline_take(line, &byte, 1) != 0)
        SET(leaving, IN_HAND | byte);
    undo_commit();
}

void serial_transmit(struct terminal *console)
{
    struct discipline *line = &console->line;

    while (leaving != 0 || discipline_output_count(line) > 0) {
        if (chip->room() == 0) {
            want_room(true);
            return;
        }
        if (leaving == 0)
            take_one(line);
        if (leaving == 0)
            break; /* the output stands still */
        chip->put((uint8_t)leaving, &leaving);
    }
    want_room(false);
}

void serial_follow_window(void)
{
    follows = true;
}

/* Who dies between reading the chip and noting the byte loses it. */
static void receive(struct terminal *console)
{
    while (in_hand != 0 || (discipline_has_room(&console->line) && chip->received())) {
        enum window_said said = WINDOW_INPUT;
        uint8_t c;

        if (in_hand == 0)
            in_hand = IN_HAND | chip->get();
        UNDO_ORDER();
        c = (uint8_t)in_hand;
        terminal_save(console);
        undo_save(&window, sizeof window);
        if (follows)
            said = window_hear(&window, c);
        if (said == WINDOW_INPUT)
            discipline_receive(&console->line, &c, 1);
        else if (said == WINDOW_SIZE)
            terminal_resize(
                console, &(struct winsize){.rows = window.number[0], .columns = window.number[1]});
        SET(in_hand, 0);
        undo_commit();
    }
}

/* Is there something to do that an interrupt may have told of while it was masked? */
static bool more(const struct discipline *line)
{
    return (discipline_has_room(line) && chip->received()) || (waiting && chip->room() > 0);
}

void serial_service(struct terminal *console)
{
    do {
        chip->settle();
        receive(console);
        terminal_settle(console);
        terminals_settle();
        exo_irq_ack(IRQ);
    } while (more(&console->line));
}
