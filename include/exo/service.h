/* SPDX-License-Identifier: MIT */
/*
 * Services: what crosses the boundary about them. Programs include <rs.h>, which has the functions.
 * kernel/resurrection/README.md explains the mechanism.
 */
#ifndef EXO_SERVICE_H
#define EXO_SERVICE_H

#include <exo/types.h>

#define EXO_SERVICES           64u /* in the table, at most */
#define EXO_SERVICE_LIMIT_MOST 16u /* the largest limit on rebirths; 0: no limit */
#define EXO_SERVICE_NAME       24u /* bytes, with the NUL */
#define EXO_SERVICE_PATH       64u

/* When a service comes back by itself. */
enum exo_service_policy {
    RS_POLICY_NEVER,      /* never */
    RS_POLICY_ON_FAILURE, /* unless it ended by itself with status 0 */
    RS_POLICY_ALWAYS,     /* whenever its life ends */
};

enum exo_service_state {
    EXO_SERVICE_NONE,       /* no such service */
    EXO_SERVICE_REGISTERED, /* known; never started */
    EXO_SERVICE_STARTING,   /* is to run, and waits for its program or for what it needs */
    EXO_SERVICE_RUNNING,    /* alive */
    EXO_SERVICE_DYING,      /* its life has ended, and is being tidied up */
    EXO_SERVICE_STOPPED,    /* does not run, and nobody wants it to */
    EXO_SERVICE_FAILED,     /* does not run: the limit was reached, its policy lets it stay down, or
                               it could not be started */
};

/* A POSIX program's way to the table: ioctl(fd, RS_IOCTL_TABLE, &capability) of /proc/exo/services. */
#define RS_IOCTL_TABLE 0x80087201u

/* exo_service_depend. */
#define EXO_SERVICE_FOLLOW 1u /* it is restarted when the other is reborn */

/* exo_service_hold: may lives begin? */
enum exo_service_hold {
    EXO_HOLD_NONE,  /* yes */
    EXO_HOLD_LIVES, /* no: it stays STARTING */
    EXO_HOLD_ONE,   /* the next one, and then EXO_HOLD_LIVES again */
};

/* exo_service_watch: of all services. */
#define EXO_SERVICE_ANY UINT32_MAX

/* What exo_service_register takes. */
struct exo_service_plan {
    char name[EXO_SERVICE_NAME]; /* NUL-terminated, not empty, unlike every other's */
    char path[EXO_SERVICE_PATH]; /* NUL-terminated: what its loader loads */
    uint32_t policy;             /* enum exo_service_policy */
    uint32_t reserved;           /* 0 */
};
static_assert(sizeof(struct exo_service_plan) == 96, "ABI: service plan");

/* What exo_service_info answers. Times are exo_time; those of what never happened are 0. */
struct exo_service_info {
    char name[EXO_SERVICE_NAME];
    char path[EXO_SERVICE_PATH];
    uint32_t state;  /* enum exo_service_state */
    uint32_t policy; /* enum exo_service_policy */
    uint32_t limit;  /* rebirths within `window` ns; 0: any number */
    uint32_t loaded; /* not 0: it has a program */
    uint64_t window;
    uint64_t lives;      /* started so far */
    uint64_t needs;      /* bit i: service i must run before it */
    uint64_t follows;    /* bit i: it is restarted when service i is reborn */
    uint32_t cause;      /* how the last life ended: enum exo_cause; EXO_ALIVE: none ended yet */
    int32_t trouble;     /* why it could not be started or restored: EXO_E*, or 0 */
    int64_t status;      /* word given to exo_env_destroy */
    uint64_t fault_kind; /* enum exo_upcall */
    uint64_t fault_pc, fault_address;
    uint64_t born, died;  /* when the present life began, and the last one ended */
    uint64_t recovery_ns; /* from the last death to the next life */
    uint64_t recovery_total_ns;
    uint64_t heartbeat; /* when it counts as hung; EXO_FOREVER: never */
    uint64_t period;    /* ns between heartbeats, at most; 0: the service says */
    uint32_t hold;      /* enum exo_service_hold */
    uint32_t reserved;
};
static_assert(sizeof(struct exo_service_info) == 232, "ABI: service information");

/* The first thread of a service finds this in its UTCB. The kernel writes it when a life begins. */
struct exo_life {
    uint64_t number; /* 0: this environment is no service; 1: its first life */
    uint32_t cause;  /* how the last life ended: enum exo_cause; EXO_ALIVE in the first */
    /* Not 0: it was serving a call, which ended with EXO_ERESTARTED. Who takes note of that writes 0; if a life
     * ends before, the next one is told the same. */
    uint32_t served;
    int64_t status; /* and with what word */
    uint64_t fault_kind, fault_pc, fault_address;
    /* Where its first thread stood: what is behind that had not been done. As with `served`, who takes note
     * writes 0. */
    uint64_t pc;
};
static_assert(sizeof(struct exo_life) == 56, "ABI: life");

#endif
