/* SPDX-License-Identifier: MIT
 *
 * exobench - micro-benchmarks of operating system services, through the Linux/POSIX API only.
 *
 * The same binary is run on two systems under the same emulator and the figures are divided.
 * Iteration counts are fixed, so that a run under an instruction-counting clock is repeatable.
 *
 * Output: one line per case, tab separated: name, iterations, nanoseconds per operation.
 * A case that cannot run prints: name, "-", "FAIL", errno. Lines starting with '#' are remarks.
 * With -c FILE, where FILE holds the words kernel_entries and space_switches, each followed by a
 * number that counts up, two more columns say how many of each one operation took.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"

#define KIB              1024
#define POLL_FDS         64
#define FAULT_PAGES      256
#define CACHED_FILE_SIZE (4 * 1024 * KIB)
#define CHUNK_SIZE       (64 * KIB)
#define MAX_CHILDREN     16
#define MAX_RING         8
#define LAST_FD          255
#define GUARD_STACK_SIZE (64 * KIB)
#define COUNTER_FD       (LAST_FD + 1) /* stays open from case to case */
#define COUNTERS         2

/* Return the error of a failed call from the enclosing case. */
#define TRY(call)                       \
    do {                                \
        if ((call) < 0)                 \
            return errno ? errno : EIO; \
    } while (0)

/* As TRY, for calls that must move exactly `count` bytes. */
#define TRY_COUNT(call, count)               \
    do {                                     \
        ssize_t moved_ = (call);             \
        if (moved_ != (ssize_t)(count))      \
            return moved_ < 0 ? errno : EIO; \
    } while (0)

/* As TRY, for calls that return the error number (pthread_*, posix_spawn). */
#define TRY_CODE(call)      \
    do {                    \
        int code_ = (call); \
        if (code_ != 0)     \
            return code_;   \
    } while (0)

struct run {
    long iterations;
    uint64_t started_ns;
    uint64_t elapsed_ns;
    int64_t counted[COUNTERS];
};

struct bench_case {
    const char *name;
    int (*body)(struct run *run);
    long iterations;
    long units; /* operations in one iteration */
};

extern char **environ;

static const char *work_dir = ".";
static char self_path[PATH_MAX];
static size_t page_size;
static unsigned char chunk[CHUNK_SIZE];
static volatile uint64_t sink;

static pid_t children[MAX_CHILDREN];
static pid_t main_pid;
static pthread_t main_thread;
static sigjmp_buf guard_point;
static volatile sig_atomic_t guard_armed;

/* ---- time ------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- kernel counters, outside of the time that is taken --------------------------------------- */

static const char *const counter_names[COUNTERS] = {"kernel_entries", "space_switches"};
static bool have_counters;
static int64_t counters_own_cost[COUNTERS];

