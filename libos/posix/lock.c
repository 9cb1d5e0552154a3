// SPDX-License-Identifier: MIT
/*
 * image->lock: one thread of an address space at a time in the LibOS's shared state.
 *
 * The word is 0 free, 1 held, 2 held and perhaps waited for. entry.S takes and releases it around
 * the calls that want it (the uncontended way is three instructions each); these are the same steps
 * in C, and the ways when it is contended. It is released around every sleep, so nobody waits for it
 * long. A forked child inherits it held, by the thread that forked.
 *
 * Orders (proofs/memory/protocols/image_lock.py): each exchange that takes it is an acquire, the one that
 * releases it a release.
 */
#include "core.h"

void image_lock_wait(void)
{
    while (atomic_exchange(&image_state.lock, 2) != 0) {
        struct exo_wait_word word = {.address = (uintptr_t)&image_state.lock, .expected = 2};

        /* An event that is pending makes this return at once; then it is a slow spin, which gives
         * the holder the processor. */
        if (exo_wait(&word, 1, EXO_FOREVER) == EXO_EINTR)
            exo_yield(0);
    }
}

void image_lock_wake(void)
{
    exo_wake(&image_state.lock, 1);
}

void image_lock(void)
{
    if (atomic_exchange(&image_state.lock, 1) != 0)
        image_lock_wait();
}

void image_unlock(void)
{
    if (atomic_exchange(&image_state.lock, 0) != 1)
        image_lock_wake();
}
