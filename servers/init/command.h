/* SPDX-License-Identifier: MIT */
/* What to run: the words of run/exo/command in the boot archive, or nothing for a login. */
#ifndef INIT_COMMAND_H
#define INIT_COMMAND_H

/** The words, a list that ends with 0; or 0 if the archive has no command. Stops the machine if
 *  what it has is no list of words. */
const char *const *command_words(void);

/** If the first word is native:NAME, the NAME; else 0. */
const char *command_native(const char *const *words);

#endif
