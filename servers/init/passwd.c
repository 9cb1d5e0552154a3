/* SPDX-License-Identifier: MIT */
/* passwd(5), as far as a login needs it. Tests: tests/c17/unit/test_init_passwd.c */
#include <lib/string.h>
#include <servers/init/passwd.h>

/* The start of field `number` (from 0) of a line, or 0. */
static const char *field(const char *at, const char *end, unsigned number)
{
    while (number > 0 && at != NULL) {
        at = memchr(at, ':', (size_t)(end - at));
        if (at != NULL)
            at++;
        number--;
    }
    return at;
}

bool passwd_root_shell(const char *text, size_t bytes, char *shell, size_t size)
{
    const char *at = text, *end = text + bytes;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *start;

        if (line_end == NULL)
            line_end = end;
        if (line_end - at > 5 && memcmp(at, "root:", 5) == 0) {
            start = field(at, line_end, 6);
            if (start == NULL || start == line_end || (size_t)(line_end - start) >= size)
                return false;
            memcpy(shell, start, (size_t)(line_end - start));
            shell[line_end - start] = '\0';
            return true;
        }
        at = line_end < end ? line_end + 1 : end;
    }
    return false;
}