/* Adds (sign 1) or takes off (sign -1) the counters' values now. */
static void add_counters(int64_t *sum, int sign)
{
    char text[KIB];
    ssize_t length;

    if (!have_counters)
        return;
    length = pread(COUNTER_FD, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    for (int i = 0; i < COUNTERS; i++) {
        const char *at = strstr(text, counter_names[i]);

        if (at != NULL)
            sum[i] += sign * strtoll(at + strlen(counter_names[i]), NULL, 10);
    }
}

static void open_counters(const char *path)
{
    int fd = open(path, O_RDONLY);

    have_counters = fd >= 0 && fcntl(fd, F_DUPFD_CLOEXEC, COUNTER_FD) == COUNTER_FD;
    if (!have_counters) {
        fprintf(stderr, "exobench: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    close(fd);
    add_counters(counters_own_cost, -1);
    memset(counters_own_cost, 0, sizeof counters_own_cost);
    add_counters(counters_own_cost, -1);
    add_counters(counters_own_cost, 1);
}

static void run_start(struct run *run)
{
    add_counters(run->counted, -1);
    for (int i = 0; i < COUNTERS; i++)
        run->counted[i] -= counters_own_cost[i];
    run->started_ns = now_ns();
}

static void run_stop(struct run *run)
{
    run->elapsed_ns += now_ns() - run->started_ns;
    add_counters(run->counted, 1);
}

/* ---- children -------------------------------------------------------------------------------- */

/* fork() that remembers the child, so that a failed case leaves none behind. */
static pid_t start_child(void)
{
    pid_t pid = fork();

    if (pid > 0) {
        for (int i = 0; i < MAX_CHILDREN; i++) {
            if (children[i] == 0) {
                children[i] = pid;
                break;
            }
        }
    }
    return pid;
}

static int end_child(pid_t pid)
{
    int status;

    for (int i = 0; i < MAX_CHILDREN; i++) {
        if (children[i] == pid)
            children[i] = 0;
    }
    TRY(waitpid(pid, &status, 0));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

static void kill_children(void)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        if (children[i] != 0) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
            children[i] = 0;
        }
    }
}

/* Echoes single bytes until end of file, then exits. */
static void echo_bytes(int in, int out)
{
    char byte;

    while (read(in, &byte, 1) == 1) {
        if (write(out, &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static int exchange_bytes(struct run *run, int out, int in)
{
    char byte = 'x';

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        TRY_COUNT(write(out, &byte, 1), 1);
        TRY_COUNT(read(in, &byte, 1), 1);
    }
    run_stop(run);
    return 0;
}

/* Swallows bytes, answering one byte for each `total` read, until end of file; then exits. */
static void swallow_bytes(int in, int out, size_t total)
{
    size_t got = 0;

    for (;;) {
        ssize_t count = read(in, chunk, sizeof chunk);

        if (count <= 0)
            _exit(count < 0);
        got += (size_t)count;
        while (got >= total) {
            got -= total;
            if (write(out, "", 1) != 1)
                _exit(1);
        }
    }
}

static int send_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);

        if (count <= 0)
            return count < 0 ? errno : EIO;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

/* Each iteration sends `total` bytes in chunks and waits for the answer. */
static int stream_bytes(struct run *run, int out, int in, size_t total)
{
    char byte;

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        for (size_t sent = 0; sent < total; sent += sizeof chunk)
            TRY_CODE(send_all(out, chunk, sizeof chunk));
        TRY_COUNT(read(in, &byte, 1), 1);
    }
    run_stop(run);
    return 0;
}

/* ---- controls: user mode only, must not differ between systems ------------------------------- */

static int bench_control_cpu(struct run *run)
{
    uint64_t x = 88172645463325252u;

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    run_stop(run);
    sink = x;
    return 0;
}

static int bench_control_memory(struct run *run)
{
    static unsigned char source[CHUNK_SIZE];

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        memcpy(chunk, source, sizeof chunk);
        __asm__ volatile("" ::: "memory");
    }
    run_stop(run);
    return 0;
}

/* ---- system calls and time ------------------------------------------------------------------- */

static int bench_syscall_null(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(syscall(SYS_getppid));
    run_stop(run);
    return 0;
}

static int bench_libc_getpid(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        sink = (uint64_t)getpid();
    run_stop(run);
    return 0;
}

static int bench_clock_gettime(struct run *run)
{
    struct timespec t;

    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(clock_gettime(CLOCK_MONOTONIC, &t));
    run_stop(run);
    return 0;
}

static int bench_gettimeofday(struct run *run)
{
    struct timeval t;

    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(gettimeofday(&t, NULL));
    run_stop(run);
    return 0;
}

static int bench_sched_yield(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(sched_yield());
    run_stop(run);
    return 0;
}

static int bench_nanosleep_zero(struct run *run)
{
    const struct timespec zero = {0};

    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(nanosleep(&zero, NULL));
    run_stop(run);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *work_file(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/exobench-%s", work_dir, name);
    return path;
}

static int make_file(const char *path, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    TRY(fd);
    for (size_t done = 0; done < size; done += sizeof chunk)
        TRY_CODE(send_all(fd, chunk, sizeof chunk));
    TRY(close(fd));
    return 0;
}

static int bench_read_zero(struct run *run)
{
    char byte;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    TRY(fd);
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_COUNT(read(fd, &byte, 1), 1);
    run_stop(run);
    return 0;
}

static int bench_write_null(struct run *run)
{
    char byte = 0;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    TRY(fd);
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_COUNT(write(fd, &byte, 1), 1);
    run_stop(run);
    return 0;
}

static int bench_open_close(struct run *run)
{
    const char *path = work_file("open");

    TRY_CODE(make_file(path, 0));
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        int fd = open(path, O_RDONLY);

        TRY(fd);
        TRY(close(fd));
    }
    run_stop(run);
    TRY(unlink(path));
    return 0;
}

static int bench_stat(struct run *run)
{
    struct stat info;
    const char *path = work_file("stat");

    TRY_CODE(make_file(path, 0));
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(stat(path, &info));
    run_stop(run);
    TRY(unlink(path));
    return 0;
}

static int bench_pread_4k(struct run *run)
{
    const char *path = work_file("pread");
    int fd;

    TRY_CODE(make_file(path, CHUNK_SIZE));
    TRY(fd = open(path, O_RDONLY | O_CLOEXEC));
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_COUNT(pread(fd, chunk, 4 * KIB, (i % 16) * 4 * KIB), 4 * KIB);
    run_stop(run);
    TRY(unlink(path));
    return 0;
}

/* One iteration reads the whole 4 MiB file in 64 KiB pieces. */
static int bench_seqread_64k(struct run *run)
{
    const char *path = work_file("seqread");
    int fd;

    TRY_CODE(make_file(path, CACHED_FILE_SIZE));
    TRY(fd = open(path, O_RDONLY | O_CLOEXEC));
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        TRY(lseek(fd, 0, SEEK_SET));
        for (size_t done = 0; done < CACHED_FILE_SIZE; done += CHUNK_SIZE)
            TRY_COUNT(read(fd, chunk, CHUNK_SIZE), CHUNK_SIZE);
    }
    run_stop(run);
    TRY(unlink(path));
    return 0;
}

