/* SPDX-License-Identifier: MIT */
/* What a unit test of the kernel has in its hands: see host.c. */
#ifndef HAL_HOST_HOST_H
#define HAL_HOST_HOST_H

#include <hal/hal.h>
#include <kernel/env/env.h>
#include <kernel/env/thread.h>

/** A machine of so much RAM, and the kernel started on it: main() up to the first environment. */
void host_start(unsigned mib);
/** The account of all there is. */
extern struct account *host_root;

/** An environment with a thread whose UTCB is at HOST_UTCB; the thread is READY, in no queue. */
struct thread *host_env(struct account *account);
struct thread *host_thread(struct env *env, uint64_t utcb_va);
#define HOST_UTCB 0x7f0000000000u

/** From here on this thread makes the calls, in its address space. */
void host_run(struct thread *t);
/** Tidies up after the dead. */
void host_reap(void);

/** What the processor does with an access of user code: faults in what the space declares. */
bool host_store(struct space *s, uint64_t va, uint32_t word);
bool host_load(struct space *s, uint64_t va, uint32_t *word);
/** Memory of the running environment for arguments of calls, mapped at HOST_ARGUMENTS. */
#define HOST_ARGUMENTS 0x7e0000000000u
void host_put(uint64_t va, const void *from, size_t bytes);
void host_get(void *to, uint64_t va, size_t bytes);

#endif
