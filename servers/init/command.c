/* SPDX-License-Identifier: MIT */
/* The command is a file of strings, each with its NUL: they can be used where they are. */
#include <lib/heap.h>
#include <lib/string.h>
#include <servers/init/archive.h>
#include <servers/init/command.h>
#include <servers/init/watch.h>

static size_t count_strings(const char *text, size_t bytes)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '\0';
    return count;
}

const char *const *command_words(void)
{
    struct cpio_entry file;
    const char *at, **words;
    size_t count;

    if (!archive_get("run/exo/command", &file))
        return NULL;
    at = (const char *)file.data;
    if (file.bytes == 0 || at[file.bytes - 1] != '\0')
        power_off_because(STATUS_FAILED, "run/exo/command is no list of words");
    count = count_strings(at, file.bytes);
    words = heap_zeroed(count + 1, sizeof *words);
    if (words == NULL)
        power_off_because(STATUS_FAILED, "no memory for a command of %zu words", count);
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        words[i] = at;
    return words;
}

const char *command_native(const char *const *words)
{
    static const char prefix[] = "native:";

    if (words == NULL || strncmp(words[0], prefix, sizeof prefix - 1) != 0)
        return NULL;
    return words[0] + sizeof prefix - 1;
}
