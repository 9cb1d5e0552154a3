/* SPDX-License-Identifier: MIT */
/* The time, read without a call. */
#ifndef LIBOS_EXO_CLOCK_H
#define LIBOS_EXO_CLOCK_H

#include <exo.h>
#include <exo_clock.h>

/** Nanoseconds since the machine started. */
static inline exo_time clock_uptime(void)
{
    const struct exo_view *view = exo_view();
    unsigned __int128 ticks = exo_ticks() - view->tick_base;

    return (exo_time)(ticks * view->tick_mult >> view->tick_shift);
}

/** Nanoseconds since 1970. */
static inline uint64_t clock_now(void)
{
    return exo_view()->epoch_ns + clock_uptime();
}

#endif
