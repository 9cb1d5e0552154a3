/* SPDX-License-Identifier: MIT */
/* Transactions of fs, and what a new life does with what the last one left; see recover.h. */
#include "servers/fs/recover.h"
#include "servers/fs/after.h"
#include "servers/fs/port.h"

#include <lib/answers.h>
#include <lib/fresh.h>

static void note(exo_cap cap)
{
    size_t bytes;
    const void *notes = fresh_notes(&bytes);

    unlogged(notes, bytes);
    fresh_note(cap);
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
    fresh_commit();
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
    uint64_t cap;

    while ((cap = fresh_last()) != 0) {
        port_drop(cap);
        fresh_drop_last();
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
