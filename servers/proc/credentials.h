/* SPDX-License-Identifier: MIT */
/*
 * Credentials: which ids a process may take, and whom it may signal. Linux's rules, with one
 * simplification: capabilities are not modelled, so "privileged" means effective uid 0.
 *
 * Pure code over the published entry. Tests: tests/c17/unit/test_proc_credentials.c
 */
#ifndef PROC_CREDENTIALS_H
#define PROC_CREDENTIALS_H

#include <proto/proc.h>
#include <stdbool.h>
#include <stdint.h>

/** setuid(2) and its kin: `which` is PROC_ID_*, the ids as in the Linux call (32 bits each, all ones:
 *  keep). The call's result. */
int64_t credentials_set(struct proc_entry *e, uint64_t which, uint64_t a, uint64_t b, uint64_t c);
int64_t credentials_set_groups(struct proc_entry *e, const uint32_t *ids, uint64_t count);
/** What exec of a program that is not set-id does: saved and file ids follow the effective ones. */
void credentials_exec(struct proc_entry *e);
/** May `from` send `to` a signal? (SIGCONT within a session is the caller's business.) */
bool credentials_may_signal(const struct proc_entry *from, const struct proc_entry *to);
/** May `from` see and change how `to` is scheduled? */
bool credentials_may_schedule(const struct proc_entry *from, const struct proc_entry *to);

#endif
