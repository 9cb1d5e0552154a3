/* SPDX-License-Identifier: MIT */
/* The process table: see table.h. */
#include "servers/proc/table.h"
#include <lib/string.h>

#define BUCKETS 1024u

struct proc_entry *entries;
KEPT struct process processes[PROC_MAX];
KEPT struct group groups[PROC_MAX];
KEPT struct session sessions[PROC_MAX];

/* Free records of one kind, handed out last in first out: the table's pages in use stay few. */
struct stack {
    uint16_t free[PROC_MAX];
    uint32_t count;
    uint32_t used; /* records ever handed out; those from here on are free as well */
};
KEPT static struct stack free_slots, free_groups, free_sessions;

KEPT static uint32_t pid_buckets[BUCKETS], group_buckets[BUCKETS], session_buckets[BUCKETS];
KEPT static int32_t last_pid;
KEPT static uint32_t process_count;
KEPT static uint64_t fork_count;

static uint32_t stack_take(struct stack *s)
{
    if (s->count > 0) {
        SET(s->count, s->count - 1);
        return s->free[s->count];
    }
    if (s->used == PROC_MAX)
        return NOBODY;
    SET(s->used, s->used + 1);
    return s->used - 1;
}

static void stack_give(struct stack *s, uint32_t record)
{
    SET(s->free[s->count], record);
    SET(s->count, s->count + 1);
}

static uint32_t stack_left(const struct stack *s)
{
    return s->count + PROC_MAX - s->used;
}

