/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: a program as it was at one moment, to go back to.
 *
 * The image is an environment that never runs. Its space is a clone of the program's, so pages are
 * shared copy-on-write and a snapshot costs what is written after it. Its capabilities are siblings of
 * the program's at the same handles, so whatever is revoked goes from both: going back never revives a
 * capability. Left out is what is preserved: mappings (EXO_MAP_PRESERVE) and slots (EXO_CAP_KEEP).
 *
 * Of the threads there is one: the first.
 */
#ifndef KERNEL_RESURRECTION_SNAPSHOT_H
#define KERNEL_RESURRECTION_SNAPSHOT_H

#include <exo/utcb.h>
#include <hal/hal.h>

struct env;
struct thread;

#define SNAPSHOT_WORDS 12u

struct snapshot {
    struct env *image; /* 0: there is no snapshot */
    const struct env *of;
    uint32_t slot; /* while it is made: how far that has come */
    uint64_t va;
    struct hal_context context;
    struct hal_fpu *fpu; /* a frame; 0: as a new thread's */
    uint64_t foreign_pc, upcall_pc, nested_pc;
    uint64_t libos[SNAPSHOT_WORDS]; /* of the UTCB */
    uint32_t masked;
    uint8_t priority;
};
static_assert(sizeof(((struct exo_utcb *)0)->libos) == SNAPSHOT_WORDS * 8, "the LibOS's words");

/** A piece of making one of `env`, whose only thread is `t` and does not run meanwhile. *s is zeroed
 *  before the first. EXO_OK; EXO_EAGAIN: more is left; EXO_EBUSY, EXO_ENOMEM, EXO_EOBJECTS: nothing is
 *  left of it. */
int64_t snapshot_take(struct snapshot *s, struct thread *t, bool with_fpu);
/** From now on the snapshot is the one to go back to. */
void snapshot_commit(const struct snapshot *s, struct env *env);
void snapshot_drop(struct snapshot *s);

/** How far going back has come. */
struct restoring {
    enum restore_step { RESTORE_CAPABILITIES, RESTORE_SPACE, RESTORE_DONE } step;
    uint32_t slot;
    uint64_t va;
};
/** A piece of going back: memory and capabilities of `env`, no thread of which runs. EXO_OK: done;
 *  EXO_EAGAIN: the budget is used up; EXO_ENOMEM, EXO_EOBJECTS: it cannot be done now. */
int64_t snapshot_restore(const struct snapshot *s, struct env *env, struct restoring *at,
                         unsigned *budget);
/** And the thread, which is not queued. EXO_OK, EXO_ENOMEM, EXO_EOBJECTS. */
int64_t snapshot_restore_thread(const struct snapshot *s, struct thread *t);

#endif
