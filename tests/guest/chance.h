/* SPDX-License-Identifier: MIT */
/*
 * Chance for the programs that make random calls (calls/fuzz.c, programs/fuzz.c): all of a life follows
 * from the number that `chance` begins with. A xorshift generator: it need not be good, only the same
 * on every machine. Two threads may draw from it at once; then what they draw is random as well.
 */
#ifndef TESTS_GUEST_CHANCE_H
#define TESTS_GUEST_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t chance; /* never 0 */

/** 56 random bits. */
static uint64_t draw(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance * 0x2545f4914f6cdd1du >> 8;
}

static bool one_in(unsigned n)
{
    return draw() % n == 0;
}

/** A word that means nothing, most often near a limit: of a type, of a page, of the address space. */
static uint64_t anything(void)
{
    uint64_t r = draw();

    switch (r >> 8 & 7) {
    case 0: return 0;
    case 1: return r >> 48;
    case 2: return r;
    case 3: return r << 8 | 0xff;
    case 4: return UINT64_MAX - (r >> 52);
    case 5: return (uint64_t)1 << (r >> 32 & 63);
    case 6: return ((uint64_t)1 << (r >> 32 & 63)) - 1;
    default: return 0xffff800000000000u + (r >> 16); /* the kernel's, on every machine */
    }
}

#endif
