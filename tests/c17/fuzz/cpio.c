// SPDX-License-Identifier: MIT
/* Any bytes as an archive: the walk ends, and all that it tells lies inside. */
// links: lib/cpio.c
#include <stdlib.h>
#include <string.h>

#include "lib/cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cpio archive = cpio_open(bytes, size);
    struct cpio_entry entry;
    size_t before = 0;

    while (cpio_next(&archive, &entry)) {
        const uint8_t *name = (const uint8_t *)entry.name;

        if (archive.offset <= before || entry.name_length == 0 || name < bytes ||
            entry.name_length >= size || name + entry.name_length >= bytes + size ||
            strlen(entry.name) != entry.name_length || entry.data_offset > size ||
            entry.bytes > size - entry.data_offset || entry.data != bytes + entry.data_offset)
            abort();
        before = archive.offset;
    }
    if (cpio_find(bytes, size, "etc/passwd", &entry) && entry.bytes > size - entry.data_offset)
        abort();
    return 0;
}
