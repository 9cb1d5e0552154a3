/* SPDX-License-Identifier: MIT */
/*
 * procfs: names. One table says what is in each kind of directory; processes, their threads and
 * descriptors come from proc's table and from what the processes publish.
 *
 * The inodes are transient: made when a path leads to them. Their numbers are computed, so that
 * the same file has the same number each time.
 */
#include "servers/fs/proc.h"
#include "servers/fs/port.h"

#include <lib/format.h>
#include <lib/heap.h>
#include <lib/string.h>

/* Kinds of directory. */
enum level {
    NOWHERE,
    TOP,
    SYS,
    SYS_KERNEL,
    SYS_RANDOM,
    SYS_VM,
    SYS_NET,
    SYS_NET_CORE,
    SYS_FS,
    SYS_INOTIFY,
    EXO,
    PROCESS,
    TASK,
    THREAD,
    DESCRIPTORS
};

struct node {
    const char *name;
    enum level in, opens; /* where it is; of a directory: what it holds */
    uint32_t mode;
    text_maker *text;
    int64_t (*target)(const struct synthetic *of, char *to, size_t bytes);
    bool owner_only;                                      /* for the process's user, and root */
    int64_t (*command)(const char *text, uint64_t bytes); /* what is written to it */
    int64_t (*capability)(bool control);                  /* what FS_SERVICES gives */
};

#define FILE_NODE(level, word, maker)                                    \
    {                                                                    \
        .name = word, .in = level, .mode = S_IFREG | 0444, .text = maker \
    }
#define SECRET_NODE(level, word, maker)                                                      \
    {                                                                                        \
        .name = word, .in = level, .mode = S_IFREG | 0400, .text = maker, .owner_only = true \
    }
#define FOLDER_NODE(level, word, below)                                   \
    {                                                                     \
        .name = word, .in = level, .opens = below, .mode = S_IFDIR | 0555 \
    }
#define LINK_NODE(level, word, function)                                                          \
    {                                                                                             \
        .name = word, .in = level, .mode = S_IFLNK | 0777, .target = function, .owner_only = true \
    }

/* clang-format off */
static int64_t target_self(const struct synthetic *of, char *to, size_t bytes);
static int64_t target_thread_self(const struct synthetic *of, char *to, size_t bytes);
static int64_t target_mounts(const struct synthetic *of, char *to, size_t bytes);

