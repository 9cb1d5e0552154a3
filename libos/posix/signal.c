// SPDX-License-Identifier: MIT
/*
 * Pending signals: sending, queueing, taking.
 *
 * Signals from other processes come through struct proc_shared, which proc writes; we take them over
 * (signal_collect) into the same two sets that local ones go to: one of the process, one of each
 * thread. What is known of a pending signal beside its number is a note in process->queue, in the
 * order of sending; a standard signal has at most one a set, a real-time signal one each time. If
 * there is no memory for a note, a standard signal is delivered without one, as on Linux.
 *
 * A signal that would be ignored is dropped when it is sent, unless it is blocked.
 */
#include "core.h"

#define QUEUE_MAX 1024u /* RLIMIT_SIGPENDING */

static uint32_t queued;

static bool is_ignored(const struct process *p, int32_t signo)
{
    uint64_t handler = p->actions[signo].handler;

    return handler == SIG_IGN ||
           (handler == SIG_DFL && (SIGNALS_DEFAULT_IGNORED & SIGNAL_BIT(signo)) != 0);
}

static bool is_blocked(const struct process *p, const struct thread *t, int32_t signo)
{
    if (t)
        return (t->sigmask & SIGNAL_BIT(signo)) != 0;
    for (t = p->threads; t; t = t->next) {
        if (!(t->sigmask & SIGNAL_BIT(signo)))
            return false;
    }
    return true;
}

static void note_add(struct process *p, struct thread *t, const struct proc_siginfo *info)
{
    struct signal_note *note = queued < QUEUE_MAX ? heap_alloc(sizeof *note) : 0;
    struct signal_note **link = &p->queue;

    if (!note)
        return;
    while (*link)
        link = &(*link)->next;
    *note = (struct signal_note){.thread = t, .info = *info};
    *link = note;
    queued++;
}

static void note_remove(struct signal_note **link)
{
    struct signal_note *note = *link;

    *link = note->next;
    heap_free(note);
    queued--;
}

/* Drops all notes of a set of signals at one target. */
static void notes_drop(struct process *p, const struct thread *t, uint64_t set)
{
    for (struct signal_note **link = &p->queue; *link;) {
        if ((*link)->thread == t && (set & SIGNAL_BIT((*link)->info.signo)))
            note_remove(link);
        else
            link = &(*link)->next;
    }
}

void signal_forget(struct process *p, uint64_t set)
{
    if (p->pending & set) {
        p->pending &= ~set;
        notes_drop(p, 0, set);
    }
    for (struct thread *t = p->threads; t; t = t->next) {
        if (t->pending & set) {
            t->pending &= ~set;
            notes_drop(p, t, set);
        }
    }
}

void signal_forget_thread(struct thread *t)
{
    t->pending = 0;
    notes_drop(t->process, t, UINT64_MAX);
}

void signal_changed(struct process *p)
{
    if (p->signal_watched) {
        p->signal_watched = false;
        atomic_fetch_add(&p->signal_change, 1);
        exo_wake(&p->signal_change, UINT32_MAX);
    }
}

/* Adds a signal to a set; true if it is pending now. */
static bool signal_add(struct process *p, struct thread *t, const struct proc_siginfo *info)
{
    uint64_t bit = SIGNAL_BIT(info->signo);
    uint64_t *set = t ? &t->pending : &p->pending;

    if (SIGNALS_STOP & bit)
        signal_forget(p, SIGNAL_BIT(SIGCONT));
    else if (info->signo == SIGCONT)
        signal_forget(p, SIGNALS_STOP);
    if (is_ignored(p, info->signo) && !is_blocked(p, t, info->signo))
        return false;
    if (info->signo < SIGRTMIN && (*set & bit) != 0)
        return true;
    *set |= bit;
    note_add(p, t, info);
    signal_changed(p);
    return true;
}

