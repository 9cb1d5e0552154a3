/* SPDX-License-Identifier: MIT */
/* servers/init/passwd.c: root's shell, or none. */
// links: servers/init/passwd.c
#include "servers/init/passwd.h"
#include "test_framework.h"

static char shell[16];

static bool find(const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes ? bytes : 1);

    memcpy(copy, text, bytes);
    strcpy(shell, "old");
    bool found = passwd_root_shell(copy, bytes, shell, sizeof shell);
    free(copy);
    return found;
}

int main(void)
{
    TEST_BEGIN("root's seventh field is found wherever its line is");
    ASSERT_TRUE(find("root:x:0:0:root:/root:/bin/mksh\n"));
    ASSERT_STREQ(shell, "/bin/mksh");
    ASSERT_TRUE(find("rootless:x:1:1::/:/no\nroot:x:0:0:root:/root:/bin/sh"));
    ASSERT_STREQ(shell, "/bin/sh");
    TEST_END();

    TEST_BEGIN("a line that lacks it, or is too long, changes nothing");
    ASSERT_FALSE(find(""));
    ASSERT_FALSE(find("root:"));
    ASSERT_FALSE(find("root:x:0:0:root:/root"));
    ASSERT_FALSE(find("root:x:0:0:root:/root:"));
    ASSERT_FALSE(find("root:x:0:0:root:/root:/a/long/way/to/sh"));
    ASSERT_FALSE(find("user:x:1:1::/home:/bin/sh\n"));
    ASSERT_STREQ(shell, "old");
    TEST_END();
}
