// SPDX-License-Identifier: MIT
/*
 * Who a process is: ids, groups, sessions. proc decides and publishes; reading is a load from its
 * table, changing is a call.
 */
#include "core.h"

int64_t proc_call(struct exo_message *m, uint32_t op, uint64_t w0, uint64_t w1, uint64_t w2,
                  uint64_t w3)
{
    *m = (struct exo_message){.tag = EXO_TAG(op, 0, 0), .w = {w0, w1, w2, w3}};
    int64_t tag = ipc_call_again(current()->proc, m);

    return tag < 0 ? errno_of(tag) : (int64_t)m->w[0];
}

/* A record of which several fields are wanted: read until none was written meanwhile. The acquires keep
 * the copy between the two looks at the sequence (proofs/memory/protocols/proc_table.py). */
static void entry_read(const struct proc_entry *e, struct proc_entry *out)
{
    uint32_t before;

    do {
        before = atomic_load(&e->sequence);
        memcpy(out, e, sizeof *out);
        atomic_thread_fence(memory_order_acquire);
    } while ((before & 1) || atomic_load(&e->sequence) != before);
}

DEFINE_CALL0(getpid)
{
    return current()->pid;
}

DEFINE_CALL0(getppid)
{
    return current()->entry->ppid;
}

DEFINE_CALL0(getuid)
{
    return current()->entry->ruid;
}

DEFINE_CALL0(geteuid)
{
    return current()->entry->euid;
}

DEFINE_CALL0(getgid)
{
    return current()->entry->rgid;
}

DEFINE_CALL0(getegid)
{
    return current()->entry->egid;
}

DEFINE_CALL3(getresuid, real, effective, saved)
{
    struct proc_entry e;

    entry_read(current()->entry, &e);
    if (user_write32(real, e.ruid) < 0 || user_write32(effective, e.euid) < 0 ||
        user_write32(saved, e.suid) < 0)
        return -EFAULT;
    return 0;
}

DEFINE_CALL3(getresgid, real, effective, saved)
{
    struct proc_entry e;

    entry_read(current()->entry, &e);
    if (user_write32(real, e.rgid) < 0 || user_write32(effective, e.egid) < 0 ||
        user_write32(saved, e.sgid) < 0)
        return -EFAULT;
    return 0;
}

static int64_t set_id(uint32_t which, uint64_t a, uint64_t b, uint64_t c)
{
    struct exo_message m = {0};

    return proc_call(&m, PROC_SETID, which, (uint64_t)(int64_t)(int32_t)a,
                     (uint64_t)(int64_t)(int32_t)b, (uint64_t)(int64_t)(int32_t)c);
}

DEFINE_CALL1(setuid, uid)
{
    return set_id(PROC_ID_UID, uid, UINT64_MAX, UINT64_MAX);
}

DEFINE_CALL1(setgid, gid)
{
    return set_id(PROC_ID_GID, gid, UINT64_MAX, UINT64_MAX);
}

DEFINE_CALL2(setreuid, real, effective)
{
    return set_id(PROC_ID_REUID, real, effective, UINT64_MAX);
}

DEFINE_CALL2(setregid, real, effective)
{
    return set_id(PROC_ID_REGID, real, effective, UINT64_MAX);
}

DEFINE_CALL3(setresuid, real, effective, saved)
{
    return set_id(PROC_ID_RESUID, real, effective, saved);
}

DEFINE_CALL3(setresgid, real, effective, saved)
{
    return set_id(PROC_ID_RESGID, real, effective, saved);
}

/* These two answer the old id and never an error. */
DEFINE_CALL1(setfsuid, uid)
{
    uint32_t old = current()->entry->fsuid;

    if ((uint32_t)uid != UINT32_MAX)
        set_id(PROC_ID_FSUID, uid, UINT64_MAX, UINT64_MAX);
    return old;
}

DEFINE_CALL1(setfsgid, gid)
{
    uint32_t old = current()->entry->fsgid;

    if ((uint32_t)gid != UINT32_MAX)
        set_id(PROC_ID_FSGID, gid, UINT64_MAX, UINT64_MAX);
    return old;
}

