/* SPDX-License-Identifier: MIT */
/*
 * tiny: a library OS of a few hundred lines, with nothing of POSIX in it.
 *
 * It has what its programs wanted: threads that it schedules itself, preemptively, on one thread of
 * the kernel (threads.c); memory that it pages itself, by a function of the program's (pager.c); and
 * second environments with the same program (twin.c). It shows that these are ordinary library code
 * on this kernel, and whoever changes the kernel finds here what he broke.
 *
 *     static int program(void) { ... }
 *     int main(void) { return tiny_run(program); }
 */
#ifndef TINY_H
#define TINY_H

#include <exo.h>

#include <lib/list.h>
#include <stdbool.h>

/* ---- threads ----------------------------------------------------------------------------------- */

#define TINY_SLICE_NS    500000u /* how long a thread runs while others want to */
#define TINY_STACK_BYTES 16384u

struct tiny_thread {
    struct list link;           /* in the queue of those ready to run */
    struct exo_context context; /* while it does not run */
    void (*run)(uint64_t argument);
    uint64_t argument;
    uint8_t *stack;
    bool ended;
};

/** Runs `program` as the first thread and returns what it returns, or 255 if it could not run. */
int tiny_run(int (*program)(void));

/** A new thread, ready to run; 0: no memory. */
struct tiny_thread *tiny_thread(void (*run)(uint64_t argument), uint64_t argument);
/** Lets the others run first. */
void tiny_yield(void);
/** Waits until a thread has ended, and frees it. */
void tiny_join(struct tiny_thread *thread);
/** How often a thread was interrupted because its time was up. */
uint64_t tiny_preemptions(void);

/** Between these no other thread runs and no upcall comes; they do not nest. */
void tiny_mask(void);
void tiny_unmask(void);

/* ---- memory that the program pages by itself ---------------------------------------------------- */

#define TINY_RESIDENT 64u /* the most pages that one pager keeps */

struct tiny_pager {
    uintptr_t va;
    size_t pages;
    void (*fill)(void *page, size_t index); /* makes the contents of a page that is touched; it runs
                                               masked, and must not touch paged memory */
    struct tiny_pager *next;
    uintptr_t resident[TINY_RESIDENT]; /* a ring: the oldest page goes first */
    uint32_t oldest, count;
    uint64_t faults;
};

/** From now on `pager` serves the faults in its range. */
void tiny_pager_add(struct tiny_pager *pager);
/** Serves a fault; false if it is nobody's. */
bool tiny_pager_fault(uintptr_t address);

/* ---- a second environment ----------------------------------------------------------------------- */

struct tiny_twin {
    exo_cap env;
    exo_cap data; /* region: its copy of our data */
};

/** Makes an environment that shares the program's text and starts with a copy of its data, but has
 *  no heap and no threads. EXO_OK or a negative EXO_E*. */
int64_t tiny_twin_make(struct tiny_twin *twin);
/** Gives it a child of `cap` at `want`. */
int64_t tiny_twin_give(const struct tiny_twin *twin, exo_cap want, exo_cap cap, uint32_t rights);
/** Runs a function there, upcalls masked; when it returns the environment ends. */
int64_t tiny_twin_run(const struct tiny_twin *twin, void (*run)(uint64_t argument),
                      uint64_t argument);
/** Sleeps until it has ended; *info is its record. */
int64_t tiny_twin_wait(const struct tiny_twin *twin, struct exo_env_info *info);
/** Ends it if it still lives, and gives it up. */
void tiny_twin_end(struct tiny_twin *twin);

/* ---- the upcall, for measurements --------------------------------------------------------------- */

/** If set, page faults go here before the pagers; true: resume what was interrupted. */
extern bool (*tiny_fault_hook)(struct exo_upcall_frame *frame);
/** Reads a byte; its address is EXO_CONTEXT_ARGUMENT of the frame if that faults. */
void tiny_touch(uintptr_t address);

#endif
