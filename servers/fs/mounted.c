/* SPDX-License-Identifier: MIT */
/*
 * A volume of a disk in the tree: see mounted.h. fs's own inodes and names are its cache: a directory
 * is read, whole, when a path first leads into it or lists it (`unfilled`), a file when it is first
 * read or lent (STORE_DISK). Everything above sees the tree that it knows.
 */
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/string.h>
#include <libos/exo/log.h>
#include <servers/fs/ext4/ext4.h>

#define NAMES_AT_ONCE 32u
#define READ_BYTES    (64u * 1024)

KEPT struct disk disks[DISK_VOLUMES];
struct ext4 *disk_ext4[DISK_VOLUMES];
KEPT uint32_t mounted_count;
uint32_t opened_count;

static uint32_t number_of(const struct disk *d)
{
    return (uint32_t)(d - disks);
}

static struct inode *root_of(const struct disk *d)
{
    return volume_roots[VOLUME_DISK + number_of(d)];
}

bool mounted_is_read_only(const struct disk *d)
{
    return d->read_only || (ext4_of(d) && ext4_is_read_only(ext4_of(d)));
}

static void set_read_only(struct disk *d, bool yes)
{
    SET(d->read_only, yes);
    undo_save(d->options, sizeof(d->options));
    memcpy(d->options, yes ? "ro,relatime" : "rw,relatime", sizeof("ro,relatime"));
}

/* ---- opening ---- */

static struct disk *opening;

static void recovered(uint32_t committed)
{
    changes_recovered(opening, committed);
}

static int64_t begin(struct disk *d, uint64_t rdev, bool read_only)
{
    struct ext4_options options = {.read_only = read_only, .recovered = recovered};
    struct ext4_device device;
    uint32_t number = number_of(d);
    int64_t status =
        port_volume(number, rdev, !read_only, &device, &options.memory, &options.bytes);

    if (status < 0)
        return status;
    opening = d;
    status = ext4_mount(&disk_ext4[number], &device, &options);
    if (status < 0)
        port_volume_close(number);
    else
        opened_count++;
    return status;
}

/* All that was changed is on the disk then, or never will be. */
static int64_t end(struct disk *d)
{
    int64_t status = ext4_of(d) ? ext4_unmount(ext4_of(d)) : 0;

    if (ext4_of(d)) {
        disk_ext4[number_of(d)] = 0;
        opened_count--;
        port_volume_close(number_of(d));
    }
    return status;
}

/* A new life opens a volume again when somebody first asks for what is not in the tree, or changes
 * something. */
int64_t mounted_open(struct disk *d)
{
    int64_t status;

    if (ext4_of(d))
        return 0;
    if ((status = begin(d, d->rdev, d->read_only)) < 0)
        return status;
    changes_replay(d);
    return 0;
}

void mounted_open_all(void)
{
    for (struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if (root_of(d))
            mounted_open(d);
    }
}

/* ---- inodes ---- */

static uint64_t ns_of(struct ext4_time t)
{
    return (uint64_t)t.seconds * 1000000000 + t.nanoseconds;
}

static struct inode *linked_find(const struct disk *d, uint32_t ino)
{
    for (uint32_t i = 0; i < d->linked_count; i++) {
        if (d->linked[i]->ino == ino)
            return d->linked[i];
    }
    return 0;
}

void mounted_forget(const struct inode *inode)
{
    struct disk *d = disk_of(inode);

    for (uint32_t i = 0; i < d->linked_count; i++) {
        if (d->linked[i] != inode)
            continue;
        SET(d->linked_count, d->linked_count - 1);
        SET(d->linked[i], d->linked[d->linked_count]);
        return;
    }
}

int64_t mounted_linked(struct inode *inode)
{
    struct disk *d = disk_of(inode);
    struct inode **more;

    if (linked_find(d, (uint32_t)inode->ino))
        return 0;
    if (!(more = heap_resize(d->linked, (d->linked_count + 1) * sizeof(*more))))
        return -ENOSPC;
    SET(d->linked, more);
    SET(d->linked[d->linked_count], inode);
    SET(d->linked_count, d->linked_count + 1);
    return 0;
}

static int64_t set_target(struct inode *inode)
{
    static char target[PATH_BYTES + 1];
    int64_t length =
        ext4_readlink(ext4_of(disk_of(inode)), (uint32_t)inode->ino, target, sizeof(target));

    if (length < 0)
        return length;
    if (length > (int64_t)PATH_BYTES)
        return -ENAMETOOLONG;
    return inode_set_target(inode, target, (size_t)length);
}

