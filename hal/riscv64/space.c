/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: the lower half of 4-level page tables (privileged architecture 4.5, Sv48).
 *
 * A table lives as long as its space, even when all of its entries are gone: tables are few, and
 * giving one back early would need a count of entries for each.
 *
 * Translations are marked with the space's identifier (ASID, 4.1.11), so loading another space forgets
 * none. An identifier is given out once in a generation; when there are no more, a new generation
 * begins: a hart forgets everything when it first loads a space in it, and each space gets a new
 * identifier when it is next loaded. (A hart that goes on with an old one meanwhile does no harm: a
 * hart's translations are its own.) Identifier 0 is the kernel's own; a hart that has no others
 * forgets everything each time.
 */
#include "machine.h"

#define TABLE_ENTRY PTE_V /* and no rights: a pointer to the next table */
#define USER_TABLES 256   /* entries of the root that are user space */
#define TAG_BITS    16    /* of struct hal_space.tag: the identifier; the rest: the generation */
#define TAG_MASK    0xffffu
#define TAG(value)  ((value)&TAG_MASK)

uint64_t hal_code_epoch;

static uint64_t tag_limit;                                /* identifiers there are */
static uint64_t tag_next = 1, generation = 1 << TAG_BITS; /* the next one to give out */
static hal_pte_t view_entry;

void hal_view_set(pfn_t frame)
{
    view_entry = hal_pte_make(frame, EXO_MAP_READ, 0, false);
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(DIRECT_BASE + ((entry & PTE_PPN) << 2));
}

static uint64_t *root_of(const struct hal_space *space)
{
    return (uint64_t *)(DIRECT_BASE + space->root);
}

bool hal_space_init(struct hal_space *space, struct hal_table_source *source)
{
    pfn_t root = source->take(source);
    if (root == PFN_NONE)
        return false;
    *space = (struct hal_space){.root = (uint64_t)root << 12};

    /* The kernel's half never changes after paging_start, and that uses two entries. */
    const uint64_t *kernel = (const uint64_t *)(DIRECT_BASE + kernel_root);
    uint64_t *table = root_of(space);
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
    uint64_t *table = root_of(space);

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[va >> shift & 511];
        if (!*entry) {
            pfn_t frame = source->take(source);
            if (frame == PFN_NONE)
                return 0;
            *entry = (uint64_t)frame << PTE_PPN_SHIFT | TABLE_ENTRY;
        }
        table = table_of(*entry);
    }
    return &table[va >> 12 & 511];
}

hal_pte_t *hal_space_entry(struct hal_space *space, uint64_t va, struct hal_table_source *source)
{
    if (va >= EXO_USER_TOP)
        return 0;
    uint64_t *table = root_of(space);
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
        const uint64_t *table = root_of(space);
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
 * `depth`: levels of tables below this one (root: 3). */
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
        source->give(source, hal_pte_frame(table[i]));
        table[i] = 0;
    }
    return true;
}

bool hal_space_free(struct hal_space *space, struct hal_table_source *source, unsigned budget)
{
    if (!tables_free(root_of(space), USER_TABLES, 3, source, &budget) || budget == 0)
        return false;
    source->give(source, (pfn_t)(space->root >> 12));
    space->root = 0;
    return true;
}

/* ---- identifiers ------------------------------------------------------------------------------- */