static int bench_create_unlink(struct run *run)
{
    const char *path = work_file("create");

    unlink(path);
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);

        TRY(fd);
        TRY(close(fd));
        TRY(unlink(path));
    }
    run_stop(run);
    return 0;
}

static int bench_append_fsync(struct run *run)
{
    const char *path = work_file("append");
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

    TRY(fd);
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        TRY_COUNT(write(fd, chunk, 4 * KIB), 4 * KIB);
        TRY(fsync(fd));
    }
    run_stop(run);
    TRY(unlink(path));
    return 0;
}

/* ---- pipes, local sockets, context switches -------------------------------------------------- */

static int bench_pipe_pingpong(struct run *run)
{
    int to_child[2], to_parent[2];
    pid_t pid;

    TRY(pipe(to_child));
    TRY(pipe(to_parent));
    TRY(pid = start_child());
    if (pid == 0) {
        close(to_child[1]);
        close(to_parent[0]);
        echo_bytes(to_child[0], to_parent[1]);
    }
    close(to_child[0]);
    close(to_parent[1]);
    TRY_CODE(exchange_bytes(run, to_child[1], to_parent[0]));
    close(to_child[1]);
    return end_child(pid);
}

static int bench_pipe_bandwidth(struct run *run)
{
    int to_child[2], to_parent[2];
    pid_t pid;

    TRY(pipe(to_child));
    TRY(pipe(to_parent));
    TRY(pid = start_child());
    if (pid == 0) {
        close(to_child[1]);
        close(to_parent[0]);
        swallow_bytes(to_child[0], to_parent[1], 1024 * KIB);
    }
    close(to_child[0]);
    close(to_parent[1]);
    TRY_CODE(stream_bytes(run, to_child[1], to_parent[0], 1024 * KIB));
    close(to_child[1]);
    return end_child(pid);
}

static int bench_socketpair_pingpong(struct run *run)
{
    int ends[2];
    pid_t pid;

    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    TRY(pid = start_child());
    if (pid == 0) {
        close(ends[0]);
        echo_bytes(ends[1], ends[1]);
    }
    close(ends[1]);
    TRY_CODE(exchange_bytes(run, ends[0], ends[0]));
    close(ends[0]);
    return end_child(pid);
}

/* A token goes round `members` processes; one iteration is one lap. */
static int pass_token(struct run *run, int members)
{
    int links[MAX_RING][2];
    pid_t pids[MAX_RING];

    for (int i = 0; i < members; i++)
        TRY(pipe(links[i]));
    for (int i = 1; i < members; i++) {
        TRY(pids[i] = start_child());
        if (pids[i] == 0) {
            for (int j = 0; j < members; j++) {
                if (j != i - 1)
                    close(links[j][0]);
                if (j != i)
                    close(links[j][1]);
            }
            echo_bytes(links[i - 1][0], links[i][1]);
        }
    }
    for (int j = 0; j < members; j++) {
        if (j != members - 1)
            close(links[j][0]);
        if (j != 0)
            close(links[j][1]);
    }
    TRY_CODE(exchange_bytes(run, links[0][1], links[members - 1][0]));
    close(links[0][1]);
    for (int i = 1; i < members; i++)
        TRY_CODE(end_child(pids[i]));
    return 0;
}

static int bench_switch_ring2(struct run *run)
{
    return pass_token(run, 2);
}

static int bench_switch_ring8(struct run *run)
{
    return pass_token(run, 8);
}

/* ---- waiting on many descriptors: the last of 64 pipes is readable --------------------------- */

