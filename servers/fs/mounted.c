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

struct ext4 *disk_volume;
KEPT static uint64_t device;
KEPT static bool read_only;
KEPT char mounted_source[MOUNTED_TEXT], mounted_path[MOUNTED_TEXT], mounted_options[16];
KEPT static struct inode **linked; /* files with several names, which must be one inode each */
KEPT static uint32_t linked_count;

bool mounted_is_read_only(void)
{
    return read_only || (disk_volume && ext4_is_read_only(disk_volume));
}

static void set_read_only(bool yes)
{
    SET(read_only, yes);
    undo_save(mounted_options, sizeof(mounted_options));
    memcpy(mounted_options, yes ? "ro,relatime" : "rw,relatime", sizeof("ro,relatime"));
}

/* A new life opens the volume again when somebody first asks for what is not in the tree, or changes
 * something. */
int64_t mounted_open(void)
{
    struct ext4_options options = {.read_only = read_only, .recovered = changes_recovered};
    struct ext4_device disk;
    int64_t status;

    if (disk_volume)
        return 0;
    if ((status = port_volume(device, !read_only, &disk, &options.memory, &options.bytes)) < 0 ||
        (status = ext4_mount(&disk_volume, &disk, &options)) < 0)
        return status;
    changes_replay();
    return 0;
}

/* ---- inodes ---- */

static uint64_t ns_of(struct ext4_time t)
{
    return (uint64_t)t.seconds * 1000000000 + t.nanoseconds;
}

static struct inode *linked_find(uint32_t ino)
{
    for (uint32_t i = 0; i < linked_count; i++) {
        if (linked[i]->ino == ino)
            return linked[i];
    }
    return 0;
}

void mounted_forget(const struct inode *inode)
{
    for (uint32_t i = 0; i < linked_count; i++) {
        if (linked[i] != inode)
            continue;
        SET(linked_count, linked_count - 1);
        SET(linked[i], linked[linked_count]);
        return;
    }
}

static int64_t linked_add(struct inode *inode)
{
    struct inode **more = heap_resize(linked, (linked_count + 1) * sizeof(*more));

    if (!more)
        return -ENOSPC;
    SET(linked, more);
    SET(linked[linked_count], inode);
    SET(linked_count, linked_count + 1);
    return 0;
}

