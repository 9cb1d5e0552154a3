// SPDX-License-Identifier: MIT
/*
 * The table from call numbers to functions, made from linux/calls.def; entry.S jumps through it.
 *
 * An odd address means that the call runs with the image lock held. Whatever has no line ends in
 * posix_unknown (trace.c): -ENOSYS.
 */
#include "calls.h"
#include "trace.h"

extern const char *const dispatch_table[NUMBER_LIMIT];

#pragma clang diagnostic ignored "-Winitializer-overrides"
#define POSIX_CALL(name, note) [NR_##name] = (const char *)posix_##name + 1,
#define POSIX_FREE(name, note) [NR_##name] = (const char *)posix_##name,
const char *const dispatch_table[NUMBER_LIMIT] = {
    [0 ... NUMBER_LIMIT - 1] = (const char *)posix_unknown,
#include "linux/calls.def"
};
#undef POSIX_CALL
#undef POSIX_FREE
