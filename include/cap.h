/* SPDX-License-Identifier: MIT */
/*
 * Short forms for programs that use capabilities directly: `#include <cap.h>`.
 *
 *     exo_cap mem = exo_alloc_page();
 *     exo_map(0, va, 1, mem, 0, EXO_MAP_READ | EXO_MAP_WRITE);
 */
#ifndef CAP_H
#define CAP_H

#include <exo.h>

/** One zeroed page, paid for by the caller's account. @return its handle, or 0 if there is none. */
static inline exo_cap exo_alloc_page(void)
{
    int64_t cap = exo_frame_alloc(0, 1);

    return cap < 0 ? 0 : (exo_cap)cap;
}

/** A child of `cap` with no more than `rights`. @return its handle, or 0. */
static inline exo_cap exo_restrict(exo_cap cap, uint32_t rights)
{
    int64_t child = exo_cap_derive(cap, rights, 0, 0, 0);

    return child < 0 ? 0 : (exo_cap)child;
}

/** Gives a capability up. */
static inline void exo_drop(exo_cap cap)
{
    exo_cap_delete(cap, 0);
}

#endif
