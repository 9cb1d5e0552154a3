/* SPDX-License-Identifier: MIT */
/* Extents: which run of sectors a badge stands for. */
#include "blk.h"

static struct extent *extent_free(void)
{
    for (uint32_t i = 0; i < EXTENTS; i++) {
        if (!state.extents[i].valid)
            return &state.extents[i];
    }
    return 0;
}

int64_t badge_mint(uint64_t badge)
{
    int64_t cap = exo_cap_derive(EXO_SRV_ENDPOINT, EXO_R_CALL | EXO_R_GRANT, badge, 0, 0);

    if (cap < 0)
        return -ENFILE;
    exo_cap_flags((exo_cap)cap, EXO_CAP_LENDER | EXO_CAP_KEEP);
    return cap;
}

int64_t extent_make(uint32_t disk, uint64_t first, uint64_t sectors, uint32_t rights)
{
    struct extent *e = extent_free();
    uint32_t index = (uint32_t)(e - state.extents), generation = ++state.generation;
    int64_t cap;

    if (!e)
        return -ENFILE;
    cap = badge_mint(BADGE(BLOCK_BADGE_EXTENT, generation, index));
    if (cap < 0)
        return cap;
    *e = (struct extent){.first = first,
                         .sectors = sectors,
                         .disk = disk,
                         .rights = rights,
                         .generation = generation,
                         .cap = (exo_cap)cap};
    e->valid = true;
    return index;
}

struct extent *extent_of_badge(uint64_t badge)
{
    uint64_t index = badge & BADGE_INDEX;
    struct extent *e = &state.extents[index < EXTENTS ? index : 0];

    return (badge & BLOCK_BADGE_EXTENT) && index < EXTENTS && e->valid &&
                   badge == BADGE(BLOCK_BADGE_EXTENT, e->generation, index)
               ? e
               : 0;
}

static void forget(struct extent *e)
{
    if (!e->cap && e->users == 0)
        e->valid = false;
}

void extent_release(struct extent *e)
{
    e->users--;
    forget(e);
}

void extent_unheld(struct extent *e)
{
    exo_cap_delete(e->cap, 0);
    e->cap = 0;
    forget(e);
}

bool badge_is_lent(exo_cap cap)
{
    struct exo_cap_info info = {0};

    return exo_cap_info(cap, &info) != EXO_OK || (info.flags & EXO_CAP_LENT);
}

bool extents_sweep(const struct extent *used)
{
    bool any = false;

    for (uint32_t i = 0; i < EXTENTS; i++) {
        struct extent *e = &state.extents[i];

        if (e == used || !e->valid || !e->cap || badge_is_lent(e->cap))
            continue;
        extent_unheld(e);
        any = true;
    }
    return any;
}
