/* SPDX-License-Identifier: MIT */
/*
 * A byte for a device exactly once, by a service that may die at any instruction.
 *
 * Its life writes the byte into a kept note, gives it to the device and takes the note back. One that ends
 * in between leaves a note of a byte that the device has or has not. But the last two steps are two
 * instructions, one behind the other, and the next life is told where the last one stood
 * (rs_life()->pc): if that is between the two, the device has it.
 */
#ifndef LIBOS_EXO_ONCE_H
#define LIBOS_EXO_ONCE_H

#include <rs.h>

/** Gives `byte` to a device's register, and makes *note 0. The register is the port `place` of `ports`, or, on a
 *  machine that has none, at the address `place`. arch/ */
void once_put(exo_cap ports, uint64_t place, uint8_t byte, uint64_t *note);

/** The instruction behind the one that gives. */
extern const char once_given[];

/** In a new life, before anything else is put: makes *note 0 if the device has the byte. */
static inline void once_settle(uint64_t *note)
{
    if (rs_life()->pc == (uintptr_t)once_given)
        *note = 0;
    __asm__ volatile("" ::: "memory"); /* or the next life would not know */
    exo_utcb()->life.pc = 0;
}

#endif
