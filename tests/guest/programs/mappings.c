// SPDX-License-Identifier: MIT
/*
 * Mapped files and their ends. The same checks pass on Linux. A program of the Linux ABI (static);
 * prints TAP; argument: a directory.
 */
#include "tap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

static sigjmp_buf back;
static volatile int code;
static volatile uintptr_t where;

static void on_bus(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    code = info->si_code;
    where = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

/* Does touching this byte raise SIGBUS there? */
static int bus_read(volatile char *at)
{
    code = 0;
    if (sigsetjmp(back, 1) == 0) {
        (void)*at;
        return 0;
    }
    return code == BUS_ADRERR && where == (uintptr_t)at;
}

static int bus_write(volatile char *at)
{
    code = 0;
    if (sigsetjmp(back, 1) == 0) {
        *at = 'w';
        return 0;
    }
    return code == BUS_ADRERR && where == (uintptr_t)at;
}

static void test_ends(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    char *shared, *private, *reader;
    int fd, pipes[2], status;

    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    begin("behind the last page of a mapped file is SIGBUS, in it zeros");
    CHECK((fd = open("mapped", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
    CHECK(ftruncate(fd, 5000) == 0 && pwrite(fd, "end", 3, 4997) == 3);
    shared = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    private = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    reader = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED && reader != MAP_FAILED);
    CHECK(shared[4999] == 'd' && shared[5000] == 0 && private[8191] == 0 && reader[8191] == 0);
    CHECK(bus_write(shared + 8192) && bus_read(shared + 40000));
    CHECK(bus_write(private + 8192) && bus_read(private + 65535));
    CHECK(bus_read(reader + 8192));
    shared[0] = 'a';
    CHECK(private[0] == 'a' && reader[0] == 'a');
    CHECK(pipe(pipes) == 0);
    CHECK(write(pipes[1], shared + 8192, 1) == -1 && errno == EFAULT);
    end();

    begin("a file that grows shows in its mappings, whoever made it grow");
    if (fork() == 0)
        _exit(pwrite(fd, "grown", 5, 20000) == 5 ? 0 : 1);
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(memcmp(reader + 20000, "grown", 5) == 0 && private[20004] == 'n');
    CHECK(write(pipes[1], shared + 9000, 1) == 1);
    CHECK(bus_write(shared + 9000) == 0 && reader[9000] == 'w');
    CHECK(bus_read(shared + 24576));
    CHECK(ftruncate(fd, 65536) == 0 && shared[65535] == 0 && bus_write(shared + 65535) == 0);
    end();

    begin("a file that is cut takes its pages out of the mappings");
    private[4096] = 'p';
    CHECK(ftruncate(fd, 100) == 0);
    CHECK(shared[0] == 'a' && shared[100] == 0);
    CHECK(bus_read(shared + 4096) && bus_write(shared + 20000) && bus_read(reader + 4096));
    CHECK(ftruncate(fd, 8192) == 0 && shared[4096] == 0 && reader[5000] == 0);
    CHECK(ftruncate(fd, 0) == 0 && bus_read(shared) && bus_read(reader));
    CHECK(munmap(shared, 65536) == 0 && munmap(private, 65536) == 0 && munmap(reader, 65536) == 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    end();

    begin("SIGBUS ends who does not catch it");
    if (fork() == 0) {
        signal(SIGBUS, SIG_DFL);
        fd = open("mapped", O_RDWR);
        shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        shared[0] = 1;
        _exit(0);
    }
    CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    end();
}

int main(int argc, char **argv)
{
    if (argc > 1 && chdir(argv[1]) < 0)
        return 1;
    test_ends();
    return finish();
}
