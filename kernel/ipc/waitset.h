/* SPDX-License-Identifier: MIT */
/*
 * Wait sets: many words, registered once. An entry whose word is woken goes to the ready list, whether
 * somebody waits or not, so no wake-up is lost; a wait takes entries from that list and costs as much
 * as it returns, however many words the set watches.
 */
#ifndef KERNEL_IPC_WAITSET_H
#define KERNEL_IPC_WAITSET_H

#include <kernel/ipc/wait.h>
#include <kernel/object.h>

struct thread;

struct waitset_entry {
    struct wait_node node; /* in the bucket of its word */
    struct waitset *set;
    struct waitset_entry *next, **link; /* all entries of the set */
    struct waitset_entry *ready_next;
    uint64_t key;   /* the owner's name for it */
    uint32_t index; /* in the pool */
    bool ready;     /* on the ready list */
    bool removed;   /* taken out while ready: freed when the list reaches it */
};

struct waitset {
    struct object object;
    struct waitset_entry *entries;
    struct waitset_entry *ready_head, **ready_tail;
    struct thread *sleeper; /* one thread at most waits on a set */
};

/** A word of the set was woken. */
void waitset_ready(struct waitset_entry *e);
/** The set's sleeper leaves, without a result. */
void waitset_leave(struct thread *t);
void waitset_destroy(struct waitset *set);
void waitset_start(void);

#endif
