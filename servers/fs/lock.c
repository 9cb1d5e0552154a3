/* SPDX-License-Identifier: MIT */
/*
 * Locks on files: fcntl's, which belong to a process; those of open file descriptions; and flock's.
 *
 * A lock covers bytes start .. last of an inode. The first two kinds see each other, flock's live
 * in a world of their own. fs never lets a caller wait: a conflict is -EAGAIN, and who wants to
 * wait sleeps on the file's state page, where a word changes when a lock is given up.
 *
 * The pid that owns a fcntl lock is the caller's word. Nobody gains by a lie who could not do the
 * same harm by locking: only those who have the file open are in the game at all.
 */
#include "servers/fs/after.h"
#include "servers/fs/fs.h"
#include "servers/fs/pool.h"
#include "servers/fs/port.h"
#include "servers/fs/proc.h"
#include "servers/fs/recover.h"

#include <lib/string.h>

#define LOCKS_MAX 16384u

enum lock_kind { LOCK_PROCESS, LOCK_DESCRIPTION, LOCK_FLOCK };

struct lock {
    struct lock *next;
    uint64_t start, last;
    struct open_file *file; /* by which it was made: the owner, but for LOCK_PROCESS */
    int32_t pid;
    uint8_t kind; /* enum lock_kind */
    bool exclusive;
};

POOL(lock_pool, struct lock, 32);
KEPT static uint32_t lock_count;

static struct lock *lock_make(const struct lock *like)
{
    struct lock *lock = lock_count < LOCKS_MAX ? pool_take(lock_pool) : 0;

    if (!lock)
        return 0;
    SET(lock_count, lock_count + 1);
    *lock = *like;
    return lock;
}

static void lock_free(struct lock *lock)
{
    SET(lock_count, lock_count - 1);
    pool_give(lock_pool, lock);
}

static bool process_alive(int32_t pid)
{
    uint32_t slot;

    for (slot = 0; process_table && slot < PROC_MAX; slot++) {
        const struct proc_entry *entry = &process_table[slot];

        if (entry->pid == pid && entry->state != PROC_FREE && entry->state != PROC_ZOMBIE)
            return true;
    }
    return false;
}

static bool same_owner(const struct lock *a, const struct lock *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == LOCK_PROCESS ? a->pid == b->pid : a->file == b->file;
}

static bool in_the_way(const struct lock *old, const struct lock *wish)
{
    return (old->kind == LOCK_FLOCK) == (wish->kind == LOCK_FLOCK) && !same_owner(old, wish) &&
           (old->exclusive || wish->exclusive) && old->start <= wish->last &&
           wish->start <= old->last;
}

/* A lock that stands against `wish`; those of dead processes go on the way. */
static struct lock *conflict(struct inode *inode, const struct lock *wish)
{
    struct lock **at = &inode->locks;

    while (*at) {
        struct lock *old = *at;

        if (!in_the_way(old, wish)) {
            at = &old->next;
        } else if (old->kind == LOCK_PROCESS && !process_alive(old->pid)) {
            SET(*at, old->next);
            lock_free(old);
            request_pause();
        } else {
            return old;
        }
    }
    return 0;
}

/* Tells those who sleep on the state page. */
static void wake_waiters(struct inode *inode)
{
    if (inode_kind(inode) != FS_REGULAR || !inode->file.lock_waiters ||
        inode->file.store != STORE_REGION)
        return;
    SET(inode->file.lock_waiters, false);
    after_once(AFTER_LOCKS, inode);
}

void lock_publish(struct inode *inode)
{
    struct fs_state *state;

    if (inode->file.store != STORE_REGION)
        return;
    state = port_region_map(inode->file.region, 0);
    if (!state)
        return; /* they look again after a second */
    state->locks++;
    port_wake((const void *)&state->locks);
    port_unmap(state);
}

/* Takes what `range`'s owner has in its range away. `spare` is used when a lock is cut in two. */
static void cut(struct inode *inode, const struct lock *range, struct lock **spare)
{
    struct lock **at = &inode->locks;

    while (*at) {
        struct lock *old = *at, *right;

        if (!same_owner(old, range) || old->last < range->start || range->last < old->start) {
            at = &old->next;
            continue;
        }
        if (old->start < range->start && old->last > range->last) {
            right = *spare;
            *spare = 0;
            *right = *old;
            right->start = range->last + 1;
            SET(old->last, range->start - 1);
            SET(old->next, right);
            return; /* its owner's locks do not overlap: there is no other */
        }
        if (old->start < range->start) {
            SET(old->last, range->start - 1);
            at = &old->next;
        } else if (old->last > range->last) {
            SET(old->start, range->last + 1);
            at = &old->next;
        } else {
            SET(*at, old->next);
            lock_free(old);
        }
    }
}

