// SPDX-License-Identifier: MIT
/*
 * Signals at the seams of a process: as soon as fork or vfork returns, before exec, over exec. The same
 * checks pass on Linux. A program of the Linux ABI (static); prints TAP.
 *
 * A child that still has its parent's handler takes the signal with that handler, on Linux too: what
 * mksh does with `sleep 2 & kill $!` hangs on who is faster. So the children here reset it, or block the
 * signal, before they may be hit.
 */
#include "tap.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 20

static void handler(int signo)
{
    (void)signo;
}

static sigset_t term(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    return set;
}

/* How a child ended: its exit code, or 128 and the signal. */
static int ended(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static _Noreturn void become(const char *argument)
{
    execl("/proc/self/exe", "signals", argument, NULL);
    _exit(99);
}

static void test_at_once(void)
{
    int right = 0;

    begin("a signal that is sent as soon as fork returns ends the child");
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();

        if (child == 0)
            become("wait");
        kill(child, SIGTERM);
        right += ended(child) == 128 + SIGTERM;
    }
    CHECK(right == ROUNDS);
    end();

    begin("so it does if the child must first give up its parent's handler");
    sigset_t set = term();
    right = 0;
    signal(SIGTERM, handler);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();

        if (child == 0) {
            signal(SIGTERM, SIG_DFL);
            sigprocmask(SIG_UNBLOCK, &set, NULL);
            become("wait");
        }
        kill(child, SIGTERM);
        right += ended(child) == 128 + SIGTERM;
    }
    CHECK(right == ROUNDS);
    end();
}

static void test_over_exec(void)
{
    sigset_t set = term();
    siginfo_t info;
    pid_t child;

    begin("a blocked signal stays pending over exec, from outside and from itself");
    child = fork();
    if (child == 0)
        become("unblock");
    kill(child, SIGTERM);
    CHECK(ended(child) == 128 + SIGTERM);
    child = fork();
    if (child == 0) {
        raise(SIGTERM);
        become("unblock");
    }
    CHECK(ended(child) == 128 + SIGTERM);
    end();

    begin("so it does over exec in a child of vfork");
    child = vfork();
    if (child == 0) {
        kill(getpid(), SIGTERM);
        become("unblock");
    }
    CHECK(ended(child) == 128 + SIGTERM);
    CHECK(sigtimedwait(&set, &info, &(struct timespec){0, 0}) == -1 && errno == EAGAIN);
    end();

    begin("what is pending in the parent is not so in the child");
    raise(SIGTERM);
    child = fork();
    if (child == 0)
        become("unblock");
    CHECK(ended(child) == 0);
    child = vfork();
    if (child == 0)
        become("unblock");
    CHECK(ended(child) == 0);
    CHECK(sigtimedwait(&set, &info, &(struct timespec){0, 0}) == SIGTERM);
    end();
}

/* ---- to one thread of another process ------------------------------------------------------------ */

static int told[2];

static void tell_thread(int signo)
{
    int32_t tid = (int32_t)syscall(SYS_gettid);

    (void)signo;
    if (write(told[1], &tid, sizeof tid) != sizeof tid)
        _exit(1);
}

static void *second_thread(void *argument)
{
    (void)argument;
    tell_thread(0);
    for (;;)
        pause();
}

static int32_t hear(void)
{
    int32_t tid = -1;

    return read(told[0], &tid, sizeof tid) == sizeof tid ? tid : -1;
}

static void test_thread(void)
{
    begin("a signal reaches the thread of another process that it is sent to");
    CHECK(pipe(told) == 0);
    signal(SIGUSR1, tell_thread);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, second_thread, NULL) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    int32_t tid = hear();
    CHECK(tid > 0 && tid != child);
    CHECK(syscall(SYS_tgkill, child, tid, 0) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(syscall(SYS_tgkill, child, tid, SIGUSR1) == 0);
        CHECK(hear() == tid);
    }
    CHECK(syscall(SYS_tkill, tid, SIGUSR1) == 0);
    CHECK(hear() == tid);
    CHECK(syscall(SYS_tgkill, getpid(), tid, 0) == -1 && errno == ESRCH);
    CHECK(syscall(SYS_tgkill, child, tid, SIGKILL) == 0);
    CHECK(ended(child) == 128 + SIGKILL);
    CHECK(syscall(SYS_tkill, tid, 0) == -1 && errno == ESRCH);
    end();
}

int main(int argc, char **argv)
{
    sigset_t set = term();

    if (argc > 1) {
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        if (strcmp(argv[1], "wait") == 0)
            sleep(30);
        return 0;
    }
    test_at_once();
    test_over_exec();
    test_thread();
    return finish();
}
