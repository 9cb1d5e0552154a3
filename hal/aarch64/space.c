/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: the tables of TTBR0, 4 levels (DDI 0487, D8.2).
 *
 * A table lives as long as its space, even when all of its entries are gone: tables are few, and
 * giving one back early would need a count of entries for each.
 *
 * Translations are marked with the space's ASID, so loading a space forgets nothing. A space gets a
 * number when it is first loaded. When all numbers are used, a new generation begins: every TLB is
 * emptied, the spaces that are loaded right then keep their numbers, and all others get new ones when
 * they are next loaded. A number is not used twice in a generation, so what the TLB knows of a space
 * that is gone - its tables included - hurts nobody.
 */
#include "machine.h"

#define TABLE_ENTRY  PTE_PAGE /* the leaf alone decides what is allowed */
#define USER_TABLES  256      /* entries of the top table that are user space */
#define NUMBER(asid) ((asid)&0xffff)
#define GENERATION   0x10000u

static hal_pte_t view_entry;

void hal_view_set(pfn_t frame)
{
    view_entry = hal_pte_make(frame, EXO_MAP_READ, 0, false);
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(DIRECT_BASE + (entry & PTE_FRAME));
}

bool hal_space_init(struct hal_space *space, struct hal_table_source *source)
{
    pfn_t root = source->take(source);
    if (root == PFN_NONE)
        return false;
    space->root = (uint64_t)root << 12;
    space->asid = 0;

    hal_pte_t *view = hal_space_entry(space, EXO_VIEW_VA, source);
    if (!view) {
        hal_space_free(space, source, 4); /* the root and three tables at most */
        return false;
    }
    *view = view_entry;
    return true;
}

/* The walk that makes what is missing; apart, because the other one is what every fault does. A table
 * was zeroed, with a barrier (page.S), before its entry makes it visible to other CPUs' walks. */
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
 * `depth`: levels of tables below this one (the top: 3). */
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

/* ---- ASIDs ------------------------------------------------------------------------------------- */

static uint64_t generation = GENERATION; /* in the bits above the number */
static uint64_t next_number = 1;         /* 0: no space at all */

static uint64_t number_limit(void)
{
    return cpu_features.asid16 ? 0x10000 : 0x100;
}

static bool is_current(const struct hal_space *space)
{
    return space->asid >= generation;
}

/* A number that a loaded space brought over from the last generation. */
static bool number_is_kept(uint64_t number)
{
    for (unsigned i = 0; i < HAL_CPUS; i++) {
        const struct hal_space *s = machine_cpus[i].loaded;
        if (s && is_current(s) && NUMBER(s->asid) == number)
            return true;
    }
    return false;
}

static void generation_begin(void)
{
    generation += GENERATION;
    next_number = 1;
    for (unsigned i = 0; i < HAL_CPUS; i++) {
        struct hal_space *s = machine_cpus[i].loaded;
        if (s)
            s->asid = generation | NUMBER(s->asid);
    }
    __asm__ volatile("dsb ishst\n\t" /* changes of tables come before the flush */
                     "tlbi vmalle1is\n\t"
                     "dsb ish\n\t" /* it is done on every CPU before a number is used again */
                     "isb"
                     :
                     :
                     : "memory");
}

static void number_take(struct hal_space *space)
{
    do {
        if (next_number == number_limit())
            generation_begin();
    } while (number_is_kept(next_number++));
    space->asid = generation | (next_number - 1);
}

void hal_space_switch(struct hal_space *space)
{
    struct machine_cpu *cpu = machine_cpu();

    cpu->loaded = 0; /* it is about to go: it need not keep its number */
    if (space && !is_current(space))
        number_take(space);
    cpu->loaded = space;
    SYSREG_WRITE(ttbr0_el1, space ? space->root | NUMBER(space->asid) << 48 : image_pa(empty_root));
    isb(); /* the kernel's own accesses to user memory go there from now on */
}

/*
 * Of the last level only, because tables stay as long as the space. A space without a number of this
 * generation is in no TLB. The processors tell each other: the dsb after a flush waits for all of them,
 * and for the accesses that they made by the old translations (DDI 0487, D8.13.5).
 */
void hal_space_flush(struct hal_space *space, uint64_t va)
{
    if (!is_current(space))
        return;
    uint64_t number = NUMBER(space->asid) << 48;

    __asm__ volatile("dsb ishst" : : : "memory"); /* the new entry comes before the flush */
    if (va == HAL_FLUSH_ALL)
        __asm__ volatile("tlbi aside1is, %0" : : "r"(number) : "memory");
    else
        __asm__ volatile("tlbi vale1is, %0"
                         :
                         : "r"(number | (va >> 12 & 0xfffffffffff))
                         : "memory");
    __asm__ volatile("dsb ish\n\tisb" : : : "memory"); /* done, on every CPU, before we go on */
}

/* On this CPU only; nobody waits. */
void hal_space_flush_here(struct hal_space *space, uint64_t va)
{
    uint64_t number = NUMBER(space->asid) << 48;

    if (!is_current(space))
        return;
    __asm__ volatile("dsb ishst" : : : "memory"); /* as above */
    if (va == HAL_FLUSH_ALL)
        __asm__ volatile("tlbi aside1, %0" : : "r"(number) : "memory");
    else
        __asm__ volatile("tlbi vale1, %0" : : "r"(number | (va >> 12 & 0xfffffffffff)) : "memory");
    __asm__ volatile("dsb nsh\n\tisb" : : : "memory");
}

/* ---- dirty pages ------------------------------------------------------------------------------- */

/* Without any lock: the space is loaded here, so its tables stay; and an entry that changes under our
 * hands is simply looked at again. */
bool space_note_dirty(uint64_t va)
{
    struct hal_space *space = machine_cpu()->loaded;
    hal_pte_t *e = space ? hal_space_entry(space, va, 0) : 0;
    hal_pte_t old = e ? __atomic_load_n(e, __ATOMIC_RELAXED) : 0;

    do {
        if (!(old & PTE_VALID) || !(old & PTE_DBM))
            return false;
    } while (!__atomic_compare_exchange_n(e, &old, old & ~(hal_pte_t)PTE_RDONLY, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    hal_space_flush_here(space, va);
    return true;
}
