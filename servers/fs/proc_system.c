/* SPDX-License-Identifier: MIT */
/* procfs: what is said of the whole machine. Formats: proc(5). */
#include "servers/fs/port.h"
#include "servers/fs/proc.h"

#include <exo/version.h>
#include <exo/view.h>
#include <lib/format.h>
#include <lib/string.h>

#define SECOND_NS  1000000000ull
#define KIB(pages) ((unsigned long long)(pages) * (PAGE / 1024))

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;

    if (text->limit - text->used < 2)
        return;
    va_start(arguments, format);
    text->used += vformat_text(text->to + text->used, text->limit - text->used, format, arguments);
    va_end(arguments);
}

void text_bytes(struct text *text, const char *from, size_t bytes)
{
    if (bytes > text->limit - text->used)
        bytes = text->limit - text->used;
    memcpy(text->to + text->used, from, bytes);
    text->used += bytes;
}

/* ---- time ---- */

/* Of all processors together, in clock ticks. */
static void cpu_ticks(uint64_t *busy, uint64_t *idle)
{
    uint64_t all = port_uptime() * port_view()->cpus, rest = port_view()->idle_ns;

    if (rest > all)
        rest = all;
    *busy = (all - rest) / CLOCK_NS;
    *idle = rest / CLOCK_NS;
}

int64_t text_stat(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    uint64_t busy, idle, processes, forks, i;

    (void)of;
    cpu_ticks(&busy, &idle);
    port_process_counts(&processes, &forks);
    text_add(text, "cpu  %llu 0 0 %llu 0 0 0 0 0 0\n", (unsigned long long)busy,
             (unsigned long long)idle);
    for (i = 0; i < view->cpus && i < EXO_VIEW_CPUS; i++) {
        uint64_t up = port_uptime(), rest = view->cpu[i].idle_ns;

        rest = rest < up ? rest : up;
        text_add(text, "cpu%u %llu 0 0 %llu 0 0 0 0 0 0\n", (unsigned)i,
                 (unsigned long long)((up - rest) / CLOCK_NS),
                 (unsigned long long)(rest / CLOCK_NS));
    }
    text_add(text, "intr %llu\nctxt %llu\nbtime %llu\nprocesses %llu\n",
             (unsigned long long)view->entries, (unsigned long long)view->thread_switches,
             (unsigned long long)(view->epoch_ns / SECOND_NS), (unsigned long long)forks);
    text_add(text, "procs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
    return 0;
}

int64_t text_uptime(struct text *text, const struct synthetic *of)
{
    uint64_t up = port_uptime() / CLOCK_NS, busy, idle;

    (void)of;
    cpu_ticks(&busy, &idle);
    text_add(text, "%llu.%02u %llu.%02u\n", (unsigned long long)(up / 100), (unsigned)(up % 100),
             (unsigned long long)(idle / 100), (unsigned)(idle % 100));
    return 0;
}

/*
 * The load: on Linux the number of threads that want to run, averaged with e^(-t/1min) and so on.
 * Nobody counts them here; the busy share of the processors since the last look stands for it, fed
 * into the same averages in steps of 5 seconds (fixed point, 11 bits, Linux's constants).
 */
static uint32_t load[3];

static void load_update(void)
{
    static const uint32_t decay[3] = {1884, 2014, 2037};
    static uint64_t last_up, last_busy;
    uint64_t up = port_uptime() / CLOCK_NS, steps, share, busy, idle;
    uint32_t i;

    cpu_ticks(&busy, &idle);
    steps = (up - last_up) / 500;
    if (steps == 0)
        return;
    share = (busy - last_busy) * 2048 / (up - last_up);
    last_up = up;
    last_busy = busy;
    for (; steps > 0; steps--) {
        for (i = 0; i < 3; i++)
            load[i] = (uint32_t)((load[i] * (uint64_t)decay[i] + share * (2048 - decay[i])) / 2048);
        if (steps > 1000)
            steps = 1000;
    }
}

int64_t text_loadavg(struct text *text, const struct synthetic *of)
{
    uint64_t processes, forks;
    int32_t newest = 0;
    uint32_t i;

    (void)of;
    load_update();
    port_process_counts(&processes, &forks);
    for (i = 0; process_table && i < PROC_MAX; i++) {
        if (process_table[i].state != PROC_FREE && process_table[i].pid > newest)
            newest = process_table[i].pid;
    }
    for (i = 0; i < 3; i++)
        text_add(text, "%u.%02u ", load[i] / 2048, load[i] % 2048 * 100 / 2048);
    text_add(text, "1/%llu %d\n", (unsigned long long)processes, newest);
    return 0;
}

/* ---- memory ---- */

int64_t text_meminfo(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view();
    unsigned long long total = KIB(view->frames_total), available = KIB(view->frames_free), store;
    uint64_t limit = 0, used = 0;

    (void)of;
    port_store_usage(&limit, &used);
    store = KIB(used);
    text_add(text, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\n",
             total, available, available);
    text_add(text, "Buffers:        %8u kB\nCached:         %8llu kB\nSwapCached:     %8u kB\n", 0,
             store, 0);
    text_add(text, "Active:         %8llu kB\nInactive:       %8u kB\n",
             total > available + store ? total - available - store : 0, 0);
    text_add(text, "SwapTotal:      %8u kB\nSwapFree:       %8u kB\nDirty:          %8u kB\n", 0, 0,
             0);
    text_add(text, "Writeback:      %8u kB\nAnonPages:      %8llu kB\nMapped:         %8u kB\n", 0,
             total > available + store ? total - available - store : 0, 0);
    text_add(text, "Shmem:          %8llu kB\nSlab:           %8u kB\nSReclaimable:   %8u kB\n",
             store, 0, 0);
    text_add(text, "SUnreclaim:     %8u kB\nCommitLimit:    %8llu kB\nCommitted_AS:   %8llu kB\n",
             0, total, total - available);
    return 0;
}

int64_t text_vmstat(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "nr_free_pages %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
             (unsigned long long)port_view()->frames_free);
    return 0;
}

