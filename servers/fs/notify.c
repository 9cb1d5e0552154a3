/* SPDX-License-Identifier: MIT */
/*
 * inotify: who wants to hear what happens to which files.
 *
 * A watch ties an inode to an instance. An instance is an open file of a kind of its own, so it ends
 * as every open file does, when nobody holds it any more, and its watches with it. A watch does not
 * keep its inode: when that goes, the watch says so and goes too.
 *
 * Whoever changes something calls notify_*(), which cost a load and a test as long as nobody watches
 * anything, and two more on files that nobody watches (fs.h). Events are queued here and fetched by
 * a call; fs never waits for a reader. What waits is the reader, on a word of the instance's page.
 *
 * Memory is bounded for each user and in all; the last part of everything is root's.
 */
#include "servers/fs/after.h"
#include "servers/fs/events.h"
#include "servers/fs/fs.h"
#include "servers/fs/pool.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/linux/inotify.h>

#define USER_BYTES    (1u << 20) /* in one user's queues; see fs.h for what else he may have */
/* Of all; each instance takes a mapping of fs. */
#define ALL_INSTANCES 256u
#define ALL_WATCHES   16384u
#define ALL_BYTES     (4u << 20)
#define ROOT_PART     8u /* of which root alone may take the last eighth */

#define BUCKETS 32u

struct usage {
    uint32_t instances, watches, bytes;
};

struct watch_user {
    struct watch_user *next;
    uint32_t uid;
    struct usage use;
};

struct watch {
    struct watch *next_of_inode;
    struct watch *chain; /* in its instance's bucket */
    struct notifier *owner;
    struct inode *inode;
    int32_t wd;
    uint32_t mask;
};

struct notifier {
    struct event_queue queue;
    struct watch_user *user;
    exo_cap region;
    struct fs_watch_page *page; /* mapped; written, never believed */
    uint32_t change, woken;     /* the last that was told */
    int32_t last_wd;
    struct watch *buckets[BUCKETS]; /* by wd */
};

KEPT uint32_t notify_watches;

POOL(watch_pool, struct watch, 32);
KEPT static struct watch_user *users;
KEPT static struct usage all;
KEPT static uint32_t last_cookie;

/* ---- who pays ---- */

static struct watch_user *user_of(uint32_t uid)
{
    struct watch_user *user = users;

    while (user && user->uid != uid)
        user = user->next;
    if (user)
        return user;
    if (!(user = heap_zeroed(1, sizeof(*user))))
        return 0;
    user->uid = uid;
    user->next = users;
    SET(users, user);
    return user;
}

static void user_unused(struct watch_user *user)
{
    struct watch_user **at = &users;

    if (user->use.instances)
        return;
    while (*at != user)
        at = &(*at)->next;
    SET(*at, user->next);
    heap_free(user);
}

/* What a user may take of a thing of which there are `limit`, root all of it. */
static uint32_t part_of(uint32_t limit, const struct watch_user *user)
{
    return user->uid == 0 ? limit : limit - limit / ROOT_PART;
}

/* ---- queues ---- */

void notify_publish(struct notifier *n)
{
    unlogged(n->page, sizeof(*n->page));
    n->page->bytes = events_bytes(&n->queue);
    /* A release, at least: the bytes come first (proofs/memory/protocols/fs_words.py). */
    n->page->change = n->change;
    if (n->woken != n->change) {
        SET(n->woken, n->change);
        port_wake((const void *)&n->page->change);
    }
}

static void notifier_changed(struct notifier *n)
{
    after_once(AFTER_EVENTS, n);
}

/* The bytes that the instance's queue may grow to. */
static uint32_t queue_limit(const struct notifier *n)
{
    const struct watch_user *user = n->user;
    uint32_t limit = part_of(ALL_BYTES, user), rest;

    rest = all.bytes < limit ? limit - all.bytes : 0;
    if (user->uid != 0 && user->use.bytes > USER_BYTES)
        rest = 0;
    else if (user->uid != 0 && USER_BYTES - user->use.bytes < rest)
        rest = USER_BYTES - user->use.bytes;
    limit = n->queue.capacity + rest;
    return limit < 2 * EVENTS_BYTES ? limit : 2 * EVENTS_BYTES;
}

