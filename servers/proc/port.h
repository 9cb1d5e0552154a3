/* SPDX-License-Identifier: MIT */
/*
 * The kernel, as the rest of proc needs it: what it does to environments. port.c makes the native
 * calls; a unit test puts its own functions here, so that life and signals run on the host.
 * Results are >= 0 or a negative Linux errno. A slot is a process's place in the table.
 */
#ifndef PROC_PORT_H
#define PROC_PORT_H

#include <exo/types.h>
#include <proto/proc.h>
#include <stdbool.h>
#include <stdint.h>

/* What a process is made of, as its parent hands it over. */
struct body {
    exo_cap env, thread; /* proc's own handles from now on */
    uint64_t base, va;   /* where its capabilities and its proc_shared go: see PROC_FORK */
    bool context;        /* env is one that another process lives in */
};

/** Makes sure that entry `slot` of the published table, and all below, can be written. */
int64_t port_reserve(uint32_t slot);
/** Gives the process in `slot` its endpoints and its proc_shared in the body's environment, which is
 *  watched from now on if it is not a context's. On failure the body is the caller's again. Part of a
 *  transaction: an environment that it had before is there until port_leave. */
int64_t port_attach(uint32_t slot, const struct body *body);
/** Takes back all that the process was given in environments so far. It has to get another. */
void port_revoke(uint32_t slot);
/** The region with which it asks for a fresh environment; 0 when that is done. The old one goes. */
void port_set_renewal(uint32_t slot, exo_cap region);
exo_cap port_renewal(uint32_t slot);
/** The process's proc_shared as proc sees it: cleared by port_attach. */
struct proc_shared *port_shared(uint32_t slot);
/** A child is called as its parent until it says something else. */
void port_name_inherit(uint32_t parent, uint32_t child);
/** CPU time of all lives of the process in environments and contexts. */
uint64_t port_cpu_ns(uint32_t slot);
/** Pages of a range that are in memory, as PROC_RESIDENT answers. */
int64_t port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4]);
/** The CPUs of its first thread; 0 only asks. -ESRCH: it has none, -EINVAL: there is none of them. */
int64_t port_affinity(uint32_t slot, uint64_t cpus);
/** What the process says in proc_shared.thread_rounds; 0 if that cannot be read. */
uint32_t port_thread_round(uint32_t slot, uint32_t place);
/** If the environment has ended without our doing: the wait status for it, else -1. */
int64_t port_death(uint32_t slot);
exo_time port_now(void);

/* ---- consequences: after.c calls these, and may do so twice ------------------------------------- */

/** Lets go of the environment: ends it (unless it is a context's). */
void port_detach(uint32_t slot, int64_t status);
/** The same with the one before port_attach. */
void port_leave(uint32_t slot);
/** Takes back all that was ever given to this life of the slot. */
void port_release(uint32_t slot);

void port_resume(uint32_t slot);
void port_suspend(uint32_t slot, bool suspended);
/** Raises an event at the process: its environment's threads, or a context's only thread. */
void port_notify(uint32_t slot, uint32_t bits);
void port_wake(const void *word);
void port_drop(exo_cap cap);
/** init, and tty, are told something. */
void port_notify_init(void);
void port_notify_tty(void);

#endif
