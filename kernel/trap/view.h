/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of the published page (include/exo/view.h). What changes rarely or must be exact
 * is written where it changes; the per-CPU counters are copied in at every timer, yield and idle.
 */
#ifndef KERNEL_TRAP_VIEW_H
#define KERNEL_TRAP_VIEW_H

#include <exo/view.h>

/** The page; a scratch one of the kernel's own until view_init. */
extern struct exo_view *kernel_view;
/** Copies the per-CPU counters into the view. */
void view_update(void);
/** Makes the page that spaces will map, with what was counted so far. */
void view_init(uint64_t epoch_ns);

#endif
