/* SPDX-License-Identifier: MIT */
/*
 * From a path to an inode.
 *
 * A path is walked where it lies, component by component. A symbolic link on the way does not make
 * a new path: its target is pushed on a small stack of fragments, and when a fragment is used up
 * the one below it goes on. The stack's height is the bound on links that one path may follow.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"

#include <lib/string.h>

struct fragment {
    const char *at, *end;
};

struct fragments {
    struct fragment stack[LINKS_FOLLOW + 1];
    uint32_t top; /* index of the one being walked */
    uint32_t followed;
};

/* Steps over slashes and used-up fragments. @return false at the end of the whole path. */
static bool skip_slashes(struct fragments *f, bool *slash)
{
    for (;;) {
        struct fragment *now = &f->stack[f->top];

        while (now->at < now->end && *now->at == '/') {
            now->at++;
            *slash = true;
        }
        if (now->at < now->end)
            return true;
        if (f->top == 0)
            return false;
        f->top--;
    }
}

static size_t take_name(struct fragments *f, const char **name)
{
    struct fragment *now = &f->stack[f->top];
    const char *at = now->at;

    *name = at;
    while (at < now->end && *at != '/')
        at++;
    now->at = at;
    return (size_t)(at - *name);
}

static int64_t follow(struct fragments *f, struct inode *link, const struct caller *who)
{
    int64_t status = link->transient ? proc_target(link, who) : 0;

    if (status < 0)
        return status;
    if (++f->followed > LINKS_FOLLOW)
        return -ELOOP;
    if (link->link.length == 0)
        return -ENOENT;
    f->stack[++f->top] =
        (struct fragment){link->link.target, link->link.target + link->link.length};
    return 0;
}

/* What `dir` calls `name`; 0 in walk->inode if nothing. */
static int64_t find_name(struct walk *walk, const struct caller *who, struct inode *dir,
                         const char *name, size_t length)
{
    int64_t status = dir->unfilled ? mounted_fill(dir) : 0;

    if (status < 0)
        return status;
    walk->dir = dir;
    walk->name = name;
    walk->length = (uint32_t)length;
    if (dir->transient || dir == volume_roots[VOLUME_PROC]) {
        walk->entry = 0;
        walk->inode = proc_find(dir, who, name, length);
        return 0;
    }
    walk->entry = tree_find(dir, name, length);
    walk->inode = walk->entry ? walk->entry->inode : 0;
    while (walk->inode && S_ISDIR(walk->inode->mode) && walk->inode->dir.cover)
        walk->inode = walk->inode->dir.cover;
    return 0;
}

static struct inode *above(struct inode *dir)
{
    return dir->transient ? proc_up(dir) : dir->dir.up;
}

/* `top` is the caller's root, where ".." stops and the targets of absolute links begin. */
static int64_t walk_fragments(struct walk *walk, const struct caller *who, struct inode *dir,
                              struct inode *top, struct fragments *f, uint32_t flags)
{
    bool slash = false; /* a slash followed a link at the end: what it leads to is a directory */

    for (;;) {
        const char *name;
        size_t length;
        bool last;
        int64_t status;

        if (!S_ISDIR(dir->mode))
            return -ENOTDIR;
        if (!skip_slashes(f, &walk->slash)) { /* "/", or a link to it */
            *walk = (struct walk){.inode = dir, .slash = true};
            return 0;
        }
        if ((status = caller_may(who, dir, X_OK)) < 0)
            return status;
        length = take_name(f, &name);
        if (length > NAME_BYTES)
            return -ENAMETOOLONG;
        walk->slash = slash;
        last = !skip_slashes(f, &walk->slash);

        if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'))) {
            dir = length == 1 || dir == top ? dir : above(dir);
            if (!last)
                continue;
            *walk = (struct walk){.inode = dir, .slash = true, .dots = true};
            return 0;
        }
        if ((status = find_name(walk, who, dir, name, length)) < 0)
            return status;
        if (!walk->inode) {
            bool alive = !dir->transient && (dir->dir.self || dir->mount_root);

            return last && alive ? 0 : -ENOENT;
        }
        if (last && (flags & WALK_PARENT))
            return 0;
        if (S_ISLNK(walk->inode->mode) && (!last || walk->slash || (flags & WALK_FOLLOW))) {
            inode_accessed(walk->inode);
            if ((status = follow(f, walk->inode, who)) < 0)
                return status;
            if (walk->inode->link.target[0] == '/')
                dir = top;
            slash = last && walk->slash;
            continue;
        }
        if (last)
            return walk->slash && !S_ISDIR(walk->inode->mode) ? -ENOTDIR : 0;
        dir = walk->inode;
    }
}

int64_t path_walk(struct walk *walk, const struct caller *who, struct inode *base, const char *path,
                  size_t bytes, uint32_t flags)
{
    struct fragments f;

    *walk = (struct walk){0};
    if (bytes == 0) {
        if (!(flags & WALK_EMPTY))
            return -ENOENT;
        walk->inode = base;
        return 0;
    }
    if (bytes > PATH_BYTES)
        return -ENAMETOOLONG;
    if (memchr(path, 0, bytes))
        return -EINVAL;
    f.stack[0] = (struct fragment){path, path + bytes};
    f.top = f.followed = 0;
    return walk_fragments(walk, who, base, path[0] == '/' ? base : tree_root, &f, flags);
}

int64_t path_find(struct inode **found, struct request *q, uint64_t base, const char *path,
                  size_t bytes, uint32_t flags)
{
    struct inode *start;
    struct walk walk;
    int64_t status;

    if ((status = request_base(base, &start)) < 0)
        return status;
    if ((status = path_walk(&walk, &q->who, start, path, bytes, flags)) < 0)
        return status;
    if (!walk.inode)
        return -ENOENT;
    *found = walk.inode;
    q->via = bytes || base == 0 ? walk.entry : file_of_number(base)->via;
    return 0;
}

int64_t path_of(const struct inode *dir, char *to, size_t bytes)
{
    char *at = to + bytes;

    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (dir->transient)
        return proc_path_of(dir, to, bytes);
    if (dir == tree_root) {
        to[0] = '/';
        return 1;
    }
    for (; dir != tree_root; dir = dir->dir.up) {
        const struct entry *entry = dir->dir.self;

        if (!entry)
            return -ENOENT;
        if ((size_t)(at - to) < entry->length + 1u)
            return -ENAMETOOLONG;
        at -= entry->length;
        memcpy(at, entry->name, entry->length);
        *--at = '/';
    }
    memmove(to, at, (size_t)(to + bytes - at));
    return to + bytes - at;
}
