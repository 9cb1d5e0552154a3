/* SPDX-License-Identifier: MIT */
/* The undo log; see undo.h. Tests: tests/c17/unit/test_lib_undo.c */
#include <lib/undo.h>

#ifdef EXO_HOST_TEST
__attribute__((weak)) void undo_step(void)
{
}
#endif

KEPT struct undo_log undo_log;

void undo_begin(void)
{
    undo_log.next = undo_log.entries;
    undo_log.serial = 1;
}

void undo_recover(void)
{
    /* The entry goes after its word was restored: a second death restores it once more. */
    while (!undo_is_empty()) {
        struct undo_entry *entry = undo_log.next - 1;

        *entry->at = entry->old;
        UNDO_ORDER();
        undo_log.next = entry;
        UNDO_ORDER();
    }
    undo_log.serial++; /* what the transaction had freed is in use again */
}