int64_t signal_post(struct process *p, struct thread *t, const struct proc_siginfo *info)
{
    if (info->signo >= SIGRTMIN && queued >= QUEUE_MAX)
        return -EAGAIN;
    if (!signal_add(p, t, info))
        return 0;
    if (t) {
        thread_attention(t);
        return 0;
    }
    /* Whoever does not block it takes it: this thread before others. */
    struct thread *me = self();
    if (me->process == p && !(me->sigmask & SIGNAL_BIT(info->signo))) {
        attention();
        return 0;
    }
    for (t = p->threads; t; t = t->next) {
        if (!(t->sigmask & SIGNAL_BIT(info->signo))) {
            thread_attention(t);
            break;
        }
    }
    return 0;
}

/* From proc's queue: for the process (tid 0), or a thread, which may have ended. */
static void signal_receive(struct process *p, int32_t tid, const struct proc_siginfo *info)
{
    struct thread *t = tid == 0 ? 0 : p->threads;

    while (t && t->tid != tid)
        t = t->next;
    if (tid != 0 && !t)
        return;
    if (signal_add(p, t, info) && t && t != self())
        thread_attention(t);
}

void signal_collect(struct process *p)
{
    struct proc_shared *shared = p->shared;

    uint64_t bits = atomic_load_explicit(&shared->pending, memory_order_acquire);

    /* A bit is given back after its note was read, for proc then writes the next one there: acquire and
     * release, here and below, keep the reading between (proofs/memory/protocols/proc_shared.py). */
    while (bits) {
        uint64_t bit = bits & -bits;
        int32_t signo = __builtin_ctzll(bits) + 1;
        struct proc_siginfo info = shared->info[signo];

        bits &= ~bit;
        atomic_store_explicit(&shared->seen[signo],
                              atomic_load_explicit(&shared->posted[signo], memory_order_relaxed),
                              memory_order_relaxed);
        if (!(atomic_fetch_and_explicit(&shared->pending, ~bit, memory_order_release) & bit))
            continue;       /* proc has taken it back */
        info.signo = signo; /* proc is trusted, but the page is ours to spoil */
        signal_add(p, 0, &info);
    }
    uint32_t tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    for (uint32_t head = atomic_load_explicit(&shared->head, memory_order_relaxed); head != tail;) {
        struct proc_siginfo info = shared->queue[head % PROC_SIGQUEUE];
        int32_t tid = shared->queue_tid[head % PROC_SIGQUEUE];

        atomic_store_explicit(&shared->head, ++head, memory_order_release);
        if (info.signo > 0 && info.signo <= SIGRTMAX)
            signal_receive(p, tid, &info);
    }
}

/* Takes `signo` off one set, with its oldest note. */
static void take_from(struct process *p, struct thread *t, int32_t signo, struct proc_siginfo *out)
{
    uint64_t *set = t ? &t->pending : &p->pending;
    bool found = false, more = false;

    *out = (struct proc_siginfo){.signo = signo, .code = SI_USER};
    for (struct signal_note **link = &p->queue; *link;) {
        struct signal_note *note = *link;

        if (note->thread != t || note->info.signo != signo) {
            link = &note->next;
        } else if (!found) {
            found = true;
            *out = note->info;
            note_remove(link);
        } else {
            more = true;
            break;
        }
    }
    if (!more)
        *set &= ~SIGNAL_BIT(signo);
}

/* The order of Linux: faults first, then by number. */
static int32_t first_of(uint64_t set)
{
    const uint64_t faults = SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |
                            SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS);

    return __builtin_ctzll(set & faults ? set & faults : set) + 1;
}

bool signal_take(struct thread *t, uint64_t set, struct proc_siginfo *out)
{
    struct process *p = t->process;

    if (t->pending & set) {
        take_from(p, t, first_of(t->pending & set), out);
        return true;
    }
    if (p->pending & set) {
        take_from(p, 0, first_of(p->pending & set), out);
        return true;
    }
    return false;
}

void signal_raise(int32_t signo)
{
    struct process *p = current();
    struct proc_siginfo info = {
        .signo = signo, .code = SI_USER, .pid = p->pid, .uid = p->entry->ruid};

    signal_post(p, self(), &info);
}

