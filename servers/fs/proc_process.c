/* SPDX-License-Identifier: MIT */
/*
 * procfs: what is said of one process, from two sources: proc's table, which is true, and what the
 * process itself publishes (struct proc_shared), which may be anything. A process can lie about its
 * own command line and nothing more: every count is bounded here, every text is cut at its array's
 * end, and what would break a line is replaced. A process that publishes nothing any more, a
 * zombie, has empty texts.
 */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/utcb.h>
#include <exo/view.h>
#include <lib/format.h>
#include <lib/string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The published part, as far as it was read for this request. */
static struct proc_shared seen;

#define OFFSET(member)       offsetof(struct proc_shared, member)
#define SEE(of, from, bytes) see((of)->slot, (from), (bytes))

static bool see(uint32_t slot, uint64_t from, uint64_t bytes)
{
    uint8_t *to = (uint8_t *)&seen + from;

    if (port_published(slot, from, to, bytes) >= 0)
        return true;
    memset(to, 0, bytes);
    return false;
}

/* All that has a fixed size: name, counts, addresses. */
static bool see_head(const struct synthetic *of)
{
    return SEE(of, OFFSET(comm), OFFSET(exe) - OFFSET(comm));
}

static const struct proc_entry *entry_of(const struct synthetic *of)
{
    return &process_table[of->slot];
}

static uint32_t at_most(uint32_t value, size_t limit)
{
    return value < limit ? value : (uint32_t)limit;
}

/* A published text of one line, cleaned. */
static size_t clean(char *to, const char *from, size_t limit)
{
    size_t i;

    for (i = 0; i < limit && from[i]; i++)
        to[i] = from[i] >= ' ' && from[i] != 0x7f ? from[i] : '?';
    return i;
}

static const char *command_name(char name[16])
{
    name[clean(name, seen.comm, 15)] = 0;
    return name[0] ? name : "?";
}

static char state_letter(const struct synthetic *of)
{
    switch (entry_of(of)->state) {
    case PROC_STOPPED: return 'T';
    case PROC_ZOMBIE: return 'Z';
    default: return of->reader ? 'R' : 'S'; /* only who reads is certainly running */
    }
}

/* Device number of a terminal's minor, as Linux has it. */
static uint64_t terminal_device(int32_t minor)
{
    if (minor < 0)
        return 0;
    if (minor < 16)
        return FS_DEV(4, 64 + (uint64_t)minor);
    return FS_DEV(136, (uint64_t)minor - 16);
}

/* What of the program is in memory, in pages: its own word is not asked for. */
struct resident {
    uint64_t all, private, dirty, private_dirty;
};

static struct resident resident_of(const struct synthetic *of, uint64_t start, uint64_t end)
{
    uint64_t count[4];

    port_resident(of->slot, start, (end - start) / PAGE, count);
    return (struct resident){count[0], count[1], count[2], count[3]};
}

static struct resident resident_program(const struct synthetic *of)
{
    return resident_of(of, 0, PROC_TABLE_VA & ~(uint64_t)0xffffffffff);
}

static unsigned threads_of(const struct synthetic *of)
{
    if (entry_of(of)->state == PROC_ZOMBIE)
        return 1;
    return seen.threads ? at_most(seen.threads, 4096) : 1;
}

int64_t text_pid_stat(struct text *text, const struct synthetic *of)
{
    const struct proc_entry *e = entry_of(of);
    char name[16];

    see_head(of); /* also makes cpu_ns current */
    text_add(text, "%d (%s) %c %d %d %d %d %d 0 0 0 0 0 ", of->pid, command_name(name),
             state_letter(of), e->ppid, e->pgid, e->sid, (int)terminal_device(e->tty), -1);
    text_add(text, "%llu 0 %llu 0 %d %d %u 0 %llu ", (unsigned long long)(e->cpu_ns / CLOCK_NS),
             (unsigned long long)(e->children_cpu_ns / CLOCK_NS), 20 + e->nice, e->nice,
             threads_of(of), (unsigned long long)(e->start_ns / CLOCK_NS));
    text_add(text, "%llu %llu 18446744073709551615 ", (unsigned long long)seen.vm_pages * PAGE,
             (unsigned long long)resident_program(of).all);
    /* startcode endcode startstack kstkesp kstkeip; signal blocked sigignore sigcatch; wchan nswap
     * cnswap; exit_signal processor rt_priority policy; delays and guest times; data, brk, args. */
    text_add(text, "0 0 %llu 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 %llu 0 0 0 0 0\n",
             (unsigned long long)seen.stack_start, (unsigned long long)seen.brk_start);
    return 0;
}

