/* SPDX-License-Identifier: MIT */
/* Root's shell, as the image's etc/passwd names it. */
#ifndef INIT_PASSWD_H
#define INIT_PASSWD_H

#include <stdbool.h>
#include <stddef.h>

/** Finds the seventh field of the first line that begins with "root:". @return false, and *shell
 *  unchanged, if there is none or if it does not fit. */
bool passwd_root_shell(const char *text, size_t bytes, char *shell, size_t size);

#endif
