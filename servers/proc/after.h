/* SPDX-License-Identifier: MIT */
/*
 * What a request has for consequences outside of proc's own state: at environments, in the pages shared
 * with processes, at init and tty.
 *
 * proc may die at any instruction, and then what was not committed is taken back (lib/undo.h); but what
 * others have seen cannot be. So consequences are noted with the request, in kept memory, and done after
 * its commit, in their order, each ticked off by a commit of its own. A new life goes on with the first
 * that is not ticked off. That one may be done twice, so each is such that twice is like once: words are
 * set to a value and not increased, capabilities that are gone are errors, waking is only asking to look.
 * A standard signal is a bit that the process takes; so as not to set it again it has a number, and the
 * process says which it took last (struct proc_shared).
 *
 * The other way round is for what the kernel makes for proc (capabilities): it is made before the commit,
 * and what no kept word names is found and given back by the next life (port_recover).
 *
 * Pure code. Tests: tests/c17/unit/test_proc_life.c
 */
#ifndef PROC_AFTER_H
#define PROC_AFTER_H

#include <proto/proc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum after {
    AFTER_RESUME,     /* its thread runs */
    AFTER_LEAVE,      /* the environment before the one it is in goes */
    AFTER_RELEASE,    /* all that this life of the slot was given goes */
    AFTER_WAKE_STATE, /* who waits on the state in its entry looks */
    AFTER_TELL_INIT,
    AFTER_TELL_TTY,
    AFTER_CHILD, /* its child_events change */
    /* The rest have functions of their own. */
    AFTER_DETACH,
    AFTER_SUSPEND,
    AFTER_NOTIFY,
    AFTER_FORGET,
    AFTER_CONTINUES,
    AFTER_POST,
    AFTER_QUEUE,
    AFTER_DROP,
};

/** Notes a consequence for the process in `slot`. */
void after(enum after what, uint32_t slot);
/** Its environment ends (port_detach). */
void after_detach(uint32_t slot, uint32_t status);
void after_suspend(uint32_t slot, bool suspended);
/** Raises event bits. */
void after_notify(uint32_t slot, uint32_t bits);
/** Takes pending standard signals back. */
void after_forget(uint32_t slot, uint64_t set);
/** Publishes how many SIGCONTs there were. */
void after_continues(uint32_t slot, uint64_t count);
/** A standard signal, the `number`-th that it is sent; a signal for place `tail` of its queue, and for
 *  the thread `tid` (0: any). */
void after_post(uint32_t slot, const struct proc_siginfo *info, uint32_t number);
void after_queue(uint32_t slot, const struct proc_siginfo *info, uint32_t tail, int32_t tid);
/** A capability of proc's is not needed any more. */
void after_drop(uint64_t cap);

/** Where the notes are: what is behind the last one means nothing (unit tests). */
const void *after_notes(size_t *bytes);

/** After the commit, and in a new life after undo_recover: does what is noted. */
void after_run(void);

#endif
