/* SPDX-License-Identifier: MIT */
/* Where a program that did not call rs_use finds its capability to the table of services. */
#ifndef LIBOS_EXO_RS_TABLE_H
#define LIBOS_EXO_RS_TABLE_H

#include <exo/types.h>

/** The capability, or 0: the program has none. */
exo_cap rs_find_table(void);

#endif
