/* SPDX-License-Identifier: MIT */
/* Transactions of fs, and what a new life does with what the last one left; see recover.h. */
#include "servers/fs/recover.h"
#include "servers/fs/after.h"
#include "servers/fs/port.h"

#include <lib/answers.h>

#define FRESH 16u /* capabilities that one transaction gets */

/* Those of this transaction: noted before the kernel is asked to keep them, so none is kept that
 * nobody knows of. Not logged, but for the emptying at the commit: if that is undone, they are lost. */
KEPT static struct {
    uint32_t count;
    exo_cap caps[FRESH];
} fresh;

static void note(exo_cap cap)
{
    if (fresh.count == FRESH)
        __builtin_trap();
    unlogged(&fresh, sizeof(fresh));
    fresh.caps[fresh.count] = cap;
    UNDO_ORDER();
    fresh.count++;
}

void cap_keep(exo_cap cap)
{
    note(cap);
    port_keep(cap, false);
}

void cap_keep_lender(exo_cap cap)
{
    note(cap);
    port_keep(cap, true);
}

void request_commit(void)
{
    if (fresh.count)
        SET(fresh.count, 0);
    if (!undo_is_empty())
        undo_commit();
    after_run();
}

void request_pause(void)
{
    if (undo_is_long())
        request_commit();
}

static void fresh_drop(void)
{
    while (fresh.count) {
        exo_cap cap = fresh.caps[fresh.count - 1];

        port_drop(cap);
        fresh.count--;
    }
}

void recover(bool served, uint64_t badge)
{
    undo_recover();
    fresh_drop();
    answers_recover(served, badge);
    files_map(); /* consequences may write to these pages */
    after_run();
    data_recover();
    files_recover();
}
