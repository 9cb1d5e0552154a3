/* SPDX-License-Identifier: MIT */
/* The process table, groups, sessions and wait: the pure half of servers/proc. */
// links: servers/proc/table.c servers/proc/jobs.c servers/proc/wait.c lib/undo.c
/* Before the host's headers, which know some of the names as well. */
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#include "test_framework.h"

#include "servers/proc/table.h"

static struct proc_entry published[PROC_MAX];

static void begin(void)
{
    undo_begin();
    table_init(published);
}

static uint32_t start(uint32_t parent)
{
    uint32_t slot = table_add(parent, 7);

    if (slot != NOBODY) {
        entry_state(slot, PROC_RUNNING, 0);
        processes[slot].exit_signal = SIGCHLD;
    }
    return slot;
}

/* A session leader under init: what a booted shell is. */
static uint32_t shell(void)
{
    uint32_t slot = start(INIT_SLOT);

    table_new_session(slot);
    return slot;
}

static void finish(uint32_t slot, uint32_t status)
{
    entry_state(slot, PROC_ZOMBIE, status);
    table_report(slot, REPORT_DEAD);
}

/* Every list is consistent in itself and with the entries. */
static bool table_ok(void)
{
    for (uint32_t slot = 0; slot < table_limit(); slot++) {
        uint32_t reports = 0, n = 0;

        if (!process_exists(slot))
            continue;
        if (entries[slot].sequence & 1 || table_find(entries[slot].pid) != slot)
            return false;
        if (groups[processes[slot].group].pgid != entries[slot].pgid ||
            sessions[processes[slot].session].sid != entries[slot].sid ||
            groups[processes[slot].group].session != processes[slot].session)
            return false;
        for (uint32_t c = processes[slot].children; c != NOBODY && n <= PROC_MAX;
             c = chain_next(BY_PARENT, processes[slot].children, c), n++) {
            if (processes[c].parent != slot || entries[c].ppid != entries[slot].pid)
                return false;
            reports += processes[c].report != REPORT_NONE;
        }
        if (n > PROC_MAX || reports != processes[slot].reports)
            return false;
    }
    return true;
}

static void test_numbers(void)
{
    TEST_BEGIN("pid 1 is init, the first child is 2, and numbers come back late")
    begin();
    ASSERT_EQ(table_find(1), INIT_SLOT);
    uint32_t a = start(INIT_SLOT);
    ASSERT_EQ(entries[a].pid, 2);
    ASSERT_EQ(entries[a].ppid, 1);
    table_remove(a);
    ASSERT_EQ(table_find(2), NOBODY);
    for (int i = 3; i <= PID_LAST; i++) {
        uint32_t slot = start(INIT_SLOT);
        ASSERT_EQ(slot, a);
        ASSERT_EQ(entries[slot].pid, i);
        table_remove(slot);
        undo_commit();
    }
    ASSERT_EQ(entries[start(INIT_SLOT)].pid, PID_REUSE);
    ASSERT_TRUE(table_ok());
    TEST_END();

    TEST_BEGIN("a number is not reused while a group or session has it")
    begin();
    uint32_t leader = shell(), member = start(leader);
    int32_t sid = entries[leader].pid;
    table_reparent(member, INIT_SLOT);
    table_remove(leader);
    ASSERT_EQ(table_find(sid), NOBODY);
    ASSERT_NE(table_find_session(sid), NOBODY);
    for (int i = 0; i < PID_LAST; i++) {
        uint32_t slot = start(INIT_SLOT);
        ASSERT_NE(entries[slot].pid, sid);
        table_remove(slot);
        undo_commit();
    }
    table_remove(member);
    ASSERT_EQ(table_find_session(sid), NOBODY);
    ASSERT_TRUE(table_ok());
    TEST_END();

    TEST_BEGIN("a full table keeps its last slots for root")
    begin();
    uint32_t user = start(INIT_SLOT);
    entries[user].euid = 1000;
    uint32_t made = 0;
    while (start(user) != NOBODY)
        made++;
    ASSERT_EQ(made, PROC_MAX - 2 - ROOT_RESERVE);
    for (uint32_t i = 0; i < ROOT_RESERVE; i++)
        ASSERT_NE(start(INIT_SLOT), NOBODY);
    ASSERT_EQ(start(INIT_SLOT), NOBODY);
    ASSERT_EQ(table_count(), PROC_MAX);
    ASSERT_TRUE(table_ok());
    TEST_END();
}

