/* SPDX-License-Identifier: MIT */
/* Signals: see signal.h. Tests: tests/c17/unit/test_proc_signal.c */
#include "servers/proc/signal.h"
#include "servers/proc/after.h"
#include "servers/proc/credentials.h"
#include "servers/proc/life.h"
#include "servers/proc/port.h"
#include "servers/proc/table.h"
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#define STOP_SIGNALS \
    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

KEPT static uint64_t init_signals;

uint64_t signal_take_init(void)
{
    uint64_t taken = init_signals;

    if (taken != 0)
        SET(init_signals, 0);
    return taken;
}

/* ---- the shared page --------------------------------------------------------------------------- */

/* The process says how far it has read; the acquire comes before a place is written again (after.c,
 * proofs/memory/protocols/proc_shared.py). */
static bool queue_has_room(const struct process *p)
{
    uint32_t head = atomic_load_explicit(&p->shared->head, memory_order_acquire);

    return p->tail - head < PROC_SIGQUEUE;
}

/* Is it there for the thread already? Standard signals do not queue. */
static bool queue_has(const struct process *p, const struct proc_siginfo *info, int32_t tid)
{
    const struct proc_shared *shared = p->shared;
    uint32_t head = atomic_load_explicit(&shared->head, memory_order_relaxed);

    for (uint32_t i = p->tail; i != head && p->tail - i < PROC_SIGQUEUE; i--) {
        uint32_t k = (i - 1) % PROC_SIGQUEUE;

        if (shared->queue_tid[k] == tid && shared->queue[k].signo == info->signo)
            return true;
    }
    return false;
}

static int64_t post_thread(uint32_t slot, const struct proc_siginfo *info, int32_t tid)
{
    struct process *p = &processes[slot];

    if (info->signo < SIGRTMIN && queue_has(p, info, tid))
        return 0;
    if (!queue_has_room(p))
        return -EAGAIN;
    after_queue(slot, info, p->tail, tid);
    SET(p->tail, p->tail + 1);
    after_notify(slot, PROC_EVENT_SIGNAL);
    return 0;
}

/* tid 0: for any thread of the process. */
static int64_t post(uint32_t slot, const struct proc_siginfo *info, int32_t tid)
{
    struct process *p = &processes[slot];
    struct proc_shared *shared = p->shared;

    if (atomic_load_explicit(&shared->ignored, memory_order_relaxed) & SIGNAL_BIT(info->signo))
        return 0;
    if (tid != 0)
        return post_thread(slot, info, tid);
    if (info->signo >= SIGRTMIN && queue_has_room(p)) {
        after_queue(slot, info, p->tail, 0);
        SET(p->tail, p->tail + 1);
    } else {
        if (info->signo >= SIGRTMIN && info->code != SI_USER)
            return -EAGAIN;
        SET(p->posted, p->posted + 1);
        after_post(slot, info, p->posted);
    }
    after_notify(slot, PROC_EVENT_SIGNAL);
    return 0;
}

/* ---- stopping and going on --------------------------------------------------------------------- */

/* An environment stands still while any process in it is stopped. */
static void space_suspend(uint32_t slot)
{
    bool stopped = false;

    for (uint32_t s = slot; s != NOBODY; s = chain_next(BY_SPACE, slot, s))
        stopped |= entries[s].state == PROC_STOPPED;
    after_suspend(slot, stopped);
}

void signal_stop(uint32_t slot, int32_t signo)
{
    if (entries[slot].state != PROC_RUNNING)
        return;
    entry_state(slot, PROC_STOPPED, STATUS_STOPPED(signo));
    space_suspend(slot);
    table_report(slot, REPORT_STOPPED);
    signal_parent(slot, SIGCHLD, CLD_STOPPED, (uint32_t)signo);
}

void signal_continue(uint32_t slot)
{
    if (entries[slot].state != PROC_STOPPED)
        return;
    entry_state(slot, PROC_RUNNING, 0);
    space_suspend(slot);
    table_report(slot, REPORT_CONTINUED);
    signal_parent(slot, SIGCHLD, CLD_CONTINUED, SIGCONT);
}

void signal_parent(uint32_t slot, int32_t signo, int32_t code, uint32_t value)
{
    uint32_t parent = processes[slot].parent;
    struct proc_shared *shared = processes[parent].shared;
    struct proc_siginfo info = {.signo = signo,
                                .code = code,
                                .pid = entries[slot].pid,
                                .uid = entries[slot].ruid,
                                .value = value};
    uint32_t flags;

    if (!shared || !process_alive(parent))
        return;
    flags = atomic_load_explicit(&shared->child_flags, memory_order_relaxed);
    after(AFTER_CHILD, parent);
    if (signo <= 0 || signo > SIGRTMAX)
        return;
    if (signo == SIGCHLD) {
        if (flags & PROC_CHILD_IGNORED)
            return;
        if ((flags & PROC_CHILD_NO_STOP) && (code == CLD_STOPPED || code == CLD_CONTINUED))
            return;
    }
    signal_send(parent, &info);
}

/* ---- sending ----------------------------------------------------------------------------------- */

