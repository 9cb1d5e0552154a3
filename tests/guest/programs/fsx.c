/* SPDX-License-Identifier: MIT */
/*
 * Random operations on one file, compared with a model in memory: written and read by calls and by
 * mappings, cut, extended, punched, synced, closed and opened again. What differs first is told, with
 * the operations that led to it. In the manner of fsx, which Debian does not package.
 *
 *     fsx FILE OPERATIONS SEED
 *
 * The file is left as the model has it at the end, whose bytes are in FILE.model.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST  (320u * 1024) /* bytes of the file */
#define PIECE (40u * 1024)  /* bytes of one operation */
#define KEPT  24u           /* operations that are told */

static unsigned char model[MOST], buffer[MOST];
static size_t size;
static const char *name;
static int file;
static uint64_t chance;
static char history[KEPT][80];
static unsigned long step;

static uint32_t random_below(uint32_t limit) /* splitmix64 */
{
    uint64_t z = chance += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) % limit);
}

static void fail(const char *what, size_t at)
{
    unsigned long first = step < KEPT ? 0 : step - KEPT + 1;

    for (unsigned long i = first; i <= step; i++)
        printf("%lu: %s\n", i, history[i % KEPT]);
    printf("%s differs at byte %zu of %zu, step %lu\n", what, at, size, step);
    exit(1);
}

static void note(const char *what, size_t at, size_t bytes)
{
    snprintf(history[step % KEPT], sizeof(history[0]), "%s %zu +%zu (size %zu)", what, at, bytes,
             size);
}

static void compare(const char *what, const unsigned char *got, size_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (got[i] != model[at + i])
            fail(what, at + i);
    }
}

static void fill(size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buffer[i] = (unsigned char)(step * 17 + i * 3 + i / 251);
}

/* A place of the file, or, if `beyond`, of what it may become. */
static void place(size_t *at, size_t *bytes, int beyond)
{
    size_t limit = beyond ? MOST : size;

    *at = limit ? random_below((uint32_t)limit) : 0;
    *bytes = limit ? random_below(PIECE) + 1 : 0;
    if (*bytes > limit - *at)
        *bytes = limit - *at;
}

static void grow(size_t end)
{
    if (end > size)
        size = end;
}

static void op_write(void)
{
    size_t at, bytes;

    place(&at, &bytes, 1);
    note("write", at, bytes);
    fill(bytes);
    if (pwrite(file, buffer, bytes, (off_t)at) != (ssize_t)bytes)
        err(1, "write, step %lu", step);
    memcpy(model + at, buffer, bytes);
    grow(at + bytes);
}

static void op_read(void)
{
    size_t at, bytes;

    place(&at, &bytes, 0);
    note("read", at, bytes);
    if (pread(file, buffer, bytes, (off_t)at) != (ssize_t)bytes)
        err(1, "read, step %lu", step);
    compare("read", buffer, at, bytes);
}

static void op_map(int writes)
{
    size_t at, bytes;
    unsigned char *map;

    place(&at, &bytes, 0);
    note(writes ? "mapped write" : "mapped read", at, bytes);
    if (bytes == 0)
        return;
    map = mmap(0, size, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        err(1, "mmap, step %lu", step);
    if (writes) {
        fill(bytes);
        memcpy(map + at, buffer, bytes);
        memcpy(model + at, buffer, bytes);
    } else {
        compare("mapping", map + at, at, bytes);
        for (size_t i = size; i % 4096; i++) {
            if (map[i])
                fail("what is behind the end", i);
        }
    }
    if (random_below(16) == 0 && msync(map, size, MS_SYNC) != 0)
        err(1, "msync, step %lu", step);
    munmap(map, size);
}

static void op_truncate(void)
{
    size_t to = random_below(MOST + 1);

    if (random_below(3))
        to = size / 2 + random_below(8192) < MOST ? size / 2 + random_below(8192) : size;
    note("truncate", to, 0);
    if (ftruncate(file, (off_t)to) != 0)
        err(1, "ftruncate, step %lu", step);
    if (to > size)
        memset(model + size, 0, to - size);
    else
        memset(model + to, 0, size - to);
    size = to;
}

static void op_punch(void)
{
    size_t at, bytes;

    place(&at, &bytes, 0);
    note("punch", at, bytes);
    if (bytes &&
        fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes) != 0)
        err(1, "punch, step %lu", step);
    memset(model + at, 0, bytes);
}

static void op_allocate(void)
{
    size_t at, bytes;

    place(&at, &bytes, 1);
    note("allocate", at, bytes);
    if (bytes && fallocate(file, 0, (off_t)at, (off_t)bytes) != 0)
        err(1, "fallocate, step %lu", step);
    grow(at + bytes);
}

static void open_again(int flags)
{
    if ((file = open(name, O_RDWR | flags, 0644)) < 0)
        err(1, "%s, step %lu", name, step);
}

static void op_sync(void)
{
    struct stat s;

    note("fsync", 0, 0);
    if (fsync(file) != 0)
        err(1, "fsync, step %lu", step);
    if (random_below(3) == 0) {
        close(file);
        open_again(0);
    }
    if (fstat(file, &s) != 0 || (size_t)s.st_size != size)
        fail("the size", (size_t)s.st_size);
}

static void operate(void)
{
    switch (random_below(20)) {
    case 0:
    case 1:
    case 2:
    case 3: op_write(); break;
    case 4:
    case 5:
    case 6:
    case 7: op_map(1); break;
    case 8:
    case 9:
    case 10: op_map(0); break;
    case 11:
    case 12: op_truncate(); break;
    case 13: op_punch(); break;
    case 14: op_allocate(); break;
    case 15: op_sync(); break;
    default: op_read(); break;
    }
}

int main(int argc, char **argv)
{
    unsigned long operations;
    char other[4096];
    int out;

    if (argc != 4)
        errx(2, "usage: fsx FILE OPERATIONS SEED");
    name = argv[1];
    operations = strtoul(argv[2], 0, 0);
    chance = strtoul(argv[3], 0, 0);
    open_again(O_CREAT | O_TRUNC);
    for (step = 0; step < operations; step++)
        operate();
    if (pread(file, buffer, size, 0) != (ssize_t)size)
        err(1, "read");
    compare("the whole file", buffer, 0, size);
    snprintf(other, sizeof(other), "%s.model", name);
    if ((out = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0644)) < 0 ||
        write(out, model, size) != (ssize_t)size)
        err(1, "%s", other);
    printf("%lu operations\n", operations);
    return 0;
}
