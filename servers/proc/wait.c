/* SPDX-License-Identifier: MIT */
/*
 * wait: which child has something to tell, and what.
 *
 * A parent counts the children that have something to report, so that the common question "has
 * anything happened?" does not look at them one by one.
 */
#include "servers/proc/table.h"
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

/* Is this child one that the caller asks for at all? */
static bool wanted(uint32_t caller, uint32_t child, int64_t pid, uint64_t options)
{
    bool clone = processes[child].exit_signal != SIGCHLD;

    if (pid > 0 && entries[child].pid != pid)
        return false;
    if (pid == 0 && entries[child].pgid != entries[caller].pgid)
        return false;
    if (pid < -1 && entries[child].pgid != -pid)
        return false;
    return (options & WALL) || clone == ((options & WCLONE) != 0);
}

static bool reports(uint32_t child, uint64_t options)
{
    switch (processes[child].report) {
    case REPORT_DEAD: return options & WEXITED;
    case REPORT_STOPPED: return options & WSTOPPED;
    case REPORT_CONTINUED: return options & WCONTINUED;
    default: return false;
    }
}

static void take(uint32_t parent, uint32_t child, bool keep, struct wait_result *out)
{
    const struct proc_entry *entry = &entries[child];
    enum report report = processes[child].report;

    *out = (struct wait_result){.pid = entry->pid,
                                .status =
                                    report == REPORT_CONTINUED ? STATUS_CONTINUED : entry->status,
                                .cpu_ns = entry->cpu_ns + entry->children_cpu_ns,
                                .uid = entry->ruid,
                                .reaped = NOBODY};
    if (keep)
        return;
    if (report != REPORT_DEAD) {
        table_report(child, REPORT_NONE);
        return;
    }
    entry_begin(parent);
    SET(entries[parent].children_cpu_ns, entries[parent].children_cpu_ns + out->cpu_ns);
    entry_end(parent);
    out->reaped = child;
}

int64_t wait_for(uint32_t parent, int64_t pid, uint64_t options, struct wait_result *out)
{
    uint32_t first = processes[parent].children;
    bool any = false;

    if (pid > 0) { /* no need to look at the others */
        uint32_t child = table_find(pid);

        if (child == NOBODY || processes[child].parent != parent ||
            !wanted(parent, child, pid, options))
            return -ECHILD;
        if (!reports(child, options))
            return 0;
        take(parent, child, options & WNOWAIT, out);
        return 1;
    }
    for (uint32_t c = first; c != NOBODY; c = chain_next(BY_PARENT, first, c)) {
        if (processes[c].adopted || !wanted(parent, c, pid, options))
            continue;
        any = true;
        if (processes[parent].reports == 0)
            break;
        if (reports(c, options)) {
            take(parent, c, options & WNOWAIT, out);
            return 1;
        }
    }
    return any ? 0 : -ECHILD;
}
