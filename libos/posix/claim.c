/* SPDX-License-Identifier: MIT */
/*
 * The slow half of claims: the word is held by another process. See claim.h.
 *
 * We look whether the holder lives, in proc's published table, and sleep on the word for a moment
 * otherwise. The sleep is short because a dead holder wakes nobody.
 */
#include "claim.h"
#include "files.h"

#define CLAIM_LOOK_AGAIN_NS 1000000u

uint32_t claim_own_name(void)
{
    struct process *p = current();

    return claim_name(p->slot, p->pid);
}

bool claim_holder_lives(uint32_t name)
{
    const struct proc_entry *table = (const struct proc_entry *)PROC_TABLE_VA;
    uint32_t slot = (name & 0x1fffu) - 1;
    const struct proc_entry *entry;

    if (slot >= PROC_MAX)
        return false;
    entry = &table[slot];
    if (entry->state != PROC_FREE && entry->state != PROC_ZOMBIE &&
        claim_name(slot, entry->pid) == (name & ~CLAIM_WAITED))
        return true;
    /* Acquire: the dead holder's last stores come before all that its heir does
     * (proofs/memory/protocols/claim.py). */
    atomic_thread_fence(memory_order_acquire);
    return false;
}

static void claim_sleep(_Atomic uint32_t *word, uint32_t seen)
{
    struct exo_wait_word watched = {(uint64_t)word, seen, 0};

    exo_wait(&watched, 1, time_now() + CLAIM_LOOK_AGAIN_NS);
}

void claim_take_slowly(_Atomic uint32_t *word, uint32_t name)
{
    for (;;) {
        uint32_t seen = atomic_load(word);

        if (seen == 0 || !claim_holder_lives(seen)) {
            /* Others may sleep still: they are woken when we drop it. */
            if (atomic_compare_exchange_strong(word, &seen, name | (seen & CLAIM_WAITED)))
                return;
            continue;
        }
        if ((seen & CLAIM_WAITED) == 0 &&
            !atomic_compare_exchange_strong(word, &seen, seen | CLAIM_WAITED))
            continue;
        claim_sleep(word, seen | CLAIM_WAITED);
    }
}

void claim_drop_slowly(_Atomic uint32_t *word)
{
    exo_wake(word, UINT32_MAX);
}
