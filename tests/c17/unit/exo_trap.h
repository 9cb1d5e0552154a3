/* SPDX-License-Identifier: MIT */
/*
 * Native calls on the host: what libos/ files would ask of the kernel goes to test_trap, which each
 * test that includes <exo.h> defines. (This folder stands before libos/exo/arch in no real build.)
 */
#ifndef EXO_TRAP_H
#define EXO_TRAP_H

#include <exo/calls.h>
#include <exo/utcb.h>

int64_t test_trap(uint64_t number, const uint64_t arguments[6]);
extern struct exo_utcb test_utcb;

static inline struct exo_utcb *exo_utcb(void)
{
    return &test_utcb;
}

static inline int64_t exo_trap(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                               uint64_t a4, uint64_t a5)
{
    const uint64_t arguments[6] = {a0, a1, a2, a3, a4, a5};

    return test_trap(number, arguments);
}

static inline int64_t exo_trap3(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
    return exo_trap(number, a0, a1, a2, 0, 0, 0);
}

static inline int64_t exo_trap_message(uint64_t number, uint64_t endpoint, uint64_t tag,
                                       uint64_t words[4])
{
    return exo_trap(number, endpoint, tag, words[0], words[1], words[2], words[3]);
}

#endif
