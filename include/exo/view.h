/* SPDX-License-Identifier: MIT */
/*
 * The view: one page at EXO_VIEW_VA, read-only in every environment, in which the kernel publishes
 * what programs would otherwise have to ask for. Kernel structures stay private; this one is ABI.
 *
 * Time: now_ns = (((ticks - tick_base) * tick_mult) >> tick_shift) + 0, where ticks is the
 * processor's counter (x86_64: rdtsc), in 128-bit arithmetic or, while the difference is below
 * 2^32 seconds at the given multiplier, in 64 bits after a split; tick_* never change after boot.
 * Counters are single words written by the kernel alone: each is consistent in itself. frames_free,
 * objects and caps are exact; the others are as of the last timer, yield or idle moment.
 */
#ifndef EXO_VIEW_H
#define EXO_VIEW_H

#include <exo/types.h>

#define EXO_VIEW_VERSION    1u
#define EXO_VIEW_PRIORITIES 32u
#define EXO_VIEW_ORDERS     12u
#define EXO_VIEW_CPUS       8u

/* One processor, as of its own last timer, yield or idle moment. */
struct exo_view_cpu {
    uint64_t idle_ns, entries, thread_switches;
    uint64_t lock_ns,
        lock_wait_ns; /* under the kernel lock, and waiting for it; 0 unless the kernel was
                                       built with EXO_LOCK_TIME */
};

struct exo_view {
    uint32_t version; /* EXO_VIEW_VERSION */
    uint32_t cpus;
    uint64_t tick_base; /* counter value at time 0 */
    uint64_t tick_mult; /* nanoseconds = ticks * mult >> shift */
    uint32_t tick_shift;
    uint32_t reserved0;
    uint64_t epoch_ns;     /* real-time clock at time 0, nanoseconds since 1970 */
    uint64_t frames_total; /* RAM that the kernel manages, in pages */
    uint64_t frames_free;
    uint64_t objects;     /* live kernel objects of all kinds */
    uint64_t caps;        /* live capabilities */
    uint64_t entries;     /* native calls, faults, exceptions and interrupts */
    uint64_t reflections; /* foreign calls reflected */
    uint64_t space_switches;
    uint64_t dying;   /* environments whose destruction is not finished */
    uint64_t idle_ns; /* time with nothing to run, of all processors together */
    uint64_t thread_switches;
    /* Tables, exact at every moment. The run queues: how many threads wait for the CPU at each
     * priority (the running one not counted): what a yield would lead to. Free memory: blocks of
     * 2^n contiguous frames, and single frames in front of them: what frame_alloc can find. */
    uint32_t ready[EXO_VIEW_PRIORITIES];
    uint32_t free_blocks[EXO_VIEW_ORDERS];
    uint32_t free_singles;
    uint32_t reserved1;
    struct exo_view_cpu cpu[EXO_VIEW_CPUS]; /* the first `cpus` of them */
    /* What programs may use of the processor, in the machine's own words (hal_features in hal/hal.h):
     * on x86_64 CPUID says it. */
    uint64_t features[4];
};
static_assert(sizeof(struct exo_view) <= 4096, "ABI: the view is one page");

#endif
