// SPDX-License-Identifier: MIT
/*
 * What a second processor is good for: the same work by one process, and by two at once.
 *
 *     scaling [RUNS]
 *
 * The work is what a small server does all day: it computes over its own memory, asks for what its
 * LibOS knows by itself (reflected calls, 30 a round), and every other round needs the kernel: a page
 * comes and goes, a processor is given up, a file is read. How often is a choice, and the lock's
 * share follows it: with these calls in every round it was 3.1 to 5.7 % on x86_64.
 * The two processes share nothing but the program.
 *
 * One line a run: both times, and what part of the second some processor was under the kernel lock,
 * if the kernel counts that (exo-run --kernel counted; otherwise, and on Linux, "none"). It is counted
 * by the clock, so a host that takes the processor away from a holder adds to it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS  4096
#define ROUNDS 1500
#define PAGE   4096u

static void need(int condition, const char *what)
{
    if (!condition) {
        perror(what);
        exit(1);
    }
}

static uint32_t compute(uint32_t seed)
{
    static uint32_t words[WORDS];

    for (uint32_t turn = 0; turn < 8; turn++) {
        for (uint32_t i = 0; i < WORDS; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            words[(i * 17 + turn) % WORDS] += seed;
        }
    }
    return words[seed % WORDS];
}

/* Calls that the LibOS answers by itself. */
static void ask(void)
{
    struct timespec now;

    for (int i = 0; i < 10; i++) {
        need(syscall(SYS_getpid) > 0, "getpid");
        need(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
        need(syscall(SYS_fcntl, 1, F_GETFD) >= 0, "fcntl");
    }
}

/* Calls that enter the kernel: a page fault and two changes of the address space, a yield, and a
 * question to the file server. */
static void enter(int file)
{
    char *page = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte;

    need(page != MAP_FAILED, "mmap");
    page[0] = 1;
    need(munmap(page, PAGE) == 0, "munmap");
    need(sched_yield() == 0, "sched_yield");
    need(pread(file, &byte, 1, 0) == 1, "pread");
}

static void work(uint32_t seed)
{
    int file = open("/proc/self/exe", O_RDONLY);

    need(file >= 0, "open");
    for (int i = 0; i < ROUNDS; i++) {
        seed = compute(seed | 1);
        ask();
        if (i % 2 == 0)
            enter(file);
    }
    close(file);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The sum of all lines cpuN_NAME of the kernel's counters; 0 where there are none. */
static uint64_t counted(const char *name)
{
    char text[4096], *line, *rest = text;
    uint64_t sum = 0;
    int file = open("/proc/exo/counters", O_RDONLY);
    ssize_t bytes = file < 0 ? 0 : read(file, text, sizeof text - 1);

    if (file >= 0)
        close(file);
    text[bytes > 0 ? bytes : 0] = 0;
    while ((line = strsep(&rest, "\n"))) {
        char *space = strchr(line, ' '), *key = strchr(line, '_');

        if (strncmp(line, "cpu", 3) == 0 && key && space &&
            (size_t)(space - key - 1) == strlen(name) && strncmp(key + 1, name, strlen(name)) == 0)
            sum += strtoull(space, 0, 10);
    }
    return sum;
}

/* Nanoseconds until that many processes have done the work. */
static uint64_t measure(int processes)
{
    uint64_t begin = now_ns();
    int status;

    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();

        need(pid >= 0, "fork");
        if (pid == 0) {
            work((uint32_t)i + 1);
            _exit(0);
        }
    }
    for (int i = 0; i < processes; i++)
        need(wait(&status) > 0 && status == 0, "wait");
    return now_ns() - begin;
}

/* In thousandths; -1 for nothing counted. */
static int share(uint64_t of, uint64_t all)
{
    return of ? (int)((of * 1000 + all / 2) / all) : -1;
}

static void show(const char *name, int part)
{
    if (part < 0)
        printf(", %s none", name);
    else
        printf(", %s %d.%d %%", name, part / 10, part % 10);
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 1;

    measure(1); /* what is read from the archive for the first time */
    for (int i = 0; i < runs; i++) {
        uint64_t one = measure(1), held = counted("lock_ns"), waited = counted("lock_wait_ns");
        uint64_t entries = counted("entries"), two = measure(2);

        held = counted("lock_ns") - held;
        waited = counted("lock_wait_ns") - waited;
        entries = counted("entries") - entries;
        printf("one %llu us, two %llu us", (unsigned long long)one / 1000,
               (unsigned long long)two / 1000);
        show("lock", share(held, two));
        show("waited", share(waited, two));
        printf(", entries %llu\n", (unsigned long long)entries);
        fflush(stdout);
    }
    return 0;
}
