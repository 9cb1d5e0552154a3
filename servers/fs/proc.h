/* SPDX-License-Identifier: MIT */
/*
 * procfs: files whose text is made when it is read.
 *
 * proc.c holds the one table of names and finds and lists by it; proc_system.c and proc_process.c
 * write the texts, in the formats that procps and the C library parse (proc(5)).
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "servers/fs/fs.h"

/* A text that grows up to its limit and is cut there. */
struct text {
    char *to;
    size_t used, limit;
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *text, const char *from, size_t bytes);

typedef int64_t text_maker(struct text *text, const struct synthetic *of);

/** /proc/exo/services as it is written: a command, see services_command in proc_services.c. */
int64_t services_command(const char *text, uint64_t bytes);

/* Of the machine. */
text_maker text_stat, text_meminfo, text_uptime, text_loadavg, text_cpuinfo, text_version,
    text_filesystems, text_mounts, text_mountinfo, text_vmstat, text_swaps, text_locks,
    text_kernel_command_line, text_devices, text_partitions, text_pid_max, text_os_release,
    text_os_type, text_host_name, text_os_version, text_groups_max, text_overcommit, text_somaxconn,
    text_file_max, text_random_uuid, text_entropy, text_exo_counters, text_exo_resources,
    text_exo_log, text_exo_services, text_inotify_instances, text_inotify_watches,
    text_inotify_events;
/* Of a process. */
text_maker text_pid_stat, text_pid_status, text_pid_command_line, text_pid_environment,
    text_pid_command, text_pid_maps, text_pid_smaps, text_pid_statm, text_pid_zero, text_pid_login,
    text_pid_limits;

/* Links of a process and of its descriptors: writes the target. @return its length. */
int64_t target_exe(const struct synthetic *of, char *to, size_t bytes);
int64_t target_cwd(const struct synthetic *of, char *to, size_t bytes);
int64_t target_root(const struct synthetic *of, char *to, size_t bytes);
int64_t target_fd(const struct synthetic *of, char *to, size_t bytes);

/* The next open descriptor at or after `fd`; -1 at the end. */
int32_t process_next_fd(uint32_t slot, int32_t fd);

#define FS_MAPS_SHARED 0x8000u   /* proc_shared.maps[].rights: beside EXO_MAP_* */
#define CLOCK_NS       10000000u /* nanoseconds in a clock tick, of which there are 100 a second */

#endif
