// SPDX-License-Identifier: MIT
/* The calls on signals: actions, masks, sending, waiting. What they work on is in signal.c. */
#include "core.h"

#include <linux_abi.h>

#define SIGSET_BYTES 8u

#define SA_KNOWN                                                                              \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | LINUX_SA_RESTORER | SA_ONSTACK | SA_RESTART | \
     SA_NODEFER | SA_RESETHAND)

static bool signo_is_valid(uint64_t signo)
{
    return signo >= 1 && signo <= SIGRTMAX;
}

DEFINE_CALL4(rt_sigaction, signo, action, old, set_bytes)
{
    struct process *p = current();
    struct linux_sigaction a;

    if (set_bytes != SIGSET_BYTES || !signo_is_valid(signo) ||
        (action && (signo == SIGKILL || signo == SIGSTOP)))
        return -EINVAL;
    struct sigaction_record *record = &p->actions[signo];
    if (action && user_read(&a, action, sizeof a) < 0)
        return -EFAULT;
    if (old) {
        struct linux_sigaction was =
            linux_sigaction(record->handler, record->flags, record->restorer, record->mask);

        if (user_write(old, &was, sizeof was) < 0)
            return -EFAULT;
    }
    if (!action)
        return 0;
    bool tell = a.handler <= SIG_IGN || record->handler <= SIG_IGN ||
                (signo == SIGCHLD && a.flags != record->flags);
    /* Unknown flags are dropped, as Linux does: programs read back what is supported. */
    *record = (struct sigaction_record){a.handler, a.flags & SA_KNOWN, linux_restorer(&a),
                                        a.mask & ~SIGNALS_NEVER_BLOCKED};
    if (tell) {
        if (a.handler == SIG_IGN ||
            (a.handler == SIG_DFL && (SIGNALS_DEFAULT_IGNORED & SIGNAL_BIT(signo)) != 0))
            signal_forget(p, SIGNAL_BIT(signo));
        signal_tell_ignored(p);
    }
    return 0;
}

DEFINE_CALL4(rt_sigprocmask, how, set, old, set_bytes)
{
    struct thread *t = self();
    uint64_t mask = t->sigmask, wanted;

    if (set_bytes != SIGSET_BYTES)
        return -EINVAL;
    if (set) {
        if (user_read64(&wanted, set) < 0)
            return -EFAULT;
        switch ((uint32_t)how) {
        case SIG_BLOCK: wanted = mask | wanted; break;
        case SIG_UNBLOCK: wanted = mask & ~wanted; break;
        case SIG_SETMASK: break;
        default: return -EINVAL;
        }
        if (wanted != mask)
            signal_set_mask(t, wanted);
    }
    return old ? user_write64(old, mask) : 0;
}

DEFINE_CALL2(rt_sigpending, set, set_bytes)
{
    struct thread *t = self();

    if (set_bytes > SIGSET_BYTES)
        return -EINVAL;
    signal_collect(t->process);
    uint64_t pending = (t->pending | t->process->pending) & t->sigmask;
    return user_write(set, &pending, set_bytes);
}

/* Sleeps until a signal is to be delivered. */
static int64_t sleep_for_signal(void)
{
    struct waiter w;

    if (signal_waiting())
        return -ERESTARTNOHAND;
    waiter_init(&w, EXO_FOREVER);
    waiter_sleep(&w);
    return -ERESTARTNOHAND;
}

DEFINE_CALL2(rt_sigsuspend, set, set_bytes)
{
    struct thread *t = self();
    uint64_t mask;

    if (set_bytes != SIGSET_BYTES)
        return -EINVAL;
    if (user_read64(&mask, set) < 0)
        return -EFAULT;
    t->saved_sigmask = t->sigmask;
    t->restore_sigmask = true;
    signal_set_mask(t, mask);
    return sleep_for_signal();
}

DEFINE_CALL0(pause)
{
    return sleep_for_signal();
}

