/* SPDX-License-Identifier: MIT */
/*
 * Signals between processes. What a signal *does* is decided in the process, which alone knows its
 * handlers; proc carries it there (proto/proc.h, struct proc_shared) and enforces the three that no
 * process can refuse: SIGKILL, SIGSTOP and the continuing of SIGCONT.
 */
#ifndef PROC_SIGNAL_H
#define PROC_SIGNAL_H

#include <proto/proc.h>
#include <stdbool.h>
#include <stdint.h>

/** kill(2) with its permissions; code and value as PROC_KILL. */
int64_t signal_kill(uint32_t caller, int64_t pid, int64_t signo, int64_t code, uint64_t value);
/** tgkill(2) to whatever process has the thread. -EAGAIN: its queue is full. */
int64_t signal_kill_thread(uint32_t caller, int32_t tid, int64_t signo, int64_t code,
                           uint64_t value);
/** Delivers without asking. 0, or -EAGAIN: the queue is full. */
int64_t signal_send(uint32_t slot, const struct proc_siginfo *info);
/** The kernel's own signal to a group: returns how many were reached. */
int64_t signal_group(uint32_t group, int32_t signo);
/** Stops a process with a signal, or lets it go on, and tells its parent. */
void signal_stop(uint32_t slot, int32_t signo);
void signal_continue(uint32_t slot);
/** Tells the parent of a change in `slot`: SIGCHLD (or another) and the word to wait on. */
void signal_parent(uint32_t slot, int32_t signo, int32_t code, uint32_t value);
/** Signals that came for pid 1, as a set; asking empties it. */
uint64_t signal_take_init(void);

#endif