static void test_jobs(void)
{
    TEST_BEGIN("setpgid follows Linux's rules")
    begin();
    uint32_t sh = shell(), a = start(sh), b = start(sh), other = shell();
    int32_t pa = entries[a].pid, pb = entries[b].pid;

    ASSERT_EQ(jobs_setpgid(sh, pa, -1), -EINVAL);
    ASSERT_EQ(jobs_setpgid(sh, 9999, 0), -ESRCH);
    ASSERT_EQ(jobs_setpgid(a, pb, 0), -ESRCH);
    ASSERT_EQ(jobs_setpgid(sh, 0, 0), -EPERM);
    ASSERT_EQ(jobs_setpgid(sh, pb, pa), -EPERM); /* no such group yet */
    ASSERT_EQ(jobs_setpgid(sh, pa, 0), 0);
    ASSERT_EQ(entries[a].pgid, pa);
    ASSERT_EQ(jobs_setpgid(sh, pb, pa), 0);
    ASSERT_EQ(entries[b].pgid, pa);
    ASSERT_EQ(jobs_setpgid(b, 0, entries[other].pgid), -EPERM);
    entries[b].execs = 1;
    ASSERT_EQ(jobs_setpgid(sh, pb, 0), -EACCES);
    ASSERT_EQ(jobs_setpgid(b, 0, 0), 0);
    ASSERT_TRUE(table_ok());
    TEST_END();

    TEST_BEGIN("setsid makes a session without terminal, once")
    begin();
    uint32_t sh = shell(), a = start(sh);
    jobs_set_tty(processes[sh].session, 0);
    ASSERT_EQ(entries[a].tty, 0);
    ASSERT_EQ(jobs_setsid(a), entries[a].pid);
    ASSERT_EQ(entries[a].tty, -1);
    ASSERT_EQ(entries[a].sid, entries[a].pid);
    ASSERT_EQ(jobs_setsid(a), -EPERM);
    ASSERT_EQ(jobs_setsid(sh), -EPERM);
    ASSERT_TRUE(table_ok());
    TEST_END();

    TEST_BEGIN("a group is orphaned when its last controlling parent goes")
    begin();
    uint32_t sh = shell(), job = start(sh);
    ASSERT_EQ(jobs_setpgid(sh, entries[job].pid, 0), 0);
    ASSERT_FALSE(jobs_orphaned(processes[job].group, NOBODY));
    ASSERT_TRUE(jobs_orphaned(processes[job].group, job));
    ASSERT_TRUE(jobs_orphaned(processes[sh].group, NOBODY));
    table_reparent(job, INIT_SLOT);
    ASSERT_TRUE(jobs_orphaned(processes[job].group, NOBODY));
    TEST_END();
}