enum { NODE_PROCESS, NODE_THREAD, NODE_DESCRIPTOR };
static const struct node nodes[] = {
    [NODE_PROCESS]    = {.name = "", .opens = PROCESS, .mode = S_IFDIR | 0555},
    [NODE_THREAD]     = {.name = "", .opens = THREAD, .mode = S_IFDIR | 0555},
    [NODE_DESCRIPTOR] = {.name = "", .mode = S_IFLNK | 0700, .target = target_fd,
                         .owner_only = true},
    {.name = "self", .in = TOP, .mode = S_IFLNK | 0777, .target = target_self},
    {.name = "thread-self", .in = TOP, .mode = S_IFLNK | 0777, .target = target_thread_self},
    {.name = "mounts", .in = TOP, .mode = S_IFLNK | 0777, .target = target_mounts},
    FILE_NODE(TOP, "stat", text_stat),
    FILE_NODE(TOP, "meminfo", text_meminfo),
    FILE_NODE(TOP, "uptime", text_uptime),
    FILE_NODE(TOP, "loadavg", text_loadavg),
    FILE_NODE(TOP, "cpuinfo", text_cpuinfo),
    FILE_NODE(TOP, "version", text_version),
    FILE_NODE(TOP, "filesystems", text_filesystems),
    FILE_NODE(TOP, "vmstat", text_vmstat),
    FILE_NODE(TOP, "swaps", text_swaps),
    FILE_NODE(TOP, "locks", text_locks),
    FILE_NODE(TOP, "cmdline", text_kernel_command_line),
    FILE_NODE(TOP, "devices", text_devices),
    FILE_NODE(TOP, "partitions", text_partitions),
    FOLDER_NODE(TOP, "sys", SYS),
    FOLDER_NODE(TOP, "exo", EXO),
    FOLDER_NODE(SYS, "kernel", SYS_KERNEL),
    FOLDER_NODE(SYS, "vm", SYS_VM),
    FOLDER_NODE(SYS, "net", SYS_NET),
    FOLDER_NODE(SYS, "fs", SYS_FS),
    FILE_NODE(SYS_KERNEL, "pid_max", text_pid_max),
    FILE_NODE(SYS_KERNEL, "osrelease", text_os_release),
    FILE_NODE(SYS_KERNEL, "ostype", text_os_type),
    FILE_NODE(SYS_KERNEL, "hostname", text_host_name),
    FILE_NODE(SYS_KERNEL, "version", text_os_version),
    FILE_NODE(SYS_KERNEL, "ngroups_max", text_groups_max),
    FOLDER_NODE(SYS_KERNEL, "random", SYS_RANDOM),
    FILE_NODE(SYS_RANDOM, "uuid", text_random_uuid),
    FILE_NODE(SYS_RANDOM, "entropy_avail", text_entropy),
    FILE_NODE(SYS_VM, "overcommit_memory", text_overcommit),
    FOLDER_NODE(SYS_NET, "core", SYS_NET_CORE),
    FILE_NODE(SYS_NET_CORE, "somaxconn", text_somaxconn),
    FILE_NODE(SYS_FS, "file-max", text_file_max),
    FOLDER_NODE(SYS_FS, "inotify", SYS_INOTIFY),
    FILE_NODE(SYS_INOTIFY, "max_user_instances", text_inotify_instances),
    FILE_NODE(SYS_INOTIFY, "max_user_watches", text_inotify_watches),
    FILE_NODE(SYS_INOTIFY, "max_queued_events", text_inotify_events),
    FILE_NODE(EXO, "counters", text_exo_counters),
    {.name = "log", .in = EXO, .mode = S_IFREG | 0400, .text = text_exo_log},
    FILE_NODE(EXO, "resources", text_exo_resources),
    {.name = "services", .in = EXO, .mode = S_IFREG | 0644, .text = text_exo_services,
     .command = services_command, .capability = port_service_table},
    FILE_NODE(PROCESS, "stat", text_pid_stat),
    FILE_NODE(PROCESS, "status", text_pid_status),
    FILE_NODE(PROCESS, "statm", text_pid_statm),
    FILE_NODE(PROCESS, "cmdline", text_pid_command_line),
    SECRET_NODE(PROCESS, "environ", text_pid_environment),
    FILE_NODE(PROCESS, "comm", text_pid_command),
    SECRET_NODE(PROCESS, "maps", text_pid_maps),
    SECRET_NODE(PROCESS, "smaps", text_pid_smaps),
    FILE_NODE(PROCESS, "mountinfo", text_mountinfo),
    FILE_NODE(PROCESS, "mounts", text_mounts),
    FILE_NODE(PROCESS, "limits", text_pid_limits),
    FILE_NODE(PROCESS, "oom_score", text_pid_zero),
    FILE_NODE(PROCESS, "oom_score_adj", text_pid_zero),
    FILE_NODE(PROCESS, "loginuid", text_pid_login),
    LINK_NODE(PROCESS, "exe", target_exe),
    LINK_NODE(PROCESS, "cwd", target_cwd),
    LINK_NODE(PROCESS, "root", target_root),
    {.name = "fd", .in = PROCESS, .opens = DESCRIPTORS, .mode = S_IFDIR | 0500,
     .owner_only = true},
    FOLDER_NODE(PROCESS, "task", TASK),
    FILE_NODE(THREAD, "stat", text_pid_stat),
    FILE_NODE(THREAD, "status", text_pid_status),
    FILE_NODE(THREAD, "statm", text_pid_statm),
    FILE_NODE(THREAD, "cmdline", text_pid_command_line),
    SECRET_NODE(THREAD, "environ", text_pid_environment),
    FILE_NODE(THREAD, "comm", text_pid_command),
};
/* clang-format on */
#define NODES (sizeof(nodes) / sizeof(nodes[0]))

