/* SPDX-License-Identifier: MIT */
/*
 * Changes of a disk's volume that the journal may not have on the disk yet: see mounted.h.
 *
 * The library's calls are all or nothing, and so are fs's transactions; but the two end at different
 * moments. A change is made in the library first, where it can fail, and then noted by the same
 * transaction that changes the tree. If fs dies in between, the tree does not know of it, and the
 * library's memory is gone too, unless its journal has just been committed. So a change may meet its
 * own traces when it is made again: what it finds then is adopted.
 */
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/string.h>
#include <libos/exo/log.h>
#include <servers/fs/ext4/ext4.h>

enum change_kind { CREATE, LINK, UNLINK, RENAME, EXCHANGE, ATTRIBUTES, RESIZE, CONTENTS };

struct place {
    struct inode *dir; /* held */
    char *name;        /* on the heap */
    size_t length;
};
struct change {
    struct change *next;
    enum change_kind kind;
    uint32_t transaction; /* of the journal, that has it */
    bool lost;            /* with the life that made it: is to be made again */
    struct inode *inode;  /* held; 0: a rename */
    struct place at, to;
    uint64_t size;
};

#define AGAIN_BATCH 32u /* changes that are made again between two commits of the journal */

static uint32_t ino(const struct inode *inode)
{
    return (uint32_t)inode->ino;
}

/* ---- making one in the library ---- */

/* Frees an inode of the disk that has no name left. */
static int64_t evict_nameless(struct ext4 *fs, uint32_t number)
{
    struct ext4_attr attr;
    int64_t status = ext4_getattr(fs, number, &attr);

    if (status < 0 || attr.nlink != 0)
        return status;
    while ((status = ext4_evict(fs, number)) == EXT4_WAIT)
        ;
    return status;
}

static int64_t remove_name(struct ext4 *fs, const struct place *at, bool directory)
{
    uint32_t number;
    int64_t status = directory ? ext4_rmdir(fs, ino(at->dir), at->name, at->length, &number)
                               : ext4_unlink(fs, ino(at->dir), at->name, at->length, &number);

    return status < 0 ? status : evict_nameless(fs, number);
}

static struct ext4_attr attributes_of(const struct inode *inode)
{
    uint64_t second = 1000000000;

    return (struct ext4_attr){
        .mode = inode->mode,
        .uid = inode->uid,
        .gid = inode->gid,
        .atime = {(int64_t)(inode->atime / second), (uint32_t)(inode->atime % second)},
        .mtime = {(int64_t)(inode->mtime / second), (uint32_t)(inode->mtime % second)},
    };
}

static int64_t set_attributes(struct ext4 *fs, const struct inode *inode)
{
    struct ext4_attr attr = attributes_of(inode);

    return ext4_setattr(
        fs, ino(inode),
        EXT4_SET_MODE | EXT4_SET_UID | EXT4_SET_GID | EXT4_SET_ATIME | EXT4_SET_MTIME, &attr);
}

static int64_t create_new(struct ext4 *fs, const struct place *at, const struct inode *inode,
                          uint32_t *number)
{
    struct ext4_new new = {
        .mode = inode->mode,
        .uid = inode->uid,
        .gid = inode->gid,
        .major = (uint32_t)(inode->rdev >> 8),
        .minor = (uint32_t)inode->rdev & 0xff,
    };

    if (S_ISLNK(inode->mode))
        return ext4_symlink(fs, ino(at->dir), at->name, at->length, inode->link.target,
                            inode->link.length, &new, number);
    return ext4_create(fs, ino(at->dir), at->name, at->length, &new, number);
}

/* The name is there, although the tree has not heard of it: a trace of the same change. */
static int64_t adopt(struct ext4 *fs, const struct place *at, const struct inode *inode,
                     uint32_t *number)
{
    struct ext4_attr attr;
    int64_t status = ext4_lookup(fs, ino(at->dir), at->name, at->length, number);

    if (status < 0 || (status = ext4_getattr(fs, *number, &attr)) < 0)
        return status;
    if ((attr.mode & S_IFMT) == (inode->mode & S_IFMT) && S_ISDIR(attr.mode))
        return 0;
    status = remove_name(fs, at, S_ISDIR(attr.mode));
    return status < 0 ? status : create_new(fs, at, inode, number);
}

static int64_t create(struct ext4 *fs, const struct place *at, struct inode *inode)
{
    uint32_t number;
    int64_t status = create_new(fs, at, inode, &number);

    if (status == -EEXIST)
        status = adopt(fs, at, inode, &number);
    if (status >= 0)
        SET(inode->ino, number);
    return status;
}

