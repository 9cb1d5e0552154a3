/* SPDX-License-Identifier: MIT */
/* The start of a native program. */
#ifndef LIBOS_EXO_START_H
#define LIBOS_EXO_START_H

#include <stdint.h>

/** What the program defines; its result is the environment's status (struct exo_env_info). */
int main(void);

/** The word that the creator gave the program. */
uint64_t start_argument(void);

#endif