static int make_poll_set(int readers[POLL_FDS])
{
    for (int i = 0; i < POLL_FDS; i++) {
        int ends[2];

        TRY(pipe(ends));
        readers[i] = ends[0];
        if (i == POLL_FDS - 1)
            TRY_COUNT(write(ends[1], "", 1), 1);
    }
    return 0;
}

static int bench_select_64(struct run *run)
{
    int readers[POLL_FDS];
    fd_set watched;

    TRY_CODE(make_poll_set(readers));
    FD_ZERO(&watched);
    for (int i = 0; i < POLL_FDS; i++)
        FD_SET(readers[i], &watched);
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        fd_set ready = watched;
        struct timeval zero = {0};

        TRY_COUNT(select(readers[POLL_FDS - 1] + 1, &ready, NULL, NULL, &zero), 1);
    }
    run_stop(run);
    return 0;
}

static int bench_poll_64(struct run *run)
{
    int readers[POLL_FDS];
    struct pollfd watched[POLL_FDS];

    TRY_CODE(make_poll_set(readers));
    for (int i = 0; i < POLL_FDS; i++)
        watched[i] = (struct pollfd){.fd = readers[i], .events = POLLIN};
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_COUNT(poll(watched, POLL_FDS, 0), 1);
    run_stop(run);
    return 0;
}

static int bench_epoll_64(struct run *run)
{
    int readers[POLL_FDS];
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[4];

    TRY(set);
    TRY_CODE(make_poll_set(readers));
    for (int i = 0; i < POLL_FDS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = readers[i]};

        TRY(epoll_ctl(set, EPOLL_CTL_ADD, readers[i], &event));
    }
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_COUNT(epoll_wait(set, ready, 4, 0), 1);
    run_stop(run);
    return 0;
}

/* ---- processes ------------------------------------------------------------------------------- */

static int wait_success(pid_t pid)
{
    int status;

    TRY(waitpid(pid, &status, 0));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ENOEXEC;
}

static int bench_fork_exit(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        TRY(pid);
        TRY_CODE(wait_success(pid));
    }
    run_stop(run);
    return 0;
}

static int exec_and_wait(char *const arguments[])
{
    pid_t pid = vfork();

    if (pid == 0) {
        execve(arguments[0], arguments, environ);
        _exit(127);
    }
    TRY(pid);
    return wait_success(pid);
}

static int bench_vfork_exec(struct run *run)
{
    char *arguments[] = {self_path, "noop", NULL};

    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_CODE(exec_and_wait(arguments));
    run_stop(run);
    return 0;
}

/*
 * What a minimal supervisor needs to bring a crashed server back: from the instruction that faults to the
 * first of main() in the next process. The server has written 64 pages and holds 64 descriptors, as the
 * service of ExoV6's tiny-rebirth does.
 */
#define CRASH_BYTES (256 * KIB)
#define CRASH_FILES 64

struct crash {
    volatile uint64_t first_ns, fault_ns;
};

static int crash(const char *path)
{
    static volatile char dirty[CRASH_BYTES];
    uint64_t first = now_ns();
    int fd = open(path, O_RDWR);
    struct crash *times = mmap(NULL, sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || times == MAP_FAILED)
        return 1;
    times->first_ns = first;
    for (size_t i = 0; i < sizeof dirty; i += 4096)
        dirty[i] = 1;
    while (dup(fd) >= 0 && fd < CRASH_FILES)
        fd++;
    times->fault_ns = now_ns();
    *(volatile int *)NULL = 1;
    return 1;
}

static int crash_and_restart(struct run *run, const struct crash *times, char *const arguments[])
{
    uint64_t fault_ns = 0;

    for (long i = 0; i <= run->iterations; i++) {
        int code = exec_and_wait(arguments);

        if (code != ENOEXEC || times->fault_ns == fault_ns) /* it did not crash */
            return code ? code : EINVAL;
        if (i > 0)
            run->elapsed_ns += times->first_ns - fault_ns;
        fault_ns = times->fault_ns;
    }
    return 0;
}

