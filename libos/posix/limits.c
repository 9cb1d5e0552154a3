// SPDX-License-Identifier: MIT
/* Resource limits and usage, priorities and the scheduler's calls, prctl. */
#include "core.h"

/* ---- limits ----------------------------------------------------------------------------------------- */

#define NO_LIMIT UINT64_MAX

void limits_start(struct process *p)
{
    for (uint32_t i = 0; i < RLIMITS; i++)
        p->rlimits[i][0] = p->rlimits[i][1] = NO_LIMIT;
    p->rlimits[RLIMIT_STACK][0] = (uint64_t)8 << 20;
    p->rlimits[RLIMIT_CORE][0] = 0;
    p->rlimits[RLIMIT_NOFILE][0] = POSIX_NOFILE;
    p->rlimits[RLIMIT_NOFILE][1] = POSIX_NOFILE;
    p->rlimits[RLIMIT_NPROC][0] = p->rlimits[RLIMIT_NPROC][1] = PROC_MAX;
    p->rlimits[RLIMIT_SIGPENDING][0] = p->rlimits[RLIMIT_SIGPENDING][1] = 1024;
    p->rlimits[RLIMIT_MSGQUEUE][0] = p->rlimits[RLIMIT_MSGQUEUE][1] = 819200;
    p->rlimits[RLIMIT_NICE][0] = p->rlimits[RLIMIT_NICE][1] = 0;
    p->rlimits[RLIMIT_RTPRIO][0] = p->rlimits[RLIMIT_RTPRIO][1] = 0;
}

static int64_t limit_set(struct process *p, uint64_t which, uint64_t from)
{
    uint64_t wanted[2];

    if (user_read(wanted, from, sizeof wanted) < 0)
        return -EFAULT;
    if (wanted[0] > wanted[1])
        return -EINVAL;
    if (wanted[1] > p->rlimits[which][1] && p->entry->euid != 0)
        return -EPERM;
    if (which == RLIMIT_NOFILE && wanted[1] > POSIX_NOFILE)
        return -EPERM; /* as Linux above fs.nr_open */
    memcpy(p->rlimits[which], wanted, sizeof wanted);
    if (which == RLIMIT_CPU)
        timer_cpu_limit(p);
    return 0;
}

int64_t limit_file_end(uint64_t end)
{
    if (end <= current()->rlimits[RLIMIT_FSIZE][0])
        return 0;
    signal_raise(SIGXFSZ);
    return -EFBIG;
}

int64_t limit_processes(void)
{
    const struct process *p = current();
    const struct proc_entry *table = process_table();
    uint64_t limit = p->rlimits[RLIMIT_NPROC][0], count = p->thread_count - 1;

    if (limit >= PROC_MAX || p->entry->euid == 0)
        return 0;
    for (uint32_t i = 0; i < PROC_MAX; i++)
        count += table[i].state != PROC_FREE && table[i].ruid == p->entry->ruid;
    return count < limit ? 0 : -EAGAIN;
}

/* Of another process, only what is there can be asked; its limits are its own. */
DEFINE_CALL4(prlimit64, pid, which, from, to)
{
    struct process *p = current();
    uint64_t was[2];

    if (which >= RLIMITS)
        return -EINVAL;
    if (pid != 0 && (int32_t)pid != p->pid)
        return process_find((int32_t)pid) ? -EPERM : -ESRCH;
    memcpy(was, p->rlimits[which], sizeof was);
    if (from) {
        int64_t st = limit_set(p, which, from);

        if (st < 0)
            return st;
    }
    return to ? user_write(to, was, sizeof was) : 0;
}

DEFINE_CALL2(getrlimit, which, to)
{
    if (which >= RLIMITS)
        return -EINVAL;
    return user_write(to, current()->rlimits[which], 16);
}

DEFINE_CALL2(setrlimit, which, from)
{
    return which >= RLIMITS ? -EINVAL : limit_set(current(), which, from);
}

enum { RUSAGE_SELF, RUSAGE_THREAD, RUSAGE_CHILDREN = -1 };

