/* SPDX-License-Identifier: MIT */
/*
 * The boot archive. It has thousands of entries, and a walk touches each one's header; so one walk
 * collects all that a start needs, and the rare other names (demonstrations) pay for their own.
 */
#include <exo.h>

#include <lib/heap.h>
#include <lib/string.h>
#include <servers/init/archive.h>

static struct known {
    const char *name;
    size_t length;
    bool found;
    struct cpio_entry entry;
} known[] = {
#define FILE(text)                              \
    {                                           \
        .name = text, .length = sizeof text - 1 \
    }
    FILE("usr/sbin/pci"),           FILE("usr/sbin/virtio_blk"),
    FILE("usr/lib/exo/rights/pci"), FILE("usr/lib/exo/rights/virtio_blk"),
    FILE("usr/sbin/proc"),          FILE("usr/sbin/fs"),
    FILE("usr/sbin/tty"),           FILE("usr/lib/exo/rights/proc"),
    FILE("usr/lib/exo/rights/fs"),  FILE("usr/lib/exo/rights/tty"),
    FILE("usr/lib/exo/posix.elf"),  FILE("run/exo/command"),
#undef FILE
};
#define KNOWN (sizeof known / sizeof *known)

/* Copies, made before fs has the archive: root may write to the files, but not to what a service may and
 * is. They are few, and none in most machines but the servers' rights. */
#define COPIES     64u
#define COPY_BYTES (1u << 20)
static const char *const copied[] = {"usr/lib/exo/rights/", "usr/lib/exo/service/"};
static struct copy {
    char name[64];
    struct cpio_entry entry;
} copies[COPIES];
static unsigned copy_count;

static bool is_copied(const char *name)
{
    for (unsigned i = 0; i < sizeof copied / sizeof *copied; i++)
        if (memcmp(name, copied[i], strlen(copied[i])) == 0)
            return true;
    return false;
}

static void copy(const char *name, size_t length, const struct cpio_entry *entry)
{
    void *bytes;

    if (copy_count == COPIES || length >= sizeof copies[0].name || length < strlen(copied[0]) ||
        !is_copied(name) || entry->bytes == 0 || entry->bytes > COPY_BYTES ||
        (bytes = heap_alloc(entry->bytes)) == NULL)
        return;
    memcpy(bytes, entry->data, entry->bytes);
    memcpy(copies[copy_count].name, name, length);
    copies[copy_count].entry = *entry;
    copies[copy_count++].entry.data = bytes;
}

bool archive_copy(const char *name, struct cpio_entry *entry)
{
    for (unsigned i = copy_count; i-- > 0;) { /* a later one replaces the earlier */
        if (strcmp(copies[i].name, name) == 0) {
            *entry = copies[i].entry;
            return true;
        }
    }
    return false;
}

static size_t archive_bytes;

static struct known *find_known(const char *name, size_t length)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].length == length && memcmp(known[i].name, name, length) == 0)
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
        size_t skip = entry.name[0] == '.' && entry.name[1] == '/' ? 2 : 0;
        struct known *k = find_known(entry.name + skip, entry.name_length - skip);

        if (k != NULL) {
            k->found = true; /* a later entry of the name replaces the earlier one */
            k->entry = entry;
        } else {
            copy(entry.name + skip, entry.name_length - skip, &entry);
        }
    }
}

bool archive_get(const char *name, struct cpio_entry *entry)
{
    const struct known *k = find_known(name, strlen(name));

    if (k == NULL)
        return cpio_find(archive_start(), archive_bytes, name, entry);
    *entry = k->entry;
    return k->found;
}