DEFINE_CALL2(getgroups, count, list)
{
    struct proc_entry e;

    entry_read(current()->entry, &e);
    if ((int32_t)count < 0 || e.group_count > PROC_GROUPS)
        return -EINVAL;
    if (count == 0)
        return e.group_count;
    if (count < e.group_count)
        return -EINVAL;
    if (user_write(list, e.groups, e.group_count * sizeof e.groups[0]) < 0)
        return -EFAULT;
    return e.group_count;
}

DEFINE_CALL2(setgroups, count, list)
{
    struct exo_utcb *utcb = exo_utcb();
    struct exo_message m = {.tag = EXO_TAG(PROC_SETGROUPS, count * 4, 0), .w = {count}};

    if (count > PROC_GROUPS)
        return -EINVAL;
    if (user_read(utcb->msg, list, count * 4) < 0)
        return -EFAULT;
    int64_t tag = ipc_call_again(current()->proc, &m);
    return tag < 0 ? errno_of(tag) : (int64_t)m.w[0];
}

/* ---- process groups and sessions ------------------------------------------------------------------ */

DEFINE_CALL0(getpgrp)
{
    return current()->entry->pgid;
}

DEFINE_CALL1(getpgid, pid)
{
    const struct proc_entry *e = pid == 0 ? current()->entry : process_find((int32_t)pid);

    return e ? e->pgid : -ESRCH;
}

DEFINE_CALL1(getsid, pid)
{
    const struct proc_entry *e = pid == 0 ? current()->entry : process_find((int32_t)pid);

    return e ? e->sid : -ESRCH;
}

DEFINE_CALL2(setpgid, pid, group)
{
    struct exo_message m = {0};

    if ((int32_t)group < 0)
        return -EINVAL;
    return proc_call(&m, PROC_SETPGID, (uint32_t)pid, (uint32_t)group, 0, 0);
}

DEFINE_CALL0(setsid)
{
    struct exo_message m = {0};

    return proc_call(&m, PROC_SETSID, 0, 0, 0, 0);
}

/* ---- capabilities in Linux's sense: root has all, others none -------------------------------------- */

#define CAPABILITY_VERSION_1 0x19980330u
#define CAPABILITY_VERSION_2 0x20071026u
#define CAPABILITY_VERSION_3 0x20080522u

struct capability_set {
    uint32_t effective, permitted, inheritable;
};

/* Checks the header; the number of sets. */
static int64_t capability_sets(uint64_t header, int32_t *pid)
{
    uint32_t version, target;

    if (user_read32(&version, header) < 0 || user_read32(&target, header + 4) < 0)
        return -EFAULT;
    *pid = (int32_t)target;
    if (version == CAPABILITY_VERSION_1)
        return 1;
    if (version == CAPABILITY_VERSION_2 || version == CAPABILITY_VERSION_3)
        return 2;
    user_write32(header, CAPABILITY_VERSION_3);
    return -EINVAL;
}

DEFINE_CALL2(capget, header, data)
{
    struct capability_set sets[2] = {{0}};
    int32_t pid;
    int64_t count = capability_sets(header, &pid);

    if (count < 0)
        return data ? count : 0;
    const struct proc_entry *e = pid == 0 ? current()->entry : process_find(pid);
    if (!e)
        return -ESRCH;
    if (e->euid == 0) {
        sets[0].effective = sets[0].permitted = UINT32_MAX;
        sets[1].effective = sets[1].permitted = 0x1ff;
    }
    return user_write(data, sets, (uint64_t)count * sizeof sets[0]);
}

/* What would change nothing is fine; giving a part of root's authority up is not possible yet. */
DEFINE_CALL2(capset, header, data)
{
    struct capability_set sets[2] = {{0}};
    int32_t pid;
    int64_t count = capability_sets(header, &pid);

    if (count < 0)
        return count;
    if (user_read(sets, data, (uint64_t)count * sizeof sets[0]) < 0)
        return -EFAULT;
    if (pid != 0 && pid != current()->pid)
        return -EPERM;
    bool root = current()->entry->euid == 0;
    bool all = sets[0].permitted == UINT32_MAX, none = (sets[0].permitted | sets[1].permitted) == 0;
    return (root && all) || (!root && none) ? 0 : -EPERM;
}