/* What the disk says of an inode, but for its contents. */
static int64_t attributes_set(struct inode *inode, const struct ext4_attr *attr)
{
    undo_save(inode, sizeof(*inode));
    inode->ino = attr->ino;
    inode->mode = attr->mode;
    inode->uid = attr->uid;
    inode->gid = attr->gid;
    inode->atime = ns_of(attr->atime);
    inode->mtime = ns_of(attr->mtime);
    inode->ctime = ns_of(attr->ctime);
    inode->btime = ns_of(attr->btime);
    inode->unfilled = S_ISDIR(attr->mode);
    if (S_ISREG(attr->mode)) {
        inode->file.store = STORE_DISK;
        inode->file.size = attr->size;
        inode->file.capacity = (uint32_t)((attr->blocks + PAGE / 512 - 1) / (PAGE / 512));
    }
    if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
        inode->rdev = FS_DEV(attr->major, attr->minor);
    return S_ISLNK(attr->mode) ? set_target(inode) : 0;
}

static int64_t inode_of(const struct disk *d, uint32_t ino, struct inode **out, uint32_t *nlink)
{
    struct ext4_attr attr;
    int64_t status = ext4_getattr(ext4_of(d), ino, &attr);

    if (status < 0)
        return status;
    *nlink = attr.nlink;
    if ((*out = linked_find(d, ino)))
        return 0;
    *out = inode_make(attr.mode, attr.uid, attr.gid, (enum volume)(VOLUME_DISK + number_of(d)));
    if (!*out)
        return -ENOSPC;
    status = attributes_set(*out, &attr);
    if (status >= 0 && attr.nlink > 1 && !S_ISDIR(attr.mode))
        status = mounted_linked(*out);
    if (status < 0)
        inode_unused(*out);
    return status;
}

/* ---- directories ---- */

static struct names {
    uint32_t count;
    struct {
        uint32_t ino;
        uint8_t length;
        char text[NAME_BYTES];
    } name[NAMES_AT_ONCE];
} names;

static bool take_name(void *context, uint64_t position, const struct ext4_listed *entry)
{
    (void)context, (void)position;
    if (names.count == NAMES_AT_ONCE)
        return false;
    if (entry->name[0] == '.' &&
        (entry->length == 1 || (entry->length == 2 && entry->name[1] == '.')))
        return true;
    names.name[names.count].ino = entry->ino;
    names.name[names.count].length = entry->length;
    memcpy(names.name[names.count].text, entry->name, entry->length);
    names.count++;
    return true;
}

static int64_t add_names(struct inode *dir)
{
    for (uint32_t i = 0; i < names.count; i++) {
        const char *text = names.name[i].text;
        size_t length = names.name[i].length;
        struct inode *inode;
        uint32_t nlink;
        int64_t status;

        if (tree_find(dir, text, length)) /* a call before this one came so far */
            continue;
        if ((status = inode_of(disk_of(dir), names.name[i].ino, &inode, &nlink)) < 0)
            return status;
        if ((status = tree_add(dir, text, length, inode)) < 0) {
            inode_unused(inode);
            return status;
        }
        SET(inode->nlink, nlink);
    }
    return 0;
}

int64_t mounted_fill(struct inode *dir)
{
    uint64_t position = 0;
    int64_t more, status = mounted_open(disk_of(dir));
    uint32_t nlink = dir->nlink;

    if (status < 0)
        return status;
    do {
        names.count = 0;
        more = ext4_readdir(ext4_of(disk_of(dir)), (uint32_t)dir->ino, &position, take_name, 0);
        if (more < 0)
            return more;
        if ((status = add_names(dir)) < 0)
            return status;
        SET(dir->nlink, nlink); /* tree_add has counted what the disk has counted already */
        request_pause(); /* what is there so far is right, and is passed over the next time */
    } while (more);
    SET(dir->unfilled, false);
    return 0;
}

/* ---- files ---- */

/* How many bytes from `offset` on are a hole: whole pages, or none. */
static uint64_t hole_at(const struct inode *inode, uint64_t offset, uint32_t block_bytes)
{
    struct ext4_run run;
    uint64_t blocks = (inode->file.size - offset + block_bytes - 1) / block_bytes;

    if (ext4_map(ext4_of(disk_of(inode)), (uint32_t)inode->ino, offset / block_bytes, blocks,
                 &run) < 0)
        return 0;
    if (run.count == 0)
        return inode->file.size - offset;
    return run.physical ? 0 : run.count * block_bytes / PAGE * PAGE;
}

