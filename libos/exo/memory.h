/* SPDX-License-Identifier: MIT */
/* Memory of a native program. */
#ifndef LIBOS_EXO_MEMORY_H
#define LIBOS_EXO_MEMORY_H

#include <stddef.h>

/** The source behind lib/heap.h: pages that are there, not only promised. 0 when the account is
 *  nearly empty, so that what the program allocates never faults for want of memory. */
void *memory_more(size_t *bytes);

#endif