static int bench_crash_restart(struct run *run)
{
    char path[PATH_MAX], *arguments[] = {self_path, "crash", path, NULL};
    struct crash *times;
    int fd, code;

    snprintf(path, sizeof path, "%s/exobench-crash", work_dir);
    TRY(fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
    TRY(ftruncate(fd, sizeof *times));
    times = mmap(NULL, sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (times == MAP_FAILED)
        return errno;
    code = crash_and_restart(run, times, arguments);
    munmap(times, sizeof *times);
    unlink(path);
    return code;
}

static int bench_posix_spawn(struct run *run)
{
    char *arguments[] = {self_path, "noop", NULL};

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        pid_t pid;

        TRY_CODE(posix_spawn(&pid, self_path, NULL, NULL, arguments, environ));
        TRY_CODE(wait_success(pid));
    }
    run_stop(run);
    return 0;
}

static int bench_sh_true(struct run *run)
{
    char *arguments[] = {"/bin/sh", "-c", "true", NULL};

    TRY(access(arguments[0], X_OK));
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_CODE(exec_and_wait(arguments));
    run_stop(run);
    return 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static unsigned char *map_pages(size_t pages)
{
    unsigned char *area =
        mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED)
        return NULL;
#ifdef MADV_NOHUGEPAGE
    madvise(area, pages * page_size, MADV_NOHUGEPAGE); /* advice only: failure is harmless */
#endif
    return area;
}

static void touch_pages(volatile unsigned char *area, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        area[i * page_size] = 1;
}

static int bench_fault_anonymous(struct run *run)
{
    for (long i = 0; i < run->iterations; i++) {
        unsigned char *area = map_pages(FAULT_PAGES);

        if (area == NULL)
            return errno;
        run_start(run);
        touch_pages(area, FAULT_PAGES);
        run_stop(run);
        TRY(munmap(area, FAULT_PAGES * page_size));
    }
    return 0;
}

/* The parent writes pages that it shares with a child it has just forked. */
static int bench_fault_cow(struct run *run)
{
    unsigned char *area = map_pages(FAULT_PAGES);

    if (area == NULL)
        return errno;
    for (long i = 0; i < run->iterations; i++) {
        int release[2];
        char byte;
        pid_t pid;

        touch_pages(area, FAULT_PAGES);
        TRY(pipe(release));
        TRY(pid = start_child());
        if (pid == 0) {
            close(release[1]);
            _exit(read(release[0], &byte, 1) != 0);
        }
        close(release[0]);
        run_start(run);
        touch_pages(area, FAULT_PAGES);
        run_stop(run);
        close(release[1]);
        TRY_CODE(end_child(pid));
    }
    TRY(munmap(area, FAULT_PAGES * page_size));
    return 0;
}

static int bench_mmap_munmap(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        void *area =
            mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (area == MAP_FAILED)
            return errno;
        TRY(munmap(area, 64 * KIB));
    }
    run_stop(run);
    return 0;
}

static unsigned char *guarded_page;
static volatile sig_atomic_t faults_caught;

static void unprotect_page(int signal_number)
{
    (void)signal_number;
    faults_caught++;
    if (mprotect(guarded_page, page_size, PROT_READ | PROT_WRITE) != 0)
        _exit(4);
}

/* Protect, fault, let the handler unprotect, retry: two mprotect calls and one SIGSEGV. */
static int bench_segv_mprotect(struct run *run)
{
    struct sigaction action = {.sa_handler = unprotect_page}, saved;

    guarded_page = map_pages(1);
    if (guarded_page == NULL)
        return errno;
    faults_caught = 0;
    TRY(sigaction(SIGSEGV, &action, &saved));
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        TRY(mprotect(guarded_page, page_size, PROT_READ));
        *(volatile unsigned char *)guarded_page = 1;
    }
    run_stop(run);
    TRY(sigaction(SIGSEGV, &saved, NULL));
    TRY(munmap(guarded_page, page_size));
    return faults_caught == run->iterations ? 0 : EFAULT;
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_caught;

static void count_signal(int signal_number)
{
    (void)signal_number;
    signals_caught++;
}

static int bench_signal_install(struct run *run)
{
    struct sigaction action = {.sa_handler = count_signal};

    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(sigaction(SIGUSR1, &action, NULL));
    run_stop(run);
    return 0;
}

static int bench_signal_self(struct run *run)
{
    struct sigaction action = {.sa_handler = count_signal};
    pid_t self = getpid();

    signals_caught = 0;
    TRY(sigaction(SIGUSR1, &action, NULL));
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY(kill(self, SIGUSR1));
    run_stop(run);
    return signals_caught == run->iterations ? 0 : EINTR;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *return_argument(void *argument)
{
    return argument;
}

static int bench_thread_create(struct run *run)
{
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        pthread_t thread;

        TRY_CODE(pthread_create(&thread, NULL, return_argument, NULL));
        TRY_CODE(pthread_join(thread, NULL));
    }
    run_stop(run);
    return 0;
}

static int bench_mutex_uncontended(struct run *run)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        TRY_CODE(pthread_mutex_lock(&mutex));
        TRY_CODE(pthread_mutex_unlock(&mutex));
    }
    run_stop(run);
    return 0;
}