DEFINE_CALL4(rt_sigtimedwait, set, info, timeout, set_bytes)
{
    struct thread *t = self();
    struct proc_siginfo got;
    struct waiter w;
    exo_time deadline;
    uint64_t wanted;

    if (set_bytes != SIGSET_BYTES)
        return -EINVAL;
    if (user_read64(&wanted, set) < 0)
        return -EFAULT;
    int64_t st = time_deadline(timeout, &deadline);
    if (st < 0)
        return st;
    wanted &= ~SIGNALS_NEVER_BLOCKED;
    uint64_t mask = t->sigmask;
    signal_collect(t->process);
    while (!signal_take(t, wanted, &got)) {
        /* While we sleep the wanted ones count as not blocked, so that they are sent and wake us. */
        signal_set_mask(t, mask & ~wanted);
        waiter_init(&w, deadline);
        st = waiter_sleep(&w);
        bool taken = signal_take(t, wanted, &got);
        signal_set_mask(t, mask);
        if (taken)
            break;
        if (st < 0)
            return st == -ETIMEDOUT ? -EAGAIN : -EINTR;
    }
    if (info) {
        uint8_t bytes[128];

        signal_info_store(bytes, &got);
        if (user_write(info, bytes, sizeof bytes) < 0)
            return -EFAULT;
    }
    return got.signo;
}

DEFINE_CALL2(sigaltstack, stack, old)
{
    struct linux_stack {
        uint64_t base;
        uint32_t flags, pad;
        uint64_t size;
    } s;
    struct thread *t = self();
    uint64_t sp = t->utcb->libos[POSIX_WORD_USER_SP];
    bool on = !(t->altstack_flags & (SS_DISABLE | SS_AUTODISARM)) && sp > t->altstack_base &&
              sp - t->altstack_base <= t->altstack_size;

    if (stack && user_read(&s, stack, sizeof s) < 0)
        return -EFAULT;
    if (old) {
        struct linux_stack was = {t->altstack_base, t->altstack_flags | (on ? SS_ONSTACK : 0), 0,
                                  t->altstack_size};

        if (user_write(old, &was, sizeof was) < 0)
            return -EFAULT;
    }
    if (!stack)
        return 0;
    uint32_t mode = s.flags & ~SS_AUTODISARM;
    if (on)
        return -EPERM;
    if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        t->altstack_base = t->altstack_size = 0;
        t->altstack_flags = SS_DISABLE;
        return 0;
    }
    if (s.size < LINUX_MINSIGSTKSZ)
        return -ENOMEM;
    t->altstack_base = s.base;
    t->altstack_size = s.size;
    t->altstack_flags = s.flags & SS_AUTODISARM;
    return 0;
}

