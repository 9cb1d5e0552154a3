// SPDX-License-Identifier: MIT
/*
 * The table from call numbers to functions, made from linux/calls.def; entry.S jumps through it.
 *
 * An odd address means that the call runs with the image lock held. Whatever has no line ends in
 * posix_unknown: -ENOSYS, counted, and told on descriptor 2 if EXO_TRACE=1 is in the environment.
 */
#include "calls.h"
#include "core.h"

#include <lib/format.h>

extern const char *const dispatch_table[NUMBER_LIMIT];
posix_function posix_unknown;

#pragma clang diagnostic ignored "-Winitializer-overrides"
#define POSIX_CALL(name, note) [NR_##name] = (const char *)posix_##name + 1,
#define POSIX_FREE(name, note) [NR_##name] = (const char *)posix_##name,
const char *const dispatch_table[NUMBER_LIMIT] = {
    [0 ... NUMBER_LIMIT - 1] = (const char *)posix_unknown,
#include "linux/calls.def"
};
#undef POSIX_CALL
#undef POSIX_FREE

static uint64_t unknown_calls;

#define POSIX_NUMBER(number, name) [number] = #name,
static const char *const call_names[NUMBER_LIMIT] = {
#include "numbers.def"
};
#undef POSIX_NUMBER

/* Says so on descriptor 2, by way of the program's stack, far below what it may be using. */
static void unknown_tell(uint64_t number)
{
    const char *name = number < NUMBER_LIMIT && call_names[number] ? call_names[number] : "?";
    uint64_t at = (exo_utcb()->libos[POSIX_WORD_USER_SP] & ~(uint64_t)15) - 1024;
    char text[96];
    size_t bytes = format_text(text, sizeof text, "exo: no call %llu (%s), pid %d\n",
                               (unsigned long long)number, name, current()->pid);

    if (user_write(at, text, bytes) == 0) {
        image_lock();
        posix_write(2, at, bytes, 0, 0, 0);
        image_unlock();
    }
}

DEFINE_CALL0(unknown)
{
    unknown_calls++;
    if (image_state.trace)
        unknown_tell(call_frame_of(self())->number);
    return -ENOSYS;
}
