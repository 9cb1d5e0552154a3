/* SPDX-License-Identifier: MIT */
/*
 * The checks of programs that pass on Linux and here alike: each case prints a line of the Test Anything
 * Protocol, and each check that does not hold its source line. Included once.
 */
#pragma once

#include <errno.h>
#include <stdio.h>

static int count, failed;
static const char *name;
static int bad;
#define CHECK(x)                                                       \
    do {                                                               \
        errno = 0;                                                     \
        if (!(x)) {                                                    \
            printf("# line %d: %s (errno %d)\n", __LINE__, #x, errno); \
            bad = 1;                                                   \
        }                                                              \
    } while (0)

static void begin(const char *n)
{
    name = n;
    bad = 0;
    count++;
}

static void end(void)
{
    printf("%s %d - %s\n", bad ? "not ok" : "ok", count, name);
    fflush(stdout);
    failed += bad;
}

/* A call's result is -1 with this errno. */
static inline int fails(long result, int code)
{
    return result == -1 && errno == code;
}

/* The last line, and the status to exit with. */
static int finish(void)
{
    printf("1..%d\n", count);
    return failed > 0;
}