static enum level level_of(const struct inode *dir)
{
    return dir->transient ? nodes[dir->synthetic.node].opens : TOP;
}

/* ---- processes ---- */

/* Where a pid was last seen in the table: a guess that is checked. */
static uint16_t slot_of_pid[8192];

static bool process_is(uint32_t slot, int32_t pid)
{
    return process_table[slot].pid == pid && process_table[slot].state != PROC_FREE;
}

static bool process_find(int32_t pid, uint32_t *slot)
{
    uint16_t *guess = &slot_of_pid[(uint32_t)pid % 8192];
    uint32_t i;

    if (!process_table || pid <= 0)
        return false;
    for (i = 0; i < PROC_MAX && !process_is(*guess, pid); i++) {
        if (process_is(i, pid))
            *guess = (uint16_t)i;
    }
    *slot = *guess;
    return process_is(*slot, pid);
}

/* All pids in order, for a listing of /proc. */
static int32_t pids[PROC_MAX];
static uint32_t pid_count;

/* Sorts in place; nearly sorted input, which it usually is, costs one pass. */
static void pids_sort(void)
{
    uint32_t gap, i, j;

    for (gap = pid_count / 2; gap; gap /= 2) {
        for (i = gap; i < pid_count; i++) {
            int32_t pid = pids[i];

            for (j = i; j >= gap && pids[j - gap] > pid; j -= gap)
                pids[j] = pids[j - gap];
            pids[j] = pid;
        }
    }
}

static void pids_collect(void)
{
    uint32_t slot;

    pid_count = 0;
    for (slot = 0; process_table && slot < PROC_MAX; slot++) {
        int32_t pid = process_table[slot].pid;

        if (process_table[slot].state == PROC_FREE || pid <= 0)
            continue;
        slot_of_pid[(uint32_t)pid % 8192] = (uint16_t)slot;
        pids[pid_count++] = pid;
    }
    pids_sort();
}

/* ---- finding ---- */

static uint64_t number_of(uint32_t node, int32_t pid, int32_t item)
{
    return 1ull << 52 | (uint64_t)(uint32_t)pid << 28 | ((uint64_t)(uint32_t)item & 0xfffff) << 8 |
           node;
}

static struct inode *node_inode(uint32_t node, const struct synthetic *in, const struct caller *who)
{
    struct synthetic of = *in;
    uint32_t uid = 0, gid = 0;
    struct inode *inode;

    of.node = node;
    if (of.pid > 0) {
        uid = process_table[of.slot].euid;
        gid = process_table[of.slot].egid;
    } else if (nodes[node].target && who->entry) {
        of.pid = who->entry->pid; /* /proc/self */
        of.slot = (uint32_t)(who->entry - process_table);
    }
    inode = inode_make_transient(nodes[node].mode, uid, gid, number_of(node, in->pid, of.item));
    if (!inode)
        return 0;
    of.target = 0;
    inode->synthetic = of;
    return inode;
}

/* A decimal number without leading zeros; -1 if it is none. */
static int32_t parse_number(const char *name, size_t length)
{
    int32_t number = 0;
    size_t i;

    if (length == 0 || length > 9 || (length > 1 && name[0] == '0'))
        return -1;
    for (i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        number = number * 10 + (name[i] - '0');
    }
    return number;
}

static struct inode *find_numbered(struct inode *dir, const struct caller *who, int32_t number)
{
    struct synthetic of = dir->transient ? dir->synthetic : (struct synthetic){0};

    switch (level_of(dir)) {
    case TOP:
        if (!process_find(number, &of.slot))
            return 0;
        of.pid = number;
        return node_inode(NODE_PROCESS, &of, who);
    case TASK:
        if (number != of.pid)
            return 0;
        of.item = number;
        return node_inode(NODE_THREAD, &of, who);
    case DESCRIPTORS:
        if (process_next_fd(of.slot, number) != number)
            return 0;
        of.item = number;
        return node_inode(NODE_DESCRIPTOR, &of, who);
    default: return 0;
    }
}

