/* SPDX-License-Identifier: MIT */
/*
 * Credentials: see credentials.h. The rules are those of Linux's kernel/sys.c; user and group ids
 * follow the same ones, so both are a struct ids here.
 */
#include "servers/proc/credentials.h"
#include <lib/linux/errno.h>

struct ids {
    uint32_t real, effective, saved, file;
};

#define KEEP UINT32_MAX

static bool among(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == a || id == b || id == c;
}

/* setuid: the privileged set all, others become what they really are or were saved as. */
static int64_t set_one(struct ids *ids, bool privileged, uint32_t id)
{
    if (id == KEEP)
        return -EINVAL;
    if (!privileged && id != ids->real && id != ids->saved)
        return -EPERM;
    if (privileged)
        ids->real = ids->saved = id;
    ids->effective = ids->file = id;
    return 0;
}

/* setreuid */
static int64_t set_two(struct ids *ids, bool privileged, uint32_t real, uint32_t effective)
{
    const struct ids old = *ids;

    if (!privileged) {
        if (real != KEEP && !among(real, old.real, old.effective, old.real))
            return -EPERM;
        if (effective != KEEP && !among(effective, old.real, old.effective, old.saved))
            return -EPERM;
    }
    if (real != KEEP)
        ids->real = real;
    if (effective != KEEP)
        ids->effective = effective;
    if (real != KEEP || (effective != KEEP && effective != old.real))
        ids->saved = ids->effective;
    ids->file = ids->effective;
    return 0;
}

/* setresuid */
static int64_t set_three(struct ids *ids, bool privileged, const uint32_t wanted[3])
{
    const struct ids old = *ids;

    for (int i = 0; i < 3 && !privileged; i++) {
        if (wanted[i] != KEEP && !among(wanted[i], old.real, old.effective, old.saved))
            return -EPERM;
    }
    if (wanted[0] != KEEP)
        ids->real = wanted[0];
    if (wanted[1] != KEEP)
        ids->effective = wanted[1];
    if (wanted[2] != KEEP)
        ids->saved = wanted[2];
    ids->file = ids->effective;
    return 0;
}

/* setfsuid answers the old value, whether it could or not. */
static int64_t set_file(struct ids *ids, bool privileged, uint32_t id)
{
    uint32_t old = ids->file;

    if (id != KEEP &&
        (privileged || id == ids->file || among(id, ids->real, ids->effective, ids->saved)))
        ids->file = id;
    return old;
}

int64_t credentials_set(struct proc_entry *e, uint64_t which, uint64_t a, uint64_t b, uint64_t c)
{
    const bool privileged = e->euid == 0;
    const uint32_t wanted[3] = {(uint32_t)a, (uint32_t)b, (uint32_t)c};
    struct ids user = {e->ruid, e->euid, e->suid, e->fsuid};
    struct ids group = {e->rgid, e->egid, e->sgid, e->fsgid};
    int64_t result;

    switch (which) {
    case PROC_ID_UID: result = set_one(&user, privileged, wanted[0]); break;
    case PROC_ID_GID: result = set_one(&group, privileged, wanted[0]); break;
    case PROC_ID_REUID: result = set_two(&user, privileged, wanted[0], wanted[1]); break;
    case PROC_ID_REGID: result = set_two(&group, privileged, wanted[0], wanted[1]); break;
    case PROC_ID_RESUID: result = set_three(&user, privileged, wanted); break;
    case PROC_ID_RESGID: result = set_three(&group, privileged, wanted); break;
    case PROC_ID_FSUID: result = set_file(&user, privileged, wanted[0]); break;
    case PROC_ID_FSGID: result = set_file(&group, privileged, wanted[0]); break;
    default: return -EINVAL;
    }
    if (result < 0)
        return result;
    e->ruid = user.real;
    e->euid = user.effective;
    e->suid = user.saved;
    e->fsuid = user.file;
    e->rgid = group.real;
    e->egid = group.effective;
    e->sgid = group.saved;
    e->fsgid = group.file;
    return result;
}

int64_t credentials_set_groups(struct proc_entry *e, const uint32_t *ids, uint64_t count)
{
    if (e->euid != 0)
        return -EPERM;
    if (count > PROC_GROUPS)
        return -EINVAL;
    for (uint64_t i = 0; i < count; i++)
        e->groups[i] = ids[i];
    e->group_count = (uint16_t)count;
    return 0;
}

void credentials_exec(struct proc_entry *e)
{
    e->suid = e->fsuid = e->euid;
    e->sgid = e->fsgid = e->egid;
}

bool credentials_may_signal(const struct proc_entry *from, const struct proc_entry *to)
{
    return from->euid == 0 || from->euid == to->suid || from->euid == to->ruid ||
           from->ruid == to->suid || from->ruid == to->ruid;
}

bool credentials_may_schedule(const struct proc_entry *from, const struct proc_entry *to)
{
    return from->euid == 0 || from->euid == to->ruid || from->euid == to->euid;
}
