// SPDX-License-Identifier: MIT
/*
 * Random Linux calls, of all numbers, by hostile processes that are started again when they end:
 *
 *     fuzz CALLS SEED [DIRECTORY]
 *
 * The one idea: a life is a user of its own, so that what it starts, sends and deletes can only be its own,
 * and so that one kill(-1) of that user ends whatever it left behind. Its arguments nearly make sense:
 * descriptors that are open, addresses at the end of a mapping, lengths that reach beyond it. Two threads
 * make calls in one memory, so that buffers change, and go, while a call looks at them.
 *
 * What was random about a life comes from the seed and its number. Status 0: all calls were made, where a
 * life counts for LIFE_LEAST of them at least.
 */
#include "../chance.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS    462u
#define USER       4711u
#define LIFE_CALLS 3000u /* of both threads together */
#define LIFE_LEAST 64u /* as many it counts for, at least, so that there is an end on a slow host */
#define STILL      20  /* looks without any call, after which a life is ended */
#define LOOKS      400 /* after which it is ended in any case */
#define LOOK_NS    5000000
#define PAGE       4096u
#define PAGES      16u

static struct shared {
    _Atomic uint32_t calls; /* of the present life */
    uint64_t spoiled[64];   /* it may write here as well */
} * shared;

static uint8_t *area; /* PAGES pages; behind them nothing is mapped */
static pid_t self;

static uint64_t pointer(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 7) {
    case 0: return (uintptr_t)area + PAGES * PAGE - (r >> 16 & 63); /* over the end */
    case 1: return (uintptr_t)area + (r >> 16) % (PAGES * PAGE);
    case 2: return (uintptr_t)shared->spoiled + (r >> 16 & 0x1f8);
    case 3: return one_in(8) ? anything() : 0;
    default: return (uintptr_t)area + (r >> 16 & 0xff8);
    }
}

static uint64_t path(void)
{
    static const char *const names[] = {
        "a",
        "b",
        "a/b",
        ".",
        "..",
        "",
        "/",
        "/proc/self/maps",
        "/proc/self",
        "/dev/zero",
        "/proc/self/fd",
        "/usr/bin/true",
        "/etc/passwd",
        "c",
        "/dev/null",
        "////./a/../b//",
        "socket",
        "fifo",
        "/proc/1",
        "/dev/full",
    };

    return (uintptr_t)names[draw() % (sizeof names / sizeof *names)];
}

static uint64_t length(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 7) {
    case 0: return anything();
    case 1: return PAGES * PAGE + (r >> 16 & 15);
    case 2: return PAGE - 8 + (r >> 16 & 15);
    default: return r >> 16 & 255;
    }
}

static uint64_t argument(unsigned place)
{
    uint64_t r = draw();

    if (one_in(16))
        return anything();
    switch (place * 16 + (r >> 8 & 15)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: return r >> 16 & 31; /* a descriptor */
    case 7:
    case 8: return path();
    case 9: return (uint64_t)AT_FDCWD;
    case 10: return (uint64_t)getpid();
    case 11:
    case 12:
    case 13: return pointer();
    case 16:
    case 17:
    case 18: return path();
    case 19:
    case 20: return r >> 16 & 31;
    case 21:
    case 22:
    case 23: return length();
    case 32:
    case 33:
    case 34:
    case 35:
    case 36: return length();
    case 37:
    case 38:
    case 39: return (uint64_t)1 << (r >> 16 & 31) | (r >> 32 & 3); /* flags */
    default: return (r >> 16 & 3) == 0 ? r >> 20 & 31 : pointer();
    }
}

/* What pointers lead to: small numbers, addresses and lengths, in words of both sizes. */
static void fill(void)
{
    uint64_t *words = (uint64_t *)(uintptr_t)area;

    for (unsigned i = 0; i < 16; i++) {
        uint64_t r = draw();
        words[r & 511] = r & 512    ? pointer()
                         : r & 1024 ? length()
                         : r & 2048 ? (r >> 32 & 31) << 32 | (r >> 40 & 31)
                                    : anything();
    }
}

/* These end, stop or replace the caller, or make one more. */
static const uint16_t rare[] = {
    SYS_exit,         SYS_exit_group,   SYS_execve,         SYS_execveat, SYS_rt_sigsuspend,
    SYS_clone,        SYS_rt_sigreturn, SYS_kill,           SYS_tkill,    SYS_tgkill,
    SYS_munmap,       SYS_mprotect,     SYS_setuid,         SYS_setreuid, SYS_wait4,
    SYS_rt_sigaction, SYS_setresuid,    SYS_clone3,         SYS_brk,      SYS_futex,
    SYS_mmap,         SYS_mremap,       SYS_rt_sigprocmask,
#ifdef SYS_fork
    SYS_fork,         SYS_vfork,        SYS_pause,
#endif
};

