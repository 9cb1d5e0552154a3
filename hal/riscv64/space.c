/* SPDX-License-Identifier: MIT */
/*
 * Loading user address spaces, and forgetting translations on all harts. The tables are hal/tables.
 *
 * Translations are marked with the space's identifier (ASID, 4.1.11), so loading another space forgets
 * none. An identifier is given out once in a generation; when there are no more, a new generation
 * begins: a hart forgets everything when it first loads a space in it, and each space gets a new
 * identifier when it is next loaded. (A hart that goes on with an old one meanwhile does no harm: a
 * hart's translations are its own.) Identifier 0 is the kernel's own; a hart that has no others
 * forgets everything each time.
 */
#include "machine.h"

#define TAG_BITS   16 /* of struct hal_space.tag: the identifier; the rest: the generation */
#define TAG_MASK   0xffffu
#define TAG(value) ((value)&TAG_MASK)

uint64_t hal_code_epoch;

static uint64_t tag_limit;                                /* identifiers there are */
static uint64_t tag_next = 1, generation = 1 << TAG_BITS; /* the next one to give out */

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
 * that went may have been executable, and the frames will hold other code. The fence: the new entries come
 * before all that (proofs/memory/protocols/shoot_down.py).
 */
static __attribute__((noinline)) void flush_harts(uint32_t cpus, uint64_t va)
{
    bool all = va == HAL_FLUSH_ALL;

    __asm__ volatile("fence rw, ow" : : : "memory"); /* the firmware writes a device's register */
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

/* ---- a processor that does not set A and D (Svade) ---------------------------------------------- */

/* Without any lock: the space is loaded here, so its tables stay; and an entry that changes under our
 * hands is simply looked at again. */
bool space_note_use(uint64_t va, uint32_t access)
{
    struct hal_space *space = machine_cpu()->space;
    hal_pte_t *e = space ? hal_space_entry(space, va, 0) : 0;
    hal_pte_t old = e ? __atomic_load_n(e, __ATOMIC_RELAXED) : 0;
    hal_pte_t use = access == EXO_MAP_WRITE ? PTE_A | PTE_D : PTE_A;

    do {
        if ((hal_pte_rights(old) & access) != access || (old & use) == use)
            return false;
    } while (
        !__atomic_compare_exchange_n(e, &old, old | use, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    translation_forget(va);
    return true;
}
