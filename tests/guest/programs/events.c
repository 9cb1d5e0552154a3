// SPDX-License-Identifier: MIT
/*
 * timerfd and pidfd: things that are not files, waited for as files; processes and threads. The same
 * checks pass on Linux. A program of the Linux ABI (static); prints TAP.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000L

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / MS;
}

static void test_timerfd(void)
{
    struct itimerspec once = {{0, 0}, {0, 30 * MS}}, every = {{0, 10 * MS}, {0, 10 * MS}}, now;
    struct itimerspec off = {{0, 0}, {0, 0}};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 7};
    int fd, set, status;
    uint64_t ticks;
    int64_t start;

    begin("a timerfd is read once, after its time");
    CHECK((fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) >= 0);
    start = now_ms();
    CHECK(timerfd_settime(fd, 0, &once, NULL) == 0);
    CHECK(timerfd_gettime(fd, &now) == 0 && now.it_interval.tv_nsec == 0 &&
          now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 30 * MS);
    CHECK(read(fd, &ticks, 4) == -1 && errno == EINVAL);
    CHECK(read(fd, &ticks, 8) == 8 && ticks == 1 && now_ms() - start >= 29);
    CHECK(timerfd_gettime(fd, &now) == 0 && now.it_value.tv_nsec == 0);
    CHECK(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(read(fd, &ticks, 8) == -1 && errno == EAGAIN);
    end();

    begin("a periodic timerfd counts, and poll and epoll wait for it");
    CHECK(timerfd_settime(fd, 0, &every, &now) == 0);
    CHECK(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000) == 1);
    usleep(50000);
    CHECK(read(fd, &ticks, 8) == 8 && ticks >= 4);
    CHECK((set = epoll_create1(0)) >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(epoll_wait(set, &event, 1, 5000) == 1 && event.data.u32 == 7);
    CHECK(timerfd_settime(fd, 0, &off, &now) == 0 && now.it_interval.tv_nsec == 10 * MS);
    CHECK(epoll_wait(set, &event, 1, 30) == 0);
    close(set);
    end();

    begin("an absolute timerfd in the past goes off at once, also in a child");
    once.it_value.tv_nsec = 1;
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &once, NULL) == 0);
    if (fork() == 0)
        _exit(read(fd, &ticks, 8) == 8 && ticks == 1 ? 0 : 1);
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(read(fd, &ticks, 8) == -1 && errno == EAGAIN);
    close(fd);
    CHECK(timerfd_create(99, 0) == -1 && errno == EINVAL);
    CHECK(timerfd_settime(0, 0, &once, NULL) == -1 && errno == EINVAL);
    end();

    begin("setting a timerfd wakes who sleeps for it");
    CHECK((fd = timerfd_create(CLOCK_REALTIME, 0)) >= 0);
    if (fork() == 0) {
        struct itimerspec soon = {{0, 0}, {0, 1 * MS}};

        usleep(20000);
        _exit(timerfd_settime(fd, 0, &soon, NULL));
    }
    CHECK(read(fd, &ticks, 8) == 8 && ticks == 1);
    CHECK(wait(&status) > 0 && status == 0);
    close(fd);
    end();
}

static int pidfd_open_(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_signal(int fd, int signo)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static void test_pidfd(void)
{
    struct pollfd watched = {.events = POLLIN};
    siginfo_t info;
    pid_t child;
    int fd;

    begin("a pidfd becomes readable when its process ends");
    child = fork();
    if (child == 0) {
        usleep(30000);
        _exit(5);
    }
    CHECK((fd = pidfd_open_(child, 0)) >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    watched.fd = fd;
    CHECK(poll(&watched, 1, 0) == 0);
    CHECK(poll(&watched, 1, 5000) == 1 && watched.revents == POLLIN);
    CHECK(waitid(3 /* P_PIDFD */, (id_t)fd, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_status == 5 && info.si_code == CLD_EXITED);
    CHECK(poll(&watched, 1, 0) == 1);
    CHECK(pidfd_signal(fd, 0) == -1 && errno == ESRCH);
    CHECK(waitid(3, (id_t)fd, &info, WEXITED) == -1 && errno == ECHILD);
    close(fd);
    end();

    begin("a signal is sent through a pidfd");
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    CHECK((fd = pidfd_open_(child, O_NONBLOCK)) >= 0);
    CHECK(waitid(3, (id_t)fd, &info, WEXITED) == -1 && errno == EAGAIN);
    CHECK(pidfd_signal(fd, SIGTERM) == 0);
    watched.fd = fd;
    CHECK(poll(&watched, 1, 5000) == 1);
    CHECK(waitid(3, (id_t)fd, &info, WEXITED) == 0 && info.si_status == SIGTERM);
    close(fd);
    CHECK(pidfd_open_(child, 0) == -1 && errno == ESRCH);
    CHECK(pidfd_open_(0, 0) == -1 && errno == EINVAL);
    CHECK(pidfd_signal(1, 0) == -1 && errno == EBADF);
    end();
}

