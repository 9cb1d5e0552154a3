/* SPDX-License-Identifier: MIT */
/*
 * Loading user address spaces, and forgetting translations on all CPUs (SDM volume 3, 4.10). The tables
 * are hal/tables.
 *
 * There are no process-context identifiers: loading CR3 forgets every translation that is not
 * global. So a change to a space that is not loaded needs no flush, and loading the space that is
 * loaded already is avoided. Each CPU remembers which space it has loaded; so a flush finds the CPUs
 * that it must reach.
 */
#include <stdatomic.h>

#include "machine.h"

static void cr3_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
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
