/* SPDX-License-Identifier: MIT */
/* What main.c and request.c need of port.c beyond port.h: the handling of capabilities itself. */
#ifndef PROC_PORT_OWN_H
#define PROC_PORT_OWN_H

#include <exo/types.h>

#define DEATH_BITS 16u /* event bits 0..15: see port.c */

/** Gives up what earlier lives made, or were given, and did not commit, with all that was made of it. */
void port_sweep(void);
/** The start of a first life, and that of another. */
int64_t port_init(void);
int64_t port_recover(void);
/** Notifications to tell init (with `bits`) and tty; 0 changes nothing. They become proc's. */
void port_set_init(exo_cap notification, uint32_t bits);
void port_set_tty(exo_cap notification);
/** A further handle to the environment that a process lives in, or a negative errno. */
int64_t port_copy_env(uint32_t slot);
/** A capability to read its proc_shared with, to give away. */
int64_t port_publish(uint32_t slot);

#endif