void signal_tell_ignored(struct process *p)
{
    uint64_t ignored = SIGNALS_DEFAULT_IGNORED;

    for (int32_t signo = 1; signo <= SIGRTMAX; signo++) {
        if (p->actions[signo].handler == SIG_IGN)
            ignored |= SIGNAL_BIT(signo);
        else if (p->actions[signo].handler != SIG_DFL)
            ignored &= ~SIGNAL_BIT(signo);
    }
    p->ignored = ignored;
    signal_tell(p);
}

void signal_tell(struct process *p)
{
    const struct sigaction_record *child = &p->actions[SIGCHLD];
    uint32_t flags = (child->handler == SIG_IGN ? PROC_CHILD_IGNORED : 0) |
                     (child->flags & SA_NOCLDWAIT ? PROC_CHILD_NO_WAIT : 0) |
                     (child->flags & SA_NOCLDSTOP ? PROC_CHILD_NO_STOP : 0);

    atomic_store(&p->shared->child_flags, flags);
    signal_set_mask(self(), self()->sigmask);
}

void signal_set_mask(struct thread *t, uint64_t mask)
{
    struct process *p = t->process;
    uint64_t wanted = p->ignored;

    t->sigmask = mask & ~SIGNALS_NEVER_BLOCKED;
    for (struct thread *each = p->threads; each; each = each->next)
        wanted &= ~each->sigmask;
    if (atomic_load_explicit(&p->shared->ignored, memory_order_relaxed) != wanted)
        atomic_store(&p->shared->ignored, wanted);
    if ((t->pending | p->pending) & ~t->sigmask)
        t == self() ? attention() : thread_attention(t);
    else if (atomic_load_explicit(&p->shared->pending, memory_order_relaxed) & ~t->sigmask)
        attention();
}

int64_t signal_mask_set(uint64_t mask, uint64_t mask_bytes)
{
    struct thread *t = self();
    uint64_t set;

    if (!mask) {
        t->saved_sigmask = t->sigmask;
        return 0;
    }
    if (mask_bytes != sizeof set)
        return -EINVAL;
    if (user_read64(&set, mask) < 0)
        return -EFAULT;
    t->saved_sigmask = t->sigmask;
    signal_set_mask(t, set);
    return 0;
}

void signal_mask_restore(void)
{
    struct thread *t = self();

    if (t->sigmask == t->saved_sigmask)
        return;
    if (signal_waiting())
        t->restore_sigmask = true; /* attend delivers under the temporary mask, then restores */
    else
        signal_set_mask(t, t->saved_sigmask);
}

void signal_exec(struct process *p)
{
    for (int32_t signo = 1; signo <= SIGRTMAX; signo++) {
        struct sigaction_record *a = &p->actions[signo];

        if (a->handler != SIG_IGN)
            a->handler = SIG_DFL;
        a->flags = a->restorer = a->mask = 0;
    }
    signal_tell_ignored(p);
}

void signal_info_store(uint8_t out[128], const struct proc_siginfo *info)
{
    struct {
        int32_t signo, error, code, pad;
        union {
            struct {
                int32_t pid;
                uint32_t uid;
                uint64_t value;
            } sent;
            struct {
                int32_t pid;
                uint32_t uid;
                int32_t status, pad;
                int64_t user_time, system_time;
            } child;
            uint64_t address;
        };
    } *to = (void *)out;

    memset(out, 0, 128);
    to->signo = info->signo;
    to->code = info->code;
    if (info->code > 0 && info->code < SI_KERNEL && info->signo == SIGCHLD) {
        to->child.pid = info->pid;
        to->child.uid = info->uid;
        to->child.status = (int32_t)info->value;
    } else if (info->code > 0 && info->code < SI_KERNEL && info->pid == 0) {
        to->address = info->value; /* a fault */
    } else {
        to->sent.pid = info->pid;
        to->sent.uid = info->uid;
        to->sent.value = info->value;
    }
}