DEFINE_CALL2(getrusage, who, to)
{
    struct linux_rusage {
        struct linux_timeval user, system;
        int64_t maxrss, rest[13];
    } r = {.maxrss = (int64_t)(image_state.pages * (EXO_PAGE_SIZE / 1024))};
    uint64_t ns;

    switch ((int32_t)who) {
    case RUSAGE_SELF: ns = (uint64_t)exo_cpu_time(EXO_CAP_ENV); break;
    case RUSAGE_THREAD: ns = (uint64_t)exo_cpu_time(0); break;
    case RUSAGE_CHILDREN: ns = current()->entry->children_cpu_ns; break;
    default: return -EINVAL;
    }
    r.user = (struct linux_timeval){(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};
    return user_write(to, &r, sizeof r);
}

/* ---- priorities ---------------------------------------------------------------------------------------- */

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

/* Groups and users are walked by proc one day; a process by its pid is what programs ask for. */
DEFINE_CALL2(getpriority, which, who)
{
    struct exo_message m = {0};

    if (which > PRIO_USER)
        return -EINVAL;
    if (which != PRIO_PROCESS && who != 0)
        return -ESRCH;
    return proc_call(&m, PROC_NICE, which == PRIO_PROCESS ? (uint32_t)who : 0, (uint64_t)INT64_MIN,
                     0, 0);
}

DEFINE_CALL3(setpriority, which, who, nice)
{
    struct exo_message m = {0};
    int64_t wanted = (int32_t)nice;

    if (which > PRIO_USER)
        return -EINVAL;
    if (which != PRIO_PROCESS)
        return -EPERM;
    if (wanted < -20)
        wanted = -20;
    if (wanted > 19)
        wanted = 19;
    int64_t st = proc_call(&m, PROC_NICE, (uint32_t)who, (uint64_t)wanted, 0, 0);
    return st < 0 ? st : 0;
}

/* ---- the scheduler --------------------------------------------------------------------------------------- */

enum { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE = 5 };

static bool pid_is_known(uint64_t pid)
{
    if (pid == 0 || (int32_t)pid == current()->pid || process_find((int32_t)pid))
        return true;
    for (const struct thread *t = current()->threads; t; t = t->next) {
        if (t->tid == (int32_t)pid)
            return true;
    }
    return false;
}

DEFINE_CALL0(sched_yield)
{
    exo_yield(0);
    return 0;
}

/* The mask of a thread of ours (0: the caller), or of the first one of another process; asked (0) or
 * set. */
static int64_t affinity(uint64_t tid, uint64_t mask)
{
    struct exo_message m = {0};

    if (tid == 0)
        return errno_of(exo_sched_affinity(0, mask));
    for (const struct thread *t = current()->threads; t; t = t->next) {
        if (t->tid == (int32_t)tid)
            return errno_of(exo_sched_affinity(t == self() ? 0 : t->cap, mask));
    }
    return proc_call(&m, PROC_AFFINITY, tid, mask, 0, 0);
}

DEFINE_CALL3(sched_getaffinity, pid, bytes, to)
{
    uint64_t mask;

    if (bytes < sizeof mask || (bytes & 7))
        return -EINVAL;
    int64_t st = affinity(pid, 0);
    if (st < 0)
        return st;
    mask = (uint64_t)st;
    return user_write(to, &mask, sizeof mask) < 0 ? -EFAULT : (int64_t)sizeof mask;
}

DEFINE_CALL3(sched_setaffinity, pid, bytes, from)
{
    uint64_t all = ((uint64_t)1 << exo_view()->cpus) - 1, mask = 0;

    if (user_read(&mask, from, bytes < sizeof mask ? bytes : sizeof mask) < 0)
        return -EFAULT;
    if (!(mask & all))
        return -EINVAL;
    int64_t st = affinity(pid, mask & all);
    return st < 0 ? st : 0;
}

DEFINE_CALL1(sched_getscheduler, pid)
{
    return pid_is_known(pid) ? SCHED_OTHER : -ESRCH;
}

DEFINE_CALL2(sched_getparam, pid, to)
{
    if (!pid_is_known(pid))
        return -ESRCH;
    return user_write32(to, 0);
}

static int64_t policy_set(uint64_t pid, uint64_t policy, uint64_t parameter)
{
    uint32_t priority;

    if (user_read32(&priority, parameter) < 0)
        return -EFAULT;
    if (!pid_is_known(pid))
        return -ESRCH;
    switch (policy) {
    case SCHED_OTHER: return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR: return -EPERM;
    default: return -EINVAL;
    }
}

DEFINE_CALL3(sched_setscheduler, pid, policy, parameter)
{
    return policy_set(pid, policy, parameter);
}

DEFINE_CALL2(sched_setparam, pid, parameter)
{
    return policy_set(pid, SCHED_OTHER, parameter);
}

static int64_t priority_limit(uint64_t policy, int64_t real_time)
{
    switch (policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return 0;
    case SCHED_FIFO:
    case SCHED_RR: return real_time;
    default: return -EINVAL;
    }
}

DEFINE_CALL1(sched_get_priority_max, policy)
{
    return priority_limit(policy, 99);
}

DEFINE_CALL1(sched_get_priority_min, policy)
{
    return priority_limit(policy, 1);
}

DEFINE_CALL2(sched_rr_get_interval, pid, to)
{
    return pid_is_known(pid) ? timespec_write(to, 10000000) : -ESRCH;
}

/* The kernel keeps the number in the UTCB. */
DEFINE_CALL2(getcpu, cpu, node)
{
    if ((cpu && user_write32(cpu, exo_utcb()->cpu) < 0) || (node && user_write32(node, 0) < 0))
        return -EFAULT;
    return 0;
}

/* ---- prctl ------------------------------------------------------------------------------------------------ */

enum {
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7,
    PR_SET_KEEPCAPS = 8,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_GET_SECCOMP = 21,
    PR_CAPBSET_READ = 23,
    PR_GET_SECUREBITS = 27,
    PR_SET_TIMERSLACK = 29,
    PR_GET_TIMERSLACK = 30,
    PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39,
    PR_GET_TID_ADDRESS = 40
};
#define CAPABILITIES 41u /* how many kinds Linux 6.1 knows */

DEFINE_CALL5(prctl, option, a, b, c, d)
{
    struct process *p = current();
    struct thread *t = self();
    char name[16];

    switch ((uint32_t)option) {
    case PR_GET_PDEATHSIG: return user_write32(a, 0);
    case PR_GET_DUMPABLE: return p->dumpable;
    case PR_SET_DUMPABLE:
        if (a > 1)
            return -EINVAL;
        p->dumpable = (uint32_t)a;
        return 0;
    case PR_GET_KEEPCAPS: return 0;
    case PR_SET_KEEPCAPS: return a == 0 ? 0 : -EPERM;
    case PR_SET_NAME: {
        int64_t got = user_string(name, a, sizeof name);

        if (got < 0 && got != -ENAMETOOLONG)
            return got;
        memset(t->comm, 0, sizeof t->comm);
        memcpy(t->comm, name, got < 0 ? sizeof name - 1 : (uint64_t)got);
        if (t->tid == p->pid)
            publish_comm(p);
        return 0;
    }
    case PR_GET_NAME: return user_write(a, t->comm, sizeof t->comm);
    case PR_GET_SECCOMP:
    case PR_GET_SECUREBITS: return 0;
    case PR_SET_TIMERSLACK: p->timer_slack = a ? (uint32_t)a : 50000; return 0;
    case PR_GET_TIMERSLACK: return p->timer_slack ? p->timer_slack : 50000;
    case PR_GET_CHILD_SUBREAPER: return user_write32(a, 0);
    case PR_GET_TID_ADDRESS: return user_write64(a, t->clear_tid);
    case PR_CAPBSET_READ: return a < CAPABILITIES ? 1 : -EINVAL;
    case PR_SET_NO_NEW_PRIVS:
        if (a != 1 || b || c || d)
            return -EINVAL;
        p->no_new_privs = 1;
        return 0;
    case PR_GET_NO_NEW_PRIVS: return a || b || c || d ? -EINVAL : p->no_new_privs;
    default: return -EINVAL;
    }
}

/* No layout is ever randomised, so asking for that to be off changes nothing. */
#define ADDR_NO_RANDOMIZE 0x0040000u

DEFINE_CALL1(personality, wanted)
{
    struct process *p = current();
    uint32_t was = p->personality;

    if ((uint32_t)wanted == UINT32_MAX)
        return was;
    if (wanted & ~(uint64_t)ADDR_NO_RANDOMIZE)
        return -EINVAL;
    p->personality = (uint32_t)wanted;
    return was;
}
