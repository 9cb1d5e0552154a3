// SPDX-License-Identifier: MIT
/*
 * Waiting for children: proc knows them; its answer is a try, and a word in the published pages
 * (child_events) changes whenever trying again may help.
 */
#include "core.h"

struct linux_rusage {
    struct linux_timeval user, system;
    int64_t rest[14];
};

struct waited {
    int32_t pid;
    uint32_t status, uid;
    uint64_t cpu_ns;
};

static int64_t wait_for(int64_t pid, uint64_t options, struct waited *out)
{
    struct process *p = current();

    for (;;) {
        struct exo_message m = {0};
        struct waiter w;
        uint32_t before = atomic_load(&p->shared->child_events);
        int64_t got = proc_call(&m, PROC_WAIT, (uint64_t)pid,
                                options & ~(uint64_t)(WNOHANG | WNOTHREAD), 0, 0);

        if (got < 0)
            return got;
        if (got > 0) {
            *out = (struct waited){(int32_t)got, (uint32_t)m.w[1], (uint32_t)m.w[3], m.w[2]};
            return got;
        }
        if (options & WNOHANG)
            return 0;
        waiter_init(&w, EXO_FOREVER);
        waiter_add(&w, &p->shared->child_events, before);
        int64_t st = waiter_sleep(&w);
        if (st < 0)
            return st;
    }
}

static int64_t rusage_store(uint64_t to, uint64_t cpu_ns)
{
    struct linux_rusage r = {
        .user = {(int64_t)(cpu_ns / NS_PER_S), (int64_t)(cpu_ns % NS_PER_S / 1000)},
    };

    return user_write(to, &r, sizeof r);
}

DEFINE_CALL4(wait4, pid, status, options, usage)
{
    struct waited child;

    if (options & ~(uint64_t)(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE))
        return -EINVAL;
    if ((int32_t)pid == INT32_MIN)
        return -ESRCH;
    int64_t got = wait_for((int32_t)pid, options | WEXITED, &child);
    if (got <= 0)
        return got;
    if (status && user_write32(status, child.status) < 0)
        return -EFAULT;
    if (usage && rusage_store(usage, child.cpu_ns) < 0)
        return -EFAULT;
    return got;
}

enum { P_ALL, P_PID, P_PGID, P_PIDFD };

static void child_info(struct proc_siginfo *info, const struct waited *child)
{
    uint32_t s = child->status;

    *info = (struct proc_siginfo){.signo = SIGCHLD, .pid = child->pid, .uid = child->uid};
    if (s == STATUS_CONTINUED) {
        info->code = CLD_CONTINUED;
        info->value = SIGCONT;
    } else if ((s & 0xff) == 0x7f) {
        info->code = CLD_STOPPED;
        info->value = s >> 8;
    } else if ((s & 0x7f) == 0) {
        info->code = CLD_EXITED;
        info->value = s >> 8 & 0xff;
    } else {
        info->code = s & STATUS_DUMPED ? CLD_DUMPED : CLD_KILLED;
        info->value = s & 0x7f;
    }
}

DEFINE_CALL5(waitid, type, id, info, options, usage)
{
    const uint64_t known =
        WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | WNOTHREAD | WALL | WCLONE;
    struct waited child;
    uint8_t bytes[128] = {0};
    bool nonblocking = false;
    int64_t pid;

    if ((options & ~known) || !(options & (WEXITED | WSTOPPED | WCONTINUED)))
        return -EINVAL;
    switch ((uint32_t)type) {
    case P_ALL: pid = -1; break;
    case P_PID: pid = (int32_t)id; break;
    case P_PGID: pid = -(int64_t)(int32_t)id; break;
    case P_PIDFD:
        pid = pidfd_pid(id, &nonblocking);
        if (pid < 0)
            return pid;
        break;
    default: return -EINVAL;
    }
    if (type != P_ALL && ((int32_t)id < 0 || (type == P_PID && id == 0)))
        return -EINVAL;
    int64_t got = wait_for(pid, nonblocking ? options | WNOHANG : options, &child);
    if (got == 0 && nonblocking && !(options & WNOHANG))
        return -EAGAIN;
    if (got < 0)
        return got;
    if (got > 0) {
        struct proc_siginfo i;

        child_info(&i, &child);
        signal_info_store(bytes, &i);
    }
    if (info && user_write(info, bytes, sizeof bytes) < 0)
        return -EFAULT;
    if (got > 0 && usage && rusage_store(usage, child.cpu_ns) < 0)
        return -EFAULT;
    return 0;
}
