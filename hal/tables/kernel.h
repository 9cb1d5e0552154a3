/* SPDX-License-Identifier: MIT */
/*
 * The kernel's half of the address space, as every port builds it (paging.c): tables of the shape of
 * tables.c, from the RAM behind the image (behind the archive, should the loader have put that there),
 * which stay for ever.
 *
 * A machine's machine.h provides for it, beside what tables.c asks for:
 *   image_pa()                        the physical address of something in the image
 *   table_leaf()                      the entry that maps 1 << shift bytes with these rights
 *   TABLE_LARGEST                     the greatest shift of such an entry
 *   TABLE_EARLY_END                   where the RAM that the early tables map ends
 *   kernel_root                       declares it
 *   KERNEL_CONSTANTS, KERNEL_DATA     rights of pages that the kernel reads, and writes; never executable
 */
#ifndef HAL_TABLES_KERNEL_H
#define HAL_TABLES_KERNEL_H

#include <hal/hal.h>

#define PAGE ((uint64_t)EXO_PAGE_SIZE)

static inline uint64_t page_up(uint64_t value)
{
    return (value + PAGE - 1) & ~(PAGE - 1);
}

/** Finds the RAM for tables, and makes the top one: kernel_root, its physical address. */
void kernel_tables_begin(const struct hal_boot *boot);
/** A page of zeroes for a table, or for anything that stays: its physical address. */
uint64_t kernel_table_take(void);
/** The entry that maps 1 << shift bytes at va, with the tables above it. */
uint64_t *kernel_entry_at(uint64_t va, unsigned shift);
/** Maps [pa, pa + bytes) at va with the largest pages that fit. */
void kernel_map(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t rights);
/** The part of the image between two of its addresses. */
void kernel_map_image(const char *from, const char *to, uint64_t rights);
/** The direct map of all RAM; the part that is kernel text or constants is not writable. */
void kernel_map_ram(const struct hal_boot *boot);
/** Takes [from, to), in whole pages, out of the usable RAM; at most one range is split in two. */
void ram_cut(struct hal_boot *boot, uint64_t from, uint64_t to);
/** Takes what the image and the tables occupy out of the usable RAM. */
void kernel_tables_end(struct hal_boot *boot);

#endif