static void test_wait(void)
{
    struct wait_result r;

    TEST_BEGIN("wait finds the dead, the stopped and the continued, each once")
    begin();
    uint32_t sh = shell(), a = start(sh), b = start(sh);

    ASSERT_EQ(wait_for(a, -1, WEXITED, &r), -ECHILD);
    ASSERT_EQ(wait_for(sh, -1, WEXITED, &r), 0);
    entry_state(a, PROC_STOPPED, STATUS_STOPPED(SIGTSTP));
    table_report(a, REPORT_STOPPED);
    ASSERT_EQ(wait_for(sh, -1, WEXITED, &r), 0);
    ASSERT_EQ(wait_for(sh, -1, WEXITED | WUNTRACED, &r), 1);
    ASSERT_EQ(r.pid, entries[a].pid);
    ASSERT_EQ(r.status, 0x147f);
    ASSERT_EQ(r.reaped, NOBODY);
    ASSERT_EQ(wait_for(sh, -1, WEXITED | WUNTRACED, &r), 0);
    entry_state(a, PROC_RUNNING, 0);
    table_report(a, REPORT_CONTINUED);
    ASSERT_EQ(wait_for(sh, entries[a].pid, WEXITED | WCONTINUED, &r), 1);
    ASSERT_EQ(r.status, 0xffff);
    entries[b].cpu_ns = 5;
    entries[b].children_cpu_ns = 2;
    finish(b, STATUS_EXITED(3));
    ASSERT_EQ(wait_for(sh, entries[b].pid, WEXITED | WNOWAIT, &r), 1);
    ASSERT_EQ(r.reaped, NOBODY);
    ASSERT_EQ(wait_for(sh, entries[b].pid, WEXITED, &r), 1);
    ASSERT_EQ(r.status, 0x300);
    ASSERT_EQ(r.reaped, b);
    ASSERT_EQ(entries[sh].children_cpu_ns, 7);
    table_remove(b);
    ASSERT_EQ(wait_for(sh, r.pid, WEXITED, &r), -ECHILD);
    ASSERT_EQ(processes[sh].reports, 0);
    ASSERT_TRUE(table_ok());
    TEST_END();

    TEST_BEGIN("wait chooses by group and by kind of child")
    begin();
    uint32_t sh = shell(), a = start(sh), b = start(sh);

    ASSERT_EQ(jobs_setpgid(sh, entries[a].pid, 0), 0);
    finish(a, 0);
    ASSERT_EQ(wait_for(sh, 0, WEXITED, &r), 0);
    ASSERT_EQ(wait_for(sh, -entries[a].pid, WEXITED, &r), 1);
    ASSERT_EQ(r.reaped, a);
    processes[b].exit_signal = 0;
    ASSERT_EQ(wait_for(sh, entries[b].pid, WEXITED, &r), -ECHILD);
    finish(b, 0);
    ASSERT_EQ(wait_for(sh, entries[b].pid, WEXITED | WALL, &r), 1);
    ASSERT_EQ(wait_for(sh, -77, WEXITED, &r), -ECHILD);
    TEST_END();

    TEST_BEGIN("random lives leave the table consistent and empty")
    uint32_t seed = 1, live[64], count = 0;

    begin();
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t at = count ? (seed >> 8) % count : 0;
        switch (seed >> 24 & 7) {
        case 0:
        case 1:
            if (count < 64) {
                live[count] = start(count && (seed & 64) ? live[at] : INIT_SLOT);
                count++;
            }
            break;
        case 2:
        case 3:
            if (!count)
                break;
            while (processes[live[at]].children != NOBODY)
                table_reparent(processes[live[at]].children, INIT_SLOT);
            table_remove(live[at]);
            live[at] = live[--count];
            break;
        case 4:
            if (count)
                jobs_setsid(live[at]);
            break;
        case 5:
        case 6:
            if (count)
                jobs_setpgid(live[at], 0, entries[live[(seed >> 4) % count]].pgid);
            break;
        default:
            if (count)
                table_report(live[at], (enum report)(seed >> 16 & 3));
            break;
        }
        ASSERT_TRUE(i % 16 || table_ok());
    }
    while (count) {
        uint32_t slot = live[--count];
        while (processes[slot].children != NOBODY)
            table_reparent(processes[slot].children, INIT_SLOT);
        table_remove(slot);
    }
    ASSERT_EQ(table_count(), 1);
    ASSERT_TRUE(table_ok());
    TEST_END();
}

int main(void)
{
    test_numbers();
    test_jobs();
    test_wait();
}
