/* SPDX-License-Identifier: MIT */
/*
 * Open ends: how they come, and how they go when nobody holds them any more.
 *
 * An end is an endpoint capability with a file badge. tty keeps the one it made, flagged as a
 * lender, and lends it to the opener; forks and messages spread copies. When the last is gone the
 * kernel says so (EXO_EVENT_CHILDLESS), and the end is closed, however its holders ended.
 */
#include "servers/tty/terminal.h"
#include <exo.h>
#include <lib/answers.h>
#include <lib/fresh.h>
#include <lib/linux/errno.h>
#include <lib/linux/fcntl.h>
#include <proto/fs.h>

KEPT static struct end ends[ENDS];
KEPT static exo_cap states_cap; /* the state page, to read */
KEPT static exo_cap closed;     /* that of an end that is closed, and it is not deleted yet */

#define BADGE_INDEX 0xffffu

void open_init(exo_cap page)
{
    SET(states_cap, page);
}

struct end *end_find(uint64_t badge)
{
    uint64_t index = badge & BADGE_INDEX;

    return (badge & FS_BADGE_FILE) && index < ENDS && ends[index].terminal ? &ends[index] : 0;
}

/* Takes the lowest free end: bounded by ENDS, and opens are rare. */
static struct end *end_take(void)
{
    for (uint32_t i = 0; i < ENDS; i++) {
        if (!ends[i].terminal)
            return &ends[i];
    }
    return 0;
}

static int64_t end_lend(struct end *e)
{
    uint64_t index = (uint64_t)(e - ends);
    int64_t cap =
        exo_cap_derive(EXO_SRV_ENDPOINT, EXO_R_CALL | EXO_R_GRANT, FS_BADGE_FILE | index, 0, 0);

    if (cap < 0)
        return -ENFILE;
    fresh_note((exo_cap)cap);
    exo_cap_flags((exo_cap)cap, EXO_CAP_LENDER | EXO_CAP_KEEP);
    undo_save(e, sizeof *e);
    e->cap = (exo_cap)cap;
    exo_entropy(&e->key);
    e->key = (e->key & ~BADGE_INDEX) | index;
    return 0;
}

/* The answer that hands an end out: see TTY_OPEN. Other servers must not be called after it. */
static void answer(struct request *r, const struct end *e)
{
    struct exo_utcb *utcb = exo_utcb();
    const struct terminal *t = e->terminal;

    utcb->send[0] = (struct exo_send){e->cap, EXO_SEND_LEND};
    utcb->send[1] = (struct exo_send){states_cap, EXO_SEND_COPY};
    r->out_caps = 2;
    r->w[1] = t->minor;
    r->w[2] = e->is_master ? t->master.index : t->side.index;
    r->w[3] = e->key;
}

