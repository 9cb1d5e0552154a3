/* SPDX-License-Identifier: MIT */
/*
 * User address spaces as trees of page tables with 512 entries of eight bytes each: the one shape that
 * all machines here share. What an entry looks like, and what the processor remembers of one (space.c of
 * each machine), differs.
 *
 * A machine's machine.h provides, beside its hal_machine.h:
 *   TABLE_TOP        the shift of a virtual address that leaves the top table's index
 *   TABLE_USER       entries of the top table that are user space
 *   table_entry()    the entry of a table that points to the next table, in this frame
 *   table_of()       its inverse: the table that an entry points to
 *   table_begin()    what a fresh space has before anything is in it
 *
 * A table lives as long as its space, even when all of its entries are gone: tables are few, and
 * giving one back early would need a count of entries for each.
 */
#include "machine.h"

#define TABLE_LEVELS ((TABLE_TOP - EXO_PAGE_SHIFT) / 9 + 1)

static hal_pte_t view_entry;

void hal_view_set(pfn_t frame)
{
    view_entry = hal_pte_make(frame, EXO_MAP_READ, 0, false);
}

static hal_pte_t *root_of(const struct hal_space *space)
{
    return (hal_pte_t *)(DIRECT_BASE + space->root);
}

bool hal_space_init(struct hal_space *space, struct hal_table_source *source)
{
    pfn_t root = source->take(source);
    if (root == PFN_NONE)
        return false;
    *space = (struct hal_space){.root = (uint64_t)root << EXO_PAGE_SHIFT};
    table_begin(root_of(space));

    hal_pte_t *view = hal_space_entry(space, EXO_VIEW_VA, source);
    if (!view) {
        hal_space_free(space, source, TABLE_LEVELS); /* all that it can have got */
        return false;
    }
    *view = view_entry;
    return true;
}

/* The walk that makes what is missing; apart, because the other one is what every fault does. A table
 * was zeroed (hal_page_zero, with the barrier that the machine needs) before its entry makes it visible
 * to other CPUs' walks. */
static __attribute__((noinline)) hal_pte_t *entry_make(struct hal_space *space, uint64_t va,
                                                       struct hal_table_source *source)
{
    hal_pte_t *table = root_of(space);

    for (unsigned shift = TABLE_TOP; shift > 12; shift -= 9) {
        hal_pte_t *entry = &table[va >> shift & 511];
        if (!*entry) {
            pfn_t frame = source->take(source);
            if (frame == PFN_NONE)
                return 0;
            *entry = table_entry(frame);
        }
        table = table_of(*entry);
    }
    return &table[va >> 12 & 511];
}

hal_pte_t *hal_space_entry(struct hal_space *space, uint64_t va, struct hal_table_source *source)
{
    if (va >= EXO_USER_TOP)
        return 0;
    hal_pte_t *table = root_of(space);
    for (unsigned shift = TABLE_TOP; shift > 12; shift -= 9) {
        hal_pte_t entry = table[va >> shift & 511];
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
        const hal_pte_t *table = root_of(space);
        unsigned shift = TABLE_TOP;
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
 * `depth`: levels of tables below this one. */
static bool tables_free(hal_pte_t *table, unsigned entries, unsigned depth,
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
        source->give(source, hal_pte_frame(table[i]));
        table[i] = 0;
    }
    return true;
}

bool hal_space_free(struct hal_space *space, struct hal_table_source *source, unsigned budget)
{
    if (!tables_free(root_of(space), TABLE_USER, TABLE_LEVELS - 1, source, &budget) || budget == 0)
        return false;
    source->give(source, (pfn_t)(space->root >> EXO_PAGE_SHIFT));
    space->root = 0;
    return true;
}