int64_t mounted_read(const struct inode *inode, exo_cap region, struct runs *present)
{
    static uint8_t buffer[READ_BYTES];
    struct disk *d = disk_of(inode);
    int64_t status = mounted_open(d), got;
    struct ext4_statfs s;

    if (status < 0)
        return status;
    ext4_statfs(ext4_of(d), &s);
    for (uint64_t offset = 0; offset < inode->file.size;) {
        uint64_t hole = hole_at(inode, offset, s.block_bytes);

        if (hole) {
            offset += hole;
            continue;
        }
        got = ext4_read(ext4_of(d), (uint32_t)inode->ino, offset, buffer, sizeof(buffer));
        if (got <= 0)
            return got < 0 ? got : -EIO;
        if ((status = port_region_write(region, PAGE + offset, buffer, (uint64_t)got)) < 0 ||
            (status = runs_add(present, offset / PAGE, (offset + (uint64_t)got + PAGE - 1) / PAGE)))
            return status;
        offset += (uint64_t)got;
    }
    return 0;
}

/* ---- the volume ---- */

int64_t mounted_statfs(const struct inode *inode, struct fs_statfs *out)
{
    struct disk *d = disk_of(inode);
    struct ext4_statfs s;
    uint64_t promised;
    int64_t status = mounted_open(d);

    if (status < 0)
        return status;
    ext4_statfs(ext4_of(d), &s);
    out->bsize = s.block_bytes;
    out->blocks = s.blocks;
    promised = d->pages_marked * (PAGE / s.block_bytes);
    out->bfree = s.free_blocks > promised ? s.free_blocks - promised : 0;
    out->bavail = s.available_blocks > promised ? s.available_blocks - promised : 0;
    out->files = s.inodes;
    out->ffree = s.free_inodes;
    return 0;
}

int64_t mounted_find(const char *path, struct inode **out)
{
    static const struct caller root = {0};
    struct walk walk;
    int64_t status = path_walk(&walk, &root, tree_root, path, strlen(path), WALK_FOLLOW);

    *out = walk.inode;
    return status < 0 ? status : walk.inode ? 0 : -ENOENT;
}

/* The volume's root directory, not in the tree yet. */
static int64_t root_make(const struct disk *d, struct inode **out)
{
    enum volume volume = (enum volume)(VOLUME_DISK + number_of(d));
    struct ext4_attr attr;
    struct inode *dir;
    int64_t status = ext4_getattr(ext4_of(d), EXT4_ROOT, &attr);

    if (status < 0)
        return status;
    if (!S_ISDIR(attr.mode))
        return -EUCLEAN;
    if (!(dir = inode_make(attr.mode, attr.uid, attr.gid, volume)))
        return -ENOSPC;
    if ((status = attributes_set(dir, &attr)) < 0)
        return status;
    SET(dir->nlink, attr.nlink);
    SET(dir->mount_root, true);
    *out = dir;
    return 0;
}

static struct disk *disk_free(void)
{
    for (struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if (!d->rdev)
            return d;
    }
    return 0;
}

static bool is_mounted(uint64_t rdev)
{
    for (const struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if (d->rdev == rdev)
            return true;
    }
    return false;
}

/* Opens the disk behind a node of /dev. What is kept changes when nothing can fail any more. */
static int64_t mount_open(const char *source, const struct inode *node, bool read_only,
                          struct disk **out, struct inode **root)
{
    struct disk *d = disk_free();
    int64_t status;

    if (!S_ISBLK(node->mode))
        return -ENOTBLK;
    if (strlen(source) >= MOUNTED_TEXT)
        return -ENAMETOOLONG;
    if (is_mounted(node->rdev))
        return -EBUSY;
    if (!d)
        return -EMFILE;
    if ((status = begin(d, node->rdev, read_only)) == -EROFS && !read_only) { /* the disk itself */
        read_only = true;
        status = begin(d, node->rdev, true);
    }
    if (status < 0)
        return status;
    if ((status = root_make(d, root)) < 0) {
        end(d);
        return status;
    }
    SET(d->rdev, node->rdev);
    undo_save(d->source, sizeof(d->source));
    memcpy(d->source, source, strlen(source) + 1);
    set_read_only(d, read_only || ext4_is_read_only(ext4_of(d)));
    SET(volume_roots[VOLUME_DISK + number_of(d)], *root);
    SET(mounted_count, mounted_count + 1);
    *out = d;
    return 0;
}

int64_t mounted_mount(const char *source, struct inode *node, struct inode *dir, bool read_only)
{
    struct inode *root;
    struct disk *d;
    int64_t status;

    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (dir->mount_root || dir->transient)
        return -EBUSY;
    if ((status = mount_open(source, node, read_only, &d, &root)) < 0)
        return status;
    SET(d->over, dir);
    tree_cover(dir, root);
    return 0;
}

/* What lies in memory still when the root is a disk's. */
static const char *const kept_above[] = {"dev", "proc", "sys", "run"};

