/* SPDX-License-Identifier: MIT */
/* lib/string.c against the host's own library, at every small size, alignment and overlap. The file
 * is included under other names, because the sanitizers need the real memcpy for themselves. */
#include "test_framework.h"

#define memcpy  lib_memcpy
#define memmove lib_memmove
#define memset  lib_memset
#define memcmp  lib_memcmp
#define memchr  lib_memchr
#define strlen  lib_strlen
#define strnlen lib_strnlen
#define strcmp  lib_strcmp
#define strncmp lib_strncmp
#define strchr  lib_strchr
#define strrchr lib_strrchr
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr

#define ROOM 320

static unsigned char ours[ROOM], theirs[ROOM], source[ROOM];

static void fill(unsigned char *to, unsigned seed)
{
    for (unsigned i = 0; i < ROOM; i++)
        to[i] = (unsigned char)((i * 37 + seed) ^ (i >> 3));
}

static void copies(void)
{
    TEST_BEGIN("memcpy copies exactly the bytes asked for, at any size and alignment");
    fill(source, 1);
    for (size_t bytes = 0; bytes <= 200; bytes++)
        for (size_t shift = 0; shift < 9; shift++) {
            fill(ours, 2);
            fill(theirs, 2);
            ASSERT_TRUE(lib_memcpy(ours + 16 + shift, source + 8, bytes) == ours + 16 + shift);
            memcpy(theirs + 16 + shift, source + 8, bytes);
            ASSERT_MEMEQ(ours, theirs, ROOM);
        }
    TEST_END();

    TEST_BEGIN("memmove is right for every overlap in both directions");
    for (size_t bytes = 0; bytes <= 100; bytes++)
        for (size_t to = 0; to <= 120; to++) {
            fill(ours, 3);
            fill(theirs, 3);
            lib_memmove(ours + to, ours + 60, bytes);
            memmove(theirs + to, theirs + 60, bytes);
            ASSERT_MEMEQ(ours, theirs, ROOM);
        }
    TEST_END();

    TEST_BEGIN("memset fills exactly the bytes asked for");
    for (size_t bytes = 0; bytes <= 200; bytes++)
        for (size_t shift = 0; shift < 9; shift++) {
            fill(ours, 4);
            fill(theirs, 4);
            lib_memset(ours + shift, 0x1a5, bytes);
            memset(theirs + shift, 0x1a5, bytes);
            ASSERT_MEMEQ(ours, theirs, ROOM);
        }
    TEST_END();
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void comparisons(void)
{
    static const char *const words[] = {"",
                                        "a",
                                        "ab",
                                        "abc",
                                        "abd",
                                        "b",
                                        "\xff",
                                        "a\xff",
                                        "a long word with an end",
                                        "a long word with an enD"};
    const size_t count = sizeof words / sizeof *words;

    TEST_BEGIN("comparisons have the sign of the host's, bytes above 127 included");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            ASSERT_EQ(sign(lib_strcmp(words[i], words[j])), sign(strcmp(words[i], words[j])));
            for (size_t n = 0; n < 25; n++)
                ASSERT_EQ(sign(lib_strncmp(words[i], words[j], n)),
                          sign(strncmp(words[i], words[j], n)));
        }
    for (size_t at = 0; at < 40; at++) {
        memset(ours, 7, 40);
        memset(theirs, 7, 40);
        theirs[at] = 200;
        ASSERT_LT(lib_memcmp(ours, theirs, 40), 0);
        ASSERT_GT(lib_memcmp(theirs, ours, 40), 0);
        ASSERT_EQ(lib_memcmp(ours, theirs, at), 0);
    }
    TEST_END();
}

static void searches(void)
{
    const char *text = "/usr/lib/exo";

    TEST_BEGIN("searches find the first, the last, the end, or nothing");
    ASSERT_EQ(lib_strchr(text, '/'), text);
    ASSERT_EQ(lib_strrchr(text, '/'), text + 8);
    ASSERT_EQ(lib_strchr(text, '\0'), text + 12);
    ASSERT_EQ(lib_strrchr(text, '\0'), text + 12);
    ASSERT_NULL(lib_strchr(text, 'z'));
    ASSERT_NULL(lib_strrchr(text, 'z'));
    ASSERT_EQ(lib_memchr(text, 'l', 12), text + 5);
    ASSERT_NULL(lib_memchr(text, 'l', 5));
    TEST_END();

    TEST_BEGIN("lengths stop at the NUL or at the limit");
    ASSERT_EQ(lib_strlen(""), 0);
    ASSERT_EQ(lib_strlen(text), 12);
    ASSERT_EQ(lib_strnlen(text, 5), 5);
    ASSERT_EQ(lib_strnlen(text, 50), 12);
    TEST_END();
}

int main(void)
{
    copies();
    comparisons();
    searches();
}