static unsigned long long kib(uint64_t pages)
{
    return (unsigned long long)pages * (PAGE / 1024);
}

static void add_status_memory(struct text *text, const struct synthetic *of)
{
    struct resident r = resident_program(of);
    unsigned long long size = kib(seen.vm_pages), resident = kib(r.all);

    text_add(text, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8u kB\nVmPin:\t%8u kB\n", size,
             size, 0, 0);
    text_add(text, "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\n",
             resident, resident, kib(r.private), kib(r.all - r.private));
    text_add(text, "RssShmem:\t%8u kB\nVmData:\t%8llu kB\nVmStk:\t%8u kB\nVmExe:\t%8u kB\n", 0,
             resident, 0, 0);
    text_add(text, "VmLib:\t%8u kB\nVmPTE:\t%8u kB\nVmSwap:\t%8u kB\n", 0, 0, 0);
}

static void add_status_signals(struct text *text, const struct synthetic *of)
{
    uint64_t pending, ignored;

    SEE(of, 0, OFFSET(info));
    pending = seen.pending;
    ignored = seen.ignored;
    text_add(text, "SigQ:\t0/%u\nSigPnd:\t%016x\nShdPnd:\t%016llx\nSigBlk:\t%016x\n", PROC_SIGQUEUE,
             0, (unsigned long long)pending, 0);
    text_add(text, "SigIgn:\t%016llx\nSigCgt:\t%016x\n", (unsigned long long)ignored, 0);
    text_add(text, "CapInh:\t%016x\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n", 0,
             entry_of(of)->euid ? 0ull : 0x1ffffffffffull,
             entry_of(of)->euid ? 0ull : 0x1ffffffffffull, 0x1ffffffffffull);
    text_add(text, "CapAmb:\t%016x\nNoNewPrivs:\t0\nSeccomp:\t0\n", 0);
}

