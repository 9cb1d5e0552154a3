/* SPDX-License-Identifier: MIT */
/*
 * What a transaction has for consequences outside of fs's records.
 *
 * Undoing reaches the records only, so nothing that others see, and nothing that the kernel cannot
 * give back, may happen before the commit. It is noted instead, in the transaction, and done after
 * it: publishing and waking, punching pages out of files, deleting capabilities. Each may be done
 * twice (a handle that is gone is an error, not another object), so a new life simply goes on with
 * those that are noted still.
 *
 * What the kernel makes for fs is made before the commit: a capability that no record names is
 * found and deleted by the next life (recover.c).
 */
#ifndef FS_AFTER_H
#define FS_AFTER_H

#include "servers/fs/fs.h"

enum after {
    AFTER_NOTHING,
    AFTER_DROP,    /* a: a capability */
    AFTER_RELEASE, /* a: a region that is a file's no more */
    AFTER_UNMAP,   /* object: a page of port_region_map */
    AFTER_CLEAR,   /* a: region, b: offset, c: bytes that become 0; a: 0: at `object` */
    AFTER_PUNCH,   /* a: region, b: page, c: pages */
    AFTER_SERVICE, /* a: service, b: enum exo_cause, or EXO_ALIVE: start it. Never done twice */
    /* Of an object that may be freed in the same transaction: after_forget. */
    AFTER_STATE,  /* object: an inode, whose state page is to be written */
    AFTER_LOCKS,  /* object: an inode, of which a lock was given up */
    AFTER_FIFO,   /* object: a FIFO, whose page is to be written */
    AFTER_EVENTS, /* object: an inotify instance, the same */
    AFTER_UNUSED, /* object: an inode that may have to go */
};

/** Notes a consequence of the transaction. */
void after(enum after what, void *object, uint64_t a, uint64_t b, uint64_t c);
/** Notes it once. */
void after_once(enum after what, void *object);
static inline void after_drop(exo_cap cap)
{
    after(AFTER_DROP, 0, cap, 0, 0);
}
/** The object is about to be freed: nothing is to be done with it. */
void after_forget(const void *object);
/** After the commit, or in a new life: does what is noted. */
void after_run(void);
bool after_is_empty(void);

#endif