static int64_t link(struct ext4 *fs, const struct place *at, const struct inode *inode)
{
    int64_t status = ext4_link(fs, ino(inode), ino(at->dir), at->name, at->length);
    uint32_t number;

    if (status == -EEXIST && ext4_lookup(fs, ino(at->dir), at->name, at->length, &number) >= 0)
        return number == inode->ino ? 0 : status;
    return status;
}

static int64_t rename(struct ext4 *fs, const struct place *from, const struct place *to,
                      bool exchange)
{
    struct ext4_rename names = {
        .from_dir = ino(from->dir),
        .from = from->name,
        .from_length = from->length,
        .to_dir = ino(to->dir),
        .to = to->name,
        .to_length = to->length,
        .exchange = exchange,
    };
    uint32_t replaced = 0;
    int64_t status = ext4_rename(fs, &names, &replaced);

    return status < 0 || !replaced ? status : evict_nameless(fs, replaced);
}

static int64_t make(struct ext4 *fs, const struct change *c)
{
    switch (c->kind) {
    case CREATE: return create(fs, &c->at, c->inode);
    case LINK: return link(fs, &c->at, c->inode);
    case UNLINK: return remove_name(fs, &c->at, S_ISDIR(c->inode->mode));
    case RENAME: return rename(fs, &c->at, &c->to, false);
    case EXCHANGE: return rename(fs, &c->at, &c->to, true);
    case ATTRIBUTES: return set_attributes(fs, c->inode);
    case RESIZE: return ext4_truncate(fs, ino(c->inode), c->size);
    case CONTENTS: return set_attributes(fs, c->inode);
    }
    return -EINVAL;
}

/* ---- noting it ---- */

static bool place_set(struct place *place, struct inode *dir, const char *name, size_t length)
{
    place->name = heap_alloc(length);
    if (!place->name)
        return false;
    memcpy(place->name, name, length);
    place->length = length;
    place->dir = dir;
    return true;
}

static struct change *change_new(enum change_kind kind, struct inode *inode)
{
    struct change *c = heap_zeroed(1, sizeof(*c)); /* fresh memory need not be logged */

    if (c) {
        c->kind = kind;
        c->inode = inode;
    }
    return c;
}

static void change_free(struct change *c)
{
    heap_free(c->at.name);
    heap_free(c->to.name);
    heap_free(c);
}

static void change_note(struct disk *d, struct change *c)
{
    c->transaction = ext4_transaction(ext4_of(d));
    if (c->inode)
        inode_hold(c->inode);
    if (c->at.dir)
        inode_hold(c->at.dir);
    if (c->to.dir)
        inode_hold(c->to.dir);
    if (d->last)
        SET(d->last->next, c);
    else
        SET(d->first, c);
    SET(d->last, c);
    SET(d->noted, d->noted + 1);
    disk_tick_later(d);
}

/* What an inode's attributes are, the newest note says for all before it in the same transaction. */
static bool change_is_noted(const struct change *last, const struct change *c)
{
    return c->kind == ATTRIBUTES && last && last->kind == ATTRIBUTES && last->inode == c->inode &&
           !last->lost;
}

static int64_t change_do(struct change *c)
{
    struct disk *d = disk_of(c->inode ? c->inode : c->at.dir);
    int64_t status = mounted_open(d);

    if (status >= 0)
        status = make(ext4_of(d), c);
    if (status >= 0 && !change_is_noted(d->last, c)) {
        change_note(d, c);
        return 0;
    }
    if (status >= 0)
        SET(d->last->transaction, ext4_transaction(ext4_of(d)));
    change_free(c);
    return status < 0 ? status : 0;
}

static int64_t change_name(enum change_kind kind, struct inode *dir, const char *name,
                           size_t length, struct inode *inode)
{
    struct change *c = change_new(kind, inode);

    if (c && place_set(&c->at, dir, name, length))
        return change_do(c);
    if (c)
        change_free(c);
    return -ENOSPC;
}

int64_t change_create(struct inode *dir, const char *name, size_t length, struct inode *inode)
{
    return change_name(CREATE, dir, name, length, inode);
}

/* A file that lost its last name left the disk: with a name it comes back, and all of its contents. */
int64_t change_link(struct inode *dir, const char *name, size_t length, struct inode *inode)
{
    int64_t status;

    if (inode->nlink != 0) {
        status = mounted_linked(inode);
        return status < 0 ? status : change_name(LINK, dir, name, length, inode);
    }
    status = change_name(CREATE, dir, name, length, inode);
    return status < 0 || !S_ISREG(inode->mode) ? status : written_all(inode);
}