static bool is_rare(uint64_t number)
{
    for (unsigned i = 0; i < sizeof rare / sizeof *rare; i++) {
        if (rare[i] == number)
            return true;
    }
    return false;
}

static void call_once(void)
{
    uint64_t number = one_in(64) ? anything() : draw() % NUMBERS, a[6];

    if (is_rare(number) && !one_in(24))
        return;
    for (unsigned i = 0; i < 6; i++)
        a[i] = argument(i);
    /* New memory comes beside ours, not in the place of the program or of the stack. */
    if (number == SYS_mmap)
        a[3] &= ~(uint64_t)MAP_FIXED;
    syscall((long)number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (syscall(SYS_getpid) != self)
        syscall(SYS_exit_group, 0);
    shared->calls++;
}

static void *live_beside(void *unused)
{
    while (shared->calls < LIFE_CALLS)
        call_once();
    syscall(SYS_exit_group, 0); /* the first thread may wait for what never comes */
    return unused;
}

static void wake_up(int signal_number)
{
    (void)signal_number;
}

/* A descriptor of each kind, from 0 on. */
static void open_some(void)
{
    int ends[2];

    for (int fd = 0; fd < 64; fd++)
        close(fd);
    open("/dev/null", O_RDWR);
    open("a", O_RDWR | O_CREAT, 0600);
    open(".", O_RDONLY | O_DIRECTORY);
    open("/dev/zero", O_RDWR);
    if (pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
    socket(AF_UNIX, SOCK_DGRAM, 0);
    eventfd(1, EFD_NONBLOCK);
    epoll_create1(0);
    timerfd_create(CLOCK_MONOTONIC, 0);
    inotify_init();
    mkfifo("fifo", 0600);
    open("fifo", O_RDWR);
}

static void live(uint64_t seed)
{
    const struct rlimit some = {64, 64}, memory = {64 << 20, 64 << 20};
    const struct itimerval often = {{0, 3000}, {0, 3000}};
    struct sigaction wake = {.sa_handler = wake_up};
    pthread_t beside;

    chance = seed * 0x9e3779b97f4a7c15u + 1;
    setrlimit(RLIMIT_NOFILE, &some);
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_FSIZE, &memory);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (setgid(USER) != 0 || setuid(USER) != 0)
        _exit(1);
    open_some(); /* not before: the last life may have left a link to /etc/passwd as "a" */
    self = getpid();
    sigaction(SIGALRM, &wake, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    area =
        mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + PAGES * PAGE, PAGE);
    if (seed % 2)
        pthread_create(&beside, NULL, live_beside, NULL);
    while (shared->calls < LIFE_CALLS) {
        fill();
        for (unsigned i = 0; i < 16; i++)
            call_once();
    }
    syscall(SYS_exit_group, 0);
}

/* Ends all that the user has left running, and waits until nothing of it is there. */
static void end_user(void)
{
    pid_t killer;

    while ((killer = fork()) < 0)
        sched_yield();
    if (killer == 0) {
        if (setgid(USER) != 0 || setuid(USER) != 0)
            _exit(1);
        kill(-1, SIGKILL);
        _exit(0);
    }
    while (waitpid(killer, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void one_life(uint64_t seed)
{
    uint32_t before = 0;
    int still = 0, looks = 0;
    pid_t child;

    shared->calls = 0;
    chmod(".", 0700); /* which the last life may have closed */
    child = fork();
    if (child == 0)
        live(seed);
    while (child > 0 && waitpid(child, NULL, WNOHANG) == 0) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        still = shared->calls == before ? still + 1 : 0;
        before = shared->calls;
        if (still == STILL || looks++ == LOOKS)
            kill(child, SIGKILL);
    }
    end_user();
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 0, calls = 0, lives = 0, made;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    const char *directory = argc > 3 ? argv[3] : "/tmp";

    if (wanted == 0 || chdir(directory) != 0) {
        fprintf(stderr, "usage: fuzz CALLS SEED [DIRECTORY]\n");
        return 2;
    }
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (; calls < wanted; lives++) {
        one_life(seed + lives);
        made = shared->calls < LIFE_CALLS + 2 ? shared->calls : 0;
        calls += made > LIFE_LEAST ? made : LIFE_LEAST;
        if (lives % 128 == 127)
            fprintf(stderr, "# seed %llu: %llu lives, %llu calls\n", (unsigned long long)seed,
                    (unsigned long long)lives, (unsigned long long)calls);
    }
    printf("seed %llu: %llu lives, %llu calls\n", (unsigned long long)seed,
           (unsigned long long)lives, (unsigned long long)calls);
    return 0;
}
