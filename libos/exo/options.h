/* SPDX-License-Identifier: MIT */
/* The kernel's command line: words of the form NAME=NUMBER, or NAME alone for 1. */
#ifndef LIBOS_EXO_OPTIONS_H
#define LIBOS_EXO_OPTIONS_H

#include <stdint.h>

/** The number given for `name` in `line`; the last one counts. `otherwise` if there is none, or if
 *  what is there is not a decimal number of 64 bits. */
uint64_t option_number(const char *line, const char *name, uint64_t otherwise);

#endif
