/* SPDX-License-Identifier: MIT */
/* Linux's call numbers on this machine, made from arch/MACHINE/numbers.def. */
#ifndef POSIX_CALLS_H
#define POSIX_CALLS_H

#include "numbers.h"

#include <assert.h>

#define POSIX_NUMBER(number, name) NR_##name = (number),
enum linux_number {
#include "numbers.def"
    NR_LAST_
};
#undef POSIX_NUMBER
static_assert(NR_LAST_ == NUMBER_LIMIT, "numbers.def ends where entry.S stops looking");

#endif