int64_t text_pid_status(struct text *text, const struct synthetic *of)
{
    static const struct {
        char letter;
        const char *word;
    } states[] = {{'R', "running"}, {'S', "sleeping"}, {'T', "stopped"}, {'Z', "zombie"}};
    const struct proc_entry *e = entry_of(of);
    char letter = state_letter(of), name[16];
    const char *word = "";
    uint32_t i;

    see_head(of);
    for (i = 0; i < COUNT(states); i++) {
        if (states[i].letter == letter)
            word = states[i].word;
    }
    text_add(text, "Name:\t%s\nUmask:\t0022\nState:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\n",
             command_name(name), letter, word, of->pid, of->pid);
    text_add(text, "PPid:\t%d\nTracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
             e->ppid, e->ruid, e->euid, e->suid, e->fsuid, e->rgid, e->egid, e->sgid, e->fsgid);
    text_add(text, "FDSize:\t%u\nGroups:\t", (unsigned)COUNT(seen.fds));
    for (i = 0; i < e->group_count && i < PROC_GROUPS; i++)
        text_add(text, "%u ", e->groups[i]);
    text_add(text, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", of->pid, of->pid,
             e->pgid, e->sid);
    if (e->state != PROC_ZOMBIE)
        add_status_memory(text, of);
    text_add(text, "Threads:\t%u\n", threads_of(of));
    add_status_signals(text, of);
    text_add(text, "Cpus_allowed:\t%x\nCpus_allowed_list:\t0-%u\n",
             (unsigned)((1ull << (port_view()->cpus & 31)) - 1), port_view()->cpus - 1);
    text_add(text, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
    return 0;
}

int64_t text_pid_statm(struct text *text, const struct synthetic *of)
{
    see_head(of);
    struct resident r = resident_program(of);
    text_add(text, "%u %llu %llu 0 0 %llu 0\n", seen.vm_pages, (unsigned long long)r.all,
             (unsigned long long)(r.all - r.private), (unsigned long long)r.private);
    return 0;
}

int64_t text_pid_command_line(struct text *text, const struct synthetic *of)
{
    see_head(of);
    if (!SEE(of, OFFSET(cmdline), sizeof(seen.cmdline)))
        return 0;
    text_bytes(text, seen.cmdline, at_most(seen.cmdline_bytes, sizeof(seen.cmdline)));
    return 0;
}

int64_t text_pid_environment(struct text *text, const struct synthetic *of)
{
    see_head(of);
    if (!SEE(of, OFFSET(environment), sizeof(seen.environment)))
        return 0;
    text_bytes(text, seen.environment, at_most(seen.environ_bytes, sizeof(seen.environment)));
    return 0;
}

int64_t text_pid_command(struct text *text, const struct synthetic *of)
{
    char name[16];

    see_head(of);
    text_add(text, "%s\n", command_name(name));
    return 0;
}

/* ---- mappings ---- */

/* The published mapping that follows `last` by its start, which is no order of the list. 0: none. */
static const struct proc_map *map_after(const struct proc_map *last)
{
    const struct proc_map *next = 0;

    for (uint32_t i = 0; i < at_most(seen.map_count, COUNT(seen.maps)); i++) {
        const struct proc_map *m = &seen.maps[i];

        if (m->end > m->start && (!last || m->start > last->start) &&
            (!next || m->start < next->start))
            next = m;
    }
    return next;
}

static void add_map(struct text *text, const struct proc_map *m)
{
    char name[sizeof(m->name)];

    name[clean(name, m->name, sizeof(name) - 1)] = 0;
    text_add(text, "%08llx-%08llx %c%c%c%c %08llx 00:%02x %-10u", (unsigned long long)m->start,
             (unsigned long long)m->end, m->rights & EXO_MAP_READ ? 'r' : '-',
             m->rights & EXO_MAP_WRITE ? 'w' : '-', m->rights & EXO_MAP_EXEC ? 'x' : '-',
             m->rights & FS_MAPS_SHARED ? 's' : 'p', (unsigned long long)m->offset,
             m->file ? (unsigned)VOLUME_DEVICE(VOLUME_ROOT) : 0, m->file);
    text_add(text, name[0] ? "                 %s\n" : "%s\n", name);
}

static bool see_maps(const struct synthetic *of)
{
    return see_head(of) && SEE(of, OFFSET(maps), sizeof(seen.maps));
}

int64_t text_pid_maps(struct text *text, const struct synthetic *of)
{
    if (!see_maps(of))
        return 0;
    for (const struct proc_map *m = map_after(0); m; m = map_after(m))
        add_map(text, m);
    return 0;
}

/* How many share a page nobody here knows, so there is no Pss. */
static void add_map_sizes(struct text *text, const struct proc_map *m, const struct resident *r)
{
    text_add(text,
             "Size: %18llu kB\nKernelPageSize: %8u kB\nMMUPageSize: %11u kB\nRss: %19llu kB\n",
             kib((m->end - m->start) / PAGE), 4, 4, kib(r->all));
    text_add(text, "Shared_Clean: %10llu kB\nShared_Dirty: %10llu kB\n",
             kib(r->all - r->private - (r->dirty - r->private_dirty)),
             kib(r->dirty - r->private_dirty));
    text_add(text, "Private_Clean: %9llu kB\nPrivate_Dirty: %9llu kB\n",
             kib(r->private - r->private_dirty), kib(r->private_dirty));
    text_add(text, "Referenced: %12llu kB\nAnonymous: %13llu kB\nSwap: %18u kB\nLocked: %16u kB\n",
             kib(r->all), kib(r->private), 0, 0);
    text_add(text, "VmFlags:%s%s%s%s mr mw me\n", m->rights & EXO_MAP_READ ? " rd" : "",
             m->rights & EXO_MAP_WRITE ? " wr" : "", m->rights & EXO_MAP_EXEC ? " ex" : "",
             m->rights & FS_MAPS_SHARED ? " sh" : "");
}

int64_t text_pid_smaps(struct text *text, const struct synthetic *of)
{
    if (!see_maps(of))
        return 0;
    for (const struct proc_map *m = map_after(0); m; m = map_after(m)) {
        struct resident r = resident_of(of, m->start, m->end);

        add_map(text, m);
        add_map_sizes(text, m, &r);
    }
    return 0;
}

int64_t text_pid_zero(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "0\n");
    return 0;
}

