/* SPDX-License-Identifier: MIT
 *
 * Litmus tests: two threads or two processes, over shared memory and over pipes.
 *
 *   litmus [--weak] [ROUNDS]
 *
 * MP  message passing   a: data, flag            b: looks at flag, data
 * SB  store buffering   a: x, looks at y         b: y, looks at x
 * LB  load buffering    a: looks at y, then x    b: looks at x, then y
 *
 * Each line says how often which pair of values was seen. With the barriers that C asks for, one pair
 * must not be: it makes the program end with 1. With --weak there are none, everything is allowed, and
 * the lines show what this machine does; that the program can see a forbidden outcome is seen so.
 *
 * The models of the same protocols, for machines that reorder more than the host: proofs/memory/.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
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

#define CHUNK 1024u /* rounds between two meetings of the sides */
#define SECONDS \
    4 /* after which a line's rounds end: two sides that wait for each other are as slow as a
                         * host that has no processor for one of them makes them */

/* One round: two words on cache lines of their own, and what each side saw. */
struct cell {
    _Alignas(64) atomic_int x;
    _Alignas(64) atomic_int y;
    _Alignas(64) int seen[2][2];
};

struct shared {
    atomic_uint arrived, generation;
    atomic_bool over; /* side 0's word, between the meetings: enough rounds */
    struct {
        _Alignas(64) atomic_uint round;
    } at[2];
    struct cell cells[CHUNK];
};

static struct shared *shared;
static bool weak;
static unsigned rounds = 20000;
static unsigned patience = 100; /* looks before a side that waits lets others run */
static unsigned abreast_looks;  /* at how far the other side is, before each round */
static int pipes[2][2];         /* pipe s is written by side s */

/* ---- the barriers under test --------------------------------------------------------------------- */

static void fence(memory_order order)
{
    if (!weak)
        atomic_thread_fence(order);
}

