/* SPDX-License-Identifier: MIT */
/*
 * Environments: protection domains. An address space, a table of capabilities, and threads.
 *
 * The table maps handles (slot and generation) to entries of the global capability table; all that
 * a call may touch is found through env_object, which checks liveness, kind and rights in one place.
 *
 * Death is quick and its tidying is slow: env_kill stops the threads and lets nobody in any more;
 * memory and capabilities go in bounded steps (reap.c). The object stays as a record (cause, status,
 * CPU time) until the last capability to it goes.
 */
#ifndef KERNEL_ENV_ENV_H
#define KERNEL_ENV_ENV_H

#include <hal/hal.h>
#include <kernel/cap/cap.h>
#include <kernel/mem/account.h>
#include <kernel/mem/space.h>
#include <kernel/object.h>
#include <kernel/sched/timer.h>

struct thread;
struct service;
struct endpoint;
struct notification;

#define SLOTS_PER_PAGE 512u
#define SLOT_PAGES     (EXO_CAP_SLOTS / SLOTS_PER_PAGE)

struct slot {
    cap_id cap;          /* CAP_NIL: unused */
    uint32_t generation; /* of the present or the last user of the slot */
};
#define GENERATION_MAX 0x7fffffffu /* a slot that reaches it is retired */

struct env {
    struct object object;
    struct account *account; /* holds a reference; pays for private memory */
    struct space space;
    struct slot *slots[SLOT_PAGES];
    uint64_t slot_used[SLOT_PAGES][SLOTS_PER_PAGE / 64]; /* bitmap: in use, or retired */
    uint32_t slot_pages;                                 /* the pages of the table are below this */
    uint32_t slot_pages_full;                            /* bit p: page p has no free slot */
    struct thread *threads;                              /* list through thread.env_next */
    uint32_t thread_count;
    uint32_t suspended;
    uint32_t own_caps;        /* capabilities to itself in its own table: they keep nothing alive */
    struct endpoint *serving; /* endpoints it receives on: list through endpoint.served_next */
    cap_id childless;         /* list of its childless lenders */
    cap_id revoking;          /* whose descendants it is removing, or CAP_NIL */
    struct service *service;  /* of whose program it is (kernel/resurrection/service.h), or 0 */
    struct notification *watch; /* told of its death; holds a reference */
    uint32_t watch_bits;
    /* The record. */
    uint32_t cause; /* enum exo_cause */
    int64_t status;
    uint64_t dead_ticks; /* CPU time of threads that have ended */
    uint64_t fault_kind, fault_pc, fault_address;
    /* Visible revocation (mem/reclaim.c). */
    struct timer reclaim;
    uint64_t reclaim_goal; /* private frames it may keep */
    /* Reaping. */
    struct env *reap_next;
    uint32_t reap_slot;
    uint8_t reap;      /* why it is in the list of env_reap */
    bool revoke_waits; /* its revoke is left to env_reap */
};

struct env *env_current(void);

/** Makes an empty environment with slots 1 (itself) and 2 (the account) filled. */
int64_t env_create(struct account *account, struct env **out);
/** The same without any capability in its table: an image, which never runs (kernel/resurrection). */
int64_t env_make(struct account *account, struct env **out);
/** Ends it: see above. Harmless on a dead one. */
void env_kill(struct env *env, enum exo_cause cause, int64_t status);
/** The rest of env_kill: as long as threads of it run on other CPUs it only tells them to stop, and is
 *  called again by the last of them (sched.c). */
void env_end(struct env *env);
/** A capability to it is gone: ends it if nobody can reach it any more and no thread is in it. */
void env_abandoned(struct env *env);
/** A service's environment was dead, and is not any more. */
void env_reborn(struct env *env);
/** One bounded piece of tidying up after the dead, and of revokes. True if there is more. */
bool env_reap(void);
/** Environments whose tidying is not finished. */
uint64_t env_dying(void);
void env_destroy_object(struct env *env);

/* ---- handles (slots.c) ------------------------------------------------------------------------- */

/** Called once: the global table for at most `caps` capabilities. */
void slots_init(uint32_t caps);
struct cap_table *cap_global(void);

