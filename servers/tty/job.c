/* SPDX-License-Identifier: MIT */
/*
 * Job control: whose terminal it is, and which of its groups may use it. Who is who stands in proc's
 * table, which tty reads; signals are proc's to send.
 */
#include "servers/tty/terminal.h"
#include <exo.h>
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <stdatomic.h>

/* ---- who calls ----------------------------------------------------------------------------------- */

static void caller_copy(const struct proc_entry *e, struct caller *out)
{
    out->pid = e->pid;
    out->pgid = e->pgid;
    out->sid = e->sid;
    out->tty = e->tty;
    out->euid = e->euid;
    out->uid = e->fsuid;
    out->gid = e->fsgid;
    out->group_count = e->group_count < PROC_GROUPS ? e->group_count : PROC_GROUPS;
    for (uint32_t i = 0; i < out->group_count; i++)
        out->groups[i] = e->groups[i];
}

/* Only badges are so high: what a process says of itself (TTY_CALLER_SLOT) cannot reach them. */
static void caller_server(struct caller *out)
{
    *out = (struct caller){.slot = UINT32_MAX, .sid = -1, .tty = -1};
}

bool caller_find(uint64_t slot, struct caller *out)
{
    const struct proc_entry *e;
    uint32_t before, state;

    if (slot >= PROC_BADGE_SERVER) {
        caller_server(out);
        return true;
    }
    if (slot >= PROC_MAX)
        return false;
    e = (const struct proc_entry *)TABLE_VA + slot;
    out->slot = (uint32_t)slot;
    /* proc's changes are short, and it runs before us. The acquires keep the reads between the two looks
     * at the sequence (proofs/memory/protocols/proc_table.py). */
    do {
        while ((before = atomic_load_explicit(&e->sequence, memory_order_acquire)) & 1)
            exo_yield(0);
        state = e->state;
        caller_copy(e, out);
        atomic_thread_fence(memory_order_acquire);
    } while (atomic_load_explicit(&e->sequence, memory_order_relaxed) != before);
    return state != PROC_FREE && state != PROC_ZOMBIE;
}

bool caller_leads_session(const struct caller *c)
{
    return c->pid == c->sid;
}

bool caller_in_group(const struct caller *c, uint32_t gid)
{
    for (uint32_t i = 0; i < c->group_count; i++) {
        if (c->groups[i] == gid)
            return true;
    }
    return c->gid == gid;
}

/* ---- rules --------------------------------------------------------------------------------------- */

int64_t job_check(struct terminal *t, uint64_t word, int32_t signo)
{
    bool off = word & (signo == SIGTTIN ? TTY_NO_SIGTTIN : TTY_NO_SIGTTOU);
    struct caller c;

    if (t->foreground == 0 || !caller_find(word & TTY_CALLER_SLOT, &c) ||
        c.tty != (int32_t)t->minor || c.pgid == t->foreground)
        return 0;
    if (off)
        return signo == SIGTTIN ? -EIO : 0;
    return peer_signal_group(c.pgid, signo, PROC_GROUP_NOT_ORPHANED) == -EIO ? -EIO : -EINTR;
}

int64_t job_set_controlling(struct terminal *t, const struct caller *c, bool steal)
{
    int64_t result;

    if (caller_leads_session(c) && t->session == c->sid)
        return 0;
    if (!caller_leads_session(c) || (c->tty >= 0 && c->tty != (int32_t)t->minor))
        return -EPERM; /* the same minor: our last life had told proc, and not finished */
    if (t->session != 0) {
        if (!steal || c->euid != 0)
            return -EPERM;
        peer_set_tty(t->session, -1, 0, 0, false);
    }
    result = peer_set_tty(c->sid, (int32_t)t->minor, c->pgid, 0, true);
    if (result < 0) {
        t->session = t->foreground = 0;
        return -EPERM;
    }
    t->session = c->sid;
    t->leader = c->slot;
    t->foreground = c->pgid;
    return 0;
}

int64_t job_give_up(struct terminal *t, const struct caller *c)
{
    int32_t foreground = t->foreground;

    bool begun = c->tty < 0 && caller_leads_session(c); /* by our last life, perhaps */

    if ((c->tty != (int32_t)t->minor && !begun) || c->sid != t->session)
        return -ENOTTY;
    if (!caller_leads_session(c))
        return peer_set_tty(c->sid, -1, 0, c->slot, false);
    peer_set_tty(c->sid, -1, 0, 0, false);
    t->session = t->foreground = 0;
    if (foreground != 0)
        peer_signal_group(foreground, SIGHUP, PROC_GROUP_CONTINUE);
    return 0;
}

int64_t job_set_foreground(struct terminal *t, const struct caller *c, int64_t pgid)
{
    int64_t result;

    if (c->tty != (int32_t)t->minor || c->sid != t->session)
        return -ENOTTY;
    if (pgid <= 0)
        return -EINVAL;
    result = peer_set_tty(t->session, (int32_t)t->minor, (int32_t)pgid, 0, false);
    if (result == 0)
        t->foreground = (int32_t)pgid;
    return result;
}

void job_signal_foreground(struct terminal *t, int32_t signo)
{
    if (t->foreground != 0)
        peer_signal_group(t->foreground, signo, 0);
}