static int64_t set_target(struct inode *inode)
{
    static char target[PATH_BYTES + 1];
    int64_t length = ext4_readlink(disk_volume, (uint32_t)inode->ino, target, sizeof(target));

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

static int64_t inode_of(uint32_t ino, struct inode **out, uint32_t *nlink)
{
    struct ext4_attr attr;
    int64_t status = ext4_getattr(disk_volume, ino, &attr);

    if (status < 0)
        return status;
    *nlink = attr.nlink;
    if ((*out = linked_find(ino)))
        return 0;
    *out = inode_make(attr.mode, attr.uid, attr.gid, VOLUME_DISK);
    if (!*out)
        return -ENOSPC;
    status = attributes_set(*out, &attr);
    if (status >= 0 && attr.nlink > 1 && !S_ISDIR(attr.mode))
        status = linked_add(*out);
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
        if ((status = inode_of(names.name[i].ino, &inode, &nlink)) < 0)
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
    int64_t more, status = mounted_open();
    uint32_t nlink = dir->nlink;

    if (status < 0)
        return status;
    do {
        names.count = 0;
        more = ext4_readdir(disk_volume, (uint32_t)dir->ino, &position, take_name, 0);
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

    if (ext4_map(disk_volume, (uint32_t)inode->ino, offset / block_bytes, blocks, &run) < 0)
        return 0;
    if (run.count == 0)
        return inode->file.size - offset;
    return run.physical ? 0 : run.count * block_bytes / PAGE * PAGE;
}

int64_t mounted_read(const struct inode *inode, exo_cap region, struct runs *present)
{
    static uint8_t buffer[READ_BYTES];
    int64_t status = mounted_open(), got;
    struct ext4_statfs s;

    if (status < 0)
        return status;
    ext4_statfs(disk_volume, &s);
    for (uint64_t offset = 0; offset < inode->file.size;) {
        uint64_t hole = hole_at(inode, offset, s.block_bytes);

        if (hole) {
            offset += hole;
            continue;
        }
        got = ext4_read(disk_volume, (uint32_t)inode->ino, offset, buffer, sizeof(buffer));
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

int64_t mounted_statfs(struct fs_statfs *out)
{
    struct ext4_statfs s;
    uint64_t promised;
    int64_t status = mounted_open();

    if (status < 0)
        return status;
    ext4_statfs(disk_volume, &s);
    out->bsize = s.block_bytes;
    out->blocks = s.blocks;
    promised = written_pages() * (PAGE / s.block_bytes);
    out->bfree = s.free_blocks > promised ? s.free_blocks - promised : 0;
    out->bavail = s.available_blocks > promised ? s.available_blocks - promised : 0;
    out->files = s.inodes;
    out->ffree = s.free_inodes;
    return 0;
}

static int64_t find(const char *path, struct inode **out)
{
    static const struct caller root = {0};
    struct walk walk;
    int64_t status = path_walk(&walk, &root, tree_root, path, strlen(path), WALK_FOLLOW);

    *out = walk.inode;
    return status < 0 ? status : walk.inode ? 0 : -ENOENT;
}

/* The volume's root directory, not in the tree yet. */
static int64_t root_make(struct inode **out)
{
    struct ext4_attr attr;
    struct inode *dir;
    int64_t status = ext4_getattr(disk_volume, EXT4_ROOT, &attr);

    if (status < 0)
        return status;
    if (!S_ISDIR(attr.mode))
        return -EUCLEAN;
    if (!(dir = inode_make(attr.mode, attr.uid, attr.gid, VOLUME_DISK)))
        return -ENOSPC;
    if ((status = attributes_set(dir, &attr)) < 0)
        return status;
    SET(dir->nlink, attr.nlink);
    SET(dir->mount_root, true);
    SET(volume_roots[VOLUME_DISK], dir);
    *out = dir;
    return 0;
}

/* Opens the disk behind a node of /dev. */
static int64_t open_source(const char *source, const char *path, bool only_read)
{
    struct inode *node;
    int64_t status = find(source, &node);

    if (status < 0)
        return status;
    if (!S_ISBLK(node->mode))
        return -ENOTBLK;
    if (volume_roots[VOLUME_DISK])
        return -EBUSY;
    undo_save(mounted_source, sizeof(mounted_source));
    undo_save(mounted_path, sizeof(mounted_path));
    memcpy(mounted_source, source, strlen(source) + 1);
    memcpy(mounted_path, path, strlen(path) + 1);
    SET(device, node->rdev);
    set_read_only(only_read);
    if ((status = mounted_open()) == -EROFS && !only_read) { /* the disk itself */
        set_read_only(true);
        status = mounted_open();
    }
    if (status >= 0 && ext4_is_read_only(disk_volume))
        set_read_only(true);
    return status;
}

int64_t mounted_mount(const char *source, const char *path, bool only_read)
{
    struct inode *dir, *root;
    int64_t status;

    if (strlen(source) >= MOUNTED_TEXT || strlen(path) >= MOUNTED_TEXT)
        return -ENAMETOOLONG;
    if ((status = find(path, &dir)) < 0)
        return status;
    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (dir->mount_root)
        return -EBUSY;
    if ((status = open_source(source, path, only_read)) < 0 || (status = root_make(&root)) < 0)
        return status;
    tree_cover(dir, root);
    return 0;
}

/* What lies in memory still when the root is a disk's. */
static const char *const kept_above[] = {"dev", "proc", "sys", "run"};

int64_t mounted_root(const char *source)
{
    struct inode *old = tree_root, *root;
    int64_t status;

    if (strlen(source) >= MOUNTED_TEXT)
        return -ENAMETOOLONG;
    if ((status = open_source(source, "/", false)) < 0 || (status = root_make(&root)) < 0 ||
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

int64_t mounted_unmount(void)
{
    int64_t status;

    if (!volume_roots[VOLUME_DISK] || read_only)
        return 0;
    if ((status = mounted_open()) < 0)
        return status;
    status = disk_sync(0);
    if (status >= 0)
        status = ext4_unmount(disk_volume);
    disk_volume = 0;
    set_read_only(true);
    return status;
}