static void queue_charge(struct notifier *n, uint32_t before)
{
    if (n->queue.capacity == before)
        return;
    SET(n->user->use.bytes, n->user->use.bytes + n->queue.capacity - before);
    SET(all.bytes, all.bytes + n->queue.capacity - before);
}

static void notifier_put(struct notifier *n, int32_t wd, uint32_t mask, uint32_t cookie,
                         const char *name, uint32_t length)
{
    uint32_t before = n->queue.capacity;

    if (!events_put(&n->queue, wd, mask, cookie, name, length, queue_limit(n)))
        return;
    queue_charge(n, before);
    SET(n->change, n->change + 1);
    notifier_changed(n);
}

/* ---- watches ---- */

static struct watch *watch_find(const struct notifier *n, const struct inode *inode)
{
    struct watch *watch = inode->watches;

    while (watch && watch->owner != n)
        watch = watch->next_of_inode;
    return watch;
}

static struct watch *watch_by_number(const struct notifier *n, uint64_t wd)
{
    struct watch *watch = n->buckets[wd % BUCKETS];

    while (watch && (uint64_t)watch->wd != wd)
        watch = watch->chain;
    return watch;
}

static int64_t watch_make(struct notifier *n, struct inode *inode, struct watch **made)
{
    struct watch_user *user = n->user;
    struct watch *watch, **bucket;

    if ((user->uid != 0 && user->use.watches >= USER_WATCHES) || n->last_wd == INT32_MAX ||
        all.watches >= part_of(ALL_WATCHES, user))
        return -ENOSPC;
    if (!(watch = pool_take(watch_pool)))
        return -ENOMEM;
    SET(n->last_wd, n->last_wd + 1);
    *watch = (struct watch){
        .owner = n, .inode = inode, .wd = n->last_wd, .next_of_inode = inode->watches};
    SET(inode->watches, watch);
    bucket = &n->buckets[(uint32_t)watch->wd % BUCKETS];
    watch->chain = *bucket;
    SET(*bucket, watch);
    SET(user->use.watches, user->use.watches + 1);
    SET(all.watches, all.watches + 1);
    SET(notify_watches, all.watches);
    *made = watch;
    return 0;
}

static void watch_free(struct watch *watch)
{
    struct watch **at = &watch->inode->watches;

    while (*at != watch)
        at = &(*at)->next_of_inode;
    SET(*at, watch->next_of_inode);
    at = &watch->owner->buckets[(uint32_t)watch->wd % BUCKETS];
    while (*at != watch)
        at = &(*at)->chain;
    SET(*at, watch->chain);
    SET(watch->owner->user->use.watches, watch->owner->user->use.watches - 1);
    SET(all.watches, all.watches - 1);
    SET(notify_watches, all.watches);
    pool_give(watch_pool, watch);
}

/* Ends a watch while its instance lives on. */
static void watch_end(struct watch *watch)
{
    struct notifier *n = watch->owner;
    int32_t wd = watch->wd;

    watch_free(watch);
    notifier_put(n, wd, IN_IGNORED, 0, "", 0);
}

/* ---- events ---- */

/* Tells who watches the inode. `skip`: watches that do not want this one, by their mask. */
static void tell(const struct inode *inode, uint32_t mask, uint32_t cookie, const char *name,
                 uint32_t length, uint32_t skip)
{
    struct watch *watch = inode->watches, *next;

    for (; watch; watch = next) {
        next = watch->next_of_inode;
        if (!(watch->mask & mask & IN_ALL_EVENTS) || (watch->mask & skip))
            continue;
        notifier_put(watch->owner, watch->wd, mask, cookie, name, length);
        if (watch->mask & IN_ONESHOT)
            watch_end(watch);
    }
}

