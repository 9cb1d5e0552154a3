/* SPDX-License-Identifier: MIT */
/*
 * The life of a process: fork, exec, stop, death, and being waited for.
 *
 *     PROC_EMBRYO --start--> PROC_RUNNING <--> PROC_STOPPED --end--> PROC_ZOMBIE --reap--> PROC_FREE
 *
 * A process ends in one place, life_end, whatever the reason: its own exit, a signal, or the
 * unexpected death of its environment.
 */
#ifndef PROC_LIFE_H
#define PROC_LIFE_H

#include "servers/proc/port.h"

/** Registers a child with this body. Its slot, or a negative errno. `boot`: by init, as root and
 *  leader of a new session. */
int64_t life_fork(uint32_t parent, const struct body *body, int32_t exit_signal, bool boot);
int64_t life_start(uint32_t parent, int64_t pid);
/** Continues in another body. 0, or a negative errno: nothing has changed. */
int64_t life_move(uint32_t slot, const struct body *body);
/** The same in a fresh one (PROC_RENEWED): what it had before is taken back first. */
int64_t life_renew(uint32_t slot, const struct body *body);
/** The ids of a set-id program, before life_exec; UINT32_MAX: stays. -EPERM if it is not renewed. */
int64_t life_set_ids(uint32_t slot, uint32_t user, uint32_t group);
/** Saves the ids of an entry, which are to be changed. */
void identity_save(uint32_t slot);
/** What exec resets. */
void life_exec(uint32_t slot);
/** Stops, as PROC_STOP says. */
int64_t life_stop(uint32_t slot, uint64_t status, uint64_t continues);
/** Ends with a wait status. */
void life_end(uint32_t slot, uint32_t status);
/** SIGKILL. A context is only told, as its thread runs in somebody else's environment. */
void life_kill(uint32_t slot);
/** Removes a zombie. */
void life_reap(uint32_t slot);
/** Looks for environments that have died by themselves, among the slots of a death bit. */
void life_check(uint32_t first, uint32_t step);

#endif
