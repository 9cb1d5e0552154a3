/* SPDX-License-Identifier: MIT */
/* libos/exo/options.c: words of the kernel's command line. */
// links: libos/exo/options.c
#include "libos/exo/options.h"
#include "test_framework.h"

int main(void)
{
    TEST_BEGIN("a number is found by its whole name, and the last one counts");
    ASSERT_EQ(option_number("tty=1 rows=24 cols=80", "rows", 9), 24);
    ASSERT_EQ(option_number("rows=1 rows=2", "rows", 9), 2);
    ASSERT_EQ(option_number("  rows=7  ", "rows", 9), 7);
    ASSERT_EQ(option_number("timeout_ns=18446744073709551614", "timeout_ns", 9), UINT64_MAX - 1);
    ASSERT_EQ(option_number("xrows=1 rowsx=2 row=3", "rows", 9), 9);
    ASSERT_EQ(option_number("", "rows", 9), 9);
    TEST_END();

    TEST_BEGIN("a text is found by its whole name");
    size_t length = 0;
    const char *line = "xmount=vdb:/a mount= mount=vda:/mnt mountx=1 rows=2";

    ASSERT_TRUE(option_text(line, "mount", &length) == strstr(line, "vda"));
    ASSERT_EQ(length, 8);
    ASSERT_NULL(option_text("mount mount=", "mount", &length));
    TEST_END();

    TEST_BEGIN("a name alone is 1, and what is no number is not there");
    ASSERT_EQ(option_number("nokaslr tty", "tty", 0), 1);
    ASSERT_EQ(option_number("rows=", "rows", 9), 9);
    ASSERT_EQ(option_number("rows=2x", "rows", 9), 9);
    ASSERT_EQ(option_number("rows=-2", "rows", 9), 9);
    ASSERT_EQ(option_number("rows=18446744073709551616", "rows", 9), 9);
    TEST_END();
}