static uint32_t kind_bit(uint32_t mode)
{
    return S_ISDIR(mode) ? IN_ISDIR : 0;
}

void notify_watched_file(const struct inode *inode, const struct entry *via, uint32_t mask)
{
    mask |= kind_bit(inode->mode);
    if (S_ISDIR(inode->mode))
        via = inode->transient ? 0 : inode->dir.self;
    if (via)
        tell(via->dir, mask, 0, via->name, via->length, via->removed ? IN_EXCL_UNLINK : 0);
    tell(inode, mask, 0, "", 0, 0);
}

void notify_watched_name(const struct inode *dir, const char *name, uint32_t length, uint32_t mode,
                         uint32_t mask, uint32_t cookie)
{
    tell(dir, mask | kind_bit(mode), cookie, name, length, 0);
}

void notify_watched_self(const struct inode *inode, uint32_t mask)
{
    /* Linux has never told of a directory in these two. */
    tell(inode, mask & IN_MOVE_SELF ? mask : mask | kind_bit(inode->mode), 0, "", 0, 0);
}

uint32_t notify_cookie(void)
{
    SET(last_cookie, last_cookie + 1 ? last_cookie + 1 : 1);
    return last_cookie;
}

void notify_gone(struct inode *inode)
{
    tell(inode, IN_DELETE_SELF, 0, "", 0, 0);
    while (inode->watches)
        watch_end(inode->watches);
}

bool notify_reads(const struct inode *inode, const struct entry *via)
{
    const struct watch *watch;

    for (watch = inode->watches; watch; watch = watch->next_of_inode) {
        if (watch->mask & IN_ACCESS)
            return true;
    }
    for (watch = via ? via->dir->watches : 0; watch; watch = watch->next_of_inode) {
        if (watch->mask & IN_ACCESS)
            return true;
    }
    return false;
}

/* Files that are read without fs are asked to be read through it from now on. */
static void ask_for_reads(struct inode *inode)
{
    struct entry *entry;

    if (inode_kind(inode) == FS_REGULAR)
        data_watch_reads(inode);
    if (inode_kind(inode) != FS_DIRECTORY || inode->transient)
        return;
    for (entry = inode->dir.first; entry; entry = entry->next) {
        if (inode_kind(entry->inode) == FS_REGULAR)
            data_watch_reads(entry->inode);
    }
}

/* ---- instances ---- */

void notify_map(struct notifier *n)
{
    port_region_remap(n->region, 0, n->page);
}

static struct notifier *notifier_make(struct watch_user *user)
{
    struct notifier *n = heap_zeroed(1, sizeof(*n));
    int64_t region = n && events_begin(&n->queue) ? port_region_make(1, false) : -ENOMEM;

    if (region >= 0) {
        cap_keep((exo_cap)region);
        n->region = (exo_cap)region;
        n->page = port_region_map(n->region, 0);
        if (n->page) {
            n->user = user;
            SET(user->use.instances, user->use.instances + 1);
            SET(all.instances, all.instances + 1);
            queue_charge(n, 0);
            notifier_changed(n);
            return n;
        }
        port_drop(n->region);
    }
    if (n)
        events_end(&n->queue);
    heap_free(n);
    return 0;
}

void notify_closed(struct notifier *n)
{
    uint32_t before = n->queue.capacity, i;

    for (i = 0; i < BUCKETS; i++) {
        while (n->buckets[i]) {
            watch_free(n->buckets[i]);
            request_pause();
        }
    }
    events_end(&n->queue);
    queue_charge(n, before);
    after_forget(n);
    after(AFTER_UNMAP, n->page, 0, 0, 0);
    after_drop(n->region);
    SET(all.instances, all.instances - 1);
    SET(n->user->use.instances, n->user->use.instances - 1);
    user_unused(n->user);
    heap_free(n);
}

