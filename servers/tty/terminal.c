/* SPDX-License-Identifier: MIT */
/* Terminals: see terminal.h. */
#include "servers/tty/terminal.h"
#include "servers/tty/serial.h"
#include <exo.h>
#include <lib/linux/signal.h>
#include <lib/undo.h>
#include <stdatomic.h>
#include <stddef.h>

KEPT struct terminal terminals[TERMINALS];
struct tty_state *states;

static uint64_t due[(TERMINALS + 63) / 64]; /* terminal_settle was asked for */

struct terminal *terminal_at(uint64_t minor)
{
    if (minor == TTY_CONSOLE)
        return &terminals[0];
    if (minor < TTY_PTS || minor >= TTY_MAX)
        return 0;
    return &terminals[1 + minor - TTY_PTS];
}

static bool is_console(const struct terminal *t)
{
    return t == &terminals[0];
}

/* All but the buffers, whose bytes are logged one by one. Twice in a transaction is once. */
void terminal_save(struct terminal *t)
{
    static const struct terminal *last;
    static uint64_t serial;
    const size_t rest = offsetof(struct terminal, size);

    if (last == t && serial == undo_log.serial)
        return;
    undo_save(t, offsetof(struct discipline, input));
    undo_save((char *)t + rest, sizeof *t - rest);
    last = t;
    serial = undo_log.serial;
}

void terminals_init(void)
{
    for (uint32_t n = 0; n < PTYS; n++)
        SET(terminals[1 + n].minor, TTY_PTS + n);
    terminal_reset(&terminals[0]);
    terminals[0].exists = true;
    terminal_settle(&terminals[0]);
}

void terminal_reset(struct terminal *t)
{
    uint32_t pty = t->minor - TTY_PTS;

    terminal_save(t);
    discipline_init(&t->line);
    t->size = (struct winsize){0};
    t->side.index = t->minor;
    t->master.index = is_console(t) ? TTY_STATES - 1 : TTY_MASTER + pty;
    t->has_master = t->was_open = t->exclusive = t->packets = t->hung_up = false;
    t->locked = !is_console(t);
    t->session = t->foreground = 0;
    t->ends = 0;
    t->epoch++;
}

/* ---- the published words ------------------------------------------------------------------------- */

static void word_set(_Atomic uint32_t *word, uint32_t value)
{
    if (atomic_load_explicit(word, memory_order_relaxed) == value)
        return;
    /* Release: whoever sees the change sees the flags (proofs/memory/protocols/tty_state.py). */
    atomic_store_explicit(word, value, memory_order_release);
    exo_wake((const void *)word, UINT32_MAX);
}

/* Flags first: who wakes up by a word looks at them next. */
static void publish(struct side *side, uint32_t input, uint32_t output, uint32_t flags,
                    int32_t foreground)
{
    struct tty_state *state = &states[side->index];

    atomic_store_explicit(&state->foreground, (uint32_t)foreground, memory_order_relaxed);
    if (atomic_load_explicit(&state->flags, memory_order_relaxed) != flags) {
        atomic_store_explicit(&state->flags, flags, memory_order_relaxed);
        side->bumps++;
    }
    word_set(&state->input, input + side->bumps);
    word_set(&state->output, output + side->bumps);
}

static uint32_t terminal_flags(const struct terminal *t)
{
    return (discipline_readable(&t->line) ? TTY_READABLE : 0) |
           (discipline_writable(&t->line) ? TTY_WRITABLE : 0) | (t->hung_up ? TTY_HUNGUP : 0);
}

static uint32_t master_flags(const struct terminal *t)
{
    const struct discipline *line = &t->line;
    bool moving = !line->stopped && !line->held;
    bool packet = t->packets && line->packet != 0;
    uint32_t flags = 0;

    if (packet)
        flags |= TTY_READABLE | TTY_PRIORITY;
    if (moving && discipline_output_count(line) > 0)
        flags |= TTY_READABLE;
    if (discipline_has_room(line))
        flags |= TTY_WRITABLE;
    if (t->was_open && t->ends == 0)
        flags |= TTY_HUNGUP;
    return flags;
}

/* Each is ticked off when it has been sent. */
static void send_signals(struct terminal *t)
{
    while (t->line.signals != 0) {
        uint64_t signals = t->line.signals;

        job_signal_foreground(t, __builtin_ctzll(signals) + 1);
        SET(t->line.signals, signals & (signals - 1));
        undo_commit();
    }
}

void terminal_settle(const struct terminal *t)
{
    uint64_t i = (uint64_t)(t - terminals);

    due[i / 64] |= 1ull << i % 64;
}

static void settle(struct terminal *t)
{
    send_signals(t);
    if (is_console(t))
        serial_transmit(t);
    terminal_save(t);
    if (!is_console(t))
        publish(&t->master, t->line.out_head, t->line.tail, master_flags(t), t->foreground);
    publish(&t->side, t->line.arrived, t->line.drained, terminal_flags(t), t->foreground);
}

void terminals_settle(void)
{
    for (uint64_t i = 0; i < sizeof due / sizeof due[0]; i++) {
        while (due[i] != 0) {
            uint64_t bit = (uint64_t)__builtin_ctzll(due[i]);

            due[i] &= due[i] - 1;
            settle(&terminals[i * 64 + bit]);
        }
    }
    if (!undo_is_empty())
        undo_commit();
}

/* What was published may be of a transaction that was taken back: everybody looks again. */
void terminals_recover(void)
{
    for (uint32_t i = 0; i < TERMINALS; i++) {
        struct terminal *t = &terminals[i];

        if (!t->exists)
            continue;
        terminal_save(t);
        t->side.bumps += UINT16_MAX;
        t->master.bumps += UINT16_MAX;
        terminal_settle(t);
    }
    undo_commit();
    terminals_settle();
}

/* ---- hanging up ---------------------------------------------------------------------------------- */

void terminal_hangup(struct terminal *t)
{
    int32_t session = t->session, foreground = t->foreground;

    terminal_save(t);
    t->epoch++;
    t->session = t->foreground = 0;
    t->hung_up = true;
    t->side.bumps++;
    t->master.bumps++;
    discipline_flush_input(&t->line);
    output_start(&t->line);
    if (session != 0) {
        peer_set_tty(session, -1, foreground, 0, false);
        peer_signal_group(-session, SIGHUP, PROC_GROUP_CONTINUE);
    }
    terminal_settle(t);
}

static bool leader_lives(const struct terminal *t)
{
    struct caller c;

    return caller_find(t->leader, &c) && c.pid == t->session && c.tty == (int32_t)t->minor;
}

void terminals_check_sessions(void)
{
    for (uint32_t i = 0; i < TERMINALS; i++) {
        struct terminal *t = &terminals[i];

        if (t->exists && t->session != 0 && !leader_lives(t))
            terminal_hangup(t);
    }
    if (!undo_is_empty())
        undo_commit();
    terminals_settle();
}