/** The entry behind a handle. EXO_OK or EXO_ECAP. */
int64_t env_cap(struct env *env, exo_cap handle, cap_id *out);
/** The object behind a handle, if it is of this kind and the capability has these rights. */
int64_t env_object(struct env *env, exo_cap handle, enum exo_type type, uint32_t rights,
                   void **out);
/** As env_object for accounts and environments, where handle 0 means the caller's own. The account's
 *  own handle is slot 2, the environment's slot 1: 0 has all rights. A dead environment is EDEAD
 *  unless only READ is asked. */
int64_t env_account(struct env *env, exo_cap handle, uint32_t rights, struct account **out);
int64_t env_environment(struct env *env, exo_cap handle, uint32_t rights, struct env **out);

/** Gives a new object to `env` as a capability from nowhere; consumes the reference that
 *  object_create gave. The handle; on failure the object is destroyed. */
int64_t env_grant_new(struct env *env, struct object *object, uint32_t rights);
/** As env_grant_new, at a chosen handle, and taking a reference of its own. */
int64_t env_grant_at(struct env *env, struct object *object, uint32_t rights, exo_cap want);

/** How a capability is passed on. */
enum pass_mode { PASS_COPY, PASS_DERIVE };
struct pass {
    enum pass_mode mode;
    uint32_t rights; /* DERIVE */
    uint64_t badge;  /* DERIVE; 0: keep */
};
/** Copies or derives `source` into `to` at `want` (0: anywhere). The new handle. */
int64_t env_pass(cap_id source, const struct pass *how, struct env *to, exo_cap want);
/** Removes a live capability, with the mappings made by it and, if it is the last one of a region or an
 *  extent, with the frames of that. One capability, or 32 pages, take one off the budget. False: the budget
 *  is used up, and the capability is there still, but good for nothing (CAP_ENDING). */
bool env_cap_end(cap_id c, unsigned *budget);
/** The same without a budget, for one that shows nothing: no mapping made by it has a page. */
void env_cap_remove(cap_id c);
bool env_cap_shows_nothing(cap_id c);

/* Revoking in pieces. What is left when a piece is done is looked for later: by the revoker, when he calls
 * again, and by env_reap, which works for one environment after the other. While anybody waits there, each
 * capability that is copied or derived anywhere has two removed before the copier goes on. So whoever is
 * first in that queue has fewer descendants after each copy, however fast they are copied and by how many:
 * no revoke is outrun, and none is longer than what there was of capabilities when it began. */

/** The environment's revoke is not finished: env_reap goes on with it. */
void env_revoke_later(struct env *env);
/** It is, or its capability is gone. */
void env_revoke_over(struct env *env);
/** A piece of it. True: it is finished. */
bool env_revoke_piece(struct env *env, unsigned *budget);
/** A capability was copied or derived. */
void env_cap_added(void);
/** A loan did not arrive. If it was the lender's only one, it is as if it had been given back. */
void env_lend_missed(struct env *lender, exo_cap handle);
/** Removes up to `budget` capabilities of a table that is going away, from *slot on. True: done. */
bool env_slots_clear(struct env *env, uint32_t *slot, unsigned budget);
void env_slots_free(struct env *env);

/* Snapshots (kernel/resurrection/snapshot.h). `image` has the table of a snapshot. */

/** Copies at most `budget` capabilities that are not kept to the same handles of `image`, from *slot on:
 *  siblings, so what is revoked goes from both. EXO_EAGAIN: more are left. */
int64_t env_slots_freeze(struct env *env, struct env *image, uint32_t *slot, unsigned budget);
/** The snapshot is complete: marks the capabilities that are in it (CAP_PRISTINE). */
void env_slots_mark(struct env *env, const struct env *image);
/** After a life: removes what is neither kept nor in the snapshot, what came from all but the kept ones,
 *  and brings back what the life had given up. From *slot on; EXO_EAGAIN: the budget is used up. */
int64_t env_slots_restore(struct env *env, struct env *image, uint32_t *slot, unsigned *budget);

#endif
