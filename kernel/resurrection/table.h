/* SPDX-License-Identifier: MIT */
/* The entries behind service.h, for service.c and service_calls.c. */
#ifndef KERNEL_RESURRECTION_TABLE_H
#define KERNEL_RESURRECTION_TABLE_H

#include <kernel/resurrection/policy.h>
#include <kernel/resurrection/service.h>
#include <kernel/resurrection/snapshot.h>
#include <kernel/sched/timer.h>

struct notification;

/* What of a service is not policy. */
struct service {
    char name[EXO_SERVICE_NAME], path[EXO_SERVICE_PATH];
    struct env *env; /* its program, with its only lasting thread; holds references. 0: none */
    struct thread *thread;
    struct snapshot snapshot; /* to go back to */
    struct snapshot next;     /* being made */
    struct restoring at;      /* while DYING */
    struct timer heartbeat;
    bool served;     /* the last life ended while it served a call */
    bool recovering; /* a life has ended, and the next is to come */
    /* The last life's end, and its cost. */
    uint32_t cause; /* enum exo_cause */
    int32_t trouble;
    int64_t status;
    uint64_t fault_kind, fault_pc, fault_address;
    uint64_t pc; /* where its first thread stood */
    uint64_t born, died, recovery, recovery_total;
    uint64_t period; /* of heartbeats, at most; 0: the service says */
    uint64_t before; /* lives of earlier programs */
};

extern struct rs_table rs;
struct service *service_at(uint32_t i);

/** Service i cannot be started, for this EXO_E* reason: it has failed. */
void service_give_up(uint32_t i, int64_t trouble);
/** Does what the table says is to be done. */
void service_settle(void);
/** Tells those who watch service i. */
void service_changed(uint32_t i);
/** As sys_service_watch, arguments checked. */
int64_t service_watch(uint32_t i, struct notification *n, uint32_t bits);
void service_forget_watches(uint32_t i);

#endif
