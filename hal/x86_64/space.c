/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: the lower half of 4-level page tables (SDM volume 3, 4.5).
 *
 * A table lives as long as its space, even when all of its entries are gone: tables are few, and
 * giving one back early would need a count of entries for each.
 *
 * There are no process-context identifiers: loading CR3 forgets every translation that is not
 * global. So a change to a space that is not loaded needs no flush, and loading the space that is
 * loaded already is avoided.
 */
#include "machine.h"

#define TABLE_ENTRY (PTE_P | PTE_W | PTE_U) /* the leaf alone decides what is allowed */
#define USER_TABLES 256                     /* entries of the PML4 that are user space */

static hal_pte_t view_entry;

void hal_view_set(pfn_t frame)
{
    view_entry = hal_pte_make(frame, EXO_MAP_READ, 0, false);
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(DIRECT_BASE + (entry & PTE_FRAME));
}

static uint64_t cr3_read(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value) : : "memory");
    return value;
}

static void cr3_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

bool hal_space_init(struct hal_space *space, struct hal_table_source *source)
{
    pfn_t root = source->take(source);
    if (root == PFN_NONE)
        return false;
    space->root = (uint64_t)root << 12;

    /* The kernel's half never changes after paging_start, and that uses two entries. */
    const uint64_t *kernel = table_of(kernel_root);
    uint64_t *table = table_of(space->root);
    table[256] = kernel[256];
    table[511] = kernel[511];

    hal_pte_t *view = hal_space_entry(space, EXO_VIEW_VA, source);
    if (!view) {
        hal_space_free(space, source, 4); /* the root and three tables at most */
        return false;
    }
    *view = view_entry;
    return true;
}

/* The walk that makes what is missing; apart, because the other one is what every fault does. */
static __attribute__((noinline)) hal_pte_t *entry_make(struct hal_space *space, uint64_t va,
                                                       struct hal_table_source *source)
{
    uint64_t *table = table_of(space->root);

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[va >> shift & 511];
        if (!*entry) {
            pfn_t frame = source->take(source);
            if (frame == PFN_NONE)
                return 0;
            *entry = (uint64_t)frame << 12 | TABLE_ENTRY;
        }
        table = table_of(*entry);
    }
    return &table[va >> 12 & 511];
}

hal_pte_t *hal_space_entry(struct hal_space *space, uint64_t va, struct hal_table_source *source)
{
    if (va >= EXO_USER_TOP)
        return 0;
    uint64_t *table = table_of(space->root);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t entry = table[va >> shift & 511];
        if (!entry)
            return source ? entry_make(space, va, source) : 0;
        table = table_of(entry);
    }
    return &table[va >> 12 & 511];
}

/* Each turn of the outer loop skips a run of absent entries in one table, or answers. */
uint64_t hal_space_next(const struct hal_space *space, uint64_t va, uint64_t end)
{
    while (va < end) {
        const uint64_t *table = table_of(space->root);
        unsigned shift = 39;
        uint64_t index = va >> shift & 511;

        while (table[index] && shift > 21) {
            table = table_of(table[index]);
            shift -= 9;
            index = va >> shift & 511;
        }
        if (table[index])
            return va;
        for (; index < 512 && va < end && !table[index]; index++)
            va = ((va >> shift) + 1) << shift;
    }
    return end;
}

/* Gives back the tables below `table` and clears their entries, until the budget is used up.
 * `depth`: levels of tables below this one (PML4: 3). */
static bool tables_free(uint64_t *table, unsigned entries, unsigned depth,
                        struct hal_table_source *source, unsigned *budget)
{
    for (unsigned i = 0; i < entries; i++) {
        while (i % 8 == 0 && i < entries && hal_pte_none8(&table[i])) /* most tables are sparse */
            i += 8;
        if (i >= entries)
            break;
        if (!table[i])
            continue;
        if (depth > 1 && !tables_free(table_of(table[i]), 512, depth - 1, source, budget))
            return false;
        if (*budget == 0)
            return false;
        --*budget;
        source->give(source, (pfn_t)((table[i] & PTE_FRAME) >> 12));
        table[i] = 0;
    }
    return true;
}

bool hal_space_free(struct hal_space *space, struct hal_table_source *source, unsigned budget)
{
    if (!tables_free(table_of(space->root), USER_TABLES, 3, source, &budget) || budget == 0)
        return false;
    source->give(source, (pfn_t)(space->root >> 12));
    space->root = 0;
    return true;
}

void hal_space_switch(struct hal_space *space)
{
    uint64_t root = space ? space->root : kernel_root;
    if (cr3_read() != root)
        cr3_write(root);
}

void hal_space_flush(struct hal_space *space, uint64_t va)
{
    if (cr3_read() != space->root)
        return;
    if (va == HAL_FLUSH_ALL)
        cr3_write(space->root);
    else
        __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}
