/* SPDX-License-Identifier: MIT */
/* What threads.c leaves to the machine: arch/MACHINE/threads.c. */
#ifndef THREADS_H
#define THREADS_H

/** What calls.def says of a thread's `tls` and of exo_thread_tls. */
void thread_pointer_is_each_threads_own(void);

#endif
