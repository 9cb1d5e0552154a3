/* SPDX-License-Identifier: MIT */
/* More threads in a native program. */
#ifndef LIBOS_EXO_THREAD_H
#define LIBOS_EXO_THREAD_H

#include <exo/types.h>

/** What a thread needs. Fields left 0 have a meaning: stack_pages 16, no handlers. */
struct thread_plan {
    void (*run)(uint64_t argument); /* the thread ends when it returns */
    uint64_t argument;
    uint32_t priority;
    uint32_t stack_pages;
    exo_cap env; /* whose; 0: the caller's. It must have the same text */
    uint64_t upcall_pc, nested_pc, foreign_pc; /* see struct exo_thread_args */
};

/** Makes a thread and lets it run, upcalls masked. @return its handle, or a negative EXO_E*. */
int64_t thread_run(const struct thread_plan *plan);

#endif
