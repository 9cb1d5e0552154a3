/* SPDX-License-Identifier: MIT */
/*
 * Job control: process groups and sessions, as POSIX has them and Linux's kernel/sys.c decides the
 * corner cases.
 *
 * A group is *orphaned* when no member has a parent in another group of the same session: nobody is
 * left who could continue it after a stop. Pid 1 counts as nobody.
 */
#include "servers/proc/table.h"
#include <lib/linux/errno.h>

int64_t jobs_setpgid(uint32_t caller, int64_t pid, int64_t pgid)
{
    uint32_t slot = pid == 0 ? caller : table_find(pid);
    uint32_t group;

    if (pgid < 0)
        return -EINVAL;
    if (slot == NOBODY || slot == INIT_SLOT)
        return -ESRCH;
    if (processes[slot].parent == caller && slot != caller) {
        if (processes[slot].session != processes[caller].session)
            return -EPERM;
        if (entries[slot].execs != 0)
            return -EACCES;
    } else if (slot != caller) {
        return -ESRCH;
    }
    if (sessions[processes[slot].session].leader == slot)
        return -EPERM;
    if (pgid == 0)
        pgid = entries[slot].pid;
    group = table_find_group(pgid);
    if (group == NOBODY ? pgid != entries[slot].pid
                        : groups[group].session != processes[caller].session)
        return -EPERM;
    if (group == processes[slot].group)
        return 0;
    return table_move_group(slot, group, (int32_t)pgid) < 0 ? -EAGAIN : 0;
}

int64_t jobs_setsid(uint32_t caller)
{
    if (sessions[processes[caller].session].leader == caller ||
        table_find_group(entries[caller].pid) != NOBODY)
        return -EPERM;
    return table_new_session(caller) < 0 ? -EAGAIN : entries[caller].pid;
}

bool jobs_orphaned(uint32_t group, uint32_t but)
{
    uint32_t first = groups[group].members;

    for (uint32_t m = first; m != NOBODY; m = chain_next(BY_GROUP, first, m)) {
        uint32_t parent = processes[m].parent;

        if (m == but || entries[m].state == PROC_ZOMBIE || parent == INIT_SLOT || parent == NOBODY)
            continue;
        if (processes[parent].group != group && processes[parent].session == processes[m].session)
            return false;
    }
    return true;
}

bool jobs_stopped(uint32_t group)
{
    uint32_t first = groups[group].members;

    for (uint32_t m = first; m != NOBODY; m = chain_next(BY_GROUP, first, m)) {
        if (entries[m].state == PROC_STOPPED)
            return true;
    }
    return false;
}

void jobs_set_tty(uint32_t session, int32_t tty)
{
    uint32_t first = sessions[session].members;

    for (uint32_t m = first; m != NOBODY; m = chain_next(BY_SESSION, first, m))
        SET(entries[m].tty, tty);
}
