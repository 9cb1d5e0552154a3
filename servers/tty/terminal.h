/* SPDX-License-Identifier: MIT */
/*
 * Terminals: the console, and pseudo-terminals, with what job control knows of them.
 *
 * A terminal is used through *ends*: each open makes one, and the kernel tells when its last holder
 * is gone (open.c). A pty has one master end, the others are like the console's. A hang-up makes
 * all ends of that moment useless: they keep an older `epoch` than the terminal's.
 */
#ifndef TTY_TERMINAL_H
#define TTY_TERMINAL_H

#include "servers/tty/discipline.h"
#include <exo/types.h>
#include <lib/undo.h>
#include <proto/proc.h>
#include <proto/tty.h>

#define PTYS      (TTY_MAX - TTY_PTS)
#define TERMINALS (1 + PTYS) /* [0] is the console, [1 + n] pty n */
#define ENDS      1024u

/* One side of a terminal, as everybody sees it in the lent page. */
struct side {
    uint32_t index; /* of its struct tty_state */
    uint32_t bumps; /* added to its words, so that they change when nothing else does */
};

struct terminal {
    struct discipline line;
    struct winsize size;
    struct side side, master;
    uint32_t minor;
    bool exists;     /* console: always; a pty: its master, or an end, is open */
    bool has_master; /* a pty whose master is open */
    bool was_open;   /* its slave has been open: without ends, the master is at the end of file */
    bool locked;     /* TIOCSPTLCK */
    bool exclusive;  /* TIOCEXCL */
    bool packets;    /* TIOCPKT */
    bool hung_up;    /* and not opened since */
    uint32_t ends;   /* open ones, the master's not counted */
    uint32_t epoch;
    int32_t session; /* whose controlling terminal it is; 0: nobody's */
    uint32_t leader; /* slot of the session's leader */
    int32_t foreground;
};

struct end {
    struct terminal *terminal; /* 0: free */
    bool is_master, may_read, may_write;
    uint32_t epoch;
    uint64_t key; /* unguessable: proof of having opened it */
    exo_cap cap;  /* the lender */
};

extern struct terminal terminals[TERMINALS];
extern struct tty_state *states; /* the page that is lent */

/** The terminal with a minor; 0: there is none such. */
struct terminal *terminal_at(uint64_t minor);
/** Called once. */
void terminals_init(void);
/** Makes a pty as new. */
void terminal_reset(struct terminal *t);
/** Before a terminal is changed: part of a transaction. */
void terminal_save(struct terminal *t);
/** Notes that a change has consequences: after every operation on the line. */
void terminal_settle(const struct terminal *t);
/** After the commit: signals, output to the line, the published words. Calls proc: the UTCB's message is
 *  lost. */
void terminals_settle(void);
/** In a further life: everybody is told to look again. */
void terminals_recover(void);
/** All ends there are become useless; its session loses it. */
void terminal_hangup(struct terminal *t);
/** Sessions whose leader has ended lose their terminal. */
void terminals_check_sessions(void);

/* ---- who calls ---------------------------------------------------------------------------------- */

#define TABLE_VA 0x0000300100000000u /* where proc's table is mapped */

/* A consistent copy of what matters of a process. */
struct caller {
    uint32_t slot;
    int32_t pid, pgid, sid, tty;
    uint32_t euid, uid, gid; /* uid, gid: fsuid, fsgid */
    uint32_t group_count, groups[PROC_GROUPS];
};

/** By slot, or badge of a process or a server (which is root, and in no session). False: there is no
 *  such process. */
bool caller_find(uint64_t slot, struct caller *out);
bool caller_leads_session(const struct caller *c);
bool caller_in_group(const struct caller *c, uint32_t gid);

/* ---- job control (job.c) ------------------------------------------------------------------------ */

/** May a process do this now (`signo`: SIGTTIN or SIGTTOU if not)? `word` is w3 of its call. 0,
 *  -EINTR (it has been sent the signal) or -EIO. */
int64_t job_check(struct terminal *t, uint64_t word, int32_t signo);
/** Makes it the controlling terminal of the caller's session, if rules allow. */
int64_t job_set_controlling(struct terminal *t, const struct caller *c, bool steal);
/** TIOCNOTTY. */
int64_t job_give_up(struct terminal *t, const struct caller *c);
/** TIOCSPGRP. */
int64_t job_set_foreground(struct terminal *t, const struct caller *c, int64_t pgid);
void job_signal_foreground(struct terminal *t, int32_t signo);

/* ---- open ends (open.c) -------------------------------------------------------------------------- */

struct request;
/** The first life's, with the state page as it is lent; that of another, which closes what was given up
 *  meanwhile. */
void open_init(exo_cap page);
void open_recover(void);
/** TTY_OPEN and TTY_CONTROLLING: badge is the caller's slot. */
int64_t open_serve(struct request *r);
int64_t open_controlling(struct request *r);
/** TIOCGPTPEER. */
int64_t open_peer(struct request *r, struct terminal *t, uint64_t flags);
/** The end with a file badge; 0: none. */
struct end *end_find(uint64_t badge);
static inline bool end_is_dead(const struct end *e)
{
    return e->epoch != e->terminal->epoch;
}
/** Closes the ends whose last holder is gone. */
void ends_close_unheld(void);

/* ---- calls (main.c) -------------------------------------------------------------------------------- */

struct request {
    uint64_t badge;
    uint64_t w[4];       /* as they came; [1], [2], [3] of the reply */
    const uint8_t *data; /* a copy of the bytes that came */
    uint32_t bytes;
    uint8_t *out; /* where the reply's bytes go */
    uint32_t out_bytes;
    uint32_t out_caps; /* in send[] of the UTCB */
};

/** TTY_IOCTL (ioctl.c). */
int64_t ioctl_serve(struct request *r, struct end *e);
/** The window has another size: the foreground is told. */
void terminal_resize(struct terminal *t, const struct winsize *wanted);

/* ---- other servers (peers.c) -------------------------------------------------------------------------- */

int64_t peer_signal_group(int32_t pgid, int32_t signo, uint32_t flags);
/** With `tell`, proc is also given the means to raise PROC_EVENT_TTY here. */
int64_t peer_set_tty(int32_t sid, int32_t minor, int32_t foreground, uint32_t slot, bool tell);
/** The node of a pty in /dev/pts. */
int64_t peer_node_make(uint32_t number, uint32_t uid);
void peer_node_remove(uint32_t number);
/** May the caller open this terminal's node for these accesses (4 read, 2 write)? */
int64_t peer_may_open(const struct terminal *t, const struct caller *c, uint32_t access);
extern exo_cap peer_notification; /* what proc is given */

#endif
