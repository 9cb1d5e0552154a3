/* SPDX-License-Identifier: MIT
 *
 * Uses one thing up until the system says no, and says what it said:
 *   exhaust files    prints the error of the open that failed; exit 0 if it was EMFILE
 *   exhaust memory   touches memory without end; exit 0 on ENOMEM, or the system ends it
 *   exhaust forks    children that fork again, without end
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP (1024 * 1024)

static int exhaust_files(void)
{
    int last = 0;

    for (int fd = 0; fd >= 0; last = fd)
        fd = open("/dev/null", O_RDONLY);
    printf("%s\n", strerrorname_np(errno));
    return last >= 0 || errno == EMFILE ? 0 : 1;
}

static int exhaust_memory(void)
{
    for (;;) {
        char *more = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (more == MAP_FAILED)
            return errno == ENOMEM ? 0 : 1;
        memset(more, 1, STEP);
    }
}

static int exhaust_forks(void)
{
    for (;;) {
        if (fork() < 0)
            usleep(1000);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "files") == 0)
        return exhaust_files();
    if (argc == 2 && strcmp(argv[1], "memory") == 0)
        return exhaust_memory();
    if (argc == 2 && strcmp(argv[1], "forks") == 0)
        return exhaust_forks();
    fprintf(stderr, "usage: exhaust files | memory | forks\n");
    return 2;
}
