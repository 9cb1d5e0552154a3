/* SPDX-License-Identifier: MIT */
/*
 * What happens between the lives of a service, as its rights file says: the slow part of resurrection. A
 * service that must wait, or be repaired, is held by the kernel when its life ends (EXO_HOLD_LIVES), and
 * its callers wait with it; when its time has come it is let go for one life.
 */
#ifndef INIT_UPKEEP_H
#define INIT_UPKEEP_H

#include <exo/service.h>
#include <libos/exo/spawn.h>
#include <servers/init/rights.h>

struct upkeep {
    uint32_t id; /* in the kernel's table */
    const struct rights *rights;
    enum { UPKEEP_IDLE, UPKEEP_WAITING, UPKEEP_REPAIRING } stage;
    uint32_t tries;          /* deaths in a row: each doubles the wait */
    exo_time due;            /* WAITING: until then */
    exo_time chance;         /* when it was last given another chance; 0: never */
    struct spawned recovery; /* REPAIRING: the program */
    exo_cap recovery_account;
};

/** Tells the kernel what the rights file says. @return EXO_OK, or what the kernel answered. */
int64_t upkeep_begin(struct upkeep *u, uint32_t id, const struct rights *rights);
/** The service is gone. */
void upkeep_end(struct upkeep *u);
/** The service's state is no longer `before`. */
void upkeep_changed(struct upkeep *u, const struct exo_service_info *before,
                    const struct exo_service_info *now);

#endif
