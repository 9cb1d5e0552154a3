/* SPDX-License-Identifier: MIT */
/* lib/format.c against the host's snprintf. */
// links: lib/format.c
#include <limits.h>

#include "lib/format.h"
#include "test_framework.h"

/* The same call to both; equal text and length. */
#define SAME(...)                                                                   \
    do {                                                                            \
        char test_ours[128], test_theirs[128];                                      \
        size_t test_length = format_text(test_ours, sizeof test_ours, __VA_ARGS__); \
        int test_expected = snprintf(test_theirs, sizeof test_theirs, __VA_ARGS__); \
        ASSERT_STREQ(test_ours, test_theirs);                                       \
        ASSERT_EQ(test_length, test_expected);                                      \
    } while (0)

static void numbers(void)
{
    TEST_BEGIN("integers of every size and sign");
    SAME("%d %i %u", 0, -1, 4294967295u);
    SAME("%d %ld %lld", INT_MIN, LONG_MIN, LLONG_MIN);
    SAME("%x %X %lx %llX", 0xbeefu, 0xbeefu, ULONG_MAX, ULLONG_MAX);
    SAME("%zu %lu %llu", (size_t)-1, 7ul, 8ull);
    SAME("%p", (void *)0x1234abcd);
    TEST_END();

    TEST_BEGIN("width, zeros and left justification");
    SAME("[%5d] [%-5d] [%05d]", 42, 42, 42);
    SAME("[%5d] [%-5d] [%05d]", -42, -42, -42);
    SAME("[%016lx] [%2x]", 0xabcdul, 0xfffu);
    SAME("[%*d] [%-*d]", 6, 1, 6, 1);
    TEST_END();
}

static void texts(void)
{
    TEST_BEGIN("strings, characters and percent signs");
    SAME("%s|%5s|%-5s|%.2s|%5.1s|%%", "abc", "abc", "abc", "abc", "abc");
    SAME("%c%3c%-3c|", 'x', 'y', 'z');
    SAME("%.*s", 3, "abcdef");
    TEST_END();

    TEST_BEGIN("a precision bounds what is read of a string without NUL");
    char *two = malloc(2), out[8];
    two[0] = 'h';
    two[1] = 'i';
    ASSERT_EQ(format_text(out, sizeof out, "%.2s", two), 2);
    free(two);
    ASSERT_STREQ(out, "hi");
    TEST_END();
}

static void bounds(void)
{
    char *small = malloc(4); /* the address sanitizer watches its end */

    TEST_BEGIN("what does not fit is cut, and the text still ends");
    ASSERT_EQ(format_text(small, 4, "%d", 123456), 3);
    ASSERT_STREQ(small, "123");
    ASSERT_EQ(format_text(small, 1, "abc"), 0);
    ASSERT_STREQ(small, "");
    ASSERT_EQ(format_text(small, 0, "abc"), 0);
    ASSERT_EQ(format_text(small, 4, "%1000000d", 1), 3);
    TEST_END();
    free(small);
}

int main(void)
{
    numbers();
    texts();
    bounds();
}
