/* SPDX-License-Identifier: MIT */
/*
 * The line discipline: what happens to characters between a terminal and the programs on it. It
 * behaves as Linux's N_TTY, which programs' line editors and tests know by heart.
 *
 *      terminal ---receive--> [ editing, signals, flow ] --> input  ---read--> program
 *      terminal <---take----- output <--- [ OPOST ] <-----------------write--- program
 *                                ^---- echo ----'
 *
 * The terminal is the serial line, or the master end of a pty. Both buffers are rings whose
 * positions run freely (position modulo size is the place; head - tail is the fill).
 *
 * Pure code: no waiting, no kernel calls, no signals sent; `signals`, `packet`, `arrived` and
 * `drained` say what has happened, and the caller acts. A change is a transaction (lib/undo.h): bytes of the
 * buffers are logged here, and the caller saves what is before them once for all. Tests: tests/c17/unit/test_tty_discipline.c
 *
 *   discipline.c   settings, receiving, reading
 *   editing.c      echo and erasing
 *   output.c       output processing
 */
#ifndef TTY_DISCIPLINE_H
#define TTY_DISCIPLINE_H

#include <lib/linux/termios.h>
#include <stdbool.h>
#include <stddef.h>

#define INPUT_BYTES  4096u
#define OUTPUT_BYTES 8192u
#define ECHO_BYTES   1024u /* of the output's, kept free of writes so that echo finds room */
#define WRITE_WAKE   256u  /* a terminal is writable when so much fits */

/* What a place of the input ring is, beside its character. */
enum mark {
    MARK_NONE,
    MARK_LINE, /* a line ends with it */
    MARK_EOF,  /* a line ends before it: it stands for VEOF, and nobody reads it */
};

struct discipline {
    struct termios termios;

    uint32_t tail, canon, head; /* input: [tail, canon) are whole lines, [canon, head) the line that
                                   is being edited; without ICANON only tail and head count */
    bool literal;               /* the next character is not special (LNEXT) */
    bool erasing;               /* ECHOPRT: inside \.../ */
    bool input_stopped;         /* IXOFF: we have sent STOP */
    uint32_t arrived;           /* counts events after which more may be read */

    uint32_t column;       /* of the cursor */
    uint32_t canon_column; /* where the line that is being edited begins */
    bool stopped;          /* output stands still by STOP, */
    bool held;             /* by TCXONC */
    uint32_t out_tail, out_head;
    bool full;        /* a writer was told to wait for room, */
    bool draining;    /* or for emptiness */
    uint32_t drained; /* counts events after which more may be written */

    uint64_t signals; /* for the foreground group: bit signo-1; the caller clears it */
    uint8_t packet;   /* TIOCPKT_* for a master in packet mode; likewise */

    _Alignas(8) uint8_t input[INPUT_BYTES]; /* whole words: lib/undo.h */
    uint8_t marks[INPUT_BYTES];             /* enum mark */
    uint8_t output[OUTPUT_BYTES];
};

/** A terminal as Linux opens one: cooked, with echo. */
void discipline_init(struct discipline *d);
/** New settings; what follows from the change follows. */
void discipline_set(struct discipline *d, const struct termios *t);

/** Characters from the terminal. @return how many were taken; fewer if the input is full. */
size_t discipline_receive(struct discipline *d, const uint8_t *bytes, size_t count);
/** Whether discipline_receive would take one. */
bool discipline_has_room(const struct discipline *d);

/** A read by a program, as TTY_READ_* says. Bytes, 0 (end of file, or nothing and no waiting), or
 *  -EAGAIN, and then *patience_ms as TTY_READ's w2. */
int64_t discipline_read(struct discipline *d, uint8_t *to, size_t size, unsigned how,
                        uint32_t *patience_ms);
bool discipline_readable(const struct discipline *d);
/** FIONREAD. */
uint32_t discipline_input_count(const struct discipline *d);

/** A write by a program. @return how many bytes were taken; fewer if the output is full. */
size_t discipline_write(struct discipline *d, const uint8_t *from, size_t count);
bool discipline_writable(const struct discipline *d);
/** Output for the terminal; nothing while it stands still. */
size_t discipline_take(struct discipline *d, uint8_t *to, size_t size);
/** TIOCOUTQ; and whether it is 0 (if not, `drained` will tell). */
uint32_t discipline_output_count(const struct discipline *d);
bool discipline_is_drained(struct discipline *d);

void discipline_flush_input(struct discipline *d);
void discipline_flush_output(struct discipline *d);
/** TCXONC. False: no such action. */
bool discipline_flow(struct discipline *d, uint64_t action);

/* ---- between the files of the discipline ------------------------------------------------------- */

static inline uint8_t *input_at(struct discipline *d, uint32_t position)
{
    return &d->input[position % INPUT_BYTES];
}
static inline bool is_control(uint8_t c)
{
    return c < 32 || c == 127;
}
/** Inside a character of several bytes, and not its first. */
static inline bool is_continuation(const struct discipline *d, uint8_t c)
{
    return (d->termios.iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* editing.c */
void echo_character(struct discipline *d, uint8_t c); /* as ECHOCTL says */
void echo_raw(struct discipline *d, uint8_t c);
void echo_input(struct discipline *d, uint8_t c); /* of a character that enters the line */
void editing_end(struct discipline *d);           /* closes ECHOPRT's \.../ */
void editing_erase(struct discipline *d, uint8_t c);
void editing_reprint(struct discipline *d);

/* output.c */
void output_start(struct discipline *d);
void output_stop(struct discipline *d);
/** One character with OPOST, into all the room there is; without room it is lost. */
void output_echo(struct discipline *d, uint8_t c);
/** One as it is, ahead of OPOST. */
void output_plain(struct discipline *d, uint8_t c);

#endif
