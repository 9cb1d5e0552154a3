/* SPDX-License-Identifier: MIT */
/*
 * What is there without an archive: the volumes, and the nodes of /dev and /sys.
 *
 * A volume is a tree with a device number of its own, so that `find -xdev` and `df` see what they
 * see on Linux. All but procfs are kept by the same code; a disk's is mounted.c's.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"

#include <exo/view.h>
#include <lib/format.h>
#include <lib/string.h>

#define DISK(n) \
    [VOLUME_DISK + (n)] = {"ext4", disks[n].source, 0, disks[n].options, EXT4_MAGIC, false}
static_assert(DISK_VOLUMES == 8, "as many as are listed here");
const struct volume_info volumes[VOLUMES] = {
    [VOLUME_ROOT] = {"tmpfs", "tmpfs", "/", "rw,relatime", TMPFS_MAGIC, false},
    [VOLUME_DEV] = {"devtmpfs", "dev", "/dev", "rw,nosuid,relatime", TMPFS_MAGIC, false},
    [VOLUME_PTS] = {"devpts", "devpts", "/dev/pts", "rw,nosuid,noexec,relatime", DEVPTS_MAGIC,
                    false},
    [VOLUME_SHM] = {"tmpfs", "shm", "/dev/shm", "rw,nosuid,nodev,relatime", TMPFS_MAGIC, false},
    [VOLUME_PROC] = {"proc", "proc", "/proc", "rw,nosuid,nodev,noexec,relatime", PROC_MAGIC, false},
    [VOLUME_SYS] = {"sysfs", "sysfs", "/sys", "ro,nosuid,nodev,noexec,relatime", SYSFS_MAGIC,
                    false},
    DISK(0),
    DISK(1),
    DISK(2),
    DISK(3),
    DISK(4),
    DISK(5),
    DISK(6),
    DISK(7),
};
KEPT struct inode *volume_roots[VOLUMES];

bool volume_is_read_only(const struct inode *inode)
{
    return volumes[inode->volume].read_only ||
           (on_disk(inode) && mounted_is_read_only(disk_of(inode)));
}

static const struct caller root = {0};

static const struct {
    const char *path;
    uint32_t mode, gid;
    uint64_t rdev;
} nodes[] = {
    {"/dev/null", S_IFCHR | 0666, 0, FS_DEV(1, 3)},
    {"/dev/zero", S_IFCHR | 0666, 0, FS_DEV(1, 5)},
    {"/dev/full", S_IFCHR | 0666, 0, FS_DEV(1, 7)},
    {"/dev/random", S_IFCHR | 0666, 0, FS_DEV(1, 8)},
    {"/dev/urandom", S_IFCHR | 0666, 0, FS_DEV(1, 9)},
    {"/dev/tty", S_IFCHR | 0666, 5, FS_DEV(5, 0)},
    {"/dev/console", S_IFCHR | 0600, 5, FS_DEV(5, 1)},
    {"/dev/ptmx", S_IFCHR | 0666, 5, FS_DEV(5, 2)},
    {"/dev/ttyS0", S_IFCHR | 0620, 5, FS_DEV(4, 64)},
    {"/dev/fd", S_IFLNK | 0777, 0, 0},
    {"/dev/stdin", S_IFLNK | 0777, 0, 0},
    {"/dev/stdout", S_IFLNK | 0777, 0, 0},
    {"/dev/stderr", S_IFLNK | 0777, 0, 0},
};

/* Makes the last name of a path, or finds it. The directories above must exist. */
static struct inode *make(const char *path, uint32_t mode)
{
    struct inode *made;
    struct walk walk;

    if (path_walk(&walk, &root, tree_root, path, strlen(path), 0) < 0)
        return 0;
    if (walk.inode)
        return walk.inode;
    return name_create(&walk, &root, mode, &made) < 0 ? 0 : made;
}

static int64_t make_volume(enum volume volume, uint32_t mode)
{
    struct inode *inode = make(volumes[volume].path, S_IFDIR | mode);

    if (!inode || !S_ISDIR(inode->mode))
        return -ENOTDIR;
    inode->volume = (uint8_t)volume;
    inode->mode = S_IFDIR | mode;
    inode->mount_root = true;
    volume_roots[volume] = inode;
    return 0;
}

static int64_t make_nodes(void)
{
    size_t i;

    for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        struct inode *inode = make(nodes[i].path, nodes[i].mode);
        const char *name = strrchr(nodes[i].path, '/') + 1;
        static const char *const numbers[] = {"/proc/self/fd/0", "/proc/self/fd/1",
                                              "/proc/self/fd/2"};
        const char *target = "/proc/self/fd";

        if (!inode)
            return -ENOSPC;
        inode->gid = nodes[i].gid;
        inode->rdev = nodes[i].rdev;
        if (!S_ISLNK(inode->mode))
            continue;
        if (strcmp(name, "fd") != 0)
            target = numbers[name[3] == 'i' ? 0 : name[3] == 'o' ? 1 : 2];
        if (inode_set_target(inode, target, strlen(target)) < 0)
            return -ENOSPC;
    }
    return 0;
}

