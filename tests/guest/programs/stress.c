// SPDX-License-Identifier: MIT
/*
 * Eight threads in four processes that get into each other's way, for a number of seconds:
 *
 *     stress SECONDS [SEED]
 *
 * Each thread does one operation after the other, drawn by chance: it takes a lock that all processes
 * share and changes what the lock guards, passes messages through a pipe and through shared memory,
 * forks, maps and unmaps (also what its sibling is just using), sends signals, makes threads; and now
 * and then a whole process ends while its other thread runs, and is replaced. The parent watches that
 * every process gets on, and that what was guarded adds up.
 *
 * The same program passes on Linux. Status 0: nothing was lost, nobody hung.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 4
#define THREADS   2 /* of a process */
#define PAGE      4096u
#define HANG      30 /* seconds without any operation */

/* What all processes share. */
static struct shared {
    pthread_mutex_t lock; /* robust, shared */
    uint64_t guarded[2];  /* always the same under the lock */
    _Atomic uint64_t added;
    _Atomic int stop, failures;
    _Atomic uint64_t operations[PROCESSES * THREADS];
    _Atomic int last[PROCESSES * THREADS]; /* operation that each is in */
    _Atomic int pids[PROCESSES];
    _Atomic uint64_t signals_sent, signals_taken;
    _Atomic uint32_t box[PROCESSES * THREADS]; /* messages through shared memory */
    _Atomic uint64_t restarts, owner_deaths;
} * all;

static int number; /* of this process */
static __thread uint32_t chance;
static __thread int me; /* number of this thread among all */
static __thread sigjmp_buf fault_return;
static __thread volatile sig_atomic_t fault_expected;
static char *_Atomic race_area; /* what one thread uses and the other unmaps */

static uint32_t draw(uint32_t below)
{
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
}

static void fail(const char *what)
{
    char line[200];
    int bytes = snprintf(line, sizeof line, "stress: process %d thread %d: %s (errno %d)\n", number,
                         me, what, errno);

    atomic_fetch_add(&all->failures, 1);
    if (write(2, line, (size_t)bytes) < 0)
        _exit(99);
}

/* ---- signals ----------------------------------------------------------------------------------- */

static void on_user_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&all->signals_taken, 1);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (!fault_expected) {
        char what[100];

        snprintf(what, sizeof what, "unexpected signal %d at %p in operation %d", signal,
                 info->si_addr, atomic_load(&all->last[me]));
        fail(what);
        _exit(98);
    }
    fault_expected = 0;
    siglongjmp(fault_return, 1);
}

static void send_signals(void)
{
    for (int i = 0; i < 4; i++) {
        int pid = atomic_load(&all->pids[draw(PROCESSES)]);

        if (pid > 0 && kill(pid, SIGUSR1) == 0)
            atomic_fetch_add(&all->signals_sent, 1);
    }
    raise(SIGUSR2);
}

/* ---- operations -------------------------------------------------------------------------------- */

static void change_guarded(void)
{
    int error = pthread_mutex_lock(&all->lock);

    if (error == EOWNERDEAD) { /* its process ended in the middle: the second may be one behind */
        atomic_fetch_add(&all->owner_deaths, 1);
        all->guarded[1] = all->guarded[0];
        pthread_mutex_consistent(&all->lock);
    } else if (error) {
        errno = error;
        fail("pthread_mutex_lock");
        return;
    }
    if (all->guarded[0] != all->guarded[1])
        fail("what the lock guards is torn");
    all->guarded[0]++;
    if (draw(8) == 0)
        sched_yield();
    all->guarded[1]++;
    pthread_mutex_unlock(&all->lock);
}

static void *echo(void *ends)
{
    int *fd = ends;
    char byte;

    while (read(fd[0], &byte, 1) == 1) {
        if (write(fd[1], &byte, 1) != 1)
            break;
    }
    return 0;
}