int64_t text_swaps(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

/* ---- the machine, and what it calls itself ---- */

int64_t text_version(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "Linux version " LINUX_RELEASE " (ExoV6) " EXO_VERSION "\n");
    return 0;
}

int64_t text_os_release(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, LINUX_RELEASE "\n");
    return 0;
}

int64_t text_os_type(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "Linux\n");
    return 0;
}

int64_t text_os_version(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, EXO_VERSION "\n");
    return 0;
}

int64_t text_exo_log(struct text *text, const struct synthetic *of)
{
    int64_t bytes = port_log(text->to + text->used, text->limit - text->used);

    (void)of;
    text->used += bytes > 0 ? (size_t)bytes : 0;
    return bytes < 0 ? bytes : 0;
}

/* The name that /etc/hostname gives. */
int64_t text_host_name(struct text *text, const struct synthetic *of)
{
    static const struct caller root;
    static const char path[] = "/etc/hostname";
    struct walk walk;
    int64_t bytes;
    char name[64];

    (void)of;
    if (path_walk(&walk, &root, tree_root, path, sizeof(path) - 1, WALK_FOLLOW) < 0 ||
        !walk.inode || inode_kind(walk.inode) != FS_REGULAR ||
        (bytes = data_read(walk.inode, 0, name, sizeof(name))) <= 0)
        text_add(text, "exov6\n");
    else
        text_bytes(text, name, (size_t)bytes);
    return 0;
}

int64_t text_kernel_command_line(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%s\n", port_command_line());
    return 0;
}

/* ---- file systems and devices ---- */

int64_t text_filesystems(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text,
             "nodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tproc\nnodev\tsysfs\n\text4\n");
    return 0;
}

/* Where a volume is, as programs read it: what would end a word is written in octal. */
static void add_mount_path(struct text *text, uint32_t volume)
{
    static char path[PATH_BYTES];
    int64_t length = path_of(volume_roots[volume], path, sizeof(path));

    for (int64_t i = 0; i < length; i++) {
        if (path[i] == ' ' || path[i] == '\t' || path[i] == '\n' || path[i] == '\\')
            text_add(text, "\\%u%u%u", path[i] >> 6 & 7, path[i] >> 3 & 7, path[i] & 7);
        else
            text_bytes(text, &path[i], 1);
    }
}

