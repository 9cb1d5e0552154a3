/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on words of shared memory: Xok's wake-up predicates in the shape of a futex with several
 * words (Xok: Kaashoek et al., SOSP 1997, section 5.3; futex: Franke et al., OLS 2002).
 *
 * A word's identity is its place (space_place): of memory that can be shared the physical one, so that
 * it is the same word in every space that maps it; of private memory its address in its space. The
 * kernel compares and goes to sleep in one step; whoever changes a word calls exo_wake.
 */
#ifndef KERNEL_IPC_WAIT_H
#define KERNEL_IPC_WAIT_H

#include <stdint.h>

struct thread;
struct waitset_entry;

/** One watched word, of a sleeping thread or of a wait set; in the bucket list of its place. */
struct wait_node {
    struct wait_node *next, **link;
    uint64_t place;
    struct thread *thread; /* whose sleep it is, or 0: */
    struct waitset_entry *entry;
};

/** Puts a wait set's node at a place; takes any node out. */
void wait_node_add_set(struct wait_node *n, struct waitset_entry *entry, uint64_t place);
void wait_node_remove(struct wait_node *n);

/** Takes a WAITING thread off all its words. */
void wait_leave(struct thread *t);
/** Wakes at most `count` sleepers of a place, in the order they came; how many it were. */
uint32_t wait_wake(uint64_t place, uint32_t count);

#endif
