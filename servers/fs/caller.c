/* SPDX-License-Identifier: MIT */
/*
 * Who asks, and may they: the caller's credentials, and the permission bits of an inode.
 *
 * The badge of a call is the caller's slot in proc's table, which proc writes and fs reads. Root
 * passes everywhere, but executes only what somebody may execute.
 */
#include "servers/fs/fs.h"
#include <stdatomic.h>

const struct proc_entry *process_table;

int64_t caller_identify(struct caller *who, uint64_t badge)
{
    const struct proc_entry *entry;
    uint32_t before;

    *who = (struct caller){0};
    if (badge >= PROC_BADGE_SERVER)
        return 0;
    if (badge >= PROC_MAX || !process_table)
        return -ESRCH;
    entry = &process_table[badge];
    /* proc may be in the middle of a change, on another CPU; it is short. Both acquires keep the reads
     * between the two looks at the sequence (proofs/memory/protocols/proc_table.py). */
    do {
        before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
        who->uid = entry->fsuid;
        who->gid = entry->fsgid;
        atomic_thread_fence(memory_order_acquire);
    } while ((before & 1) ||
             atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before);
    if (entry->state == PROC_FREE)
        return -ESRCH;
    who->entry = entry;
    return 0;
}

bool caller_in_group(const struct caller *who, uint32_t gid)
{
    uint32_t count, i;

    if (who->gid == gid)
        return true;
    if (!who->entry)
        return false;
    count = who->entry->group_count;
    for (i = 0; i < count && i < PROC_GROUPS; i++) {
        if (who->entry->groups[i] == gid)
            return true;
    }
    return false;
}

int64_t caller_may(const struct caller *who, const struct inode *inode, uint32_t want)
{
    uint32_t mode = inode->mode;

    if ((want & W_OK) && volume_is_read_only(inode) &&
        (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
        return -EROFS;
    if (who->uid == 0) {
        if ((want & X_OK) && !S_ISDIR(mode) && !(mode & 0111))
            return -EACCES;
        return 0;
    }
    if (who->uid == inode->uid)
        mode >>= 6;
    else if (caller_in_group(who, inode->gid))
        mode >>= 3;
    return (mode & want) == want ? 0 : -EACCES;
}

int64_t caller_owns(const struct caller *who, const struct inode *inode)
{
    return who->uid == 0 || who->uid == inode->uid ? 0 : -EPERM;
}