static void pass_through_pipes(void)
{
    int to[2], from[2];
    pthread_t thread;

    if (pipe(to) < 0 || pipe(from) < 0) {
        fail("pipe");
        return;
    }
    int ends[2] = {to[0], from[1]};
    if (pthread_create(&thread, 0, echo, ends) != 0) {
        fail("pthread_create");
        return;
    }
    for (int i = 0; i < 50; i++) {
        char out = (char)draw(256), in = (char)~out;
        ssize_t n;

        if (write(to[1], &out, 1) != 1)
            fail("write to a pipe");
        while ((n = read(from[0], &in, 1)) < 0 && errno == EINTR)
            ;
        if (n != 1 || in != out)
            fail("a byte through two pipes");
    }
    close(to[1]);
    pthread_join(thread, 0);
    close(to[0]);
    close(from[0]);
    close(from[1]);
}

/* A big write to a child, which adds it up. */
static void pass_to_child(void)
{
    enum { WORDS = 20000 };
    static __thread uint32_t words[WORDS];
    int fd[2], status;
    uint32_t sum = 0, first = draw(1000);

    if (pipe(fd) < 0) {
        fail("pipe");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        size_t have = 0;
        ssize_t n;

        close(fd[1]);
        while (have < sizeof words &&
               ((n = read(fd[0], (char *)words + have, sizeof words - have)) > 0 ||
                (n < 0 && errno == EINTR)))
            have += n > 0 ? (size_t)n : 0;
        for (int i = 0; i < WORDS; i++)
            sum += words[i] - (first + (uint32_t)i);
        _exit(have == sizeof words && sum == 0 ? 42 : 43);
    }
    close(fd[0]);
    if (pid < 0) {
        fail("fork");
        close(fd[1]);
        return;
    }
    for (int i = 0; i < WORDS; i++)
        words[i] = first + (uint32_t)i;
    for (size_t done = 0; done < sizeof words;) {
        ssize_t n = write(fd[1], (char *)words + done, sizeof words - done);

        if (n < 0 && errno != EINTR) {
            fail("write to a child");
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    close(fd[1]);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid");
            return;
        }
    }
    if (status != 42 << 8)
        fail("what arrived at a child");
}

/* The child has a copy: neither sees what the other writes. */
static void fork_and_write(void)
{
    enum { PAGES = 16 };
    uint32_t *memory =
        mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status;

    if (memory == MAP_FAILED) {
        fail("mmap");
        return;
    }
    for (unsigned i = 0; i < PAGES; i++)
        memory[i * PAGE / 4] = i;
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork");
        return;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        if (memory[i * PAGE / 4] != i) {
            if (pid == 0)
                _exit(44);
            fail("a page after fork");
        }
        memory[i * PAGE / 4] = pid == 0 ? 1000 : 2000;
    }
    if (pid == 0)
        _exit(42);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid");
            return;
        }
    }
    if (status != 42 << 8)
        fail("a forked child's status");
    for (unsigned i = 0; i < PAGES; i++) {
        if (memory[i * PAGE / 4] != 2000)
            fail("a page that only the child wrote");
    }
    munmap(memory, PAGES * PAGE);
}

static void map_and_unmap(void)
{
    enum { PAGES = 32 };
    char *memory =
        mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        fail("mmap");
        return;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        if (memory[i * PAGE] != 0)
            fail("new memory is not zero");
        memory[i * PAGE] = (char)(i + 1);
    }
    munmap(memory + 8 * PAGE, 8 * PAGE);
    if (mprotect(memory, PAGE, PROT_READ) < 0)
        fail("mprotect");
    for (unsigned i = 0; i < PAGES; i++) {
        if ((i < 8 || i >= 16) && memory[i * PAGE] != (char)(i + 1))
            fail("a page beside an unmapped one");
    }
    if (sigsetjmp(fault_return, 1) == 0) {
        fault_expected = 1;
        *(volatile char *)memory = 1;
        fault_expected = 0;
        fail("a write to a protected page");
    }
    /* Not the hole in the middle: the other thread may have got it meanwhile. */
    munmap(memory, 8 * PAGE);
    munmap(memory + 16 * PAGE, (PAGES - 16) * PAGE);
}

