/* SPDX-License-Identifier: MIT */
/*
 * Loading user address spaces, and forgetting translations on all CPUs. The tables, of TTBR0, are
 * hal/tables.
 *
 * Translations are marked with the space's ASID, so loading a space forgets nothing. A space gets a
 * number when it is first loaded. When all numbers are used, a new generation begins: every TLB is
 * emptied, the spaces that are loaded right then keep their numbers, and all others get new ones when
 * they are next loaded. A number is not used twice in a generation, so what the TLB knows of a space
 * that is gone - its tables included - hurts nobody.
 */
#include "machine.h"

#define NUMBER(asid) ((asid)&0xffff)
#define GENERATION   0x10000u

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
 * and for the accesses that they made by the old translations (DDI 0487, D8.13.5; the model is
 * proofs/memory/protocols/shoot_down.py).
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

/* ---- pages that are used ----------------------------------------------------------------------- */

/* Without any lock: the space is loaded here, so its tables stay; and an entry that changes under our
 * hands is simply looked at again. */
bool space_note_use(uint64_t va, bool write)
{
    struct hal_space *space = machine_cpu()->loaded;
    hal_pte_t *e = space ? hal_space_entry(space, va, 0) : 0;
    hal_pte_t old = e ? __atomic_load_n(e, __ATOMIC_RELAXED) : 0, noted;

    do {
        if (!(old & PTE_VALID) || (write && !(old & PTE_DBM)))
            return false;
        noted = (old | PTE_AF) & ~(hal_pte_t)(write ? PTE_RDONLY : 0);
    } while (
        !__atomic_compare_exchange_n(e, &old, noted, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    hal_space_flush_here(space, va);
    return true;
}