int64_t text_mounts(struct text *text, const struct synthetic *of)
{
    uint32_t i;

    (void)of;
    for (i = 0; i < VOLUMES; i++) {
        if (!volume_roots[i])
            continue;
        text_add(text, "%s ", volumes[i].source);
        add_mount_path(text, i);
        text_add(text, " %s %s 0 0\n", volumes[i].type, volumes[i].options);
    }
    return 0;
}

int64_t text_mountinfo(struct text *text, const struct synthetic *of)
{
    uint32_t i;

    (void)of;
    for (i = 0; i < VOLUMES; i++) {
        const struct inode *top = volume_roots[i];

        if (!top)
            continue;
        text_add(text, "%u %u 0:%u / ", i + 20, top == tree_root ? 1 : top->dir.up->volume + 20u,
                 (unsigned)VOLUME_DEVICE(i));
        add_mount_path(text, i);
        text_add(text, " %s - %s %s %s\n", volumes[i].options, volumes[i].type, volumes[i].source,
                 volume_is_read_only(top) ? "ro" : "rw");
    }
    return 0;
}

int64_t text_devices(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n"
                   "  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
    return 0;
}

int64_t text_partitions(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "major minor  #blocks  name\n\n");
    return 0;
}

/* ---- limits and switches ---- */

int64_t text_pid_max(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "32768\n");
    return 0;
}

int64_t text_groups_max(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%u\n", PROC_GROUPS);
    return 0;
}

int64_t text_overcommit(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "1\n"); /* reservations cost nothing */
    return 0;
}

int64_t text_somaxconn(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "128\n");
    return 0;
}

int64_t text_file_max(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%u\n", FILES_MAX);
    return 0;
}

int64_t text_inotify_instances(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%u\n", USER_INSTANCES);
    return 0;
}

int64_t text_inotify_watches(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%u\n", USER_WATCHES);
    return 0;
}

int64_t text_inotify_events(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "%u\n", EVENTS_MAX);
    return 0;
}

int64_t text_entropy(struct text *text, const struct synthetic *of)
{
    (void)of;
    text_add(text, "256\n");
    return 0;
}

int64_t text_random_uuid(struct text *text, const struct synthetic *of)
{
    uint8_t b[16];

    (void)of;
    files_random(b, sizeof(b));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    text_add(text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
             b[7]);
    text_add(text, "%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return 0;
}

/* The kernel's counters, for programs that do not know the view. */
int64_t text_exo_counters(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view_now();

    (void)of;
    text_add(text,
             "kernel_entries %llu\nreflections %llu\nspace_switches %llu\nthread_switches %llu\n",
             (unsigned long long)view->entries, (unsigned long long)view->reflections,
             (unsigned long long)view->space_switches, (unsigned long long)view->thread_switches);
    text_add(text, "idle_ns %llu\n", (unsigned long long)view->idle_ns);
    for (uint32_t i = 0; i < view->cpus && i < EXO_VIEW_CPUS; i++)
        text_add(text, "cpu%u_entries %llu\ncpu%u_lock_ns %llu\ncpu%u_lock_wait_ns %llu\n", i,
                 (unsigned long long)view->cpu[i].entries, i,
                 (unsigned long long)view->cpu[i].lock_ns, i,
                 (unsigned long long)view->cpu[i].lock_wait_ns);
    return 0;
}

int64_t text_exo_resources(struct text *text, const struct synthetic *of)
{
    const struct exo_view *view = port_view_now();

    (void)of;
    text_add(text, "frames_total %llu\nframes_free %llu\nobjects %llu\ncaps %llu\ndying %llu\n",
             (unsigned long long)view->frames_total, (unsigned long long)view->frames_free,
             (unsigned long long)view->objects, (unsigned long long)view->caps,
             (unsigned long long)view->dying);
    return 0;
}
