// SPDX-License-Identifier: MIT
/* Words about the window in the console's input. */
// links: servers/tty/window.c
#include "servers/tty/window.h"

#include <string.h>

#include "test_framework.h"

static struct window w;
static char line[64];
static unsigned sizes;

/* What of the input gets to the line. */
static const char *hear(const char *input, size_t bytes)
{
    size_t length = 0;

    sizes = 0;
    for (size_t i = 0; i < bytes; i++) {
        enum window_said said = window_hear(&w, (uint8_t)input[i]);

        if (said == WINDOW_INPUT)
            line[length++] = input[i];
        sizes += said == WINDOW_SIZE;
    }
    line[length] = 0;
    return line;
}
#define HEAR(text) hear(text, sizeof text - 1)

int main(void)
{
    TEST_BEGIN("what is no word about the window is input");
    ASSERT_STREQ(HEAR("8;5;7t\033[8;5;7t"), "8;5;7t\033[8;5;7t");
    ASSERT_EQ(sizes, 0);
    TEST_END();
    TEST_BEGIN("a word gives the size and is not input");
    ASSERT_STREQ(HEAR("a\xff"
                      "33;101tb"),
                 "ab");
    ASSERT_EQ(sizes, 1);
    ASSERT_EQ(w.number[0], 33);
    ASSERT_EQ(w.number[1], 101);
    ASSERT_STREQ(HEAR("\xff"
                      "9999;1t"),
                 "");
    ASSERT_EQ(w.number[0], 9999);
    TEST_END();
    TEST_BEGIN("the byte that begins one is input if it comes twice");
    ASSERT_STREQ(HEAR("a\xff\xff"
                      "1;2t"),
                 "a\xff"
                 "1;2t");
    ASSERT_EQ(sizes, 0);
    TEST_END();
    TEST_BEGIN("what begins as a word and is none says nothing");
    ASSERT_STREQ(HEAR("\xffx\xff;\xff"
                      "0;5t\xff"
                      "5;t\xff"
                      "12345;1t"),
                 ";1t");
    ASSERT_EQ(sizes, 0);
    TEST_END();
}
