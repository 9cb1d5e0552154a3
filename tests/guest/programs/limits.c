// SPDX-License-Identifier: MIT
/*
 * Resource limits that are enforced, and timers on CPU time. The same checks pass on Linux, as root.
 * A program of the Linux ABI (static); prints TAP; argument: a directory.
 */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
    caught = signo;
}

static void limit(int which, rlim_t soft, rlim_t hard)
{
    CHECK(setrlimit((__rlimit_resource_t)which, &(struct rlimit){soft, hard}) == 0);
}

static void child_ends(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_file_size(void)
{
    static char block[3000];
    struct stat s;
    pid_t pid;
    int fd;

    begin("RLIMIT_FSIZE: a write is cut short, then SIGXFSZ and EFBIG");
    pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, on_signal);
        CHECK((fd = open("limited", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
        limit(RLIMIT_FSIZE, 4096, RLIM_INFINITY);
        CHECK(write(fd, block, 3000) == 3000 && write(fd, block, 3000) == 1096 && caught == 0);
        CHECK(write(fd, block, 1) == -1 && errno == EFBIG && caught == SIGXFSZ);
        caught = 0;
        CHECK(ftruncate(fd, 5000) == -1 && errno == EFBIG && caught == SIGXFSZ);
        CHECK(ftruncate(fd, 100) == 0 && fstat(fd, &s) == 0 && s.st_size == 100);
        CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
        CHECK(write(fd, block, 3000) == 3000 && write(fd, block, 3000) == 996);
        CHECK(pwrite(1, "", 0, 0) == -1 || 1);
        _exit(tap_bad);
    }
    child_ends(pid);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_FSIZE, 10, 10);
        fd = open("limited", O_RDWR);
        pwrite(fd, block, 10, 10);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    end();
}

static void spin_until(int signo)
{
    while (caught != signo)
        ;
}

static void test_cpu(void)
{
    struct itimerval timer = {{0, 20000}, {0, 20000}}, was;
    struct timespec before, after;
    pid_t pid;
    int status;

    begin("ITIMER_VIRTUAL and ITIMER_PROF count CPU time");
    signal(SIGVTALRM, on_signal);
    signal(SIGPROF, on_signal);
    caught = 0;
    CHECK(setitimer(ITIMER_PROF, &timer, NULL) == 0);
    usleep(60000);
    CHECK(caught == 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    spin_until(SIGPROF);
    caught = 0;
    spin_until(SIGPROF);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec > 15000000);
    CHECK(getitimer(ITIMER_PROF, &was) == 0 && was.it_interval.tv_usec >= 20000 &&
          was.it_value.tv_usec <= 30000);
    timer = (struct itimerval){{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_PROF, &timer, &was) == 0 && was.it_interval.tv_usec >= 20000);
    timer.it_value.tv_usec = 10000;
    CHECK(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0);
    spin_until(SIGVTALRM);
    CHECK(setitimer(3, &timer, NULL) == -1 && errno == EINVAL);
    end();

    begin("a timer of timer_create on CPU time");
    {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        struct itimerspec value = {{0, 0}, {0, 10000000}};
        timer_t id;

        signal(SIGUSR1, on_signal);
        CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &id) == 0);
        CHECK(timer_settime(id, 0, &value, NULL) == 0);
        spin_until(SIGUSR1);
        CHECK(timer_delete(id) == 0);
    }
    end();

    begin("RLIMIT_CPU: SIGXCPU at the soft limit, SIGKILL at the hard one");
    pid = fork();
    if (pid == 0) {
        signal(SIGXCPU, on_signal);
        limit(RLIMIT_CPU, 1, 2);
        spin_until(SIGXCPU);
        for (;;)
            ;
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_CPU, 1, RLIM_INFINITY);
        if (fork() == 0) { /* inherited, counted anew */
            for (;;)
                ;
        }
        CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
        _exit(tap_bad);
    }
    child_ends(pid);
    end();
}

static void *nothing(void *unused)
{
    return unused;
}

static void test_counts(void)
{
    pthread_t thread;
    pid_t pid, other;
    void *m;

    begin("RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA");
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_NOFILE, 5, 5);
        CHECK(open("/dev/null", O_RDONLY) >= 0 && open("/dev/null", O_RDONLY) >= 0);
        CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
        CHECK(dup2(1, 5) == -1 && errno == EBADF);
        CHECK(setuid(54321) == 0);
        limit(RLIMIT_NPROC, 2, 2);
        other = fork();
        if (other == 0) {
            CHECK(fork() == -1 && errno == EAGAIN);
            CHECK(pthread_create(&thread, NULL, nothing, NULL) == EAGAIN);
            _exit(tap_bad);
        }
        child_ends(other);
        CHECK((other = fork()) >= 0);
        if (other == 0)
            _exit(0);
        child_ends(other);
        _exit(tap_bad);
    }
    child_ends(pid);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_DATA, 8 << 20, 8 << 20);
        CHECK(mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                  MAP_FAILED &&
              errno == ENOMEM);
        CHECK(mmap(NULL, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
        CHECK(sbrk(16 << 20) == (void *)-1 && errno == ENOMEM);
        m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(m != MAP_FAILED);
        limit(RLIMIT_AS, 64 << 20, 64 << 20);
        CHECK(mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
              errno == ENOMEM);
        CHECK(mremap(m, 1 << 20, 64 << 20, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
        _exit(tap_bad);
    }
    child_ends(pid);
    end();
}

int main(int argc, char **argv)
{
    if (argc > 1 && chdir(argv[1]) < 0)
        return 1;
    test_file_size();
    test_cpu();
    test_counts();
    return finish();
}