int64_t change_unlink(struct inode *dir, const char *name, size_t length, struct inode *inode)
{
    int64_t status;

    if (S_ISREG(inode->mode) && inode->nlink == 1 && inode->refs != 0 &&
        inode->file.store == STORE_DISK && (status = data_region(inode)) < 0)
        return status;
    return change_name(UNLINK, dir, name, length, inode);
}

int64_t change_rename(const struct walk *from, const struct walk *to, struct inode *replaced,
                      bool exchange)
{
    struct change *c = change_new(exchange ? EXCHANGE : RENAME, 0);
    int64_t status;

    if (!exchange && replaced && S_ISREG(replaced->mode) && replaced->nlink == 1 &&
        replaced->refs != 0 && replaced->file.store == STORE_DISK &&
        (status = data_region(replaced)) < 0) {
        if (c)
            change_free(c);
        return status;
    }
    if (c && place_set(&c->at, from->dir, from->name, from->length) &&
        place_set(&c->to, to->dir, to->name, to->length))
        return change_do(c);
    if (c)
        change_free(c);
    return -ENOSPC;
}

static int64_t change_inode(enum change_kind kind, struct inode *inode, uint64_t size)
{
    struct change *c;

    if (S_ISREG(inode->mode) && inode->nlink == 0) /* it is not on the disk any more */
        return 0;
    if (!(c = change_new(kind, inode)))
        return -ENOSPC;
    c->size = size;
    return change_do(c);
}

int64_t change_attributes(struct inode *inode)
{
    return change_inode(ATTRIBUTES, inode, 0);
}

int64_t change_resize(struct inode *inode, uint64_t size)
{
    return change_inode(RESIZE, inode, size);
}

int64_t change_contents(struct inode *inode)
{
    return change_inode(CONTENTS, inode, 0);
}

/* ---- when they are on the disk ---- */

static void change_drop(struct disk *d)
{
    struct change *c = d->first;

    SET(d->first, c->next);
    if (!d->first)
        SET(d->last, 0);
    SET(d->noted, d->noted - 1);
    if (c->inode)
        inode_release(c->inode);
    if (c->at.dir)
        inode_release(c->at.dir);
    if (c->to.dir)
        inode_release(c->to.dir);
    change_free(c);
}

static void drop_committed(struct disk *d, uint32_t committed)
{
    while (d->first && !d->first->lost && (int32_t)(d->first->transaction - committed) <= 0) {
        change_drop(d);
        request_pause();
    }
}

void changes_settle(struct disk *d)
{
    drop_committed(d, ext4_committed(ext4_of(d)));
}

/* ---- in a new life ---- */

/* Between reading the journal and the first write to the volume, so that it is known for good which
 * changes were lost, whatever the number of the next transaction. */
void changes_recovered(struct disk *d, uint32_t committed)
{
    if (!d->first) /* nor is there anything to commit: it is being mounted */
        return;
    drop_committed(d, committed);
    for (struct change *c = d->first; c; c = c->next) {
        if (!c->lost)
            SET(c->lost, true);
    }
    request_commit();
}

/* Whether an error means that the change is there already. */
static bool is_done(const struct change *c, int64_t status)
{
    return status == -ENOENT && (c->kind == UNLINK || c->kind == RENAME);
}

static int64_t make_again(struct ext4 *fs, struct change *c)
{
    int64_t status;

    if (c->kind == CONTENTS)
        return c->inode->nlink ? written_all(c->inode) : 0;
    status = make(fs, c);
    return status < 0 && !is_done(c, status) ? status : 0;
}

/* Should this life end soon, too, the next one has less to do. */
static void replay_commit(struct disk *d)
{
    uint64_t ticket = 0;

    if (ext4_sync(ext4_of(d), &ticket) >= 0)
        changes_settle(d);
    request_commit();
}

/* In order: each finds the volume as the ones before it have left it. */
void changes_replay(struct disk *d)
{
    uint32_t made = 0, failed = 0;

    for (struct change *c = d->first, *next; c; c = next) {
        next = c->next;
        if (!c->lost)
            continue;
        failed += make_again(ext4_of(d), c) < 0;
        SET(c->transaction, ext4_transaction(ext4_of(d)));
        SET(c->lost, false);
        request_commit();
        if (++made % AGAIN_BATCH == 0)
            replay_commit(d);
    }
    if (made)
        log_line("%s: %u changes were made again, %u failed", d->source, made, failed);
}