static atomic_int turn;

static long futex(atomic_int *word, int operation, int value)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Waits until the turn is ours, then hands it to the other thread. */
static int take_turn(int mine, int theirs)
{
    int current;

    while ((current = atomic_load(&turn)) != mine) {
        if (futex(&turn, FUTEX_WAIT, current) < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
    }
    atomic_store(&turn, theirs);
    TRY(futex(&turn, FUTEX_WAKE, 1));
    return 0;
}

static void *futex_partner(void *argument)
{
    long rounds = *(long *)argument;

    for (long i = 0; i < rounds; i++) {
        if (take_turn(1, 0) != 0)
            return argument;
    }
    return NULL;
}

static int bench_futex_pingpong(struct run *run)
{
    pthread_t thread;
    void *failed;

    atomic_store(&turn, 0);
    TRY_CODE(pthread_create(&thread, NULL, futex_partner, &run->iterations));
    run_start(run);
    for (long i = 0; i < run->iterations; i++)
        TRY_CODE(take_turn(0, 1));
    TRY_CODE(pthread_join(thread, &failed));
    run_stop(run);
    return failed == NULL ? 0 : EIO;
}

/* ---- loopback network ------------------------------------------------------------------------ */

/* Binds a socket of `type` to a free loopback port; returns it, or -1. */
static int bind_loopback(int type, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)address, sizeof *address) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &length) < 0)
        return -1;
    return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return -1;
    return fd;
}

