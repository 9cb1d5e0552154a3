/* SPDX-License-Identifier: MIT */
/* The boot archive, as init reads it: a few files by name. */
#ifndef INIT_ARCHIVE_H
#define INIT_ARCHIVE_H

#include <stdbool.h>

#include <lib/cpio.h>

/** Looks the archive at EXO_ARCHIVE_VA through, once, for the files that init always needs. */
void archive_index(uint64_t bytes);

/** The file of that name, without a leading slash. Names that archive_index did not look for cost
 *  another walk. */
bool archive_get(const char *name, struct cpio_entry *entry);

/** A file of usr/lib/exo/rights/ (but the servers') or usr/lib/exo/service/, of 1 MiB at most, as it was
 *  when the machine started. At any time, while archive_get is for before fs runs. */
bool archive_copy(const char *name, struct cpio_entry *entry);

#endif
