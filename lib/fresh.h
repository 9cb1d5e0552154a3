/* SPDX-License-Identifier: MIT */
/*
 * Capabilities that are new in a transaction (lib/undo.h), of a server that keeps them over its death.
 *
 * The kernel keeps a capability once it is asked to (rs_keep); a record names it once the transaction is
 * committed. If the server dies in between, nobody would ever give it up. So it is noted here first:
 *
 *     fresh_note(cap); rs_keep(cap); SET(record->cap, cap);
 *     ...
 *     fresh_commit(); undo_commit();
 *
 * and a new life, after undo_recover, deletes what is noted still. Which of them was deleted already does
 * not matter: the handle names nothing then.
 */
#ifndef LIB_FRESH_H
#define LIB_FRESH_H

#include <stddef.h>
#include <stdint.h>

/** Notes a capability before it is kept. More than FRESH in one transaction end the program. */
void fresh_note(uint64_t cap);

/** Before the commit: what is noted belongs to records from then on. */
void fresh_commit(void);

/** The capability that was noted last; 0: none. */
uint64_t fresh_last(void);
/** It has been deleted. */
void fresh_drop_last(void);

/** Where the notes are: they change without being logged (unit tests). */
const void *fresh_notes(size_t *bytes);

#define FRESH 16u

#endif
