/* SPDX-License-Identifier: MIT */
/* The life of a process: see life.h. Tests: tests/c17/unit/test_proc_life.c */
#include "servers/proc/life.h"
#include "servers/proc/after.h"
#include "servers/proc/credentials.h"
#include "servers/proc/signal.h"
#include "servers/proc/table.h"
#include <lib/answers.h>
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

/* ---- beginning --------------------------------------------------------------------------------- */

/* What credentials.c changes in an entry. */
void identity_save(uint32_t slot)
{
    struct proc_entry *e = &entries[slot];

    undo_save(&e->ruid, offsetof(struct proc_entry, tty) - offsetof(struct proc_entry, ruid));
    undo_word(&e->group_count);
}

static void become_root(uint32_t slot)
{
    struct proc_entry *e = &entries[slot];

    entry_begin(slot);
    identity_save(slot);
    e->ruid = e->euid = e->suid = e->fsuid = 0;
    e->rgid = e->egid = e->sgid = e->fsgid = 0;
    e->group_count = 0;
    entry_end(slot);
}

int64_t life_fork(uint32_t parent, const struct body *body, int32_t exit_signal, bool boot)
{
    uint32_t slot = port_reserve(table_limit()) < 0 ? NOBODY : table_add(parent, port_now());
    int64_t result;

    if (slot == NOBODY)
        return -EAGAIN;
    result = port_attach(slot, body);
    if (result == 0 && boot && table_new_session(slot) < 0) {
        after(AFTER_RELEASE, slot);
        result = -EAGAIN;
    }
    if (result < 0) {
        table_remove(slot);
        return result;
    }
    if (boot)
        become_root(slot);
    SET(processes[slot].booted, boot);
    SET(processes[slot].exit_signal, exit_signal);
    SET(processes[slot].shared, port_shared(slot));
    if (body->context)
        table_share_space(slot, parent);
    return slot;
}

int64_t life_start(uint32_t parent, int64_t pid)
{
    uint32_t slot = table_find(pid);

    if (slot == NOBODY || processes[slot].parent != parent)
        return -ESRCH;
    if (entries[slot].state != PROC_EMBRYO)
        return -EINVAL;
    entry_state(slot, PROC_RUNNING, 0);
    after(AFTER_RESUME, slot);
    /* A SIGSTOP that came before there was anything to stop. */
    if (atomic_load(&processes[slot].shared->pending) & SIGNAL_BIT(SIGSTOP)) {
        after_forget(slot, SIGNAL_BIT(SIGSTOP));
        signal_stop(slot, SIGSTOP);
    }
    return 0;
}

/* ---- exec and stop ----------------------------------------------------------------------------- */

void life_exec(uint32_t slot)
{
    struct proc_entry *e = &entries[slot];

    entry_begin(slot);
    identity_save(slot);
    credentials_exec(e);
    if (e->execs < UINT16_MAX)
        SET(e->execs, e->execs + 1);
    entry_end(slot);
    SET(processes[slot].exit_signal, SIGCHLD);
    SET(processes[slot].renewed, false);
}

/* The others in a process's environment, which is about to go, go with it. */
static void end_companions(uint32_t slot)
{
    uint32_t other;

    while ((other = chain_next(BY_SPACE, slot, slot)) != NOBODY) {
        table_leave_space(other);
        life_end(other, STATUS_KILLED(SIGKILL));
    }
}

int64_t life_move(uint32_t slot, const struct body *body)
{
    int64_t result = port_attach(slot, body);

    if (result < 0)
        return result;
    after(AFTER_LEAVE, slot);
    if (processes[slot].context)
        table_leave_space(slot);
    else
        end_companions(slot);
    life_exec(slot);
    after(AFTER_RESUME, slot);
    if (processes[slot].killed) /* it came too late for the old place */
        life_end(slot, STATUS_KILLED(SIGKILL));
    return 0;
}

int64_t life_renew(uint32_t slot, const struct body *body)
{
    port_revoke(slot);
    int64_t result = life_move(slot, body);
    if (result < 0)
        return result;
    port_set_renewal(slot, 0);
    SET(processes[slot].renewed, true);
    return 0;
}

int64_t life_set_ids(uint32_t slot, uint32_t user, uint32_t group)
{
    struct proc_entry *e = &entries[slot];

    if (!processes[slot].renewed)
        return -EPERM;
    entry_begin(slot);
    identity_save(slot);
    if (user != UINT32_MAX)
        e->euid = user;
    if (group != UINT32_MAX)
        e->egid = group;
    entry_end(slot);
    return 0;
}

int64_t life_stop(uint32_t slot, uint64_t status, uint64_t continues)
{
    uint32_t signo = (uint32_t)status >> 8;
    uint64_t now = processes[slot].continues;

    if (status != STATUS_STOPPED(signo) || signo == 0 || signo > SIGRTMAX)
        return -EINVAL;
    if (continues != 0 && continues != now)
        return 0;
    if (signo != SIGSTOP && jobs_orphaned(processes[slot].group, NOBODY))
        return 0;
    signal_stop(slot, (int32_t)signo);
    return 0;
}