static int get(atomic_int *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(atomic_int *word, int value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static void mp(struct cell *c, unsigned side)
{
    if (side == 0) {
        put(&c->x, 1);
        fence(memory_order_release);
        put(&c->y, 1);
    } else {
        c->seen[1][0] = get(&c->y);
        fence(memory_order_acquire);
        c->seen[1][1] = get(&c->x);
    }
}

static void sb(struct cell *c, unsigned side)
{
    put(side ? &c->y : &c->x, 1);
    fence(memory_order_seq_cst);
    c->seen[side][0] = get(side ? &c->x : &c->y);
}

static void lb(struct cell *c, unsigned side)
{
    c->seen[side][0] = get(side ? &c->x : &c->y);
    fence(memory_order_acquire); /* a load, and then everything */
    put(side ? &c->y : &c->x, 1);
}

/* ---- the same over pipes: no barrier but the pipe ------------------------------------------------ */

static void pipe_put(unsigned side)
{
    char byte = 1;

    if (write(pipes[side][1], &byte, 1) != 1)
        abort();
}

/* 1: there was a byte; 0: not yet. */
static int pipe_get(unsigned side)
{
    char byte;
    ssize_t got = read(pipes[!side][0], &byte, 1);

    if (got < 0 && errno != EAGAIN)
        abort();
    return got == 1;
}

static void pipe_mp(struct cell *c, unsigned side)
{
    if (side == 0) {
        put(&c->x, 1);
        pipe_put(0);
    } else {
        c->seen[1][0] = pipe_get(1);
        c->seen[1][1] = get(&c->x);
    }
}

static void pipe_sb(struct cell *c, unsigned side)
{
    pipe_put(side);
    c->seen[side][0] = pipe_get(side);
}

static void pipe_lb(struct cell *c, unsigned side)
{
    c->seen[side][0] = pipe_get(side);
    pipe_put(side);
}

static void pipes_empty(void)
{
    char bytes[512];

    for (unsigned side = 0; side < 2; side++) {
        while (read(pipes[side][0], bytes, sizeof bytes) > 0)
            ;
    }
}

/* ---- running them -------------------------------------------------------------------------------- */

/* Pairs of values: of MP what b saw (flag, data), else what a saw and what b saw. */
static unsigned pair_mp(const struct cell *c)
{
    return (unsigned)c->seen[1][0] * 2 + (unsigned)c->seen[1][1];
}

static unsigned pair_each(const struct cell *c)
{
    return (unsigned)c->seen[0][0] * 2 + (unsigned)c->seen[1][0];
}

static const struct test {
    const char *name;
    void (*run)(struct cell *c, unsigned side);
    unsigned (*pair)(const struct cell *c);
    unsigned forbidden; /* pair, as two bits */
    bool by_pipe;
} tests[] = {
    {"MP shared", mp, pair_mp, 2, false},     {"SB shared", sb, pair_each, 0, false},
    {"LB shared", lb, pair_each, 3, false},   {"MP pipe", pipe_mp, pair_mp, 2, true},
    {"SB pipe", pipe_sb, pair_each, 0, true}, {"LB pipe", pipe_lb, pair_each, 3, true},
};

/* Both sides have come. With one processor the other can come only if this one lets it. */
static void meet(void)
{
    unsigned generation = atomic_load(&shared->generation);

    if (atomic_fetch_add(&shared->arrived, 1) == 1) {
        atomic_store(&shared->arrived, 0);
        atomic_store(&shared->generation, generation + 1);
        return;
    }
    for (unsigned spins = 0; atomic_load(&shared->generation) == generation; spins++) {
        if (spins >= patience)
            sched_yield();
    }
}

/* Waits a little for the other side, so that both are in the same round at the same time. */
static void abreast(unsigned side, unsigned i)
{
    atomic_store_explicit(&shared->at[side].round, i, memory_order_relaxed);
    for (unsigned looks = 0; looks < abreast_looks; looks++) {
        if (atomic_load_explicit(&shared->at[!side].round, memory_order_relaxed) >= i)
            return;
    }
}

static time_t seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Both sides run this. Side 0 prepares the cells and counts, between the meetings. A pipe keeps what
 * was not read, so there each round is met for and the pipes are emptied after it. */
static void side_run(const struct test *t, unsigned side, unsigned counts[4])
{
    unsigned chunk = t->by_pipe ? 1 : CHUNK, todo = t->by_pipe ? rounds / 10 : rounds;
    time_t end = seconds() + SECONDS;

    for (unsigned done = 0; done < todo; done += chunk) {
        if (side == 0) {
            atomic_store(&shared->over, seconds() > end);
            memset(shared->cells, 0, sizeof shared->cells[0] * chunk);
            atomic_store(&shared->at[0].round, 0);
            atomic_store(&shared->at[1].round, 0);
            if (t->by_pipe)
                pipes_empty();
        }
        meet();
        if (atomic_load(&shared->over))
            break;
        for (unsigned i = 0; i < chunk; i++) {
            abreast(side, i);
            t->run(&shared->cells[i], side);
        }
        meet();
        if (side == 0) {
            for (unsigned i = 0; i < chunk; i++)
                counts[t->pair(&shared->cells[i])]++;
        }
    }
    meet();
}

static void *other_thread(void *number)
{
    side_run(&tests[(uintptr_t)number], 1, NULL);
    return NULL;
}

static void with_thread(const struct test *t, unsigned counts[4])
{
    pthread_t other;

    if (pthread_create(&other, NULL, other_thread, (void *)(uintptr_t)(t - tests)) != 0)
        abort();
    side_run(t, 0, counts);
    pthread_join(other, NULL);
}

static void with_process(const struct test *t, unsigned counts[4])
{
    int status;
    pid_t other = fork();

    if (other < 0)
        abort();
    if (other == 0) {
        side_run(t, 1, NULL);
        _exit(0);
    }
    side_run(t, 0, counts);
    if (waitpid(other, &status, 0) != other || status != 0)
        abort();
}

/* Whether the forbidden pair was seen. */
static bool report(const struct test *t, const char *who, const unsigned counts[4])
{
    bool allowed = weak && !t->by_pipe;

    printf("%s %s: 00 %u, 01 %u, 10 %u, 11 %u; %s %u%u: %u\n", t->name, who, counts[0], counts[1],
           counts[2], counts[3], allowed ? "allowed" : "forbidden", t->forbidden >> 1,
           t->forbidden & 1, counts[t->forbidden]);
    fflush(stdout);
    return !allowed && counts[t->forbidden] != 0;
}

int main(int argc, char **argv)
{
    bool seen = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--weak") == 0)
            weak = true;
        else
            rounds = (unsigned)strtoul(argv[i], NULL, 0);
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        patience = 20000;
        abreast_looks = 1000;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe2(pipes[0], O_NONBLOCK) < 0 || pipe2(pipes[1], O_NONBLOCK) < 0)
        return 2;
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        unsigned threads[4] = {0}, processes[4] = {0};

        with_thread(&tests[i], threads);
        seen |= report(&tests[i], "threads", threads);
        with_process(&tests[i], processes);
        seen |= report(&tests[i], "processes", processes);
    }
    return seen;
}
