/* SPDX-License-Identifier: MIT */
/*
 * tty, the server of terminals: one thread, one loop. Calls come from processes (to open) and from
 * the holders of open ends; events are the serial line's interrupt, ends that nobody holds any more,
 * and sessions that have lost their leader.
 *
 * Serving a call may mean calls to proc and fs, which use the UTCB as well: the message is copied
 * out first, and the answer put in last.
 */
#include "servers/tty/serial.h"
#include "servers/tty/terminal.h"
#include <exo.h>
#include <lib/answers.h>
#include <lib/fresh.h>
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <lib/string.h>
#include <libos/exo/kept.h>
#include <libos/exo/log.h>
#include <libos/exo/options.h>
#include <proto/fs.h>
#include <stdatomic.h>

#define STATES_VA   0x0000300000000000u
#define TABLE_PAGES (PROC_MAX * sizeof(struct proc_entry) / EXO_PAGE_SIZE)

/* ---- reading and writing ----------------------------------------------------------------------------- */

static int64_t read_master(struct request *r, struct terminal *t, size_t size)
{
    size_t header = t->packets ? 1 : 0, count;

    if (t->packets && t->line.packet != 0) {
        r->out[0] = t->line.packet;
        t->line.packet = 0;
        return 1;
    }
    count = size > header ? discipline_take(&t->line, r->out + header, size - header) : 0;
    if (count == 0)
        return t->was_open && t->ends == 0 ? -EIO : -EAGAIN;
    if (t->packets)
        r->out[0] = TIOCPKT_DATA;
    return (int64_t)(count + header);
}

static int64_t read_terminal(struct request *r, struct end *e, size_t size)
{
    struct terminal *t = e->terminal;
    uint32_t patience = 0;
    int64_t result = job_check(t, r->w[3], SIGTTIN);

    if (result < 0)
        return result;
    result = discipline_read(&t->line, r->out, size, (unsigned)r->w[1], &patience);
    r->w[2] = patience;
    return result;
}

static bool serial_due; /* serial_service is to be called after the request */

static int64_t serve_read(struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;
    uint32_t before = states[e->is_master ? t->master.index : t->side.index].input;
    bool was_full = !discipline_has_room(&t->line);
    int64_t result;

    if (!e->may_read)
        return -EBADF;
    if (r->w[0] > TTY_IO_BYTES || r->w[1] > TTY_READ_NONBLOCK)
        return -EINVAL;
    if (!e->is_master && end_is_dead(e))
        return 0;
    result = e->is_master ? read_master(r, t, r->w[0]) : read_terminal(r, e, r->w[0]);
    if (result > 0)
        r->out_bytes = (uint32_t)result;
    if (was_full && t->minor == TTY_CONSOLE)
        serial_due = true; /* what the chip could not get rid of */
    terminal_settle(t);
    r->w[1] = before;
    return result;
}

static int64_t serve_write(struct request *r, struct end *e)
{
    struct terminal *t = e->terminal;
    uint32_t before = states[e->is_master ? t->master.index : t->side.index].output;
    size_t taken;

    if (!e->may_write)
        return -EBADF;
    if (r->bytes > TTY_IO_BYTES)
        return -EINVAL;
    if (e->is_master) {
        taken = discipline_receive(&t->line, r->data, r->bytes);
    } else {
        int64_t result = end_is_dead(e) ? -EIO : 0;

        if (result == 0 && (t->line.termios.lflag & TOSTOP))
            result = job_check(t, r->w[3], SIGTTOU);
        if (result < 0)
            return result;
        taken = discipline_write(&t->line, r->data, r->bytes);
    }
    terminal_settle(t);
    r->w[1] = before;
    return taken == 0 && r->bytes > 0 ? -EAGAIN : (int64_t)taken;
}

static int64_t serve_ioctl(struct request *r, struct end *e)
{
    uint32_t before =
        states[e->is_master ? e->terminal->master.index : e->terminal->side.index].output;
    int64_t result = ioctl_serve(r, e);

    if (r->out_caps == 0) { /* TIOCGPTPEER has settled, and answers with words of its own */
        terminal_settle(e->terminal);
        r->w[1] = before;
    }
    return result;
}

