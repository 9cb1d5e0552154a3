/* SPDX-License-Identifier: MIT
 *
 * Unit tests in one header. A test file is a program:
 *
 *     #include "test_framework.h"
 *
 *     int main(void)
 *     {
 *         TEST_BEGIN("two and two are four");
 *         ASSERT_EQ(2 + 2, 4);
 *         TEST_END();
 *     }
 *
 * It may hold any number of TEST_BEGIN/TEST_END pairs, in main or in functions that main calls.
 * The output is TAP, and the exit status is 1 if an assertion failed or no test ran.
 *
 * The one idea: a failed assertion jumps to the end of its test, from any depth of calls, so the
 * tests after it still run. The plan is printed, and the status set, when the program exits.
 */
#pragma once

#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_state {
    jmp_buf end; /* where a failed assertion of the running test goes on */
    const char *name;
    bool running;
    unsigned count;
    unsigned failed;
};

static struct test_state test_state;

static inline void test_finish(void)
{
    printf("1..%u\n", test_state.count);
    if (test_state.running)
        printf("# the program ended inside \"%s\"\n", test_state.name);
    if (test_state.failed || test_state.running || test_state.count == 0) {
        fflush(stdout);
        _Exit(1);
    }
}

static inline void test_begin(const char *name)
{
    if (test_state.count == 0 && atexit(test_finish) != 0)
        abort();
    if (test_state.running) {
        printf("# \"%s\" begins inside \"%s\"\n", name, test_state.name);
        exit(1);
    }
    test_state.count++;
    test_state.name = name;
    test_state.running = true;
}

static inline void test_end(bool passed)
{
    test_state.running = false;
    if (!passed)
        test_state.failed++;
    printf("%s %u - %s\n", passed ? "ok" : "not ok", test_state.count, test_state.name);
    fflush(stdout);
}

/* Says where and what, and leaves the running test. */
_Noreturn static inline void test_fail(const char *file, int line, const char *text)
{
    printf("# %s:%d: %s\n", file, line, text);
    if (!test_state.running) {
        printf("# an assertion outside of TEST_BEGIN and TEST_END\n");
        exit(1);
    }
    longjmp(test_state.end, 1);
}

_Noreturn static inline void test_fail_values(const char *file, int line, const char *text,
                                              uintmax_t a, uintmax_t b)
{
    printf("# left:  %" PRIdMAX " (0x%" PRIxMAX ")\n", (intmax_t)a, a);
    printf("# right: %" PRIdMAX " (0x%" PRIxMAX ")\n", (intmax_t)b, b);
    test_fail(file, line, text);
}

_Noreturn static inline void test_fail_strings(const char *file, int line, const char *text,
                                               const char *a, const char *b)
{
    printf("# left:  %s%s%s\n", a ? "\"" : "", a ? a : "NULL", a ? "\"" : "");
    printf("# right: %s%s%s\n", b ? "\"" : "", b ? b : "NULL", b ? "\"" : "");
    test_fail(file, line, text);
}

static inline bool test_same_string(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* clang-format off */
#define TEST_BEGIN(name)               \
    do {                               \
        test_begin(name);              \
        if (setjmp(test_state.end) == 0) {

#define TEST_END()                     \
            test_end(true);            \
        } else {                       \
            test_end(false);           \
        }                              \
    } while (0)

/* Both sides are evaluated once and may be integers (of different signs) or pointers. */
#define TEST_COMPARE(a, operator, b)                                                     \
    do {                                                                                 \
        _Pragma("clang diagnostic push")                                                 \
        _Pragma("clang diagnostic ignored \"-Wsign-compare\"")                           \
        __typeof__((a)) test_a = (a);                                                    \
        __typeof__((b)) test_b = (b);                                                    \
        if (!(test_a operator test_b))                                                   \
            test_fail_values(__FILE__, __LINE__, #a " " #operator " " #b,                \
                             (uintmax_t)test_a, (uintmax_t)test_b);                      \
        _Pragma("clang diagnostic pop")                                                  \
    } while (0)
/* clang-format on */

#define ASSERT_EQ(a, b) TEST_COMPARE(a, ==, b)
#define ASSERT_NE(a, b) TEST_COMPARE(a, !=, b)
#define ASSERT_LT(a, b) TEST_COMPARE(a, <, b)
#define ASSERT_LE(a, b) TEST_COMPARE(a, <=, b)
#define ASSERT_GT(a, b) TEST_COMPARE(a, >, b)
#define ASSERT_GE(a, b) TEST_COMPARE(a, >=, b)

#define ASSERT_TRUE(condition)                                     \
    do {                                                           \
        if (!(condition))                                          \
            test_fail(__FILE__, __LINE__, #condition " is false"); \
    } while (0)
#define ASSERT_FALSE(condition)                                   \
    do {                                                          \
        if (condition)                                            \
            test_fail(__FILE__, __LINE__, #condition " is true"); \
    } while (0)
#define ASSERT_NULL(pointer)     ASSERT_TRUE((pointer) == NULL)
#define ASSERT_NOT_NULL(pointer) ASSERT_TRUE((pointer) != NULL)

#define ASSERT_STREQ(a, b)                                                           \
    do {                                                                             \
        const char *test_a = (a), *test_b = (b);                                     \
        if (!test_same_string(test_a, test_b))                                       \
            test_fail_strings(__FILE__, __LINE__, #a " equals " #b, test_a, test_b); \
    } while (0)
#define ASSERT_MEMEQ(a, b, length) ASSERT_TRUE(memcmp((a), (b), (length)) == 0)
