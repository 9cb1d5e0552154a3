/* SPDX-License-Identifier: MIT */
/*
 * Windows: places in the LibOS's part of the address space where shared pages are seen: contents of
 * files that fs lent, rings of pipes, state words of terminals. See window.c.
 */
#ifndef POSIX_WINDOW_H
#define POSIX_WINDOW_H

#include "posix.h"

#define WINDOW_SMALL_PAGES 64u    /* 256 KiB: a pipe, a local socket, most files */
#define WINDOW_BIG_PAGES   16384u /* 64 MiB: files, a part at a time */

/* A place for `pages` pages (at most WINDOW_BIG_PAGES); nothing is mapped. 0: none is free. */
uint64_t window_place(uint64_t pages);
/* Unmaps `pages` pages of a place and gives it back. */
void window_free(uint64_t va, uint64_t pages);

/* What a file shows of its contents. Page 0 of the place is the file's state page, then come `count`
 * mapped pages of data from page `first` of the file on. */
struct window {
    const struct fs_state *state;
    uint64_t pages; /* of the place: WINDOW_SMALL_PAGES or WINDOW_BIG_PAGES */
    uint64_t first, count;
    exo_cap region;
};

/* Opens a window on a region that fs lent, for a file of about `size` bytes. 0: no room. */
struct window *window_open(exo_cap region, uint64_t size);
void window_close(struct window *w);

/* Where byte `offset` of the file is seen, and in *bytes how many from there on are (at most what
 * was asked for): 0 if the file ends there or nothing can be mapped. */
const void *window_look(struct window *w, uint64_t offset, uint64_t *bytes);

#endif