static void all_forget(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

static void satp_write(uint64_t root, uint64_t identifier)
{
    csr_write(satp, (uint64_t)SATP_SV48 << 60 | identifier << 44 | root >> 12);
}

void tags_start(void)
{
    satp_write(kernel_root, TAG_MASK);
    tag_limit = (csr_read(satp) >> 44 & TAG_MASK) + 1; /* bits that are not there read 0 */
    satp_write(kernel_root, 0);
    all_forget();
    machine_cpu()->tag_generation = generation;
}

static __attribute__((noinline, cold)) void tag_take(struct hal_space *space)
{
    if (tag_next >= tag_limit) {
        generation += 1 << TAG_BITS;
        tag_next = 1;
    }
    space->tag = generation | (tag_limit > 1 ? tag_next++ : 0);
}

void hal_space_switch(struct hal_space *space)
{
    struct machine_cpu *cpu = machine_cpu();

    cpu->space = space;
    if (!space) {
        satp_write(kernel_root, 0);
        return;
    }
    if ((space->tag & ~(uint64_t)TAG_MASK) != generation)
        tag_take(space);
    space->cpus |= 1u << cpu->cpu.number;
    satp_write(space->root, TAG(space->tag));
    if (cpu->tag_generation != generation || tag_limit == 1) {
        cpu->tag_generation = generation;
        all_forget();
    }
}

/* ---- flushing ---------------------------------------------------------------------------------- */

/* The identifier with which this hart has loaded the space, which may be an older one than its tag
 * says by now. */
static void flush_local(uint64_t va)
{
    uint64_t identifier = csr_read(satp) >> 44 & TAG_MASK;

    if (va == HAL_FLUSH_ALL)
        __asm__ volatile("sfence.vma zero, %0" : : "r"(identifier) : "memory");
    else
        __asm__ volatile("sfence.vma %0, %1" : : "r"(va), "r"(identifier) : "memory");
}

/*
 * The firmware has the other harts do the fence, and waits for them. They do it in machine mode, whether
 * they have interrupts off or not, so none of them need take part. The same goes for fence.i: entries
 * that went may have been executable, and the frames will hold other code.
 */
static __attribute__((noinline)) void flush_harts(uint32_t cpus, uint64_t va)
{
    bool all = va == HAL_FLUSH_ALL;

    for (unsigned cpu = 0; cpu < hal_cpu_count; cpu++) {
        if (!(cpus >> cpu & 1))
            continue;
        sbi_call4(SBI_FENCE, 1, 1, machine_cpus[cpu].hart, all ? 0 : va,
                  all ? UINT64_MAX : EXO_PAGE_SIZE);
        sbi_call(SBI_FENCE, 0, 1, machine_cpus[cpu].hart);
    }
}

/* The CPUs that have the space loaded; `space` of a CPU is written and read under the kernel lock. */
static uint32_t loaded_on(const struct hal_space *space)
{
    uint32_t cpus = 0;

    for (unsigned cpu = 0; cpu < hal_cpu_count; cpu++)
        cpus |= (uint32_t)(machine_cpus[cpu].space == space) << cpu;
    return cpus;
}

void hal_space_flush_here(struct hal_space *space, uint64_t va)
{
    if (machine_cpu()->space == space)
        flush_local(va);
    else
        space->tag = 0;
}

/* Whoever may have translations but has another space loaded now will not use them again: the space
 * gets a new identifier when it is next loaded. */
void hal_space_flush(struct hal_space *space, uint64_t va)
{
    uint32_t loaded = loaded_on(space), self = 1u << hal_cpu()->number;

    if (space->cpus & ~loaded) {
        space->tag = 0;
        space->cpus = loaded;
    }
    if (loaded & self)
        flush_local(va);
    if (loaded & ~self)
        flush_harts(loaded & ~self, va);
}

/* ---- a processor that does not set D (Svade) --------------------------------------------------- */

bool space_dirty(uint64_t va)
{
    uint64_t *table = (uint64_t *)(DIRECT_BASE + (csr_read(satp) << 20 >> 8));

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t entry = table[va >> shift & 511];
        if (!entry)
            return false;
        table = table_of(entry);
    }
    uint64_t *entry = &table[va >> 12 & 511];
    if ((*entry & (PTE_V | PTE_W | PTE_D)) != (PTE_V | PTE_W))
        return false;
    __atomic_fetch_or(entry, PTE_D, __ATOMIC_RELAXED);
    translation_forget(va);
    return true;
}
