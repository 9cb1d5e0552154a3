/* SPDX-License-Identifier: MIT */
/* New capabilities; see fresh.h. */
#include <lib/fresh.h>
#include <lib/undo.h>

/* Not logged, but for the emptying at the commit: if that is undone, they are lost. */
KEPT static struct {
    uint64_t count, caps[FRESH];
} fresh;

void fresh_note(uint64_t cap)
{
    if (fresh.count == FRESH)
        __builtin_trap();
    fresh.caps[fresh.count] = cap;
    UNDO_ORDER();
    fresh.count++;
    UNDO_ORDER();
}

void fresh_commit(void)
{
    if (fresh.count == 0)
        return;
    if (undo_is_empty())
        fresh.count = 0;
    else
        SET(fresh.count, 0);
}

uint64_t fresh_last(void)
{
    return fresh.count ? fresh.caps[fresh.count - 1] : 0;
}

void fresh_drop_last(void)
{
    fresh.count--;
    UNDO_ORDER();
}

const void *fresh_notes(size_t *bytes)
{
    *bytes = sizeof fresh;
    return &fresh;
}
