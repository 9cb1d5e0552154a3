/* SPDX-License-Identifier: MIT */
/*
 * Names: which inode has which name in which directory.
 *
 * One hash table holds the names of all directories, so that a look-up costs the same in a
 * directory of three and of three hundred thousand. The table never grows: it is sized for the
 * machine, since files take memory and their number is bounded by it. The hash is keyed with a
 * secret, so that nobody can choose names that fall into one chain.
 *
 * Each directory also keeps its names in a list in order of creation, with growing positions: that
 * is what readdir walks, and an entry keeps its position as long as it lives.
 */
#include "servers/fs/fs.h"
#include "servers/fs/pool.h"
#include "servers/fs/port.h"

#include <lib/heap.h>
#include <lib/string.h>

KEPT static struct entry **buckets;
KEPT static uint64_t bucket_mask;
KEPT static uint64_t secret_a, secret_b;
POOL(entries, struct entry, 64);

KEPT struct inode *tree_root;

void tree_init(uint64_t buckets_wanted, const uint64_t secret[2])
{
    uint64_t count = 256;

    while (count < buckets_wanted)
        count *= 2;
    /* Half of what was wanted is better than nothing. */
    while (!(buckets = heap_zeroed(count, sizeof(struct entry *))) && count > 256)
        count /= 2;
    bucket_mask = count - 1;
    secret_a = secret[0];
    secret_b = secret[1] | 1;
}