int64_t text_pid_login(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "4294967295"); /* not set */
    return 0;
}

int64_t text_pid_limits(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    text_add(text, "%-25s %-20s %-20s %-10s\n", "Max open files", "1024", "1024", "files");
    return 0;
}

/* ---- links ---- */

static int64_t copy_target(char *to, size_t bytes, const char *from, size_t limit)
{
    size_t length = strnlen(from, limit);

    if (length == 0 || length >= bytes)
        return -ENOENT;
    memcpy(to, from, length);
    return (int64_t)length;
}

int64_t target_exe(const struct synthetic *of, char *to, size_t bytes)
{
    SEE(of, OFFSET(exe), sizeof(seen.exe));
    return copy_target(to, bytes, seen.exe, sizeof(seen.exe));
}

int64_t target_cwd(const struct synthetic *of, char *to, size_t bytes)
{
    SEE(of, OFFSET(cwd), sizeof(seen.cwd));
    return copy_target(to, bytes, seen.cwd, sizeof(seen.cwd));
}

int64_t target_root(const struct synthetic *of, char *to, size_t bytes)
{
    SEE(of, OFFSET(root), sizeof(seen.root));
    if (seen.root[0] == 0)
        return copy_target(to, bytes, "/", 1);
    return copy_target(to, bytes, seen.root, sizeof(seen.root));
}

/* ---- descriptors ---- */

static bool see_descriptors(uint32_t slot)
{
    return see(slot, OFFSET(fd_count), sizeof(seen.fd_count)) &&
           see(slot, OFFSET(fds), sizeof(seen.fds));
}

/* Does nothing have this name any more? The name is what a process says: it may lead back here. */
static bool is_deleted(const char *name, size_t length)
{
    static const struct caller root = {0, 0, 0};
    static bool asking;
    struct walk walk;
    int64_t status;

    if (asking || length == 0 || name[0] != '/')
        return false;
    asking = true;
    status = path_walk(&walk, &root, tree_root, name, length, 0);
    asking = false;
    return status == -ENOENT || (status == 0 && !walk.inode);
}

int64_t target_fd(const struct synthetic *of, char *to, size_t bytes)
{
    char name[sizeof(seen.fds[0].name)];
    int64_t length = -ENOENT;
    uint32_t i;

    if (!see_descriptors(of->slot))
        return -ENOENT;
    for (i = 0; length < 0 && i < at_most(seen.fd_count, COUNT(seen.fds)); i++) {
        if (seen.fds[i].fd == of->item)
            length = copy_target(name, sizeof(name), seen.fds[i].name, sizeof(name));
    }
    if (length < 0)
        return length;
    return (int64_t)format_text(to, bytes, "%.*s%s", (int)length, name,
                                is_deleted(name, (size_t)length) ? " (deleted)" : "");
}

int32_t process_next_fd(uint32_t slot, int32_t fd)
{
    int32_t best = -1;
    uint32_t i;

    if (!see_descriptors(slot))
        return -1;
    for (i = 0; i < at_most(seen.fd_count, COUNT(seen.fds)); i++) {
        int32_t one = seen.fds[i].fd;

        if (one >= fd && one >= 0 && (best < 0 || one < best))
            best = one;
    }
    return best;
}
