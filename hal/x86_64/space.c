/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: the lower half of 4-level page tables (SDM volume 3, 4.5).
 *
 * A table lives as long as its space, even when all of its entries are gone: tables are few, and
 * giving one back early would need a count of entries for each.
 *
 * There are no process-context identifiers: loading CR3 forgets every translation that is not
 * global. So a change to a space that is not loaded needs no flush, and loading the space that is
 * loaded already is avoided. Each CPU remembers which space it has loaded; so a flush finds the CPUs
 * that it must reach.
 */
#include <stdatomic.h>

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
    struct machine_cpu *cpu = machine_cpu();

    cpu->space = space;
    cr3_write(space ? space->root : kernel_root);
}

/* ---- flushing ---------------------------------------------------------------------------------- */

/*
 * The shoot-down: whoever changed a space writes down what to forget, sets the bits of the CPUs that
 * must, interrupts them, and waits until all bits are gone. It holds the kernel lock, so there is one
 * at a time. A CPU clears its bit from its interrupt, or from hal_relax if it is itself waiting in the
 * kernel; the interrupt then finds nothing to do. Model: proofs/memory/protocols/shoot_down.py.
 */
static struct {
    uint64_t va;
    _Atomic uint32_t waiting;
    _Atomic uint32_t dozer; /* 1 + the CPU that sleeps until all is done; 0: none */
} shoot_down;
#define TURNS 200u /* before it sleeps */

static void flush_local(uint64_t root, uint64_t va)
{
    if (va == HAL_FLUSH_ALL)
        cr3_write(root);
    else
        __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

void flush_serve(void)
{
    struct machine_cpu *cpu = machine_cpu();
    uint32_t bit = 1u << cpu->cpu.number;

    /* Acquire: `va`, and the entries in the page tables, are read after the bit was seen. */
    if (!(atomic_load_explicit(&shoot_down.waiting, memory_order_acquire) & bit))
        return;
    flush_local(cpu->space->root, shoot_down.va);
    /* Release: the translations are gone, and user stores through them done, before the bit is.
     * Sequentially consistent, with the load: flush_others sets `dozer` and then looks at `waiting`, so
     * either it sees that nobody is waited for, or it is seen here. */
    uint32_t left = atomic_fetch_and_explicit(&shoot_down.waiting, ~bit, memory_order_seq_cst);
    uint32_t dozer = atomic_load_explicit(&shoot_down.dozer, memory_order_seq_cst);
    if (left == bit && dozer != 0)
        hal_wake(dozer - 1);
}

/* `space` of another CPU is written and read under the kernel lock only. */
static __attribute__((noinline)) void flush_others(const struct hal_space *space, uint64_t va)
{
    uint32_t cpus = 0;

    for (unsigned cpu = 0; cpu < hal_cpu_count; cpu++)
        cpus |= (uint32_t)(machine_cpus[cpu].space == space) << cpu;
    cpus &= ~(1u << hal_cpu()->number);
    if (!cpus)
        return;
    shoot_down.va = va;
    /* Release: the changed entries and `va` come before the bits. The interrupts come after both. */
    atomic_store_explicit(&shoot_down.waiting, cpus, memory_order_release);
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++) {
        if (cpus >> cpu & 1)
            lapic_send(cpu, VECTOR_FLUSH);
    }
    /* Acquire: what follows, such as giving the frames away, comes after the last bit was cleared. */
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (atomic_load_explicit(&shoot_down.waiting, memory_order_acquire) == 0)
            return;
        __asm__ volatile("pause");
    }
    /* Sequentially consistent, as is the load: see flush_serve. */
    atomic_store_explicit(&shoot_down.dozer, 1 + hal_cpu()->number, memory_order_seq_cst);
    while (atomic_load_explicit(&shoot_down.waiting, memory_order_seq_cst) != 0)
        hal_doze();
    atomic_store_explicit(&shoot_down.dozer, 0, memory_order_relaxed);
}

void hal_space_flush_here(struct hal_space *space, uint64_t va)
{
    if (machine_cpu()->space == space)
        flush_local(space->root, va);
}

void hal_space_flush(struct hal_space *space, uint64_t va)
{
    hal_space_flush_here(space, va);
    if (hal_cpu_count > 1)
        flush_others(space, va);
}

void hal_relax(void)
{
    __asm__ volatile("pause");
    flush_serve();
}