DEFINE_CALL0(rt_sigreturn)
{
    struct thread *t = self();
    struct exo_context c;
    struct frame_return r;

    if (frame_pop(&c, t->utcb->libos[POSIX_WORD_USER_SP], &r) < 0)
        process_exit(STATUS_KILLED(SIGSEGV));
    t->altstack_base = r.altstack_base;
    t->altstack_size = r.altstack_size;
    t->altstack_flags = r.altstack_flags & (SS_DISABLE | SS_AUTODISARM);
    if (t->sigmask != r.mask)
        signal_set_mask(t, r.mask);
    image_unlock();
    if (atomic_load(&t->utcb->pending))
        attend(&c, NO_CALL);
    context_enter(&c);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static struct proc_siginfo info_from_self(uint64_t signo, int32_t code)
{
    const struct process *p = current();

    return (struct proc_siginfo){
        .signo = (int32_t)signo, .code = code, .pid = p->pid, .uid = p->entry->ruid};
}

DEFINE_CALL2(kill, pid, signo)
{
    struct process *p = current();
    struct exo_message m = {0};

    if (signo > SIGRTMAX)
        return -EINVAL;
    if ((int32_t)pid != p->pid || signo == SIGKILL || signo == SIGSTOP || signo == SIGCONT)
        return proc_call(&m, PROC_KILL, (uint64_t)(int64_t)(int32_t)pid, signo, SI_USER, 0);
    if (signo == 0)
        return 0;
    struct proc_siginfo info = info_from_self(signo, SI_USER);
    return signal_post(p, p->thread_count == 1 ? p->threads : 0, &info);
}

/* tid 0: any thread of the process. */
static int64_t thread_kill(int32_t tgid, int32_t tid, uint64_t signo,
                           const struct proc_siginfo *info)
{
    struct process *p = current();
    struct exo_message m = {0};

    if (signo > SIGRTMAX || tid <= 0)
        return -EINVAL;
    if (tgid == p->pid || tgid == 0) {
        struct thread *t = p->threads;

        while (t && t->tid != tid)
            t = t->next;
        if (t && (signo == SIGKILL || signo == SIGSTOP))
            return proc_call(&m, PROC_KILL, (uint64_t)p->pid, signo, SI_TKILL, 0);
        if (t)
            return signo == 0 ? 0 : signal_post(p, t, info);
        if (tgid != 0)
            return -ESRCH;
    }
    if (tid >= PROC_TID_FIRST && tgid == process_table()[proc_tid_slot(tid)].pid)
        tgid = 0;
    if (tgid != 0 && tgid != tid)
        return -ESRCH;
    return proc_call(&m, PROC_KILL, PROC_KILL_THREAD | (uint32_t)tid, signo,
                     (uint64_t)(int64_t)info->code, info->value);
}

DEFINE_CALL2(tkill, tid, signo)
{
    struct proc_siginfo info = info_from_self(signo, SI_TKILL);

    return thread_kill(0, (int32_t)tid, signo, &info);
}

DEFINE_CALL3(tgkill, tgid, tid, signo)
{
    struct proc_siginfo info = info_from_self(signo, SI_TKILL);

    return (int32_t)tgid <= 0 ? -EINVAL : thread_kill((int32_t)tgid, (int32_t)tid, signo, &info);
}

/* The program's siginfo_t, as far as it may say it: not as if the system had sent it. */
static int64_t info_from_user(struct proc_siginfo *to, uint64_t signo, uint64_t from)
{
    struct {
        int32_t signo, error, code, pad, pid;
        uint32_t uid;
        uint64_t value;
    } given;

    if (user_read(&given, from, sizeof given) < 0)
        return -EFAULT;
    if (given.code >= 0 || given.code == SI_TKILL)
        return -EPERM;
    *to = (struct proc_siginfo){.signo = (int32_t)signo,
                                .code = given.code,
                                .pid = given.pid,
                                .uid = given.uid,
                                .value = given.value};
    return 0;
}

DEFINE_CALL3(rt_sigqueueinfo, pid, signo, user_info)
{
    struct process *p = current();
    struct proc_siginfo info;
    struct exo_message m = {0};
    int64_t st = info_from_user(&info, signo, user_info);

    if (st < 0)
        return st;
    if (signo > SIGRTMAX)
        return -EINVAL;
    if ((int32_t)pid != p->pid || signo == SIGKILL || signo == SIGSTOP || signo == SIGCONT)
        return proc_call(&m, PROC_KILL, (uint64_t)(int64_t)(int32_t)pid, signo,
                         (uint64_t)(int64_t)info.code, info.value);
    return signo == 0 ? 0 : signal_post(p, 0, &info);
}

DEFINE_CALL4(rt_tgsigqueueinfo, tgid, tid, signo, user_info)
{
    struct proc_siginfo info;
    int64_t st = info_from_user(&info, signo, user_info);

    if (st < 0)
        return st;
    return (int32_t)tgid <= 0 ? -EINVAL : thread_kill((int32_t)tgid, (int32_t)tid, signo, &info);
}
