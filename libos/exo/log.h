/* SPDX-License-Identifier: MIT */
/* Lines in the kernel's log, for programs that hold a capability to write there. */
#ifndef LIBOS_EXO_LOG_H
#define LIBOS_EXO_LOG_H

#include <exo/types.h>

/** Writes one line, with the program's name (from its creator) before it and the newline after it;
 *  format as in lib/format.h. Lines over 240 bytes are cut. Without the capability: nothing. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Writes bytes as they are, any number of them. */
void log_bytes(const char *text, size_t bytes);

/** Uses another capability than EXO_SRV_LOG. */
void log_to(exo_cap platform);

/** The text of a native call's result. */
const char *exo_error_text(int64_t result);

#endif
