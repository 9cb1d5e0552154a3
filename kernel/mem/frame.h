/* SPDX-License-Identifier: MIT */
/*
 * Physical memory: every frame is free, the kernel's, or shared by a counted number of holders.
 *
 * Free memory is kept as a binary buddy system (Knuth, TAOCP 1, section 2.5): blocks of 2^order
 * frames, aligned to their size. In front of it stands a stack of single frames, because almost all
 * requests are for one. A frame that is handed to a user is zeroed first, here, and nowhere earlier:
 * boot does not touch RAM that nobody asked for.
 */
#ifndef KERNEL_MEM_FRAME_H
#define KERNEL_MEM_FRAME_H

#include <hal/hal.h>
#include <stdbool.h>

struct account;

#define FRAME_ORDERS 12 /* blocks of 1 .. 2048 frames */

/** Takes over RAM: all ranges but the archive become free, and the archive's frames get one share.
 *  Also reserves the frame table itself. */
void frame_init(const struct hal_boot *boot);

/** One frame for a user, zeroed, with one share, charged to `account`. PFN_NONE if either has none. */
pfn_t frame_take(struct account *account);
/** As frame_take, contents undefined: the caller overwrites all of it. */
pfn_t frame_take_raw(struct account *account);
/** `pages` (1 .. 2048) contiguous frames, zeroed, one share each, all charged. */
pfn_t frame_take_run(struct account *account, uint32_t pages);
/** 2^order contiguous frames, zeroed, one share each, all charged. */
pfn_t frame_take_block(struct account *account, unsigned order);
/** Kernel memory without an account (boot, pools): zeroed block, or 0. */
void *frame_kernel(unsigned order);
/** Gives one frame of the kernel's back. */
void frame_kernel_give(void *page);

/** Holders: another share, one less (the last one frees and uncharges it), how many. */
void frame_share(pfn_t frame);
void frame_unshare(pfn_t frame);
/** One less of each of `count` frames of RAM. */
void frame_unshare_all(const pfn_t *list, unsigned count);
uint32_t frame_shares(pfn_t frame);
/** Its only holder left pays for it from now on, if he can; else who paid goes on. */
void frame_adopt(pfn_t frame, struct account *account);
/** Is it RAM that this table manages? (Device registers are not, and are not counted.) */
bool frame_is_ram(pfn_t frame);

/** May a device extent show them? Not if RAM or the kernel lies there. */
bool frame_are_device(pfn_t first, uint64_t count);

uint64_t frame_free_count(void);
uint64_t frame_total_count(void);

#endif
