/* SPDX-License-Identifier: MIT */
/* How a guest program reports its checks, on Linux and here alike: TAP on standard output, the failed lines
 * as comments. */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count, tap_failed, tap_bad;
static const char *tap_name;

#define CHECK(x)                                                       \
    do {                                                               \
        errno = 0;                                                     \
        if (!(x)) {                                                    \
            printf("# line %d: %s (errno %d)\n", __LINE__, #x, errno); \
            fflush(stdout);                                            \
            tap_bad = 1;                                               \
        }                                                              \
    } while (0)

static void begin(const char *name)
{
    tap_name = name;
    tap_bad = 0;
    tap_count++;
}

static void end(void)
{
    printf("%s %d - %s\n", tap_bad ? "not ok" : "ok", tap_count, tap_name);
    fflush(stdout);
    tap_failed += tap_bad;
}

/* A call's result is -1 with this errno. */
static inline int fails(long result, int code)
{
    return result == -1 && errno == code;
}

static int finish(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

#endif
