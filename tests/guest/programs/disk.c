// SPDX-License-Identifier: MIT
/*
 * A block device under load, and what its requests cost.
 *
 *     disk mix DEVICE     four threads read and write anywhere in a quarter of their own, against a model
 *                         in memory; then a child reads by the inherited descriptor. The last line is
 *                         the sum of all bytes, which the host compares
 *     disk cost DEVICE    nanoseconds that were not idle (with exo-run --icount: instructions) and kernel
 *                         entries of one call
 */
#include <exo/context.h>
#include <exo/view.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4u
#define AREA    (1u << 20) /* bytes, of each thread */
#define ROUNDS  120u
#define GETSIZE 0x80081272u /* BLKGETSIZE64 */

static void need(int condition, const char *what)
{
    if (!condition) {
        perror(what);
        exit(1);
    }
}

/* ---- mix ----------------------------------------------------------------------------------------- */

static const char *path;
static uint8_t *model; /* of all areas */

static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Any byte, any length up to 200000; a flush now and then. */
static void *mix_thread(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument, seed = 17 * number + 1;
    uint8_t *mine = model + number * AREA, *bytes = malloc(AREA);
    off_t base = (off_t)number * AREA;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    need(fd >= 0 && bytes, path);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t length = 1 + next(&seed) % 200000, at = next(&seed) % (AREA - length);

        if (next(&seed) % 2) {
            memset(mine + at, (int)next(&seed), length);
            need(pwrite(fd, mine + at, length, base + at) == (ssize_t)length, "pwrite");
        } else {
            need(pread(fd, bytes, length, base + at) == (ssize_t)length, "pread");
            need(memcmp(bytes, mine + at, length) == 0, "what was read is not what was written");
        }
        if (round % 16 == 0)
            need(fsync(fd) == 0, "fsync");
    }
    close(fd);
    free(bytes);
    return 0;
}

static void mix(void)
{
    pthread_t threads[THREADS];
    uint64_t sum = 0, size = 0;
    int fd = open(path, O_RDWR), status = 0;

    model = calloc(THREADS, AREA);
    need(fd >= 0 && model, path);
    need(ioctl(fd, GETSIZE, &size) == 0 && size >= THREADS * AREA, "BLKGETSIZE64");
    for (off_t at = 0; at < (off_t)(THREADS * AREA); at += AREA)
        need(pwrite(fd, model, AREA, at) == AREA, "pwrite"); /* zeros */
    for (uintptr_t i = 0; i < THREADS; i++)
        need(pthread_create(&threads[i], 0, mix_thread, (void *)i) == 0, "pthread_create");
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);

    need(lseek(fd, AREA, SEEK_SET) == AREA, "lseek");
    pid_t child = fork();
    if (child == 0) { /* its own queue, the shared offset */
        uint8_t *bytes = malloc(AREA);

        need(read(fd, bytes, AREA) == AREA, "read by a child");
        need(memcmp(bytes, model + AREA, AREA) == 0, "what a child reads");
        exit(0);
    }
    need(waitpid(child, &status, 0) == child && status == 0, "the child");
    need(lseek(fd, 0, SEEK_CUR) == 2 * AREA, "the offset that a child moved");
    for (size_t i = 0; i < THREADS * AREA; i++)
        sum += model[i];
    printf("%llu\n", (unsigned long long)sum);
}

/* ---- cost ---------------------------------------------------------------------------------------- */

static const volatile struct exo_view *view(void)
{
    return (const volatile struct exo_view *)EXO_VIEW_VA;
}

/* Nanoseconds in which some program or the kernel ran. */
static uint64_t now(void)
{
    struct timespec t;

    sched_yield(); /* brings the counters up to date */
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec - view()->idle_ns;
}

static uint64_t entries(void)
{
    sched_yield();
    return view()->entries;
}

enum operation { READ, WRITE, SYNC };

static void cost(const char *name, enum operation operation, size_t bytes)
{
    static uint8_t buffer[1 << 20];
    uint64_t began = 0, entered = 0;
    int fd = open(path, O_RDWR);
    const uint32_t turns = 64;

    need(fd >= 0, path);
    for (uint32_t i = 0; i < turns + 4; i++) { /* four to warm up */
        off_t at = (off_t)(i % 4) * (1 << 20);
        ssize_t moved = (ssize_t)bytes;

        if (i == 4) {
            began = now();
            entered = entries();
        }
        if (operation == READ)
            moved = pread(fd, buffer, bytes, at);
        else
            moved = pwrite(fd, buffer, bytes, at);
        need(moved == (ssize_t)bytes, name);
        if (operation == SYNC)
            need(fsync(fd) == 0, name);
    }
    printf("%s %llu %llu\n", name, (unsigned long long)(now() - began) / turns,
           (unsigned long long)(entries() - entered) / turns);
    close(fd);
}

int main(int argc, char **argv)
{
    path = argc == 3 ? argv[2] : "";
    if (argc == 3 && strcmp(argv[1], "mix") == 0) {
        mix();
    } else if (argc == 3 && strcmp(argv[1], "cost") == 0) {
        cost("read_4k", READ, 4096);
        cost("write_4k", WRITE, 4096);
        cost("write_4k_fsync", SYNC, 4096);
        cost("read_64k", READ, 65536);
        cost("read_1m", READ, 1 << 20);
        cost("write_1m", WRITE, 1 << 20);
    } else {
        fprintf(stderr, "usage: disk mix|cost DEVICE\n");
        return 2;
    }
    return 0;
}
