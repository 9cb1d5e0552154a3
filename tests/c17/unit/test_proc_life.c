/* SPDX-License-Identifier: MIT */
/* Birth, signals and death in servers/proc, over a kernel that only takes notes. */
// links: servers/proc/table.c servers/proc/jobs.c servers/proc/wait.c
// links: servers/proc/life.c servers/proc/signal.c servers/proc/credentials.c
// links: servers/proc/after.c lib/answers.c lib/undo.c
/* Before the host's headers, which know some of the names as well. */
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#include "test_framework.h"

#include "proc_fake.h"

static uint32_t reset(void)
{
    fake_reset();
    return born(INIT_SLOT, false, true);
}

static bool pending(uint32_t slot, int signo)
{
    return fakes[slot].shared.pending & SIGNAL_BIT(signo);
}

static bool stopped(uint32_t slot)
{
    return entries[slot].state == PROC_STOPPED && fakes[slot].suspended;
}

static void test_life(void)
{
    struct wait_result r;

    TEST_BEGIN("a child lives, ends and is waited for")
    uint32_t sh = reset(), a = born(sh, false, false);
    ASSERT_EQ(entries[sh].pid, 2);
    ASSERT_EQ(entries[sh].sid, 2);
    ASSERT_TRUE(fakes[a].running);
    life_end(a, STATUS_EXITED(7));
    ASSERT_EQ(entries[a].state, PROC_ZOMBIE);
    ASSERT_EQ(entries[a].cpu_ns, 10);
    ASSERT_EQ(fakes[sh].shared.child_events, 1);
    ASSERT_TRUE(pending(sh, SIGCHLD));
    ASSERT_EQ(fakes[sh].shared.info[SIGCHLD].code, CLD_EXITED);
    ASSERT_EQ(fakes[sh].shared.info[SIGCHLD].value, 7);
    ASSERT_EQ(wait_for(sh, -1, WEXITED, &r), 1);
    life_reap(r.reaped);
    ASSERT_EQ(fakes[a].releases, 1);
    ASSERT_EQ(table_count(), 2);
    TEST_END();

    TEST_BEGIN("a fork that the kernel refuses leaves nothing behind")
    uint32_t sh = reset();
    attach_result = -ENOMEM;
    ASSERT_EQ(born(sh, false, false), NOBODY);
    ASSERT_EQ(table_count(), 2);
    ASSERT_EQ(processes[sh].children, NOBODY);
    TEST_END();

    TEST_BEGIN("who ignores SIGCHLD has no zombies")
    uint32_t sh = reset();
    fakes[sh].shared.child_flags = PROC_CHILD_IGNORED;
    uint32_t a = born(sh, false, false);
    life_end(a, 0);
    ASSERT_EQ(entries[a].state, PROC_FREE);
    ASSERT_FALSE(pending(sh, SIGCHLD));
    ASSERT_EQ(fakes[sh].shared.child_events, 1);
    ASSERT_EQ(wait_for(sh, -1, WEXITED, &r), -ECHILD);
    fakes[sh].shared.child_flags = PROC_CHILD_NO_WAIT;
    life_end(born(sh, false, false), 0);
    ASSERT_TRUE(pending(sh, SIGCHLD));
    ASSERT_EQ(table_count(), 2);
    TEST_END();

    TEST_BEGIN("orphans go to init, which never has zombies of them")
    uint32_t sh = reset(), a = born(sh, false, false), b = born(a, false, false),
             c = born(a, false, false);
    life_end(b, 0);
    ASSERT_EQ(entries[b].state, PROC_ZOMBIE);
    life_end(a, 0);
    ASSERT_EQ(entries[b].state, PROC_FREE);
    ASSERT_EQ(entries[c].ppid, 1);
    life_end(c, 0);
    ASSERT_EQ(entries[c].state, PROC_FREE);
    TEST_END();

    TEST_BEGIN("init is told of what it booted, and waits for it")
    uint32_t sh = reset();
    life_end(sh, STATUS_EXITED(1));
    settle();
    ASSERT_EQ(told_init, 1);
    ASSERT_EQ(wait_for(INIT_SLOT, -1, WEXITED, &r), 1);
    ASSERT_EQ(r.status, 0x100);
    TEST_END();

    TEST_BEGIN("an environment that dies by itself is a death by signal")
    uint32_t sh = reset(), a = born(sh, false, false);
    fakes[a].dead = true;
    life_check(a % 16, 16);
    ASSERT_EQ(entries[a].state, PROC_ZOMBIE);
    ASSERT_EQ(entries[a].status, SIGSEGV);
    ASSERT_EQ(fakes[sh].shared.info[SIGCHLD].code, CLD_KILLED);
    TEST_END();

    TEST_BEGIN("vfork: the context dies with its host, or moves out in time")
    uint32_t sh = reset(), a = born(sh, false, false), v = born(a, true, false),
             w = born(a, true, false);
    const struct body fresh = {.env = 5, .thread = 6, .base = 4};
    ASSERT_EQ(life_move(w, &fresh), 0);
    ASSERT_EQ(entries[w].execs, 1);
    life_end(a, STATUS_KILLED(SIGKILL));
    ASSERT_EQ(entries[v].state, PROC_FREE); /* adopted, so reaped */
    ASSERT_EQ(entries[w].state, PROC_RUNNING);
    ASSERT_EQ(entries[w].ppid, 1);
    TEST_END();

    TEST_BEGIN("vfork: a killed context is told, and its own exit status is overruled")
    uint32_t sh = reset(), v = born(sh, true, false);
    ASSERT_EQ(signal_kill(sh, entries[v].pid, SIGKILL, 0, 0), 0);
    ASSERT_TRUE(fakes[v].notified & PROC_EVENT_KILLED);
    ASSERT_EQ(entries[v].state, PROC_RUNNING);
    life_end(v, 0);
    ASSERT_EQ(entries[v].status, SIGKILL);
    ASSERT_EQ(entries[sh].state, PROC_RUNNING);
    TEST_END();
}

