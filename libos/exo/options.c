/* SPDX-License-Identifier: MIT */
/* The kernel's command line. Tests: tests/c17/unit/test_exo_options.c */
#include <stdbool.h>
#include <stddef.h>

#include <lib/string.h>
#include <libos/exo/options.h>

static bool is_end(char c)
{
    return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

/* A whole word of digits. */
static bool parse_number(const char *at, uint64_t *out)
{
    uint64_t number = 0;

    if (is_end(*at))
        return false;
    for (; !is_end(*at); at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    }
    *out = number;
    return true;
}

const char *option_text(const char *line, const char *name, size_t *length)
{
    size_t name_bytes = strlen(name);
    const char *found = NULL;

    while (*line != '\0') {
        const char *word = line;

        while (!is_end(*line))
            line++;
        if (strncmp(word, name, name_bytes) == 0 && word[name_bytes] == '=' &&
            word + name_bytes + 1 < line) {
            found = word + name_bytes + 1;
            *length = (size_t)(line - found);
        }
        while (*line != '\0' && is_end(*line))
            line++;
    }
    return found;
}

uint64_t option_number(const char *line, const char *name, uint64_t otherwise)
{
    size_t length = strlen(name);
    uint64_t found = otherwise;

    while (*line != '\0') {
        if (strncmp(line, name, length) == 0) {
            if (is_end(line[length]))
                found = 1;
            else if (line[length] == '=' && !parse_number(line + length + 1, &found))
                found = otherwise;
        }
        while (!is_end(*line))
            line++;
        while (*line != '\0' && is_end(*line))
            line++;
    }
    return found;
}
