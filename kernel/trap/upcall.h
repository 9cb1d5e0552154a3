/* SPDX-License-Identifier: MIT */
/*
 * Upcalls: the kernel hands an exception or an event to the environment's own handler, with the
 * interrupted registers where the handler can read, change and resume them.
 */
#ifndef KERNEL_TRAP_UPCALL_H
#define KERNEL_TRAP_UPCALL_H

#include <exo/utcb.h>

struct thread;

/** Redirects a thread to its handler. Upcalls masked: to the nested handler, for faults only. A fault
 *  that no handler takes ends the environment. */
void upcall(struct thread *t, enum exo_upcall kind, uint64_t code, uint64_t address,
            uint64_t error);

#endif
