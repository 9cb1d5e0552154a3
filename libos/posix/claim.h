/* SPDX-License-Identifier: MIT */
/*
 * Claims: who is changing a word of shared memory just now.
 *
 * A claim is like a lock, but for processes that can die or be stopped at any instruction and that
 * no kernel lock may tie together. Its word holds the name of the process that has it. What is
 * changed under a claim becomes valid by one store at the end (a ring's tail, a description's
 * offset), so a claim whose holder is dead can simply be taken over: the unfinished work is void.
 *
 * Word: 0 free; bits 0-12 slot in proc's table + 1, bits 13-30 low bits of the pid (a slot is used
 * again, by another pid), bit 31 somebody sleeps on the word.
 * A holder never sleeps and does a bounded piece of work.
 *
 * Taking a claim is an acquire and dropping it a release: what one holder did comes before what the
 * next one does (proofs/memory/protocols/claim.py, proofs/memory/protocols/ofd.py).
 */
#ifndef POSIX_CLAIM_H
#define POSIX_CLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CLAIM_WAITED 0x80000000u

/* The name of a process in claims. */
static inline uint32_t claim_name(uint32_t slot, int32_t pid)
{
    return (slot + 1) | ((uint32_t)pid & 0x3ffffu) << 13;
}

/* Is the process with this name still there? */
bool claim_holder_lives(uint32_t name);
void claim_take_slowly(_Atomic uint32_t *word, uint32_t name);
void claim_drop_slowly(_Atomic uint32_t *word);

static inline void claim_take(_Atomic uint32_t *word, uint32_t name)
{
    uint32_t free = 0;

    if (!atomic_compare_exchange_strong(word, &free, name))
        claim_take_slowly(word, name);
}

static inline void claim_drop(_Atomic uint32_t *word)
{
    if (atomic_exchange(word, 0) & CLAIM_WAITED)
        claim_drop_slowly(word);
}

#endif