static int64_t change(struct inode *inode, const struct lock *wish, bool unlock)
{
    struct lock *spare = lock_make(wish), *made = 0;

    if (!spare || (!unlock && !(made = lock_make(wish)))) {
        if (spare)
            lock_free(spare);
        return -ENOLCK;
    }
    cut(inode, wish, &spare);
    if (spare)
        lock_free(spare);
    if (made) {
        made->next = inode->locks;
        SET(inode->locks, made);
    }
    if (unlock || !wish->exclusive) /* a weaker lock lets others in, too */
        wake_waiters(inode);
    return 0;
}

static int64_t parse(const struct request *q, struct lock *wish, bool *query)
{
    int32_t pid = 0;

    if (q->bytes >= sizeof(pid))
        memcpy(&pid, q->msg, sizeof(pid));
    if (q->w[1] > F_UNLCK || q->w[2] > q->w[3])
        return -EINVAL;
    *wish = (struct lock){.start = q->w[2],
                          .last = q->w[3],
                          .file = q->file,
                          .pid = pid,
                          .exclusive = q->w[1] == F_WRLCK};
    *query = q->w[0] == F_GETLK || q->w[0] == F_OFD_GETLK;
    switch (q->w[0]) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW: wish->kind = LOCK_PROCESS; return 0;
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        wish->kind = LOCK_DESCRIPTION;
        wish->pid = -1;
        return 0;
    case FS_FLOCK:
        wish->kind = LOCK_FLOCK;
        wish->start = 0;
        wish->last = UINT64_MAX;
        return 0;
    default: return -EINVAL;
    }
}

static int64_t answer_query(struct request *q, const struct lock *found)
{
    q->r[1] = !found ? F_UNLCK : found->exclusive ? F_WRLCK : F_RDLCK;
    if (found) {
        q->r[2] = found->start;
        q->r[3] = found->last;
        memcpy(q->reply, &found->pid, sizeof(found->pid));
        q->reply_bytes = sizeof(found->pid);
    }
    return 0;
}

int64_t file_lock(struct request *q)
{
    uint32_t access = q->file->flags & O_ACCMODE;
    struct inode *inode = q->file->inode;
    bool unlock = q->w[1] == F_UNLCK, query;
    struct lock wish, *found;
    int64_t status;

    if (q->file->flags & O_PATH)
        return -EBADF;
    if ((status = parse(q, &wish, &query)) < 0)
        return status;
    if (!query && !unlock && wish.kind != LOCK_FLOCK &&
        access == (wish.exclusive ? O_RDONLY : O_WRONLY))
        return -EBADF;
    if (inode->transient)
        return -EINVAL;
    found = unlock ? 0 : conflict(inode, &wish);
    if (query)
        return answer_query(q, found);
    if (!found)
        return change(inode, &wish, unlock);
    if (inode_kind(inode) == FS_REGULAR && q->w[0] != F_SETLK && q->w[0] != F_OFD_SETLK)
        SET(inode->file.lock_waiters, true);
    return -EAGAIN;
}

void lock_release_file(struct open_file *file)
{
    struct lock **at = &file->inode->locks;
    bool any = false;

    while (*at) {
        struct lock *lock = *at;

        if (lock->file != file) {
            at = &lock->next;
            continue;
        }
        SET(*at, lock->next);
        lock_free(lock);
        request_pause();
        any = true;
    }
    if (any)
        wake_waiters(file->inode);
}

/* ---- /proc/locks --------------------------------------------------------------------------------- */

static void lock_text(struct text *text, uint32_t number, const struct lock *lock)
{
    static const char *const kinds[] = {"POSIX", "OFDLCK", "FLOCK"};
    const struct inode *inode = lock->file->inode;
    struct fs_stat stat;

    inode_stat(inode, &stat);
    text_add(text, "%u: %s  ADVISORY  %s %d %02llx:%02llx:%llu %llu ", number, kinds[lock->kind],
             lock->exclusive ? "WRITE" : "READ",
             lock->kind == LOCK_DESCRIPTION ? -1 : (int)lock->pid,
             (unsigned long long)stat.dev >> 8, (unsigned long long)stat.dev & 0xff,
             (unsigned long long)stat.ino, (unsigned long long)lock->start);
    if (lock->last == UINT64_MAX)
        text_add(text, "EOF\n");
    else
        text_add(text, "%llu\n", (unsigned long long)lock->last);
}

int64_t text_locks(struct text *text, const struct synthetic *of)
{
    uint32_t number = 0;

    (void)of;
    for (const struct open_file *file = file_next(0); file; file = file_next(file)) {
        for (const struct lock *lock = file->inode->locks; lock; lock = lock->next) {
            if (lock->file == file) /* the inode may be open more than once */
                lock_text(text, ++number, lock);
        }
    }
    return 0;
}
