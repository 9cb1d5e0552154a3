/* SPDX-License-Identifier: MIT */
/*
 * The boot archive. It has thousands of entries, and a walk touches each one's header; so one walk
 * collects all that a start needs, and the rare other names (demonstrations) pay for their own.
 */
#include <exo.h>

#include <lib/string.h>
#include <servers/init/archive.h>

static struct known {
    const char *name;
    bool found;
    struct cpio_entry entry;
} known[] = {
    {.name = "usr/sbin/proc"},         {.name = "usr/sbin/fs"},
    {.name = "usr/sbin/tty"},          {.name = "usr/lib/exo/rights/proc"},
    {.name = "usr/lib/exo/rights/fs"}, {.name = "usr/lib/exo/rights/tty"},
    {.name = "usr/lib/exo/posix.elf"}, {.name = "etc/passwd"},
    {.name = "run/exo/command"},
};
#define KNOWN (sizeof known / sizeof *known)

static size_t archive_bytes;

static struct known *find_known(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

static const void *archive_start(void)
{
    return (const void *)EXO_ARCHIVE_VA;
}

void archive_index(uint64_t bytes)
{
    struct cpio walk = cpio_open(archive_start(), bytes);
    struct cpio_entry entry;

    archive_bytes = bytes;
    while (cpio_next(&walk, &entry)) {
        const char *name = entry.name;

        if (name[0] == '.' && name[1] == '/')
            entry.name = name += 2;
        if (name[0] != 'u' && name[0] != 'e' && name[0] != 'r')
            continue; /* nothing known begins otherwise */
        struct known *k = find_known(name);
        if (k != NULL) {
            k->found = true; /* a later entry of the name replaces the earlier one */
            k->entry = entry;
        }
    }
}

bool archive_get(const char *name, struct cpio_entry *entry)
{
    const struct known *k = find_known(name);

    if (k == NULL)
        return cpio_find(archive_start(), archive_bytes, name, entry);
    *entry = k->entry;
    return k->found;
}