static void test_signals(void)
{
    struct wait_result r;

    TEST_BEGIN("a standard signal is one bit with its first information")
    uint32_t sh = reset(), a = born(sh, false, false);
    ASSERT_EQ(signal_kill(sh, entries[a].pid, SIGTERM, 0, 0), 0);
    ASSERT_EQ(signal_kill(a, entries[a].pid, SIGTERM, 0, 0), 0);
    ASSERT_TRUE(pending(a, SIGTERM));
    ASSERT_EQ(fakes[a].shared.info[SIGTERM].pid, entries[sh].pid);
    ASSERT_TRUE(fakes[a].notified & PROC_EVENT_SIGNAL);
    TEST_END();

    TEST_BEGIN("real-time signals queue, and a full queue says so")
    uint32_t sh = reset();
    for (uint32_t i = 0; i < PROC_SIGQUEUE; i++)
        ASSERT_EQ(signal_kill(sh, entries[sh].pid, 40, SI_QUEUE, i), 0);
    ASSERT_EQ(fakes[sh].shared.queue[5].value, 5);
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, 40, SI_QUEUE, 0), -EAGAIN);
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, 40, SI_USER, 0), 0);
    ASSERT_TRUE(pending(sh, 40));
    fakes[sh].shared.head = 12345; /* nonsense from the process harms nobody */
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, 40, SI_QUEUE, 0), -EAGAIN);
    TEST_END();

    TEST_BEGIN("ignored signals are dropped, bad ones refused")
    uint32_t sh = reset();
    fakes[sh].shared.ignored = SIGNAL_BIT(SIGUSR1);
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, SIGUSR1, 0, 0), 0);
    ASSERT_FALSE(pending(sh, SIGUSR1));
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, 65, 0, 0), -EINVAL);
    ASSERT_EQ(signal_kill(sh, entries[sh].pid, SIGUSR1, SI_KERNEL, 0), -EPERM);
    ASSERT_EQ(signal_kill(sh, 9999, 0, 0, 0), -ESRCH);
    ASSERT_EQ(signal_kill(sh, -9999, 0, 0, 0), -ESRCH);
    TEST_END();

    TEST_BEGIN("a signal for a thread is queued for it, a standard one once")
    uint32_t sh = reset(), a = born(sh, false, false);
    struct proc_shared *to = &fakes[a].shared;
    int32_t tid = (int32_t)(PROC_TID_FIRST + (2 * PROC_MAX + a) * PROC_THREADS + 7);
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR1, 0, 0), -ESRCH);
    to->thread_rounds[7] = 2; /* its number comes one round later */
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR1, 0, 0), -ESRCH);
    to->thread_rounds[7] = 3;
    ASSERT_EQ(signal_kill_thread(sh, tid, 0, 0, 0), 0);
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR1, 0, 0), 0);
    settle();
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR1, 0, 0), 0);
    ASSERT_EQ(signal_kill_thread(sh, entries[a].pid, SIGUSR1, 0, 0), 0);
    settle();
    ASSERT_EQ(to->tail, 2);
    ASSERT_EQ(to->queue_tid[0], tid);
    ASSERT_EQ(to->queue_tid[1], entries[a].pid);
    ASSERT_FALSE(pending(a, SIGUSR1));
    for (uint32_t i = 2; i < PROC_SIGQUEUE; i++, settle())
        ASSERT_EQ(signal_kill_thread(sh, tid, 40, SI_QUEUE, i), 0);
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR2, 0, 0), -EAGAIN);
    to->head = 1;
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGUSR1, 0, 0), 0);
    settle();
    ASSERT_EQ(to->tail, PROC_SIGQUEUE + 1);
    ASSERT_EQ(signal_kill_thread(sh, tid, SIGKILL, 0, 0), 0);
    ASSERT_EQ(entries[a].state, PROC_ZOMBIE);
    ASSERT_EQ(signal_kill_thread(sh, tid, 0, 0, 0), -ESRCH);
    ASSERT_EQ(signal_kill_thread(sh, -1, SIGTERM, 0, 0), -ESRCH);
    settle();
    TEST_END();

    TEST_BEGIN("SIGSTOP stops at once, SIGCONT goes on, the parent sees both")
    uint32_t sh = reset(), a = born(sh, false, false);
    ASSERT_EQ(signal_kill(sh, entries[a].pid, SIGSTOP, 0, 0), 0);
    ASSERT_TRUE(stopped(a));
    ASSERT_EQ(fakes[sh].shared.info[SIGCHLD].code, CLD_STOPPED);
    ASSERT_EQ(wait_for(sh, -1, WUNTRACED, &r), 1);
    ASSERT_EQ(r.status, 0x137f);
    ASSERT_EQ(signal_kill(sh, entries[a].pid, SIGTSTP, 0, 0), 0);
    ASSERT_TRUE(pending(a, SIGTSTP));
    ASSERT_EQ(signal_kill(sh, entries[a].pid, SIGCONT, 0, 0), 0);
    ASSERT_FALSE(pending(a, SIGTSTP));
    ASSERT_TRUE(pending(a, SIGCONT));
    ASSERT_FALSE(fakes[a].suspended);
    ASSERT_EQ(wait_for(sh, -1, WCONTINUED, &r), 1);
    ASSERT_EQ(r.status, 0xffff);
    TEST_END();

    TEST_BEGIN("a stop that a SIGCONT has overtaken does not happen")
    uint32_t sh = reset(), a = born(sh, false, false);
    jobs_setpgid(sh, entries[a].pid, 0);
    uint64_t before = fakes[a].shared.continues;
    signal_kill(sh, entries[a].pid, SIGCONT, 0, 0);
    ASSERT_EQ(life_stop(a, STATUS_STOPPED(SIGTSTP), before), 0);
    ASSERT_FALSE(stopped(a));
    ASSERT_EQ(life_stop(a, STATUS_STOPPED(SIGTSTP), before + 1), 0);
    ASSERT_TRUE(stopped(a));
    ASSERT_EQ(life_stop(a, 0, 0), -EINVAL);
    TEST_END();

    TEST_BEGIN("in an orphaned group only SIGSTOP stops")
    uint32_t sh = reset();
    ASSERT_EQ(life_stop(sh, STATUS_STOPPED(SIGTTIN), 0), 0);
    ASSERT_FALSE(stopped(sh));
    ASSERT_EQ(life_stop(sh, STATUS_STOPPED(SIGSTOP), 0), 0);
    ASSERT_TRUE(stopped(sh));
    TEST_END();

    TEST_BEGIN("a group that death orphans gets SIGHUP and SIGCONT if it is stopped")
    uint32_t sh = reset(), a = born(sh, false, false), b = born(sh, false, false);
    jobs_setpgid(sh, entries[a].pid, 0);
    jobs_setpgid(sh, entries[b].pid, 0);
    signal_stop(a, SIGTSTP);
    life_end(sh, 0);
    ASSERT_TRUE(pending(a, SIGHUP));
    ASSERT_TRUE(pending(a, SIGCONT));
    ASSERT_EQ(entries[a].state, PROC_RUNNING);
    ASSERT_FALSE(pending(b, SIGHUP));
    TEST_END();

    TEST_BEGIN("the end of a session leader hangs its terminal up")
    uint32_t sh = reset(), a = born(sh, false, false);
    jobs_setpgid(sh, entries[a].pid, 0);
    jobs_set_tty(processes[sh].session, 0);
    sessions[processes[sh].session].foreground = entries[a].pid;
    life_end(sh, 0);
    ASSERT_TRUE(pending(a, SIGHUP));
    ASSERT_EQ(entries[a].tty, -1);
    settle();
    ASSERT_EQ(told_tty, 1);
    TEST_END();

    TEST_BEGIN("SIGKILL to a group takes all its members, whatever goes while it walks")
    uint32_t sh = reset(), a = born(sh, false, false), b, v;
    jobs_setpgid(sh, entries[a].pid, 0);
    b = born(a, false, false);
    v = born(a, true, false);
    fakes[a].shared.child_flags = PROC_CHILD_IGNORED;
    ASSERT_EQ(signal_kill(sh, -entries[a].pid, SIGKILL, 0, 0), 0);
    ASSERT_EQ(entries[a].state, PROC_ZOMBIE);
    ASSERT_EQ(entries[b].state, PROC_FREE);
    ASSERT_EQ(entries[v].state, PROC_FREE);
    TEST_END();

    TEST_BEGIN("permissions: strangers are refused, SIGCONT passes within the session")
    uint32_t sh = reset(), a = born(sh, false, false), b = born(sh, false, false);
    entries[a].ruid = entries[a].euid = entries[a].suid = 1000;
    ASSERT_EQ(signal_kill(a, entries[b].pid, SIGTERM, 0, 0), -EPERM);
    ASSERT_EQ(signal_kill(a, entries[b].pid, 0, 0, 0), -EPERM);
    ASSERT_EQ(signal_kill(a, entries[b].pid, SIGCONT, 0, 0), 0);
    ASSERT_EQ(signal_kill(a, -1, SIGTERM, 0, 0), 0);
    ASSERT_FALSE(pending(b, SIGTERM));
    ASSERT_EQ(signal_kill(a, 1, SIGTERM, 0, 0), -EPERM);
    ASSERT_EQ(signal_kill(sh, 1, SIGUSR2, 0, 0), 0);
    ASSERT_EQ(signal_take_init(), SIGNAL_BIT(SIGUSR2));
    ASSERT_EQ(signal_kill(sh, -1, SIGTERM, 0, 0), 0);
    ASSERT_TRUE(pending(a, SIGTERM) && pending(b, SIGTERM) && !pending(sh, SIGTERM));
    TEST_END();
}

int main(void)
{
    test_life();
    test_signals();
}