/* Makes a connected TCP pair: the child gets *accepted, the parent *connected. */
static int make_tcp_pair(int *accepted, int *connected)
{
    struct sockaddr_in address;
    int on = 1;
    int listener = bind_loopback(SOCK_STREAM, &address);

    TRY(listener);
    TRY(listen(listener, 8));
    TRY(*connected = connect_to(&address));
    TRY(*accepted = accept(listener, NULL, NULL));
    TRY(setsockopt(*connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    TRY(setsockopt(*accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    TRY(close(listener));
    return 0;
}

/* The server closes first and the client waits for it, so that both move in step. */
static int bench_tcp_connect(struct run *run)
{
    struct sockaddr_in address;
    int listener = bind_loopback(SOCK_STREAM, &address);
    pid_t pid;

    TRY(listener);
    TRY(listen(listener, 8));
    TRY(pid = start_child());
    if (pid == 0) {
        for (long i = 0; i < run->iterations; i++) {
            int fd = accept(listener, NULL, NULL);

            if (fd < 0 || close(fd) < 0)
                _exit(1);
        }
        _exit(0);
    }
    run_start(run);
    for (long i = 0; i < run->iterations; i++) {
        char byte;
        int fd = connect_to(&address);

        TRY(fd);
        TRY_COUNT(read(fd, &byte, 1), 0);
        TRY(close(fd));
    }
    run_stop(run);
    return end_child(pid);
}

static int bench_tcp_pingpong(struct run *run)
{
    int accepted, connected;
    pid_t pid;

    TRY_CODE(make_tcp_pair(&accepted, &connected));
    TRY(pid = start_child());
    if (pid == 0) {
        close(connected);
        echo_bytes(accepted, accepted);
    }
    close(accepted);
    TRY_CODE(exchange_bytes(run, connected, connected));
    close(connected);
    return end_child(pid);
}

static int bench_tcp_bandwidth(struct run *run)
{
    int accepted, connected;
    pid_t pid;

    TRY_CODE(make_tcp_pair(&accepted, &connected));
    TRY(pid = start_child());
    if (pid == 0) {
        close(connected);
        swallow_bytes(accepted, accepted, 1024 * KIB);
    }
    close(accepted);
    TRY_CODE(stream_bytes(run, connected, connected, 1024 * KIB));
    close(connected);
    return end_child(pid);
}

static int bench_udp_pingpong(struct run *run)
{
    struct sockaddr_in here, there;
    int ours = bind_loopback(SOCK_DGRAM, &here);
    int theirs = bind_loopback(SOCK_DGRAM, &there);
    pid_t pid;

    TRY(ours);
    TRY(theirs);
    TRY(connect(ours, (struct sockaddr *)&there, sizeof there));
    TRY(connect(theirs, (struct sockaddr *)&here, sizeof here));
    TRY(pid = start_child());
    if (pid == 0) {
        close(ours);
        echo_bytes(theirs, theirs);
    }
    TRY_CODE(exchange_bytes(run, ours, ours));
    TRY_COUNT(send(ours, "", 0, 0), 0); /* an empty datagram reads as end of file */
    return end_child(pid);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct bench_case cases[] = {
    {"control_cpu", bench_control_cpu, 1000000, 1},
    {"control_memory_kib", bench_control_memory, 200, CHUNK_SIZE / KIB},
    {"syscall_null", bench_syscall_null, 50000, 1},
    {"libc_getpid", bench_libc_getpid, 50000, 1},
    {"clock_gettime", bench_clock_gettime, 50000, 1},
    {"gettimeofday", bench_gettimeofday, 50000, 1},
    {"read_zero_1", bench_read_zero, 30000, 1},
    {"write_null_1", bench_write_null, 30000, 1},
    {"open_close", bench_open_close, 5000, 1},
    {"stat", bench_stat, 10000, 1},
    {"pread_4k", bench_pread_4k, 10000, 1},
    {"seqread_64k_kib", bench_seqread_64k, 5, CACHED_FILE_SIZE / KIB},
    {"create_unlink", bench_create_unlink, 2000, 1},
    {"append_4k_fsync", bench_append_fsync, 1000, 1},
    {"pipe_pingpong", bench_pipe_pingpong, 3000, 1},
    {"pipe_bandwidth_kib", bench_pipe_bandwidth, 10, 1024},
    {"socketpair_pingpong", bench_socketpair_pingpong, 3000, 1},
    {"switch_ring2_hop", bench_switch_ring2, 2000, 2},
    {"switch_ring8_hop", bench_switch_ring8, 500, 8},
    {"select_64", bench_select_64, 2000, 1},
    {"poll_64", bench_poll_64, 2000, 1},
    {"epoll_64", bench_epoll_64, 10000, 1},
    {"fork_exit_wait", bench_fork_exit, 200, 1},
    {"vfork_exec_wait", bench_vfork_exec, 100, 1},
    {"posix_spawn_wait", bench_posix_spawn, 100, 1},
    {"crash_restart", bench_crash_restart, 50, 1},
    {"sh_true", bench_sh_true, 50, 1},
    {"fault_anonymous_page", bench_fault_anonymous, 20, FAULT_PAGES},
    {"fault_cow_page", bench_fault_cow, 20, FAULT_PAGES},
    {"mmap_munmap_64k", bench_mmap_munmap, 5000, 1},
    {"segv_mprotect", bench_segv_mprotect, 3000, 1},
    {"signal_install", bench_signal_install, 20000, 1},
    {"signal_self", bench_signal_self, 5000, 1},
    {"thread_create_join", bench_thread_create, 500, 1},
    {"mutex_uncontended", bench_mutex_uncontended, 200000, 1},
    {"futex_pingpong", bench_futex_pingpong, 3000, 1},
    {"sched_yield", bench_sched_yield, 10000, 1},
    {"nanosleep_zero", bench_nanosleep_zero, 200, 1},
    {"tcp_connect_close", bench_tcp_connect, 300, 1},
    {"tcp_pingpong", bench_tcp_pingpong, 1500, 1},
    {"tcp_bandwidth_kib", bench_tcp_bandwidth, 10, 1024},
    {"udp_pingpong", bench_udp_pingpong, 1500, 1},
};

#define CASE_COUNT (sizeof cases / sizeof cases[0])

/* ---- running a case -------------------------------------------------------------------------- */

static const int guarded_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGALRM};

/* A crash or a timeout in the main thread fails the case; elsewhere it ends the process. */
static void leave_case(int signal_number)
{
    if (guard_armed && getpid() == main_pid && pthread_equal(pthread_self(), main_thread))
        siglongjmp(guard_point, signal_number);
    _exit(125);
}

static void install_guard(void)
{
    static unsigned char guard_stack[GUARD_STACK_SIZE];
    stack_t stack = {.ss_sp = guard_stack, .ss_size = sizeof guard_stack};
    struct sigaction action = {.sa_handler = leave_case, .sa_flags = SA_ONSTACK};

    sigaltstack(&stack, NULL); /* a system without it still catches most crashes */
    for (size_t i = 0; i < sizeof guarded_signals / sizeof guarded_signals[0]; i++)
        sigaction(guarded_signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int signal_to_errno(int signal_number)
{
    return signal_number == SIGALRM ? ETIMEDOUT : signal_number == SIGSYS ? ENOSYS : EFAULT;
}

static int run_guarded(const struct bench_case *bench, struct run *run)
{
    int caught;

    errno = 0;
    caught = sigsetjmp(guard_point, 1);
    if (caught != 0) {
        guard_armed = 0;
        return signal_to_errno(caught);
    }
    guard_armed = 1;
    int code = bench->body(run);
    guard_armed = 0;
    return code;
}

static void set_watchdog(long seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds};

    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Runs one case, once short as a warm-up and once in full, and prints its line. */
static bool run_case(const struct bench_case *bench, long scale, long limit)
{
    struct run warm_up = {0}, full = {0};
    int code;

    full.iterations = bench->iterations * scale / 100;
    if (full.iterations < 1)
        full.iterations = 1;
    warm_up.iterations = full.iterations / 10 + 1;
    set_watchdog(limit);
    code = run_guarded(bench, &warm_up);
    if (code == 0)
        code = run_guarded(bench, &full);
    set_watchdog(0);
    kill_children();
    for (int fd = STDERR_FILENO + 1; fd <= LAST_FD; fd++)
        close(fd);
    if (code == 0) {
        /* One decimal, without floating point: an early system may not save its registers. */
        uint64_t operations = (uint64_t)full.iterations * bench->units;
        uint64_t tenths = full.elapsed_ns * 10 / operations;

        printf("%s\t%ld\t%llu.%llu", bench->name, full.iterations,
               (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
        for (int i = 0; have_counters && i < COUNTERS; i++) {
            uint64_t count = full.counted[i] > 0 ? (uint64_t)full.counted[i] : 0;

            tenths = (count * 10 + operations / 2) / operations;
            printf("\t%llu.%llu", (unsigned long long)(tenths / 10),
                   (unsigned long long)(tenths % 10));
        }
        printf("\n");
    } else {
        install_guard(); /* the case may have left its own handlers behind */
        printf("%s\t-\tFAIL\t%d\n", bench->name, code);
    }
    fflush(stdout);
    tcdrain(STDOUT_FILENO); /* keep the console's interrupts out of the next case */
    return code == 0;
}

/* Says how long the machine took to reach this program; then becomes the next program, if any. */
static int report_boot(uint64_t counter, uint64_t hertz, char **next)
{
    uint64_t monotonic = now_ns();

    printf("#boot_counter\t%llu\t%llu\n", (unsigned long long)counter, (unsigned long long)hertz);
    printf("#boot_monotonic_ns\t%llu\n", (unsigned long long)monotonic);
    fflush(stdout);
    if (next[0] != NULL) {
        execv(next[0], next);
        perror(next[0]);
        return 1;
    }
    return 0;
}

static void find_self(const char *name)
{
    ssize_t length = readlink("/proc/self/exe", self_path, sizeof self_path - 1);

    if (length > 0)
        self_path[length] = '\0';
    else if (realpath(name, self_path) == NULL)
        snprintf(self_path, sizeof self_path, "%s", name);
}

static int usage(void)
{
    fprintf(stderr, "usage: exobench [-d dir] [-s percent] [-t seconds] [-c file] [all | case...]\n"
                    "       exobench list | noop | boot [program [argument...]]\n"
                    "  -d  directory for the files of the file cases (.)\n"
                    "  -s  iterations, in percent of the usual number (100)\n"
                    "  -t  limit for one case (120)\n"
                    "  -c  file with kernel counters, shown for each operation (none)\n");
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t hertz, counter = machine_counter(&hertz);
    long scale = 100, limit = 120;
    int failures = 0, option;

    if (argc > 1 && strcmp(argv[1], "noop") == 0)
        return 0;
    if (argc > 2 && strcmp(argv[1], "crash") == 0)
        return crash(argv[2]);
    if (argc > 1 && strcmp(argv[1], "boot") == 0)
        return report_boot(counter, hertz, argv + 2);
    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < CASE_COUNT; i++)
            puts(cases[i].name);
        return 0;
    }
    while ((option = getopt(argc, argv, "d:s:t:c:")) != -1) {
        if (option == 'd')
            work_dir = optarg;
        else if (option == 's')
            scale = atol(optarg);
        else if (option == 't')
            limit = atol(optarg);
        else if (option == 'c')
            open_counters(optarg);
        else
            return usage();
    }
    main_pid = getpid();
    main_thread = pthread_self();
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    find_self(argv[0]);
    install_guard();
    for (size_t i = 0; i < CASE_COUNT; i++) {
        bool wanted = optind == argc;

        for (int j = optind; j < argc; j++)
            wanted |= strcmp(argv[j], "all") == 0 || strcmp(argv[j], cases[i].name) == 0;
        if (wanted && !run_case(&cases[i], scale, limit))
            failures++;
    }
    printf("#done\tfailures\t%d\n", failures);
    return failures > 99 ? 99 : failures;
}