int64_t mounted_root(const char *source)
{
    struct inode *old = tree_root, *node, *root;
    struct disk *d;
    int64_t status;

    if ((status = mounted_find(source, &node)) < 0 ||
        (status = mount_open(source, node, false, &d, &root)) < 0 ||
        (status = mounted_fill(root)) < 0)
        return status;
    SET(root->dir.up, root);
    for (size_t i = 0; i < sizeof(kept_above) / sizeof(kept_above[0]); i++) {
        struct entry *over = tree_find(old, kept_above[i], strlen(kept_above[i]));
        struct entry *under = tree_find(root, kept_above[i], strlen(kept_above[i]));

        if (!over || !under || !S_ISDIR(over->inode->mode) || !S_ISDIR(under->inode->mode)) {
            log_line("%s has no directory %s", source, kept_above[i]);
            continue;
        }
        tree_cover(under->inode, over->inode);
    }
    SET(tree_root, root);
    SET(volume_roots[VOLUME_ROOT], 0);
    return 0;
}

/* ---- letting go ---- */

/* Forgets a name that has nothing below it, and what it stands for if that has no other. */
static void forget(struct entry *entry)
{
    struct inode *inode = entry->inode;

    SET(entry->dir->unfilled, true); /* so the tree is right after each of these */
    tree_forget(entry);
    if (!S_ISDIR(inode->mode) && inode->nlink > 1) /* forget_linked */
        return;
    SET(inode->nlink, 0);
    inode_unused(inode);
}

/* The names below a volume's root, of which nobody uses any. */
static void forget_below(struct inode *root)
{
    struct inode *dir = root;

    for (;; request_pause()) {
        struct entry *entry = dir->dir.last;

        if (entry && S_ISDIR(entry->inode->mode) && entry->inode->dir.last)
            dir = entry->inode;
        else if (entry)
            forget(entry);
        else if (dir == root)
            return;
        else
            dir = dir->dir.up;
    }
}

static void forget_linked(struct disk *d)
{
    while (d->linked_count) {
        struct inode *inode = d->linked[d->linked_count - 1];

        SET(inode->nlink, 0);
        inode_unused(inode);
        request_pause();
    }
    heap_free(d->linked);
    SET(d->linked, 0);
}

static bool covers_below(const struct disk *d)
{
    for (const struct disk *other = disks; other < disks + DISK_VOLUMES; other++) {
        if (other->over && disk_of(other->over) == d && on_disk(other->over))
            return true;
    }
    return false;
}

static int64_t find_root(const struct inode *root, struct disk **out)
{
    if (root->mount_root && !on_disk(root))
        return -EBUSY;
    *out = on_disk(root) ? disk_of(root) : 0;
    return *out && root_of(*out) == root ? 0 : -EINVAL;
}

int64_t mounted_unmount(struct inode *root)
{
    enum volume volume = (enum volume)root->volume;
    struct disk *d;
    int64_t status = find_root(root, &d);

    if (status < 0)
        return status;
    if (!d->over || covers_below(d) || files_are_open(volume, false) || data_is_held(volume))
        return -EBUSY;
    if ((status = disk_sync(d, 0)) < 0 && !mounted_is_read_only(d))
        return status;
    if (data_is_held(volume)) /* what was written late */
        return -EBUSY;
    forget_below(root);
    forget_linked(d);
    end(d);
    tree_uncover(d->over, root);
    undo_save(d, sizeof(*d));
    memset(d, 0, sizeof(*d));
    SET(volume_roots[volume], 0);
    SET(mounted_count, mounted_count - 1);
    return 0;
}

int64_t mounted_remount(struct inode *root, bool read_only)
{
    enum volume volume = (enum volume)root->volume;
    struct disk *d;
    int64_t status = find_root(root, &d);

    if (status < 0 || d->read_only == read_only)
        return status;
    if (read_only && (files_are_open(volume, true) || data_is_held(volume)))
        return -EBUSY;
    if ((status = disk_sync(d, 0)) < 0 || (status = end(d)) < 0)
        return status;
    if ((status = begin(d, d->rdev, read_only)) >= 0 && !read_only && ext4_is_read_only(ext4_of(d)))
        status = -EROFS;
    if (status >= 0)
        set_read_only(d, read_only);
    return status;
}

static int64_t end_one(struct disk *d)
{
    int64_t status = mounted_open(d), ended;

    if (status < 0)
        return status;
    status = disk_sync(d, 0);
    ended = end(d);
    set_read_only(d, true);
    return status < 0 ? status : ended;
}

int64_t mounted_end(void)
{
    int64_t failed = 0, status;

    for (struct disk *d = disks; d < disks + DISK_VOLUMES; d++) {
        if (root_of(d) && !d->read_only && (status = end_one(d)) < 0)
            failed = status;
    }
    return failed;
}
