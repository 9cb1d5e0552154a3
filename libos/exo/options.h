/* SPDX-License-Identifier: MIT */
/* The kernel's command line: words of the form NAME=VALUE, or NAME alone for 1. */
#ifndef LIBOS_EXO_OPTIONS_H
#define LIBOS_EXO_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

/** The number given for `name` in `line`; the last one counts. `otherwise` if there is none, or if
 *  what is there is not a decimal number of 64 bits. */
uint64_t option_number(const char *line, const char *name, uint64_t otherwise);

/** The text of the word NAME=TEXT in `line`, and its length, which is not 0; the last one counts.
 *  0 if there is none. */
const char *option_text(const char *line, const char *name, size_t *length);

#endif