/* An open directory of a process that is gone, its slot perhaps taken by another, is empty. */
static bool is_stale(const struct inode *inode)
{
    return inode->transient && inode->synthetic.pid > 0 &&
           !process_is(inode->synthetic.slot, inode->synthetic.pid);
}

struct inode *proc_find(struct inode *dir, const struct caller *who, const char *name,
                        size_t length)
{
    static const struct synthetic nobody;
    enum level level = level_of(dir);
    int32_t number = parse_number(name, length);
    uint32_t i;

    if (is_stale(dir))
        return 0;
    if (number >= 0)
        return find_numbered(dir, who, number);
    for (i = 0; i < NODES; i++) {
        if (nodes[i].in == level && level != NOWHERE && strlen(nodes[i].name) == length &&
            memcmp(nodes[i].name, name, length) == 0)
            return node_inode(i, dir->transient ? &dir->synthetic : &nobody, who);
    }
    return 0;
}

struct inode *proc_up(struct inode *dir)
{
    static const struct caller nobody;
    struct synthetic of = dir->synthetic;
    enum level in = nodes[of.node].in;
    uint32_t i;

    if (of.node == NODE_PROCESS || in == TOP)
        return volume_roots[VOLUME_PROC];
    of.item = 0;
    if (of.node == NODE_THREAD)
        in = TASK;
    for (i = 0; i < NODES; i++) {
        if (nodes[i].opens == in)
            return node_inode(i, &of, &nobody);
    }
    return 0;
}

int64_t proc_path_of(const struct inode *dir, char *to, size_t bytes)
{
    const struct synthetic *of = &dir->synthetic;
    const char *parts[4];
    enum level in;
    uint32_t count = 0, i;
    size_t length;

    if (is_stale(dir))
        return -ENOENT;
    length = format_text(to, bytes, "/proc");
    if (of->pid > 0)
        length += format_text(to + length, bytes - length, "/%d", of->pid);
    if (of->node == NODE_THREAD)
        return (int64_t)(length + format_text(to + length, bytes - length, "/task/%d", of->item));
    if (of->node == NODE_PROCESS)
        return (int64_t)length;
    for (i = of->node; count < 4; count++) {
        parts[count] = nodes[i].name;
        in = nodes[i].in;
        if (in == TOP || in == PROCESS) {
            count++;
            break;
        }
        for (i = 0; i < NODES && nodes[i].opens != in; i++)
            ;
    }
    while (count-- > 0)
        length += format_text(to + length, bytes - length, "/%s", parts[count]);
    return (int64_t)length;
}

/* ---- listing ---- */

#define POSITION_NODES   2u       /* + index in the table */
#define POSITION_NUMBERS 0x10000u /* + pid, thread or descriptor */

static size_t list_number(int32_t number, uint32_t node, const struct synthetic *of, char *name,
                          uint64_t *ino, uint32_t *mode)
{
    bool process = node == NODE_PROCESS;

    *ino = number_of(node, process ? number : of->pid, process ? 0 : number);
    *mode = nodes[node].mode;
    return format_text(name, NAME_BYTES + 1, "%d", number);
}