/* ---- ending ------------------------------------------------------------------------------------ */

/* A group that has just been orphaned would have its stopped members wait for ever. */
static void orphan_check(uint32_t group, uint32_t but)
{
    if (jobs_orphaned(group, but) && jobs_stopped(group)) {
        signal_group(group, SIGHUP);
        signal_group(group, SIGCONT);
    }
}

/* Was this parent one that kept the group of its child from being orphaned? */
static bool controls(uint32_t parent, uint32_t child)
{
    return parent != INIT_SLOT && processes[parent].group != processes[child].group &&
           processes[parent].session == processes[child].session;
}

/* Its terminal is lost to the session: the foreground hears of it, and tty hangs up. */
static void session_end(uint32_t slot)
{
    struct session *s = &sessions[processes[slot].session];

    if (s->leader != slot)
        return;
    uint32_t group = table_find_group(s->foreground);
    bool has_tty = entries[slot].tty >= 0;

    SET(s->leader, NOBODY);
    SET(s->foreground, 0);
    if (group != NOBODY && groups[group].session == processes[slot].session) {
        signal_group(group, SIGHUP);
        if (!has_tty) /* it was hung up earlier */
            signal_group(group, SIGCONT);
    }
    if (has_tty) {
        jobs_set_tty(processes[slot].session, -1);
        after(AFTER_TELL_TTY, slot);
    }
}

static void abandon_children(uint32_t slot)
{
    uint32_t child;

    while ((child = processes[slot].children) != NOBODY) {
        bool controlled = controls(slot, child);
        uint32_t group = processes[child].group;

        table_reparent(child, INIT_SLOT);
        SET(processes[child].adopted, true);
        SET(processes[child].exit_signal, SIGCHLD);
        if (entries[child].state == PROC_ZOMBIE)
            life_reap(child);
        else if (controlled)
            orphan_check(group, NOBODY);
    }
}

/* Tells the parent; false if it does not want to know, and there is to be no zombie. */
static bool tell_parent(uint32_t slot, uint32_t status)
{
    struct process *p = &processes[slot];
    struct proc_shared *shared = processes[p->parent].shared;
    uint32_t flags = shared ? atomic_load(&shared->child_flags) : 0;
    bool own_exit = (status & 0x7f) == 0;

    if (p->parent == INIT_SLOT && !p->adopted) {
        table_report(slot, REPORT_DEAD);
        after(AFTER_TELL_INIT, slot);
        return true;
    }
    if (p->adopted)
        return false;
    bool unwanted =
        p->exit_signal == SIGCHLD && (flags & (PROC_CHILD_IGNORED | PROC_CHILD_NO_WAIT));
    if (!unwanted)
        table_report(slot, REPORT_DEAD);
    signal_parent(slot, p->exit_signal,
                  own_exit                   ? CLD_EXITED
                  : (status & STATUS_DUMPED) ? CLD_DUMPED
                                             : CLD_KILLED,
                  own_exit ? status >> 8 & 0xff : status & 0x7f);
    return !unwanted;
}

void life_end(uint32_t slot, uint32_t status)
{
    struct process *p = &processes[slot];
    bool controlled = controls(p->parent, slot);

    if (p->killed)
        status = STATUS_KILLED(SIGKILL);
    uint64_t cpu_ns = port_cpu_ns(slot);

    after_detach(slot, status);
    if (p->context)
        table_leave_space(slot);
    else
        end_companions(slot);
    entry_begin(slot);
    SET(entries[slot].state, PROC_ZOMBIE);
    SET(entries[slot].status, status);
    SET(entries[slot].cpu_ns, cpu_ns);
    entry_end(slot);
    after(AFTER_WAKE_STATE, slot); /* for pidfds */
    session_end(slot);
    abandon_children(slot);
    if (controlled)
        orphan_check(p->group, slot);
    if (!tell_parent(slot, status))
        life_reap(slot);
}

void life_kill(uint32_t slot)
{
    if (!processes[slot].context) {
        life_end(slot, STATUS_KILLED(SIGKILL));
        return;
    }
    SET(processes[slot].killed, true);
    signal_continue(slot);
    after_notify(slot, PROC_EVENT_KILLED);
}

void life_reap(uint32_t slot)
{
    after(AFTER_RELEASE, slot);
    answers_forget(slot); /* the next process in the slot has the same badge */
    table_remove(slot);
}

void life_check(uint32_t first, uint32_t step)
{
    for (uint32_t slot = first; slot < table_limit(); slot += step) {
        int64_t status;

        if (process_alive(slot) && !processes[slot].context && slot != INIT_SLOT &&
            (status = port_death(slot)) >= 0)
            life_end(slot, (uint32_t)status);
    }
}