static int64_t instance_allowed(const struct watch_user *user)
{
    if (user->uid != 0 && user->use.instances >= USER_INSTANCES)
        return -EMFILE;
    return all.instances >= part_of(ALL_INSTANCES, user) ? -EMFILE : 0;
}

static int64_t instance_open(struct request *q, struct watch_user *user, struct open_file **file)
{
    struct inode *inode;
    int64_t status;

    if ((status = instance_allowed(user)) < 0)
        return status;
    if (!(inode = inode_make(0600, q->who.uid, q->who.gid, VOLUME_ROOT)))
        return -ENOMEM;
    if ((status = file_make(file, inode, O_RDONLY, &q->who)) < 0) {
        inode_unused(inode);
        return status;
    }
    SET((*file)->notifier, notifier_make(user));
    if (!(*file)->notifier) {
        file_close(*file);
        return -ENOMEM;
    }
    return 0;
}

int64_t fs_watch_open(struct request *q)
{
    struct watch_user *user = user_of(q->who.uid);
    struct open_file *file;
    int64_t status;

    if (!user)
        return -ENOMEM;
    if ((status = instance_open(q, user, &file)) < 0) {
        user_unused(user);
        return status;
    }
    file_reply(q, file, false);
    return 0;
}

/* ---- the calls on instances ---- */

int64_t file_watch_page(struct request *q)
{
    int64_t loan;

    if (!q->file->notifier)
        return -EINVAL;
    loan = port_region_loan(q->file->notifier->region, EXO_R_READ | EXO_R_GRANT);
    if (loan < 0)
        return loan;
    q->give = (exo_cap)loan;
    q->give_mode = EXO_SEND_MOVE;
    return 0;
}

static int64_t watch_change(struct notifier *n, struct inode *inode, uint32_t mask)
{
    uint32_t kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
    struct watch *watch = watch_find(n, inode);
    int64_t status;

    if (watch && (mask & IN_MASK_CREATE))
        return -EEXIST;
    if (!watch && (status = watch_make(n, inode, &watch)) < 0)
        return status;
    SET(watch->mask, mask & IN_MASK_ADD ? watch->mask | kept : kept);
    if (kept & IN_ACCESS)
        ask_for_reads(inode);
    return watch->wd;
}

int64_t fs_watch_add(struct request *q)
{
    uint32_t mask = (uint32_t)q->w[1];
    struct open_file *file = file_of_number(q->w[2]);
    struct inode *inode;
    int64_t status;

    if (!file)
        return -EBADF;
    if (!file->notifier || q->w[1] & ~(uint64_t)IN_KNOWN || mask == 0 ||
        (mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE))
        return -EINVAL;
    status =
        path_find(&inode, q, q->w[0], q->msg, q->bytes, mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW);
    if (status < 0)
        return status;
    if ((mask & IN_ONLYDIR) && !S_ISDIR(inode->mode))
        return -ENOTDIR;
    if ((status = caller_may(&q->who, inode, R_OK)) < 0)
        return status;
    if (inode->transient) /* made anew by each path: there is nothing to watch */
        return -EOPNOTSUPP;
    return watch_change(file->notifier, inode, mask);
}

int64_t file_watch_remove(struct request *q)
{
    struct watch *watch;

    if (!q->file->notifier || !(watch = watch_by_number(q->file->notifier, q->w[0])))
        return -EINVAL;
    watch_end(watch);
    return 0;
}

int64_t file_watch_read(struct request *q)
{
    struct notifier *n = q->file->notifier;
    uint32_t before, room = q->w[1] < FS_IO_BYTES ? (uint32_t)q->w[1] : FS_IO_BYTES;
    int64_t taken = 0;

    if (!n)
        return -EINVAL;
    if (q->w[0] == 0) {
        before = n->queue.capacity;
        taken = events_take(&n->queue, q->reply, room);
        queue_charge(n, before);
        if (taken < 0)
            return taken;
        notifier_changed(n);
    }
    q->reply_bytes = (uint32_t)taken;
    q->r[1] = events_bytes(&n->queue);
    return taken;
}