static int64_t serve_stat(struct request *r, const struct end *e)
{
    uint32_t minor = e->terminal->minor;
    struct fs_stat stat = {.mode = 020620,
                           .nlink = 1,
                           .gid = 5,
                           .ino = minor + 1,
                           .blksize = 1024,
                           .rdev = e->is_master           ? FS_DEV(5, 2)
                                   : minor == TTY_CONSOLE ? FS_DEV(5, 1)
                                                          : FS_DEV(136, minor - TTY_PTS)};

    memcpy(r->out, &stat, sizeof stat);
    r->out_bytes = sizeof stat;
    return 0;
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

static int64_t dispatch(struct request *r, uint32_t label)
{
    struct end *e = end_find(r->badge);

    if (!(r->badge & FS_BADGE_FILE)) {
        switch (label) {
        case TTY_OPEN: return open_serve(r);
        case TTY_CONTROLLING: return open_controlling(r);
        default: return -ENOSYS;
        }
    }
    if (!e)
        return -EBADF;
    if (label != TTY_FSTAT)
        terminal_save(e->terminal);
    switch (label) {
    case TTY_READ: return serve_read(r, e);
    case TTY_WRITE: return serve_write(r, e);
    case TTY_IOCTL: return serve_ioctl(r, e);
    case TTY_FSTAT: return serve_stat(r, e);
    default: return -ENOSYS;
    }
}

/* The answer is kept with what the request changed: who has to ask again gets it without a second effect. */
static void commit(const struct request *r, const struct exo_message *asked,
                   const struct exo_message *m)
{
    struct exo_utcb *utcb = exo_utcb();

    fresh_commit();
    if (!undo_is_empty()) {
        struct answer *a = answers_keep(r->badge, asked->tag, asked->w, r->data);

        a->tag = m->tag;
        memcpy(a->words, m->w, sizeof a->words);
        memcpy(a->bytes, r->out, r->out_bytes);
        for (uint32_t i = 0; i < r->out_caps; i++)
            a->send[i] = utcb->send[i];
        answers_commit(&utcb->badge);
    }
    if (serial_due)
        serial_service(&terminals[0]);
    serial_due = false;
    terminals_settle();
}

static void answer_again(struct exo_message *m, const struct answer *a)
{
    struct exo_utcb *utcb = exo_utcb();

    m->tag = a->tag;
    memcpy(m->w, a->words, sizeof m->w);
    memcpy(utcb->msg, a->bytes, EXO_TAG_BYTES(a->tag));
    for (uint32_t i = 0; i < EXO_TAG_CAPS(a->tag); i++)
        utcb->send[i] = a->send[i];
}

static void serve(struct exo_message *m)
{
    static uint8_t in[EXO_MSG_BYTES], out[EXO_MSG_BYTES];
    const uint64_t badge = exo_utcb()->badge;
    const struct answer *kept = answers_find(&exo_utcb()->badge, &m->tag, m->w, exo_utcb()->msg);
    const struct exo_message asked = *m;
    struct request r = {.badge = badge, .data = in, .bytes = EXO_TAG_BYTES(m->tag), .out = out};

    if (kept) {
        answer_again(m, kept);
        return;
    }
    memcpy(in, exo_utcb()->msg, r.bytes);
    memcpy(r.w, m->w, sizeof r.w);
    int64_t result = dispatch(&r, EXO_TAG_LABEL(m->tag));
    if (result < 0)
        r.out_bytes = r.out_caps = 0;
    memcpy(m->w, r.w, sizeof r.w);
    m->w[0] = (uint64_t)result;
    m->tag = EXO_TAG(0, r.out_bytes, r.out_caps);
    commit(&r, &asked, m);
    memcpy(exo_utcb()->msg, out, r.out_bytes);
}

static void serve_events(uint32_t bits)
{
    if (bits & SERIAL_EVENT)
        serial_service(&terminals[0]);
    if (bits & EXO_EVENT_CHILDLESS)
        ends_close_unheld();
    if (bits & PROC_EVENT_TTY)
        terminals_check_sessions();
}

/* Events raised while a call was served are looked at here, which saves a round through the kernel;
 * but not when the answer is in the UTCB already, where serving them might put something else. */
static void serve_pending(uint64_t answer)
{
    struct exo_utcb *utcb = exo_utcb();

    if (EXO_TAG_BYTES(answer) != 0 || EXO_TAG_CAPS(answer) != 0)
        return;
    if (atomic_load_explicit(&utcb->pending, memory_order_relaxed) != 0)
        serve_events(atomic_exchange(&utcb->pending, 0));
}

/* ---- beginning --------------------------------------------------------------------------------------- */

KEPT static bool founded;
KEPT static exo_cap states_region, events;

/* A capability of the first life's that the others have too. */
static exo_cap keep(int64_t cap)
{
    fresh_note((exo_cap)cap);
    rs_keep((exo_cap)cap);
    return (exo_cap)cap;
}

/* The page of state words, and what others get to read it. */
static int64_t states_make(void)
{
    int64_t region = exo_region_create(0, 1, 1), st;

    if (region < 0)
        return region;
    SET(states_region, keep(region));
    st = exo_cap_derive((exo_cap)region, EXO_R_READ | EXO_R_GRANT, 0, 0, 0);
    if (st < 0)
        return st;
    open_init(keep(st));
    return 0;
}

static int64_t events_make(void)
{
    int64_t made = exo_notification_create(0), st;

    if (made < 0)
        return made;
    SET(events, keep(made));
    st = exo_cap_derive(events, EXO_R_SIGNAL | EXO_R_GRANT, 0, 0, 0);
    if (st < 0)
        return st;
    SET(peer_notification, keep(st));
    return 0;
}

/* A serial line cannot tell how large its screen is; whoever started the machine may. */
static void console_size(void)
{
    const char *line = ((const struct exo_boot *)EXO_BOOT_VA)->command_line;

    terminals[0].size.rows = (uint16_t)option_number(line, "rows", 0);
    terminals[0].size.columns = (uint16_t)option_number(line, "cols", 0);
}

/* What ends with a life: mappings, and who hears of events. */
static int64_t connect(void)
{
    int64_t st = exo_map(0, STATES_VA, 1, states_region, 0, EXO_MAP_READ | EXO_MAP_WRITE);

    states = (struct tty_state *)STATES_VA;
    if (st < 0 || (st = exo_notification_bind(events)) < 0)
        return st;
    if (option_number(((const struct exo_boot *)EXO_BOOT_VA)->command_line, "resize", 0))
        serial_follow_window();
    return serial_init(events);
}

static int64_t found(void)
{
    int64_t st;

    if ((st = states_make()) < 0 || (st = events_make()) < 0 || (st = connect()) < 0)
        return st;
    terminals_init();
    console_size();
    SET(founded, true);
    fresh_commit();
    undo_commit();
    terminals_settle();
    return 0;
}

/* Interrupts, ends that were given up and sessions that ended meanwhile have told nobody. */
static int64_t go_on(void)
{
    int64_t st = connect();

    if (st < 0)
        return st;
    open_recover();
    terminals_recover();
    serial_service(&terminals[0]);
    terminals_check_sessions();
    return 0;
}

/* What was made for a transaction that is lost. */
static void fresh_drop(void)
{
    uint64_t cap;

    while ((cap = fresh_last()) != 0) {
        exo_cap_delete(cap, 0);
        fresh_drop_last();
    }
}

static int64_t start(void)
{
    int64_t st = exo_map(0, TABLE_VA, TABLE_PAGES, EXO_SRV_TABLE, 0, EXO_MAP_READ);

    kept_begin();
    if (undo_log.next == NULL)
        undo_begin();
    if (st < 0)
        return st;
    undo_recover();
    fresh_drop();
    answers_recover(rs_life()->served, exo_utcb()->badge);
    kept_served();
    return founded ? go_on() : found();
}

int main(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    int64_t st = start();

    if (st < 0) {
        log_line("cannot start: %s", exo_error_text(st));
        return 1;
    }
    for (;;) {
        int64_t tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);

        if (tag < 0) {
            log_line("reply_wait: %s", exo_error_text(tag));
            return 1;
        }
        answers_begin();
        if (EXO_TAG_LABEL(tag) == EXO_LABEL_EVENT) {
            serve_events((uint32_t)m.w[0]);
            m.tag = EXO_NO_REPLY;
            continue;
        }
        serve(&m);
        serve_pending(m.tag);
    }
}
