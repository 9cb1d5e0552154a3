/* SPDX-License-Identifier: MIT */
/*
 * The work during which test_powercut.py cuts the power: files are made, appended to, renamed, cut and
 * removed, and each step ends with fsync, msync or the end of an O_DSYNC write. What fsync has promised is marked on the disk itself, in a
 * sector behind the volume, so the log of all writes says at which moment which promise was given.
 *
 *     powercut FOLDER DISK SECTOR CYCLES
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS 5u

static int disk;
static off_t mark_at;

static void mark(unsigned cycle, unsigned step)
{
    char sector[512] = "";

    snprintf(sector, sizeof(sector), "MARK %u %u\n", cycle, step);
    if (pwrite(disk, sector, sizeof(sector), mark_at) != (ssize_t)sizeof(sector))
        err(1, "mark %u %u", cycle, step);
}

/* test_powercut.py knows the same bytes and lengths. */
static void put(int file, unsigned cycle, size_t from, size_t length)
{
    static unsigned char bytes[65536];

    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(cycle * 31 + (from + i) * 7 + (from + i) / 256);
    if (write(file, bytes, length) != (ssize_t)length)
        err(1, "write");
}

static void sync_it(int file)
{
    if (fsync(file) != 0)
        err(1, "fsync");
}

/* The other way to say fsync, of what is mapped. */
static void sync_mapped(int file, size_t length)
{
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED || msync(map, length, MS_SYNC) != 0)
        err(1, "msync");
    munmap(map, length);
}

static void sync_folder(unsigned number)
{
    char name[32];
    int folder;

    snprintf(name, sizeof(name), "d%u", number);
    if ((folder = open(name, O_RDONLY | O_DIRECTORY)) < 0)
        err(1, "%s", name);
    sync_it(folder);
    close(folder);
}

/* What nobody has asked to be kept. */
static void noise(unsigned cycle)
{
    char name[32];
    int file;

    snprintf(name, sizeof(name), "n%u", cycle);
    if (mkdir(name, 0755) != 0)
        err(1, "%s", name);
    snprintf(name, sizeof(name), "n%u/x", cycle);
    if ((file = open(name, O_WRONLY | O_CREAT, 0600)) < 0)
        err(1, "%s", name);
    put(file, cycle, 0, 5000 + cycle * 1000 % 50000);
    close(file);
    if (cycle < 3)
        return;
    snprintf(name, sizeof(name), "n%u/x", cycle - 3);
    unlink(name);
    snprintf(name, sizeof(name), "n%u", cycle - 3);
    if (rmdir(name) != 0)
        err(1, "%s", name);
}

static void cycle(unsigned c)
{
    size_t first = c * 7919 % 30000 + 1, more = c * 104729 % 9000 + 1;
    unsigned to = (c + 1) % FOLDERS;
    char name[32], renamed[32];
    int file;

    snprintf(name, sizeof(name), "d%u/f%u", c % FOLDERS, c);
    snprintf(renamed, sizeof(renamed), "d%u/r%u", to, c);
    if ((file = open(name, O_RDWR | O_CREAT | O_EXCL | (c % 4 == 2 ? O_DSYNC : 0), 0644)) < 0)
        err(1, "%s", name);
    put(file, c, 0, first);
    if (c % 4 != 2)
        sync_it(file);
    mark(c, 1);
    put(file, c, first, more);
    if (c % 2)
        sync_mapped(file, first + more);
    else if (c % 4 != 2) /* there each write has been synced */
        sync_it(file);
    mark(c, 2);
    noise(c);
    if (rename(name, renamed) != 0)
        err(1, "rename");
    sync_folder(to);
    mark(c, 3);
    if (c % 3 == 0) {
        if (unlink(renamed) != 0)
            err(1, "unlink");
        sync_folder(to);
    } else if (c % 3 == 1) {
        if (ftruncate(file, (off_t)(first / 2)) != 0)
            err(1, "ftruncate");
        sync_it(file);
    }
    mark(c, 4);
    close(file);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "FOLDER DISK SECTOR CYCLES");
    if ((disk = open(argv[2], O_WRONLY)) < 0)
        err(1, "%s", argv[2]);
    mark_at = (off_t)strtol(argv[3], NULL, 10) * 512;
    if (chdir(argv[1]) != 0)
        err(1, "%s", argv[1]);
    for (unsigned i = 0; i < FOLDERS; i++) {
        char name[32];

        snprintf(name, sizeof(name), "d%u", i);
        if (mkdir(name, 0755) != 0)
            err(1, "%s", name);
    }
    sync();
    mark(0, 0);
    for (unsigned i = 0; i < (unsigned)atoi(argv[4]); i++)
        cycle(i);
    puts("done");
    return 0;
}