static int64_t end_make(struct terminal *t, bool is_master, uint64_t flags, struct end **out)
{
    struct end *e = end_take();
    uint64_t access = flags & O_ACCMODE;
    int64_t result = e ? end_lend(e) : -ENFILE;

    if (result < 0)
        return result;
    terminal_save(t);
    e->terminal = t;
    e->is_master = is_master;
    e->may_read = access != O_WRONLY;
    e->may_write = access != O_RDONLY;
    e->epoch = t->epoch;
    if (!is_master) {
        t->ends++;
        t->was_open = true;
        t->hung_up = false;
    }
    *out = e;
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------------- */

/* A new pty, seen from its master. */
static int64_t open_master(struct request *r, const struct caller *c)
{
    struct terminal *t = 0;
    struct end *e;
    uint32_t number;
    int64_t result;

    for (number = 0; number < PTYS && !t; number++) {
        if (!terminals[1 + number].exists)
            t = &terminals[1 + number];
    }
    if (!t)
        return -ENOSPC;
    terminal_reset(t);
    number = t->minor - TTY_PTS;
    result = peer_node_make(number, c->uid);
    if (result < 0)
        return -EIO;
    result = end_make(t, true, r->w[2], &e);
    if (result < 0) {
        peer_node_remove(number);
        return result;
    }
    t->exists = t->has_master = true;
    terminal_settle(t);
    answer(r, e);
    return 0;
}

static int64_t open_end(struct request *r, struct terminal *t, uint64_t flags,
                        const struct caller *c)
{
    struct end *e;
    int64_t result;

    if (!t->exists || (t->minor != TTY_CONSOLE && !t->has_master))
        return -ENXIO;
    if (t->locked)
        return -EIO;
    if (t->exclusive && c->euid != 0)
        return -EBUSY;
    result = end_make(t, false, flags, &e);
    if (result < 0)
        return result;
    if (!(flags & O_NOCTTY) && e->may_read && t->session == 0 && caller_leads_session(c) &&
        c->tty < 0)
        job_set_controlling(t, c, false);
    terminal_settle(t);
    answer(r, e);
    return 0;
}

int64_t open_serve(struct request *r)
{
    uint64_t kind = r->w[0], flags = r->w[2], access = flags & O_ACCMODE;
    uint32_t wanted = (access != O_WRONLY ? 4 : 0) | (access != O_RDONLY ? 2 : 0);
    struct terminal *t;
    struct caller c;
    int64_t result;

    if (!caller_find(r->badge, &c))
        return -ESRCH;
    switch (kind) {
    case TTY_OPEN_PTMX: return open_master(r, &c);
    case TTY_OPEN_CONTROLLING:
        t = c.tty < 0 ? 0 : terminal_at((uint64_t)c.tty);
        return t ? open_end(r, t, flags | O_NOCTTY, &c) : -ENXIO;
    case TTY_OPEN_MINOR:
        t = terminal_at(r->w[1]);
        if (!t || !t->exists)
            return -ENXIO;
        result = peer_may_open(t, &c, wanted);
        return result < 0 ? result : open_end(r, t, flags, &c);
    default: return -EINVAL;
    }
}

int64_t open_peer(struct request *r, struct terminal *t, uint64_t flags)
{
    struct caller c;

    if (!caller_find(r->w[3] & TTY_CALLER_SLOT, &c))
        return -ESRCH;
    /* Who asks is only its own word, so no terminal is given to a session here. */
    return open_end(r, t, flags | O_NOCTTY, &c);
}

int64_t open_controlling(struct request *r)
{
    struct end *e = end_find(FS_BADGE_FILE | (r->w[0] & BADGE_INDEX));
    struct caller c;
    int64_t result;

    if (!caller_find(r->badge, &c))
        return -ESRCH;
    if (!e || e->key != r->w[0])
        return -EBADF;
    if (end_is_dead(e))
        return -EIO;
    if (!e->may_read && c.euid != 0)
        return -EPERM;
    terminal_save(e->terminal);
    result = job_set_controlling(e->terminal, &c, r->w[1] == 1);
    terminal_settle(e->terminal);
    return result;
}

/* ---- closing --------------------------------------------------------------------------------------- */

static void close_master(struct terminal *t)
{
    t->has_master = false;
    terminal_hangup(t);
    peer_node_remove(t->minor - TTY_PTS);
}

static void closed_drop(void)
{
    if (closed == 0)
        return;
    exo_cap_delete(closed, 0);
    SET(closed, 0);
    undo_commit();
}

static void end_close(struct end *e)
{
    struct terminal *t = e->terminal;

    terminal_save(t);
    undo_save(e, sizeof *e);
    SET(closed, e->cap);
    answers_forget(FS_BADGE_FILE | (uint64_t)(e - ends)); /* the next end here asks for itself */
    e->terminal = 0;
    e->key = 0;
    if (e->is_master)
        close_master(t);
    else if (--t->ends == 0)
        t->exclusive = false;
    if (t->minor != TTY_CONSOLE && !t->has_master && t->ends == 0)
        t->exists = false;
    terminal_settle(t);
    undo_commit();
    terminals_settle();
    closed_drop();
}

void ends_close_unheld(void)
{
    struct exo_cap_info info;
    int64_t cap;

    while ((cap = exo_next_childless()) > 0) {
        struct end *e;

        if (exo_cap_info((exo_cap)cap, &info) == 0 && (e = end_find(info.badge)))
            end_close(e);
    }
}

/* Its opener has yet to ask again for it. */
static bool is_awaited(const struct end *e)
{
    for (uint32_t i = 0; i < ANSWERS; i++) {
        const struct answer *a = answers_waiting(i);

        if (a && EXO_TAG_CAPS(a->tag) != 0 && a->send[0].cap == e->cap)
            return true;
    }
    return false;
}

void open_recover(void)
{
    struct exo_cap_info info;

    closed_drop();
    for (uint32_t i = 0; i < ENDS; i++) {
        struct end *e = &ends[i];

        if (e->terminal && !is_awaited(e) &&
            (exo_cap_info(e->cap, &info) != EXO_OK || !(info.flags & EXO_CAP_LENT)))
            end_close(e);
    }
}