static uint32_t bucket(int64_t number)
{
    return (uint32_t)number % BUCKETS;
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* Both links of a process are one word of the log. */
static void links_set(enum chain chain, uint32_t slot, uint32_t next, uint32_t previous)
{
    struct links *links = &processes[slot].chain[chain];

    undo_word(links);
    *links = (struct links){next, previous};
}

/* Puts `slot` at the end of the list at *first. */
static void chain_add(enum chain chain, uint32_t *first, uint32_t slot)
{
    if (*first == NOBODY) {
        links_set(chain, slot, slot, slot);
        SET(*first, slot);
        return;
    }
    uint32_t last = processes[*first].chain[chain].previous;
    links_set(chain, slot, *first, last);
    SET(processes[last].chain[chain].next, slot);
    SET(processes[*first].chain[chain].previous, slot);
}

/* Takes `slot` out of the ring; its own links stay. */
static void chain_unlink(enum chain chain, uint32_t slot)
{
    const struct links links = processes[slot].chain[chain];

    SET(processes[links.previous].chain[chain].next, links.next);
    SET(processes[links.next].chain[chain].previous, links.previous);
}

static void chain_remove(enum chain chain, uint32_t *first, uint32_t slot)
{
    uint32_t next = processes[slot].chain[chain].next;

    chain_unlink(chain, slot);
    if (*first == slot)
        SET(*first, next == slot ? NOBODY : next);
}

uint32_t chain_next(enum chain chain, uint32_t first, uint32_t at)
{
    uint32_t next = processes[at].chain[chain].next;

    return next == first ? NOBODY : next;
}

/* ---- by number --------------------------------------------------------------------------------- */

uint32_t table_find(int64_t pid)
{
    uint32_t slot = pid > 0 ? pid_buckets[bucket(pid)] : NOBODY;

    while (slot != NOBODY && entries[slot].pid != pid)
        slot = processes[slot].hash_next;
    return slot;
}

uint32_t table_find_group(int64_t pgid)
{
    uint32_t group = pgid > 0 ? group_buckets[bucket(pgid)] : NOBODY;

    while (group != NOBODY && groups[group].pgid != pgid)
        group = groups[group].hash_next;
    return group;
}

uint32_t table_find_session(int64_t sid)
{
    uint32_t session = sid > 0 ? session_buckets[bucket(sid)] : NOBODY;

    while (session != NOBODY && sessions[session].sid != sid)
        session = sessions[session].hash_next;
    return session;
}

static void pid_unhash(uint32_t slot)
{
    uint32_t *link = &pid_buckets[bucket(entries[slot].pid)];

    while (*link != slot)
        link = &processes[*link].hash_next;
    SET(*link, processes[slot].hash_next);
}

static void pid_hash(uint32_t slot, int32_t pid)
{
    uint32_t *head = &pid_buckets[bucket(pid)];

    SET(entries[slot].pid, pid);
    SET(processes[slot].hash_next, *head);
    SET(*head, slot);
}

static bool pid_free(int32_t pid)
{
    return table_find(pid) == NOBODY && table_find_group(pid) == NOBODY &&
           table_find_session(pid) == NOBODY;
}

/* Counts upwards, so that a number comes back as late as possible. Ends: the numbers are more than
 * all that processes, groups and sessions can hold. */
static_assert(PID_LAST - PID_REUSE > 3 * PROC_MAX, "there is always a free pid");
static int32_t pid_next(void)
{
    do {
        SET(last_pid, last_pid >= PID_LAST ? PID_REUSE : last_pid + 1);
    } while (!pid_free(last_pid));
    return last_pid;
}

/* ---- groups and sessions ----------------------------------------------------------------------- */

/* As many records of each kind as there are slots, and each record has a member: taking one for a
 * process that leaves another record cannot fail, but during the change there is one more. */
static uint32_t group_make(int32_t pgid, uint32_t session)
{
    uint32_t group = stack_take(&free_groups);

    if (group == NOBODY)
        return NOBODY;
    undo_save(&groups[group], sizeof groups[group]);
    groups[group] = (struct group){.pgid = pgid,
                                   .session = session,
                                   .members = NOBODY,
                                   .hash_next = group_buckets[bucket(pgid)]};
    SET(group_buckets[bucket(pgid)], group);
    return group;
}

static uint32_t session_make(int32_t sid, uint32_t leader)
{
    uint32_t session = stack_take(&free_sessions);

    if (session == NOBODY)
        return NOBODY;
    undo_save(&sessions[session], sizeof sessions[session]);
    sessions[session] = (struct session){
        .sid = sid, .leader = leader, .members = NOBODY, .hash_next = session_buckets[bucket(sid)]};
    SET(session_buckets[bucket(sid)], session);
    return session;
}

static void group_drop(uint32_t group)
{
    uint32_t *link = &group_buckets[bucket(groups[group].pgid)];

    while (*link != group)
        link = &groups[*link].hash_next;
    SET(*link, groups[group].hash_next);
    SET(groups[group].pgid, 0);
    stack_give(&free_groups, group);
}

static void session_drop(uint32_t session)
{
    uint32_t *link = &session_buckets[bucket(sessions[session].sid)];

    while (*link != session)
        link = &sessions[*link].hash_next;
    SET(*link, sessions[session].hash_next);
    SET(sessions[session].sid, 0);
    stack_give(&free_sessions, session);
}

static void group_leave(uint32_t slot)
{
    uint32_t group = processes[slot].group;

    chain_remove(BY_GROUP, &groups[group].members, slot);
    if (groups[group].members == NOBODY)
        group_drop(group);
}

static void session_leave(uint32_t slot)
{
    uint32_t session = processes[slot].session;

    if (sessions[session].leader == slot)
        SET(sessions[session].leader, NOBODY);
    chain_remove(BY_SESSION, &sessions[session].members, slot);
    if (sessions[session].members == NOBODY)
        session_drop(session);
}

static void group_enter(uint32_t slot, uint32_t group)
{
    SET(processes[slot].group, group);
    SET(entries[slot].pgid, groups[group].pgid);
    chain_add(BY_GROUP, &groups[group].members, slot);
}

static void session_enter(uint32_t slot, uint32_t session)
{
    SET(processes[slot].session, session);
    SET(entries[slot].sid, sessions[session].sid);
    chain_add(BY_SESSION, &sessions[session].members, slot);
}

int64_t table_move_group(uint32_t slot, uint32_t group, int32_t pgid)
{
    if (group == NOBODY)
        group = group_make(pgid, processes[slot].session);
    if (group == NOBODY)
        return -1;
    entry_begin(slot);
    group_leave(slot);
    group_enter(slot, group);
    entry_end(slot);
    return 0;
}

int64_t table_new_session(uint32_t slot)
{
    int32_t sid = entries[slot].pid;
    uint32_t session, group;

    if (stack_left(&free_groups) == 0 || stack_left(&free_sessions) == 0)
        return -1;
    session = session_make(sid, slot);
    group = group_make(sid, session);
    entry_begin(slot);
    group_leave(slot);
    session_leave(slot);
    session_enter(slot, session);
    group_enter(slot, group);
    SET(entries[slot].tty, -1);
    entry_end(slot);
    return 0;
}

/* ---- processes --------------------------------------------------------------------------------- */

/* Releases: the odd sequence comes before the change, and the even one after it; and what a dead process
 * did comes before its new state. Models: proofs/memory/protocols/proc_table.py,
 * proofs/memory/protocols/claim.py, proofs/memory/protocols/ofd.py. */
void entry_begin(uint32_t slot)
{
    atomic_fetch_add_explicit(&entries[slot].sequence, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

void entry_end(uint32_t slot)
{
    atomic_fetch_add_explicit(&entries[slot].sequence, 1, memory_order_release);
}

void entry_state(uint32_t slot, enum proc_state state, uint32_t status)
{
    entry_begin(slot);
    SET(entries[slot].state, state);
    SET(entries[slot].status, status);
    entry_end(slot);
}

/* Of a slot that is free, and what is in a free one means nothing: no need to save it. */
static void process_reset(uint32_t slot)
{
    struct process *p = &processes[slot];

    *p = (struct process){.parent = NOBODY, .children = NOBODY, .continues = 1};
    p->chain[BY_SPACE] = (struct links){slot, slot};
}

/* Everything in an entry but its sequence, which only counts. The entry is a free one, so only that it
 * is free needs to be saved. */
static void entry_copy(uint32_t slot, const struct proc_entry *from)
{
    size_t state = offsetof(struct proc_entry, state);

    undo_word(&entries[slot].state);
    memcpy((char *)&entries[slot] + state, (const char *)from + state, sizeof *from - state);
}

void table_init(struct proc_entry *published)
{
    static const struct proc_entry first = {.state = PROC_RUNNING, .pid = 1, .tty = -1};

    entries = published;
    free_slots.count = free_groups.count = free_sessions.count = 0;
    free_slots.used = free_groups.used = free_sessions.used = 0;
    for (uint32_t i = 0; i < BUCKETS; i++)
        pid_buckets[i] = group_buckets[i] = session_buckets[i] = NOBODY;
    stack_take(&free_slots);
    process_reset(INIT_SLOT);
    entry_copy(INIT_SLOT, &first);
    pid_hash(INIT_SLOT, 1);
    session_enter(INIT_SLOT, session_make(1, INIT_SLOT));
    group_enter(INIT_SLOT, group_make(1, processes[INIT_SLOT].session));
    last_pid = 1;
    process_count = 1;
    fork_count = 0;
}

/* Readers that saw an entry in the middle of a change, or its sequence before, must not take for whole
 * what they read while it is put back: the entries to be put back are marked as being changed first.
 * Any number of deaths in here leaves them so. */
void table_recover(struct proc_entry *published)
{
    entries = published;
    for (const struct undo_entry *e = undo_log.entries; e < undo_log.next; e++) {
        uint64_t slot = ((uintptr_t)e->at - (uintptr_t)entries) / sizeof *entries;

        if (slot < PROC_MAX && !(atomic_load(&entries[slot].sequence) & 1))
            entry_begin((uint32_t)slot);
    }
    undo_recover();
    /* A slot that was being taken for the first time is the one at the limit. */
    for (uint32_t slot = 0; slot <= table_limit() && slot < PROC_MAX; slot++) {
        if (atomic_load_explicit(&entries[slot].sequence, memory_order_relaxed) & 1)
            entry_end(slot);
    }
}

uint32_t table_count(void)
{
    return process_count;
}

uint64_t table_forked(void)
{
    return fork_count;
}

uint32_t table_limit(void)
{
    return free_slots.used;
}

uint32_t table_process_limit = PROC_MAX;

uint32_t table_add(uint32_t parent, uint64_t now)
{
    uint32_t reserve = entries[parent].euid == 0 ? 0 : ROOT_RESERVE;
    uint32_t limit = table_process_limit + (processes[parent].booted ? SHELL_RESERVE : 0);
    struct proc_entry entry;
    uint32_t slot;

    if (stack_left(&free_slots) <= reserve || PROC_MAX - stack_left(&free_slots) > limit)
        return NOBODY;
    slot = stack_take(&free_slots);
    memcpy(&entry, &entries[parent], sizeof entry);
    entry.state = PROC_EMBRYO;
    entry.ppid = entry.pid;
    entry.status = 0;
    entry.start_ns = now;
    entry.cpu_ns = entry.children_cpu_ns = 0;
    entry.execs = 0;

    process_reset(slot);
    entry_begin(slot);
    entry_copy(slot, &entry);
    pid_hash(slot, pid_next());
    session_enter(slot, processes[parent].session);
    group_enter(slot, processes[parent].group);
    SET(processes[slot].parent, parent);
    chain_add(BY_PARENT, &processes[parent].children, slot);
    entry_end(slot);
    SET(process_count, process_count + 1);
    SET(fork_count, fork_count + 1);
    return slot;
}

void table_remove(uint32_t slot)
{
    struct process *p = &processes[slot];

    table_report(slot, REPORT_NONE);
    table_leave_space(slot);
    entry_begin(slot);
    chain_remove(BY_PARENT, &processes[p->parent].children, slot);
    group_leave(slot);
    session_leave(slot);
    pid_unhash(slot);
    SET(entries[slot].state, PROC_FREE);
    SET(entries[slot].pid, 0);
    entry_end(slot);
    stack_give(&free_slots, slot);
    SET(process_count, process_count - 1);
}

void table_report(uint32_t slot, enum report report)
{
    struct process *p = &processes[slot], *parent = &processes[p->parent];

    if (p->report != REPORT_NONE)
        SET(parent->reports, parent->reports - 1);
    if (report != REPORT_NONE)
        SET(parent->reports, parent->reports + 1);
    SET(p->report, report);
}

void table_reparent(uint32_t slot, uint32_t parent)
{
    struct process *p = &processes[slot];
    enum report report = p->report;

    table_report(slot, REPORT_NONE);
    chain_remove(BY_PARENT, &processes[p->parent].children, slot);
    SET(p->parent, parent);
    chain_add(BY_PARENT, &processes[parent].children, slot);
    table_report(slot, report);
    entry_begin(slot);
    SET(entries[slot].ppid, entries[parent].pid);
    entry_end(slot);
}

void table_share_space(uint32_t slot, uint32_t host)
{
    chain_add(BY_SPACE, &host, slot); /* the host is in it, so it is not changed here */
    SET(processes[slot].context, true);
}

void table_leave_space(uint32_t slot)
{
    chain_unlink(BY_SPACE, slot);
    links_set(BY_SPACE, slot, slot, slot);
    SET(processes[slot].context, false);
}