/* Both threads of a process: uses what may go at any moment, or takes it away. */
static void race_for_memory(void)
{
    enum { PAGES = 4 };
    char *area = atomic_load(&race_area);

    if (draw(3) == 0) {
        char *new =
            mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (new == MAP_FAILED) {
            fail("mmap");
            return;
        }
        char *old = atomic_exchange(&race_area, new);
        if (old)
            mprotect(old, PAGES * PAGE,
                     PROT_NONE); /* stays reserved: nobody else's memory is hit */
        if (old && draw(2))
            madvise(old, PAGES * PAGE, MADV_DONTNEED);
        return;
    }
    for (int i = 0; area && i < 100; i++) {
        if (sigsetjmp(fault_return, 1) != 0)
            return;
        fault_expected = 1;
        ((volatile char *)area)[draw(PAGES) * PAGE]++;
        fault_expected = 0;
    }
}

/* To whoever has the next box, if that is empty; and empties its own. */
static void send_message(void)
{
    uint32_t empty = 0, got;
    _Atomic uint32_t *next = &all->box[(me + 1) % (PROCESSES * THREADS)];

    if (atomic_compare_exchange_strong(next, &empty, draw(1000) + 1))
        atomic_fetch_add(&all->added, 1);
    if ((got = atomic_exchange(&all->box[me], 0)) > 1000)
        fail("a message through shared memory");
    if (got)
        atomic_fetch_sub(&all->added, 1);
}

static void *short_life(void *value)
{
    sched_yield();
    return (char *)value + 1;
}

static void make_threads(void)
{
    pthread_t thread[3];
    void *result;

    for (uintptr_t i = 0; i < 3; i++) {
        if (pthread_create(&thread[i], 0, short_life, (void *)(i * 16)) != 0) {
            fail("pthread_create");
            return;
        }
    }
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_join(thread[i], &result);
        if (result != (void *)(i * 16 + 1))
            fail("a thread's result");
    }
}

static void change_processor(void)
{
    cpu_set_t set, had;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof had, &had) < 0) {
        fail("sched_getaffinity");
        return;
    }
    int cpus = CPU_COUNT(&had), cpu = (int)draw((uint32_t)cpus);
    CPU_SET(cpu, &set);
    if (CPU_ISSET(cpu, &had)) {
        if (sched_setaffinity(0, sizeof set, &set) < 0)
            fail("sched_setaffinity");
        else if (sched_getcpu() != cpu)
            fail("sched_getcpu");
        sched_setaffinity(0, sizeof had, &had);
    }
}

static void sleep_a_little(void)
{
    struct timespec time = {.tv_nsec = (long)draw(2000000)};

    nanosleep(&time, 0);
}

/* The process ends here, whatever its other thread does. */
static void end_process(void)
{
    if (draw(20) != 0)
        return;
    if (draw(2))
        _exit(77);
    raise(SIGTERM);
}

/* One that computes, or one that sleeps, killed in the middle of it. */
static void kill_a_child(void)
{
    uint32_t spins = draw(2);
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        while (spins)
            atomic_fetch_add(&all->signals_taken, 0);
        for (;;)
            pause();
    }
    if (pid < 0) {
        fail("fork");
        return;
    }
    sleep_a_little();
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid");
            return;
        }
    }
    if (status != SIGKILL)
        fail("a killed child's status");
}

static void (*const operation[])(void) = {
    change_guarded,  pass_through_pipes, pass_to_child,   fork_and_write,   map_and_unmap,
    race_for_memory, send_message,       make_threads,    change_processor, sleep_a_little,
    send_signals,    change_guarded,     race_for_memory, end_process,      kill_a_child};
#define OPERATIONS (int)(sizeof operation / sizeof operation[0])

/* ---- processes --------------------------------------------------------------------------------- */

