/* SPDX-License-Identifier: MIT */
/*
 * Transactions of fs, and what a new life does with what the last one left.
 *
 * A request is a transaction (lib/undo.h); so is the closing of a file that nobody holds any more.
 */
#ifndef FS_RECOVER_H
#define FS_RECOVER_H

#include "servers/fs/fs.h"

/**
 * A capability that is to be kept over death, before a record names it: made by the kernel for this
 * transaction, or received. If the transaction is lost, it is deleted.
 */
void cap_keep(exo_cap cap);
/** The same for the endpoint of an open file: its last child is told of. */
void cap_keep_lender(exo_cap cap);
/** Ends a transaction: what it changed stays, and its consequences happen. */
void request_commit(void);
/** Within a loop without a bound, where the records are right: commits if the log has grown long. */
void request_pause(void);
/** In a new life, before the first call: finishes or undoes what the last life was doing. `served`: that
 *  was a call; `badge`: what the UTCB says of the last call. */
void recover(bool served, uint64_t badge);

#endif
