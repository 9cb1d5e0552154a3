/* SPDX-License-Identifier: MIT */
/*
 * Visible revocation: getting frames back from an environment that uses them (Engler et al., SOSP
 * 1995, section 3.4). First it is asked, and chooses; at the deadline the abort protocol takes what is
 * missing and leaves a record where the victim can read it.
 */
#ifndef KERNEL_MEM_RECLAIM_H
#define KERNEL_MEM_RECLAIM_H

struct env;

/** The deadline has come: takes a bounded number of frames, and comes again for the rest. */
void reclaim_by_force(struct env *env);

#endif
