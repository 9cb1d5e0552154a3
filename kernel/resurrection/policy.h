/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a service: the table of states, the limit on rebirths, and the graph of
 * dependencies. Decisions only: who calls (service.c) does what was decided.
 *
 * The file is written to be proved: one table of fixed size, sets of services as 64-bit masks, loops
 * with constant bounds, no pointer to anything outside, no hidden state. Time comes in as an argument.
 *
 *                      rs_want                rs_run
 *      REGISTERED ───────────────▶ STARTING ─────────▶ RUNNING
 *                                   ▲  ▲ ▲                │ rs_died
 *                           rs_want │  │ └── rs_restored ─┤
 *      STOPPED ─────────────────────┘  │                  ▼
 *         ▲                            │ rs_want        DYING
 *         └──────── rs_restored ───────┼──────────────────┤
 *                                    FAILED ◀─────────────┘ rs_restored
 *
 * DYING is the time in which the old life is tidied up; what comes then was decided at the death and
 * stands in `after`. A rebirth passes through STARTING, because a dependency may be down meanwhile.
 */
#ifndef KERNEL_RESURRECTION_POLICY_H
#define KERNEL_RESURRECTION_POLICY_H

#include <exo/service.h>
#include <stdbool.h>
#include <stdint.h>

#define RS_NOBODY         EXO_SERVICES /* no service has this number */
#define RS_DEFAULT_LIMIT  5u
#define RS_DEFAULT_WINDOW 60000000000u /* ns */

/** A set of services: bit i stands for service i. */
typedef uint64_t rs_set;
#define RS_BIT(i) ((rs_set)1 << (i))

struct rs_entry {
    uint8_t state;  /* enum exo_service_state; EXO_SERVICE_NONE: no such service */
    uint8_t after;  /* while DYING: STARTING, STOPPED or FAILED */
    uint8_t policy; /* enum exo_service_policy */
    uint8_t loaded; /* it has a program: it could run */
    uint8_t hold;   /* enum exo_service_hold */
    uint32_t limit; /* rebirths within any `window` ns; 0: no limit */
    uint64_t window;
    uint64_t lives;    /* started so far */
    uint64_t rebirths; /* of its own, those that the limit counts; time k is in at[k % MOST] */
    uint64_t at[EXO_SERVICE_LIMIT_MOST]; /* never decreases, from one to the next */
    rs_set needs;                        /* must run before it starts */
    rs_set follows; /* a subset of `needs`: when one of these is reborn, so is this */
};

struct rs_table {
    struct rs_entry entry[EXO_SERVICES];
    uint32_t used; /* no service has this number or a higher one */
    uint64_t now;  /* the latest time that anybody told: it never goes back */
};

void rs_init(struct rs_table *t);
bool rs_is(const struct rs_table *t, uint32_t i);

/** A new service, REGISTERED, with the lowest free number; RS_NOBODY if all are taken or the policy is
 *  none. */
uint32_t rs_add(struct rs_table *t, uint32_t policy);
/** Takes one out that is REGISTERED, STOPPED or FAILED and that nobody needs. */
bool rs_remove(struct rs_table *t, uint32_t i);
bool rs_set_policy(struct rs_table *t, uint32_t i, uint32_t policy);
/** `limit` up to EXO_SERVICE_LIMIT_MOST; 0: none. `window` not 0. */
bool rs_set_limit(struct rs_table *t, uint32_t i, uint32_t limit, uint64_t window);
/** It has a program now, or has none any more. */
void rs_set_loaded(struct rs_table *t, uint32_t i, bool loaded);

/** Whether lives may begin: enum exo_service_hold. */
bool rs_hold(struct rs_table *t, uint32_t i, uint32_t hold);
/** Does service i not run, nor is to? */
bool rs_at_rest(const struct rs_table *t, uint32_t i);

/** Everything that service i needs, directly or through others; not i itself, as there is no cycle. */
rs_set rs_all_needs(const struct rs_table *t, uint32_t i);
/** Service i needs `on`, and with `follow` is restarted after it. False and no change for a cycle. */
bool rs_depend(struct rs_table *t, uint32_t i, uint32_t on, bool follow);
/** All services, each behind what it needs; how many. */
uint32_t rs_order(const struct rs_table *t, uint8_t order[EXO_SERVICES]);

/** Service i is to run, and so is what it needs: those that became STARTING. A FAILED one begins a new
 *  count of rebirths. */
rs_set rs_want(struct rs_table *t, uint32_t i);
/** The first STARTING one that is loaded, may begin, and has what it needs; RS_NOBODY if there is none. */
uint32_t rs_next_to_run(const struct rs_table *t);
/** STARTING becomes RUNNING: a life begins. */
bool rs_run(struct rs_table *t, uint32_t i);

/** A life of RUNNING service i has ended: it is DYING, and what comes after is decided. `counts`: the
 *  limit counts this rebirth; `wanted`: the policy does not matter, it is to come back. */
void rs_died(struct rs_table *t, uint32_t i, bool success, bool counts, bool wanted, uint64_t now);
/** Service i is not to run any more: STARTING is STOPPED at once; of a DYING one, no life follows.
 *  A RUNNING one must die first. */
void rs_halt(struct rs_table *t, uint32_t i);
/** Nothing more can be made of it. */
void rs_fail(struct rs_table *t, uint32_t i);
/** DYING is over. The new state. */
uint32_t rs_restored(struct rs_table *t, uint32_t i);

/** The invariants at the head of policy.c. */
bool rs_table_ok(const struct rs_table *t);

#endif