static void *work(void *which)
{
    me = (int)(intptr_t)which;
    chance ^= (uint32_t)me * 2654435761u ^ (uint32_t)getpid();
    while (!atomic_load(&all->stop)) {
        int next = (int)draw(OPERATIONS);

        atomic_store(&all->last[me], next);
        operation[next]();
        atomic_fetch_add(&all->operations[me], 1);
    }
    atomic_store(&all->last[me], -1);
    return 0;
}

static void process(int which, uint32_t seed)
{
    pthread_t thread;

    number = which;
    chance = seed;
    if (pthread_create(&thread, 0, work, (void *)(intptr_t)(which * THREADS + 1)) != 0) {
        fail("pthread_create");
        _exit(1);
    }
    work((void *)(intptr_t)(which * THREADS));
    pthread_join(thread, 0);
    _exit(0);
}

static void start(int which, uint32_t seed)
{
    pid_t pid = fork();

    if (pid == 0)
        process(which, seed);
    if (pid < 0)
        fail("fork of a process");
    atomic_store(&all->pids[which], pid);
}

static void prepare(void)
{
    pthread_mutexattr_t attributes;
    struct sigaction action = {.sa_handler = on_user_signal, .sa_flags = SA_RESTART};

    all = mmap(0, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        exit(2);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&all->lock, &attributes);
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGUSR2, &action, 0);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
}

static uint64_t operations_of(int which)
{
    uint64_t sum = 0;

    for (int i = which * THREADS; i < (which + 1) * THREADS; i++)
        sum += atomic_load(&all->operations[i]);
    return sum;
}

static void show_hang(int which)
{
    for (int i = which * THREADS; i < (which + 1) * THREADS; i++)
        fprintf(stderr, "stress: process %d (pid %d) thread %d hangs in operation %d\n", which,
                all->pids[which], i, all->last[i]);
    atomic_fetch_add(&all->failures, 1);
}

/* Replaces what ended; true if somebody hangs. */
static bool watch(uint32_t seed, uint64_t seen[], time_t moved[])
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < PROCESSES; i++) {
            if (all->pids[i] != pid)
                continue;
            if (status != 77 << 8 && status != SIGTERM) {
                fprintf(stderr, "stress: process %d ended with status %x\n", i, (unsigned)status);
                atomic_fetch_add(&all->failures, 1);
            }
            atomic_fetch_add(&all->restarts, 1);
            start(i, seed + (uint32_t)atomic_load(&all->restarts));
            moved[i] = time(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        if (operations_of(i) != seen[i]) {
            seen[i] = operations_of(i);
            moved[i] = time(0);
        } else if (time(0) - moved[i] > HANG) {
            show_hang(i);
            return true;
        }
    }
    return false;
}

/* Lets all come to their end; those that do not are shown and killed. */
static void finish(void)
{
    time_t until = time(0) + HANG;

    atomic_store(&all->stop, 1);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        while (waitpid(all->pids[i], &status, WNOHANG) == 0) {
            if (time(0) > until) {
                show_hang(i);
                kill(all->pids[i], SIGKILL);
                until = time(0) + 5;
            }
            usleep(1000);
        }
    }
}

int main(int argc, char **argv)
{
    time_t end = time(0) + (argc > 1 ? atoi(argv[1]) : 10);
    uint32_t seed = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    uint64_t seen[PROCESSES] = {0}, sum = 0;
    time_t moved[PROCESSES];

    prepare();
    for (int i = 0; i < PROCESSES; i++) {
        moved[i] = time(0);
        start(i, seed);
    }
    while (time(0) < end && !watch(seed, seen, moved))
        usleep(10000);
    finish();
    if (all->guarded[0] - all->guarded[1] > 1)
        fail("what the lock guards is torn at the end");
    for (int i = 0; i < PROCESSES; i++)
        sum += operations_of(i);
    printf("stress: %llu operations, %llu processes replaced, %llu owners of the lock died, "
           "%llu signals sent, %llu taken, %d failures\n",
           (unsigned long long)sum, (unsigned long long)all->restarts,
           (unsigned long long)all->owner_deaths, (unsigned long long)all->signals_sent,
           (unsigned long long)all->signals_taken, all->failures);
    return all->failures != 0;
}
