/* SPDX-License-Identifier: MIT */
/* The servers: started in the order of their dependencies, each with what its rights file lists. */
#ifndef INIT_SERVICES_H
#define INIT_SERVICES_H

#include <exo/types.h>

/** Starts proc, fs and tty, and has them watched. Stops the machine if one cannot be started. */
void services_start(void);

/** Everything that has to outlive the machine's power is on its disks when this returns. */
void services_stop(void);

/** init's own endpoint capability of proc, and proc's table for reading. */
exo_cap services_proc(void);
exo_cap services_table(void);

/** The percentage of memory that the servers and the reserve leave. */
uint32_t services_memory_left(void);

/** An account of `percent` of the frames that were free at the start, and as many objects. Stops the
 *  machine if there is none. */
exo_cap account_make(const char *for_whom, uint32_t percent);

#endif
