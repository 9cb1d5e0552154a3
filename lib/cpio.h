/* SPDX-License-Identifier: MIT */
/*
 * Reading a cpio archive ("newc") that lies in memory, entry by entry and without copying.
 *
 *     struct cpio archive = cpio_open(bytes, size);
 *     struct cpio_entry entry;
 *     while (cpio_next(&archive, &entry))
 *         ... entry.name, entry.data ...
 *     if (archive.damaged) ...
 *
 * Several archives may stand one behind another, with NUL bytes between them. Nothing is trusted:
 * whatever the bytes are, no read leaves them, and the walk ends.
 */
#ifndef LIB_CPIO_H
#define LIB_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpio {
    const uint8_t *bytes;
    size_t size;
    size_t offset;    /* where the next header is looked for */
    unsigned archive; /* how many trailers were passed */
    bool damaged;     /* the walk ended because of what stands at `offset` */
};

struct cpio_entry {
    const char *name; /* NUL-terminated, never empty, as in the archive (leading "./" and all) */
    size_t name_length;
    const uint8_t *data;
    uint32_t bytes;     /* of data */
    size_t data_offset; /* of data, from the start of the memory */
    uint32_t ino;       /* names of one file share it, within one `archive`; the data of hard
                           links comes with the last name */
    uint32_t mode, uid, gid, links, mtime; /* mode with the file type bits, as in struct stat */
    uint32_t rdev_major, rdev_minor;
    unsigned archive; /* which of the concatenated archives, from 0 */
};

/** A walk over `size` bytes. */
struct cpio cpio_open(const void *bytes, size_t size);

/** The next entry. @return false at the end, and at damage (archive->damaged tells). */
bool cpio_next(struct cpio *archive, struct cpio_entry *entry);

/** The last entry with that name in a whole archive (later ones lie over earlier ones). Names are
 *  compared without leading "./" and "/". @return false if there is none. */
bool cpio_find(const void *bytes, size_t size, const char *name, struct cpio_entry *entry);

#endif