int64_t volume_device(const char *path, uint32_t mode, uint32_t gid, uint64_t rdev)
{
    struct inode *inode = make(path, mode);

    if (!inode)
        return -ENOSPC;
    inode->volume = VOLUME_DEV;
    inode->gid = gid;
    inode->rdev = rdev;
    return 0;
}

static int64_t make_file(const char *path, const char *text)
{
    struct inode *inode = make(path, S_IFREG | 0444);

    return inode ? data_write(inode, 0, text, strlen(text)) : -ENOSPC;
}

/* A processor, as lscpu and run-times look for it: a core of its own in the one package. */
static int64_t make_cpu(uint32_t cpu, uint32_t cpus)
{
    const struct {
        const char *name;
        uint32_t set; /* of processors; 0: the number */
        uint32_t number;
    } files[] = {
        {"core_cpus", 1u << cpu, 0},
        {"thread_siblings", 1u << cpu, 0},
        {"package_cpus", (1u << cpus) - 1, 0},
        {"core_siblings", (1u << cpus) - 1, 0},
        {"core_id", 0, cpu},
        {"physical_package_id", 0, 0},
    };
    char path[96], text[16];
    size_t folder = format_text(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpu);

    if (!make(path, S_IFDIR | 0555))
        return -ENOSPC;
    folder += format_text(path + folder, sizeof(path) - folder, "/topology");
    if (!make(path, S_IFDIR | 0555))
        return -ENOSPC;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        format_text(path + folder, sizeof(path) - folder, "/%s", files[i].name);
        format_text(text, sizeof(text), files[i].set ? "%02x\n" : "%u\n",
                    files[i].set ? files[i].set : files[i].number);
        if (make_file(path, text) < 0)
            return -ENOSPC;
    }
    return 0;
}

/* /sys, as far as the C library, lscpu and run-times look: which processors there are. Volumes whose
 * files nobody may make are filled here before they get their number. */
static int64_t make_sys(void)
{
    static const char *const folders[] = {"/sys", "/sys/devices", "/sys/devices/system",
                                          "/sys/devices/system/cpu", "/sys/kernel"};
    static const char *const files[] = {"/sys/devices/system/cpu/online",
                                        "/sys/devices/system/cpu/possible",
                                        "/sys/devices/system/cpu/present"};
    uint32_t cpus = port_view()->cpus;
    char text[32];
    size_t i;

    format_text(text, sizeof(text), cpus > 1 ? "0-%u\n" : "%u\n", cpus > 1 ? cpus - 1 : 0);
    for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (!make(folders[i], S_IFDIR | 0555))
            return -ENOSPC;
    }
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (make_file(files[i], text) < 0)
            return -ENOSPC;
    }
    for (i = 0; i < cpus && i < EXO_VIEW_CPUS; i++) {
        if (make_cpu((uint32_t)i, cpus) < 0)
            return -ENOSPC;
    }
    format_text(text, sizeof(text), "%u\n", EXO_VIEW_CPUS - 1);
    return make_file("/sys/devices/system/cpu/kernel_max", text) < 0 ? -ENOSPC : 0;
}

/* Everything below a directory belongs to its volume. */
static void adopt_tree(struct inode *dir, uint8_t volume)
{
    struct inode *top = dir;
    struct entry *entry = dir->dir.first;

    while (entry) {
        struct inode *inode = entry->inode;

        if (!inode->mount_root)
            inode->volume = volume;
        if (S_ISDIR(inode->mode) && !inode->mount_root && inode->dir.first) {
            entry = inode->dir.first;
            continue;
        }
        while (!entry->next && entry->dir != top)
            entry = entry->dir->dir.self;
        entry = entry->next;
    }
}

int64_t volumes_make(void)
{
    volume_roots[VOLUME_ROOT] = tree_root;
    if (make_sys() < 0 || make_volume(VOLUME_DEV, 0755) < 0 || make_volume(VOLUME_PTS, 0755) < 0 ||
        make_volume(VOLUME_SHM, 01777) < 0 || make_nodes() < 0 ||
        make_volume(VOLUME_PROC, 0555) < 0 || make_volume(VOLUME_SYS, 0555) < 0)
        return -ENOSPC;
    adopt_tree(volume_roots[VOLUME_DEV], VOLUME_DEV);
    adopt_tree(volume_roots[VOLUME_SYS], VOLUME_SYS);
    if (!make("/tmp", S_IFDIR | 01777) || !make("/dev/sysv", S_IFDIR | 01777) ||
        !make("/dev/mqueue", S_IFDIR | 01777) || !make("/run", S_IFDIR | 0755))
        return -ENOSPC;
    return 0;
}