static int64_t send(uint32_t slot, const struct proc_siginfo *info, int32_t tid)
{
    uint64_t bit = SIGNAL_BIT(info->signo);

    if (slot == INIT_SLOT) {
        SET(init_signals, init_signals | bit);
        after(AFTER_TELL_INIT, slot);
        return 0;
    }
    if (!process_alive(slot))
        return 0;
    if (info->signo == SIGKILL) {
        life_kill(slot);
        return 0;
    }
    if (bit & STOP_SIGNALS)
        after_forget(slot, SIGNAL_BIT(SIGCONT));
    if (info->signo == SIGSTOP && entries[slot].state != PROC_EMBRYO) {
        signal_stop(slot, SIGSTOP);
        return 0;
    }
    if (info->signo == SIGCONT) {
        after_forget(slot, STOP_SIGNALS);
        SET(processes[slot].continues, processes[slot].continues + 1);
        after_continues(slot, processes[slot].continues);
        signal_continue(slot);
    }
    return post(slot, info, tid);
}

int64_t signal_send(uint32_t slot, const struct proc_siginfo *info)
{
    return send(slot, info, 0);
}

int64_t signal_group(uint32_t group, int32_t signo)
{
    const struct proc_siginfo info = {.signo = signo, .code = SI_KERNEL};
    uint32_t first = groups[group].members;
    int64_t reached = 0;

    /* No SIGKILL here (its callers see to that), so the list stays as it is. */
    for (uint32_t m = first; m != NOBODY; m = chain_next(BY_GROUP, first, m)) {
        signal_send(m, &info);
        reached++;
    }
    return reached;
}

static int64_t kill_one(uint32_t caller, uint32_t slot, const struct proc_siginfo *info,
                        int32_t tid)
{
    bool same_session = processes[caller].session == processes[slot].session;

    if (!credentials_may_signal(&entries[caller], &entries[slot]) &&
        !(info->signo == SIGCONT && same_session))
        return -EPERM;
    return info->signo == 0 ? 0 : send(slot, info, tid);
}

/* SIGKILL may take members off the list while it is walked, so they are noted first. */
static int64_t kill_group(uint32_t caller, int64_t pgid, const struct proc_siginfo *info)
{
    static uint32_t noted[PROC_MAX];
    static int32_t pids[PROC_MAX];
    uint32_t group = table_find_group(pgid), count = 0;
    int64_t result = -ESRCH;
    bool reached = false;

    if (group == NOBODY)
        return -ESRCH;
    for (uint32_t m = groups[group].members; m != NOBODY;
         m = chain_next(BY_GROUP, groups[group].members, m)) {
        pids[count] = entries[m].pid;
        noted[count++] = m;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (entries[noted[i]].pid != pids[i])
            continue;
        result = kill_one(caller, noted[i], info, 0);
        reached |= result == 0;
    }
    return reached ? 0 : result;
}

/* All but pid 1 and the caller; a refusal is no failure (kill(2)). */
static int64_t kill_all(uint32_t caller, const struct proc_siginfo *info)
{
    int64_t result = 0;
    bool any = false;

    for (uint32_t slot = INIT_SLOT + 1; slot < table_limit(); slot++) {
        if (!process_exists(slot) || slot == caller)
            continue;
        int64_t one = kill_one(caller, slot, info, 0);
        any = true;
        if (one != -EPERM)
            result = one;
    }
    return any ? result : -ESRCH;
}

static int64_t information(uint32_t caller, int64_t signo, int64_t code, uint64_t value,
                           struct proc_siginfo *info)
{
    if (signo < 0 || signo > SIGRTMAX)
        return -EINVAL;
    if (code > 0 || code < INT32_MIN)
        return -EPERM;
    *info = (struct proc_siginfo){.signo = (int32_t)signo,
                                  .code = (int32_t)code,
                                  .pid = entries[caller].pid,
                                  .uid = entries[caller].ruid,
                                  .value = value};
    return 0;
}

int64_t signal_kill(uint32_t caller, int64_t pid, int64_t signo, int64_t code, uint64_t value)
{
    struct proc_siginfo info;
    int64_t result = information(caller, signo, code, value, &info);
    uint32_t slot;

    if (result < 0)
        return result;
    if (pid == -1)
        return kill_all(caller, &info);
    if (pid <= 0)
        return kill_group(caller, pid == 0 ? entries[caller].pgid : -pid, &info);
    slot = table_find(pid);
    return slot == NOBODY ? -ESRCH : kill_one(caller, slot, &info, 0);
}

/* Which threads there are is the process's own word. */
static uint32_t find_thread(int32_t tid)
{
    uint32_t number = (uint32_t)tid - PROC_TID_FIRST, slot = proc_tid_slot(tid);
    uint32_t round = number / PROC_THREADS / PROC_MAX;

    if (tid < PROC_TID_FIRST)
        return table_find(tid);
    return process_alive(slot) && slot != INIT_SLOT &&
                   port_thread_round(slot, number % PROC_THREADS) == round + 1
               ? slot
               : NOBODY;
}

int64_t signal_kill_thread(uint32_t caller, int32_t tid, int64_t signo, int64_t code,
                           uint64_t value)
{
    struct proc_siginfo info;
    int64_t result = information(caller, signo, code, value, &info);
    uint32_t slot = find_thread(tid);

    if (result < 0)
        return result;
    return slot == NOBODY ? -ESRCH : kill_one(caller, slot, &info, tid);
}
