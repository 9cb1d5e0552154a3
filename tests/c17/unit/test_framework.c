/* SPDX-License-Identifier: MIT
 *
 * The framework tested by itself: a child that fails must be seen to fail. */
#define _GNU_SOURCE /* fork, pipe */
#include "test_framework.h"

#include <sys/wait.h>
#include <unistd.h>

static void fail_deeply(int depth)
{
    if (depth == 0)
        ASSERT_EQ(1, 2);
    else
        fail_deeply(depth - 1);
}

static void fail_then_pass(void)
{
    TEST_BEGIN("fails three calls deep");
    fail_deeply(3);
    TEST_END();
    TEST_BEGIN("still runs");
    ASSERT_TRUE(true);
    TEST_END();
}

/* Runs body in a child with its output in text; returns the exit status. */
static int run_child(void (*body)(void), char *text, size_t size)
{
    int ends[2], status = -1;
    size_t length = 0;
    ssize_t got;

    fflush(stdout);
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        test_state = (struct test_state){0};
        if (body)
            body();
        else
            atexit(test_finish);
        exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    static char text[4096];

    TEST_BEGIN("equal values of different types pass");
    unsigned char small = 200;
    ASSERT_EQ(small, 200);
    ASSERT_EQ((size_t)3, 3);
    ASSERT_NE(&small, NULL);
    ASSERT_LT(-1, 1);
    ASSERT_STREQ("cap", "cap");
    ASSERT_MEMEQ("abc", "abd", 2);
    TEST_END();

    TEST_BEGIN("a failure ends its test only, and the status tells");
    ASSERT_EQ(run_child(fail_then_pass, text, sizeof text), 1);
    ASSERT_NOT_NULL(strstr(text, "not ok 1 - fails three calls deep"));
    ASSERT_NOT_NULL(strstr(text, "ok 2 - still runs"));
    ASSERT_NOT_NULL(strstr(text, "1..2"));
    TEST_END();

    TEST_BEGIN("a program without tests fails");
    ASSERT_EQ(run_child(NULL, text, sizeof text), 1);
    ASSERT_NOT_NULL(strstr(text, "1..0"));
    TEST_END();
}