/* A child that has not run yet is in /proc all the same. */
static void test_name(void)
{
    char path[64], name[32];
    int ready = 0;

    begin("a child is called as its parent from the first instant on");
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        FILE *f;

        if (child == 0)
            _exit(0);
        sprintf(path, "/proc/%d/comm", child);
        f = fopen(path, "r");
        CHECK(f != NULL);
        ready += f && fgets(name, sizeof name, f) && strcmp(name, "events\n") == 0;
        if (f)
            fclose(f);
        CHECK(waitpid(child, NULL, 0) == child);
    }
    CHECK(ready == 50);
    end();
}

static pthread_mutex_t inheriting;
static int guarded;

static void *add_1000(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&inheriting);
        int old = guarded;
        if (i % 100 == 0)
            sched_yield();
        guarded = old + 1;
        pthread_mutex_unlock(&inheriting);
    }
    return 0;
}

static void *die_with_it(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&inheriting);
    return 0;
}

static void test_inheriting(void)
{
    pthread_mutexattr_t how;
    pthread_t threads[4], dies;
    struct timespec soon;

    begin("mutexes with priority inheritance exclude, and tell of an owner that died");
    pthread_mutexattr_init(&how);
    CHECK(pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutex_init(&inheriting, &how) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], 0, add_1000, 0) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], 0);
    CHECK(guarded == 4000);
    pthread_mutex_lock(&inheriting);
    CHECK(pthread_mutex_trylock(&inheriting) != 0);
    pthread_mutex_unlock(&inheriting);
    pthread_create(&dies, 0, die_with_it, 0);
    pthread_join(dies, 0);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += 5;
    CHECK(pthread_mutex_timedlock(&inheriting, &soon) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&inheriting) == 0);
    CHECK(pthread_mutex_unlock(&inheriting) == 0);
    CHECK(pthread_mutex_lock(&inheriting) == 0);
    end();
}

/* ---- the owner of a robust mutex is killed ------------------------------------------------------- */

static pthread_mutex_t *shared_lock;

static void shared_lock_make(int protocol)
{
    pthread_mutexattr_t how;

    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setprotocol(&how, protocol) == 0);
    CHECK(pthread_mutex_init(shared_lock, &how) == 0);
}

static void *hold(void *told)
{
    pthread_mutex_lock(shared_lock);
    if (write(*(int *)told, "", 1) == 1)
        pause();
    return 0;
}

/* A process whose first or second thread holds the mutex for ever. */
static pid_t holder_start(int second)
{
    int told[2];
    char byte;
    pid_t child;

    CHECK(pipe(told) == 0);
    if ((child = fork()) == 0) {
        pthread_t thread;

        if (second && pthread_create(&thread, 0, hold, &told[1]) == 0)
            pthread_join(thread, 0);
        hold(&told[1]);
    }
    CHECK(read(told[0], &byte, 1) == 1);
    close(told[0]);
    close(told[1]);
    return child;
}

static int inherits_from_dead(void)
{
    struct timespec soon;

    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += 60;
    return pthread_mutex_timedlock(shared_lock, &soon) == EOWNERDEAD &&
           pthread_mutex_consistent(shared_lock) == 0 && pthread_mutex_unlock(shared_lock) == 0;
}

static void test_killed_owner(void)
{
    int status = 0;

    shared_lock = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared_lock != MAP_FAILED);
    for (int i = 0; i < 8; i++) {
        pid_t waits = 0, holds;

        begin("a robust mutex tells of an owner that was killed");
        shared_lock_make(i & 1 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
        holds = holder_start(i & 2);
        if (i & 4 && (waits = fork()) == 0)
            _exit(inherits_from_dead() ? 0 : 1);
        if (i & 4)
            usleep(20000);
        kill(holds, SIGKILL);
        if (i & 4)
            CHECK(waitpid(waits, &status, 0) == waits && status == 0);
        CHECK(waitpid(holds, 0, 0) == holds);
        if (!(i & 4))
            CHECK(inherits_from_dead());
        CHECK(pthread_mutex_lock(shared_lock) == 0);
        CHECK(pthread_mutex_unlock(shared_lock) == 0);
        end();
    }
    munmap(shared_lock, 4096);
}

static void *thread_number(void *to)
{
    *(int *)to = gettid();
    return 0;
}

static void test_numbers(void)
{
    int seen[20], twice = 0;
    pthread_t t;

    begin("the number of a thread that ended does not come again at once");
    for (int i = 0; i < 20; i++) {
        CHECK(pthread_create(&t, 0, thread_number, &seen[i]) == 0);
        pthread_join(t, 0);
        for (int k = 0; k < i; k++)
            twice += seen[k] == seen[i];
    }
    CHECK(twice == 0);
    end();
}

static void test_vfork_with_files(void)
{
    int files[900], opened = 0, status = 0;

    begin("vfork works with 900 files open");
    while (opened < 900 && (files[opened] = open("/etc/passwd", O_RDONLY)) >= 0)
        opened++;
    CHECK(opened == 900);
    for (int i = 0; i < 3; i++) {
        pid_t child = vfork();

        if (child == 0)
            _exit(7);
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    }
    while (opened > 0)
        close(files[--opened]);
    end();
}

int main(void)
{
    test_vfork_with_files();
    test_numbers();
    test_inheriting();
    test_killed_owner();
    test_name();
    test_timerfd();
    test_pidfd();
    return finish();
}