/* The first pid that is not below `from`; 0 if there is none. */
static int32_t next_pid(int32_t from)
{
    uint32_t low = 0, high = pid_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (pids[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pid_count ? pids[low] : 0;
}

static size_t list_numbered(struct inode *dir, uint64_t *position, char *name, uint64_t *ino,
                            uint32_t *mode)
{
    static const struct synthetic nobody;
    const struct synthetic *of = dir->transient ? &dir->synthetic : &nobody;
    int32_t from = (int32_t)(*position - POSITION_NUMBERS), number = -1;
    uint32_t node = NODE_PROCESS;

    switch (level_of(dir)) {
    case TOP:
        number = next_pid(from);
        if (number == 0)
            return 0;
        break;
    case TASK:
        node = NODE_THREAD;
        number = from <= of->pid ? of->pid : -1;
        break;
    case DESCRIPTORS:
        node = NODE_DESCRIPTOR;
        number = process_next_fd(of->slot, from);
        break;
    default: break;
    }
    if (number < 0)
        return 0;
    *position = POSITION_NUMBERS + (uint64_t)number;
    return list_number(number, node, of, name, ino, mode);
}

size_t proc_list(struct inode *dir, bool first, uint64_t *position, char *name, uint64_t *ino,
                 uint32_t *mode)
{
    enum level level = level_of(dir);
    uint64_t i;

    if (is_stale(dir))
        return 0;
    if (first && level == TOP)
        pids_collect();
    for (i = *position - POSITION_NODES; i < NODES; i++) {
        if (nodes[i].in != level || level == NOWHERE)
            continue;
        *position = POSITION_NODES + i;
        *ino = number_of((uint32_t)i, dir->transient ? dir->synthetic.pid : 0, 0);
        *mode = nodes[i].mode;
        memcpy(name, nodes[i].name, strlen(nodes[i].name));
        return strlen(nodes[i].name);
    }
    if (*position < POSITION_NUMBERS)
        *position = POSITION_NUMBERS;
    if (*position - POSITION_NUMBERS > INT32_MAX)
        return 0;
    return list_numbered(dir, position, name, ino, mode);
}

/* ---- contents ---- */

static int64_t may_look(const struct inode *inode, const struct caller *who)
{
    const struct proc_entry *entry;

    if (is_stale(inode))
        return -ESRCH;
    if (!nodes[inode->synthetic.node].owner_only || inode->synthetic.pid <= 0 || who->uid == 0)
        return 0;
    /* What a debugger would need: all of the process's ids are the caller's. */
    entry = &process_table[inode->synthetic.slot];
    if (entry->euid == who->uid && entry->ruid == who->uid && entry->suid == who->uid)
        return 0;
    return -EACCES;
}

int64_t proc_may_open(const struct inode *inode, const struct caller *who)
{
    return may_look(inode, who);
}

int64_t proc_text(struct inode *inode, const struct caller *who, char *to, size_t bytes)
{
    struct text text = {.to = to, .limit = bytes};
    int64_t status = may_look(inode, who);

    if (status < 0)
        return status;
    unlogged(&inode->synthetic.reader, sizeof(bool));
    inode->synthetic.reader = who->entry && who->entry->pid == inode->synthetic.pid;
    status = nodes[inode->synthetic.node].text(&text, &inode->synthetic);
    return status < 0 ? status : (int64_t)text.used;
}

int64_t proc_write(struct inode *inode, const char *text, uint64_t bytes)
{
    const struct node *node = &nodes[inode->synthetic.node];
    int64_t status = node->command ? node->command(text, bytes) : -EINVAL;

    return status < 0 ? status : (int64_t)bytes;
}

int64_t proc_capability(const struct inode *inode, bool control)
{
    const struct node *node = &nodes[inode->synthetic.node];

    return node->capability ? node->capability(control) : -ENOTTY;
}

int64_t proc_target(struct inode *link, const struct caller *who)
{
    static char target[PATH_BYTES + 1];
    int64_t status;

    if (link->link.target)
        return 0;
    if ((status = may_look(link, who)) < 0)
        return status;
    status = nodes[link->synthetic.node].target(&link->synthetic, target, sizeof(target));
    return status < 0 ? status : inode_set_target(link, target, (size_t)status);
}

static int64_t target_self(const struct synthetic *of, char *to, size_t bytes)
{
    return of->pid > 0 ? (int64_t)format_text(to, bytes, "%d", of->pid) : -ENOENT;
}

static int64_t target_thread_self(const struct synthetic *of, char *to, size_t bytes)
{
    return of->pid > 0 ? (int64_t)format_text(to, bytes, "%d/task/%d", of->pid, of->pid) : -ENOENT;
}

static int64_t target_mounts(const struct synthetic *of, char *to, size_t bytes)
{
    (void)of;
    return (int64_t)format_text(to, bytes, "self/mounts");
}
