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
KEPT static struct change *first, *last;
KEPT static uint32_t noted; /* changes from `first` to `last` */

#define NOTED_MANY  512u /* they are to get to the disk soon: a new life would be long about them */
#define AGAIN_BATCH 32u  /* changes that are made again between two commits of the journal */

static uint32_t ino(const struct inode *inode)
{
    return (uint32_t)inode->ino;
}

/* ---- making one in the library ---- */

/* Frees an inode of the disk that has no name left. */
static int64_t evict_nameless(uint32_t number)
{
    struct ext4_attr attr;
    int64_t status = ext4_getattr(disk_volume, number, &attr);

    if (status < 0 || attr.nlink != 0)
        return status;
    while ((status = ext4_evict(disk_volume, number)) == EXT4_WAIT)
        ;
    return status;
}

static int64_t remove_name(const struct place *at, bool directory)
{
    uint32_t number;
    int64_t status = directory
                         ? ext4_rmdir(disk_volume, ino(at->dir), at->name, at->length, &number)
                         : ext4_unlink(disk_volume, ino(at->dir), at->name, at->length, &number);

    return status < 0 ? status : evict_nameless(number);
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

static int64_t set_attributes(const struct inode *inode)
{
    struct ext4_attr attr = attributes_of(inode);

    return ext4_setattr(
        disk_volume, ino(inode),
        EXT4_SET_MODE | EXT4_SET_UID | EXT4_SET_GID | EXT4_SET_ATIME | EXT4_SET_MTIME, &attr);
}

static int64_t create_new(const struct place *at, const struct inode *inode, uint32_t *number)
{
    struct ext4_new new = {
        .mode = inode->mode,
        .uid = inode->uid,
        .gid = inode->gid,
        .major = (uint32_t)(inode->rdev >> 8),
        .minor = (uint32_t)inode->rdev & 0xff,
    };

    if (S_ISLNK(inode->mode))
        return ext4_symlink(disk_volume, ino(at->dir), at->name, at->length, inode->link.target,
                            inode->link.length, &new, number);
    return ext4_create(disk_volume, ino(at->dir), at->name, at->length, &new, number);
}

/* The name is there, although the tree has not heard of it: a trace of the same change. */
static int64_t adopt(const struct place *at, const struct inode *inode, uint32_t *number)
{
    struct ext4_attr attr;
    int64_t status = ext4_lookup(disk_volume, ino(at->dir), at->name, at->length, number);

    if (status < 0 || (status = ext4_getattr(disk_volume, *number, &attr)) < 0)
        return status;
    if ((attr.mode & S_IFMT) == (inode->mode & S_IFMT) && S_ISDIR(attr.mode))
        return 0;
    status = remove_name(at, S_ISDIR(attr.mode));
    return status < 0 ? status : create_new(at, inode, number);
}

static int64_t create(const struct place *at, struct inode *inode)
{
    uint32_t number;
    int64_t status = create_new(at, inode, &number);

    if (status == -EEXIST)
        status = adopt(at, inode, &number);
    if (status >= 0)
        SET(inode->ino, number);
    return status;
}

static int64_t link(const struct place *at, const struct inode *inode)
{
    int64_t status = ext4_link(disk_volume, ino(inode), ino(at->dir), at->name, at->length);
    uint32_t number;

    if (status == -EEXIST &&
        ext4_lookup(disk_volume, ino(at->dir), at->name, at->length, &number) >= 0)
        return number == inode->ino ? 0 : status;
    return status;
}

static int64_t rename(const struct place *from, const struct place *to, bool exchange)
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
    int64_t status = ext4_rename(disk_volume, &names, &replaced);

    return status < 0 || !replaced ? status : evict_nameless(replaced);
}

static int64_t make(const struct change *c)
{
    switch (c->kind) {
    case CREATE: return create(&c->at, c->inode);
    case LINK: return link(&c->at, c->inode);
    case UNLINK: return remove_name(&c->at, S_ISDIR(c->inode->mode));
    case RENAME: return rename(&c->at, &c->to, false);
    case EXCHANGE: return rename(&c->at, &c->to, true);
    case ATTRIBUTES: return set_attributes(c->inode);
    case RESIZE: return ext4_truncate(disk_volume, ino(c->inode), c->size);
    case CONTENTS: return set_attributes(c->inode);
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

static void change_note(struct change *c)
{
    c->transaction = ext4_transaction(disk_volume);
    if (c->inode)
        inode_hold(c->inode);
    if (c->at.dir)
        inode_hold(c->at.dir);
    if (c->to.dir)
        inode_hold(c->to.dir);
    if (last)
        SET(last->next, c);
    else
        SET(first, c);
    SET(last, c);
    SET(noted, noted + 1);
    disk_tick_later();
}

/* What an inode's attributes are, the newest note says for all before it in the same transaction. */
static bool change_is_noted(const struct change *c)
{
    return c->kind == ATTRIBUTES && last && last->kind == ATTRIBUTES && last->inode == c->inode &&
           !last->lost;
}

static int64_t change_do(struct change *c)
{
    int64_t status = mounted_open();

    if (status >= 0)
        status = make(c);
    if (status >= 0 && !change_is_noted(c)) {
        change_note(c);
        return 0;
    }
    if (status >= 0)
        SET(last->transaction, ext4_transaction(disk_volume));
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

    if (inode->nlink != 0)
        return change_name(LINK, dir, name, length, inode);
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

static void change_drop(struct change *c)
{
    SET(first, c->next);
    if (!first)
        SET(last, 0);
    SET(noted, noted - 1);
    if (c->inode)
        inode_release(c->inode);
    if (c->at.dir)
        inode_release(c->at.dir);
    if (c->to.dir)
        inode_release(c->to.dir);
    change_free(c);
}

static void drop_committed(uint32_t committed)
{
    while (first && !first->lost && (int32_t)(first->transaction - committed) <= 0) {
        change_drop(first);
        request_pause();
    }
}

void changes_settle(void)
{
    drop_committed(ext4_committed(disk_volume));
}

bool changes_wait(void)
{
    return first != 0;
}

bool changes_are_many(void)
{
    return noted >= NOTED_MANY;
}

/* ---- in a new life ---- */

/* Between reading the journal and the first write to the volume, so that it is known for good which
 * changes were lost, whatever the number of the next transaction. */
void changes_recovered(uint32_t committed)
{
    drop_committed(committed);
    for (struct change *c = first; c; c = c->next) {
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

static int64_t make_again(struct change *c)
{
    int64_t status;

    if (c->kind == CONTENTS)
        return c->inode->nlink ? written_all(c->inode) : 0;
    status = make(c);
    return status < 0 && !is_done(c, status) ? status : 0;
}

/* Should this life end soon, too, the next one has less to do. */
static void replay_commit(void)
{
    uint64_t ticket = 0;

    if (ext4_sync(disk_volume, &ticket) >= 0)
        changes_settle();
    request_commit();
}

/* In order: each finds the volume as the ones before it have left it. */
void changes_replay(void)
{
    uint32_t made = 0, failed = 0;

    for (struct change *c = first, *next; c; c = next) {
        next = c->next;
        if (!c->lost)
            continue;
        failed += make_again(c) < 0;
        SET(c->transaction, ext4_transaction(disk_volume));
        SET(c->lost, false);
        request_commit();
        if (++made % AGAIN_BATCH == 0)
            replay_commit();
    }
    if (made)
        log_line("%s: %u changes were made again, %u failed", mounted_source, made, failed);
}