/* Multiplies and folds: every bit of both reaches every bit of the result. */
static uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_name(const struct inode *dir, const char *name, size_t length)
{
    uint64_t hash = secret_a ^ dir->ino, word;
    uint32_t low, high;

    for (; length >= 8; name += 8, length -= 8) {
        memcpy(&word, name, 8);
        hash = hash_mix(hash ^ word, secret_b);
    }
    if (length >= 4) {
        memcpy(&low, name, 4);
        memcpy(&high, name + length - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (length) {
        word = (uint64_t)(uint8_t)name[0] << 16 | (uint64_t)(uint8_t)name[length / 2] << 8 |
               (uint8_t)name[length - 1];
    } else {
        word = 0;
    }
    return (uint32_t)hash_mix(hash ^ word, secret_b + 2 * length);
}

struct entry *tree_find(const struct inode *dir, const char *name, size_t length)
{
    uint32_t hash = hash_name(dir, name, length);
    struct entry *entry = buckets[hash & bucket_mask];

    for (; entry; entry = entry->chain) {
        if (entry->hash == hash && entry->dir == dir && entry->length == length &&
            memcmp(entry->name, name, length) == 0)
            return entry;
    }
    return 0;
}

/* ---- the parts of an entry: its text, its chain, its directory's list ---- */

static int64_t entry_set_name(struct entry *entry, const char *name, size_t length)
{
    char *text = entry->text;

    if (length > sizeof(entry->text)) {
        text = heap_alloc(length);
        if (!text)
            return -ENOSPC;
    }
    memcpy(text, name, length);
    entry->name = text;
    entry->length = (uint8_t)length;
    return 0; /* not logged: `entry` is new, or on the stack */
}

static void entry_drop_name(struct entry *entry)
{
    if (entry->name != entry->text)
        heap_free(entry->name);
}

/* An entry that is not in the tree any more goes when no open file came by it. Until then it keeps
 * its directory, about which it may still have to tell. */
static void entry_discard(struct entry *entry)
{
    SET(entry->removed, true);
    SET(entry->inode, 0);
    if (entry->users) {
        inode_hold(entry->dir);
        return;
    }
    entry_drop_name(entry);
    pool_give(entries, entry);
}

void tree_name_gone(struct entry *entry)
{
    struct inode *dir = entry->dir;

    entry_drop_name(entry);
    pool_give(entries, entry);
    inode_release(dir);
}

/* The entry itself is new, or saved. */
static void entry_link(struct entry *entry, struct inode *dir)
{
    struct entry **bucket;

    entry->dir = dir;
    entry->hash = hash_name(dir, entry->name, entry->length);
    bucket = &buckets[entry->hash & bucket_mask];
    entry->chain = *bucket;
    SET(*bucket, entry);

    entry->position = dir->dir.next_position;
    SET(dir->dir.next_position, entry->position + 1);
    entry->next = 0;
    entry->prev = dir->dir.last;
    if (entry->prev)
        SET(entry->prev->next, entry);
    else
        SET(dir->dir.first, entry);
    SET(dir->dir.last, entry);
    SET(dir->dir.count, dir->dir.count + 1);
}

static void entry_unlink(struct entry *entry)
{
    struct entry **at = &buckets[entry->hash & bucket_mask];
    struct inode *dir = entry->dir;

    while (*at != entry)
        at = &(*at)->chain;
    SET(*at, entry->chain);

    if (entry->prev)
        SET(entry->prev->next, entry->next);
    else
        SET(dir->dir.first, entry->next);
    if (entry->next)
        SET(entry->next->prev, entry->prev);
    else
        SET(dir->dir.last, entry->prev);
    SET(dir->dir.count, dir->dir.count - 1);
    SET(dir->dir.removals, dir->dir.removals + 1);
}

/* ---- what it means for the inodes ---- */

/* A directory knows the one above it and keeps it alive. */
static void directory_attach(struct inode *inode, struct entry *entry)
{
    struct inode *old = inode->dir.up;

    SET(inode->dir.self, entry);
    SET(inode->dir.up, entry->dir);
    SET(entry->dir->nlink, entry->dir->nlink + 1); /* its ".." */
    inode_hold(entry->dir);
    if (old)
        inode_release(old);
}

static void directory_detach(struct inode *inode)
{
    struct inode *dir = inode->dir.self->dir;

    SET(dir->nlink, dir->nlink - 1);
    SET(inode->dir.self, 0);
}

int64_t tree_add(struct inode *dir, const char *name, size_t length, struct inode *inode)
{
    struct entry *entry = pool_take(entries);

    if (!entry)
        return -ENOSPC;
    if (entry_set_name(entry, name, length) < 0) {
        pool_give(entries, entry);
        return -ENOSPC;
    }
    entry->inode = inode;
    entry->removed = false;
    entry->users = 0;
    entry_link(entry, dir);
    SET(inode->nlink, inode->nlink + 1);
    if (S_ISDIR(inode->mode))
        directory_attach(inode, entry);
    return 0;
}

void tree_remove(struct entry *entry)
{
    struct inode *inode = entry->inode;

    entry_unlink(entry);
    if (S_ISDIR(inode->mode)) {
        directory_detach(inode);
        SET(inode->nlink, inode->nlink - 1); /* its "." */
    }
    SET(inode->nlink, inode->nlink - 1);
    inode_changed(inode);
    entry_discard(entry);
    inode_unused(inode);
}

int64_t tree_move(struct entry *entry, struct inode *dir, const char *name, size_t length)
{
    struct entry renamed;

    if (entry_set_name(&renamed, name, length) < 0)
        return -ENOSPC;
    entry_unlink(entry);
    if (S_ISDIR(entry->inode->mode))
        directory_detach(entry->inode);
    entry_drop_name(entry);
    undo_save(entry, sizeof(*entry));
    entry->length = renamed.length;
    entry->name = renamed.name;
    if (renamed.name == renamed.text) {
        memcpy(entry->text, renamed.text, sizeof(entry->text));
        entry->name = entry->text;
    }
    entry_link(entry, dir);
    if (S_ISDIR(entry->inode->mode))
        directory_attach(entry->inode, entry);
    return 0;
}

void tree_swap(struct entry *a, struct entry *b)
{
    struct inode *inode = a->inode;

    if (a->users || b->users)
        files_swap_names(a, b);
    if (S_ISDIR(a->inode->mode))
        directory_detach(a->inode);
    if (S_ISDIR(b->inode->mode))
        directory_detach(b->inode);
    SET(a->inode, b->inode);
    SET(b->inode, inode);
    if (S_ISDIR(a->inode->mode))
        directory_attach(a->inode, a);
    if (S_ISDIR(b->inode->mode))
        directory_attach(b->inode, b);
}

void tree_cover(struct inode *dir, struct inode *root)
{
    inode_hold(dir);
    inode_hold(dir->dir.up);
    SET(dir->dir.cover, root);
    SET(root->dir.up, dir->dir.up);
    SET(root->dir.self, dir->dir.self);
    SET(root->mount_root, true);
}

void tree_uncover(struct inode *dir, struct inode *root)
{
    SET(dir->dir.cover, 0);
    inode_release(dir);
    SET(root->dir.self, 0);
    SET(root->mount_root, false);
    SET(root->nlink, 0);
    inode_unused(root); /* and the hold of the directory above goes with it */
}

void tree_forget(struct entry *entry)
{
    entry_unlink(entry);
    if (S_ISDIR(entry->inode->mode))
        SET(entry->inode->dir.self, 0);
    entry_discard(entry);
}

bool tree_below(const struct inode *inode, const struct inode *top)
{
    while (inode != top) {
        if (!inode->dir.self)
            return false;
        inode = inode->dir.up;
    }
    return true;
}
