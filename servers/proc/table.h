/* SPDX-License-Identifier: MIT */
/*
 * The process table: who exists, whose child it is, which group and session it belongs to.
 *
 * Two records a process, at the same index (its *slot*): struct proc_entry, which everybody may read
 * (proto/proc.h), and struct process, which is proc's own. Whatever has members is a circular list
 * through the members' links, so that no operation looks at slots that do not concern it: pids,
 * groups and sessions are found by hashing, and everything else by following a list.
 *
 * Groups and sessions have records of their own, because they outlive the process they are named
 * after. A number is in use as long as a process, a group or a session has it (table_pid_free).
 *
 * All of it is kept over proc's death and changes in transactions (lib/undo.h).
 *
 * Pure code: no kernel calls. Tests: tests/c17/unit/test_proc_table.c
 */
#ifndef PROC_TABLE_H
#define PROC_TABLE_H

#include <lib/undo.h>
#include <proto/proc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NOBODY    UINT32_MAX /* no slot, no group, no session */
#define INIT_SLOT 0u         /* pid 1 */

#define PID_LAST      32767
#define PID_REUSE     300 /* where numbers begin again: low ones stay recognisable */
#define ROOT_RESERVE  64u /* slots that only root gets */
#define SHELL_RESERVE 32u /* and beyond the limit, what the processes that init started get */

/* Lists that a process is a member of, and that are headed by ... */
enum chain {
    BY_PARENT,  /* process.children */
    BY_GROUP,   /* group.members */
    BY_SESSION, /* session.members */
    BY_SPACE,   /* itself: the processes that live in one environment */
    CHAINS
};

struct links {
    uint32_t next, previous;
};

/* What a parent has not yet been told by wait. */
enum report { REPORT_NONE, REPORT_STOPPED, REPORT_CONTINUED, REPORT_DEAD };

struct process {
    struct links chain[CHAINS];
    uint32_t hash_next;
    uint32_t parent;   /* a slot */
    uint32_t children; /* its first child, in the order of their start, or NOBODY */
    uint32_t reports;  /* how many children have something to report */
    uint32_t group, session;
    int32_t exit_signal;
    uint8_t report;             /* enum report */
    bool adopted;               /* by init, after its parent's death: reaped by proc itself */
    bool context;               /* a vfork child in the environment of another */
    bool booted;                /* init started it: a login shell, say */
    bool killed;                /* a context that is to end by SIGKILL */
    bool renewed;               /* nothing but the LibOS has run in its environment yet */
    struct proc_shared *shared; /* page 0 of it, as proc sees it; 0: pid 1 */
    uint64_t continues;         /* what proc has put into the words of it with these names */
    uint32_t tail;
    uint32_t posted; /* the last number given in its words `posted` */
};

struct group {
    int32_t pgid; /* 0: a free record */
    uint32_t hash_next;
    uint32_t session;
    uint32_t members; /* first, or NOBODY */
};

struct session {
    int32_t sid;
    uint32_t hash_next;
    uint32_t leader; /* slot, or NOBODY when it has ended */
    uint32_t members;
    int32_t foreground; /* group, as tty told; 0: none */
};

extern struct proc_entry *entries; /* the published table */
extern struct process processes[PROC_MAX];
extern struct group groups[PROC_MAX];
extern struct session sessions[PROC_MAX];

/** Makes pid 1 in slot 0, leading group and session 1; the first life's. */
void table_init(struct proc_entry *published);
/** A further life's: takes back what was not committed, and lets readers of the table go on. */
void table_recover(struct proc_entry *published);
/** At most so many processes at a time, so that memory for each is left: a fork bomb runs into this,
 *  and the shell that is to end it does not. */
extern uint32_t table_process_limit;

/** Numbers: processes there are (zombies included), and all that ever were. */
uint32_t table_count(void);
uint64_t table_forked(void);
/** One more than the highest slot ever used: loops over all end here. */
uint32_t table_limit(void);

/** A new child of `parent`, an embryo, with its identity inherited. A slot, or NOBODY. */
uint32_t table_add(uint32_t parent, uint64_t now);
/** Takes a process out for good; it must have no children. */
void table_remove(uint32_t slot);

/* By number; NOBODY if there is none. */
uint32_t table_find(int64_t pid);
uint32_t table_find_group(int64_t pgid);
uint32_t table_find_session(int64_t sid);

static inline bool process_exists(uint32_t slot)
{
    return slot < PROC_MAX && entries[slot].state != PROC_FREE;
}
/* It may run: it is neither dead nor absent. */
static inline bool process_alive(uint32_t slot)
{
    return process_exists(slot) && entries[slot].state != PROC_ZOMBIE;
}

/** Around changes of an entry that readers must not see halves of. */
void entry_begin(uint32_t slot);
void entry_end(uint32_t slot);
void entry_state(uint32_t slot, enum proc_state state, uint32_t status);

/** What `slot` has to report, to its parent's count. */
void table_report(uint32_t slot, enum report report);
/** Makes `slot` a child of `parent`. */
void table_reparent(uint32_t slot, uint32_t parent);
/** Puts `slot` and `host` into one environment's list; and takes it out again. */
void table_share_space(uint32_t slot, uint32_t host);
void table_leave_space(uint32_t slot);
/** The process joins a group, or (group NOBODY) a new one called pgid, in its session; leads a new
 *  session and group, without a terminal. 0, or -1 if there is no record left. */
int64_t table_move_group(uint32_t slot, uint32_t group, int32_t pgid);
int64_t table_new_session(uint32_t slot);
/** Walks a circular list: the member after `at`, or NOBODY after the last. `first` is its head. */
uint32_t chain_next(enum chain chain, uint32_t first, uint32_t at);

/* ---- job control (jobs.c): Linux's rules, negative errnos ------------------------------------- */

int64_t jobs_setpgid(uint32_t caller, int64_t pid, int64_t pgid);
int64_t jobs_setsid(uint32_t caller);
/** Is no member of the group, `but` apart, the child of a process that could control it as a job? */
bool jobs_orphaned(uint32_t group, uint32_t but);
bool jobs_stopped(uint32_t group);
/** Gives every member of a session this terminal (-1: none). */
void jobs_set_tty(uint32_t session, int32_t tty);

/* ---- wait.c ------------------------------------------------------------------------------------ */

struct wait_result {
    int32_t pid;
    uint32_t status;
    uint64_t cpu_ns;
    uint32_t uid;
    uint32_t reaped; /* slot of a child that is to be removed now, or NOBODY */
};

/** What wait4/waitid say of the children of `parent`. 1: *out is filled in, 0: nothing yet. */
int64_t wait_for(uint32_t parent, int64_t pid, uint64_t options, struct wait_result *out);

#endif
