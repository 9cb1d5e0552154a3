/* SPDX-License-Identifier: MIT */
/*
 * Resurrection: services that come back after a crash, in microseconds, with the state that they keep.
 * Native programs link libos/exo for it, programs of the Linux ABI libexo.a (`cc -static PROGRAM.c -lexo`);
 * kernel/resurrection/README.md explains the mechanism.
 *
 * A file server that needs a driver:
 *
 *     uint32_t fs, driver;
 *     rs_register_service("disk", "/usr/sbin/disk", RS_POLICY_ALWAYS, &driver);
 *     rs_register_service("file_server", "/usr/sbin/fs", RS_POLICY_ALWAYS, &fs);
 *     rs_add_dependency(fs, driver);
 *     rs_start_service(fs);
 *
 * A driver that owns a memory and a device capability, and finds both in its next life - whoever registers
 * it says the first line, the driver the second:
 *
 *     rs_register_service("driver", "/usr/sbin/driver", RS_POLICY_ON_FAILURE, &driver);
 *     rs_keep(memory), rs_keep(device);
 *
 * The functions of the first part act on the table of services, for which they need a capability; see
 * rs_use. A POSIX program needs a process that may open /proc/exo/services: root may control services, others
 * may look. Those of the second part are for a service itself and need none. All answer EXO_OK or an
 * EXO_E* code; beside what is listed, those of the first part answer EXO_ECAP or EXO_ETYPE (rs_use was
 * given no such capability), EXO_ERIGHTS (it does not allow this, or not with this service) and EXO_ENOENT
 * (there is no such service).
 */
#ifndef RS_H
#define RS_H

#include <exo.h>
#include <exo/service.h>

/* ---- the table --------------------------------------------------------------------------------- */

/** The capability that the functions use from now on; before, EXO_SRV_SERVICES, and in a POSIX program what
 *  /proc/exo/services gives when the first of them is called. 0: that again. */
void rs_use(exo_cap services);

/** Makes a service. Its program comes from `path`: whoever loads programs (init) loads it when it is
 *  started. With a limit of 5 rebirths in 60 s.
 *  @param name   unlike that of every other service, at most EXO_SERVICE_NAME - 1 bytes
 *  @param policy when it comes back by itself: RS_POLICY_ALWAYS, RS_POLICY_ON_FAILURE, RS_POLICY_NEVER
 *  @param service_id gets its number
 *  @return also EXO_EINVAL (name, path, policy), EXO_EEXIST (the name), EXO_EOBJECTS (64 services) */
int64_t rs_register_service(const char *name, const char *path, uint32_t policy,
                            uint32_t *service_id);
/** Forgets a service that does not run. @return also EXO_EBUSY (it runs, or another needs it) */
int64_t rs_remove_service(uint32_t service_id);
/** The service is started after `needs_id`. @return also EXO_EINVAL (that would be a cycle) */
int64_t rs_add_dependency(uint32_t service_id, uint32_t needs_id);
/** As rs_add_dependency; and whenever `needs_id` is reborn, the service is restarted. */
int64_t rs_add_follower(uint32_t service_id, uint32_t needs_id);

/** It is to run, and before it all that it needs. One that has failed gets a new chance. */
int64_t rs_start_service(uint32_t service_id);
/** Its life ends, and no other follows. */
int64_t rs_stop_service(uint32_t service_id);
/** Its life ends, and another begins, whatever policy and limit say. */
int64_t rs_restart_service(uint32_t service_id);
/** Its life ends as if it had crashed. */
int64_t rs_kill_service(uint32_t service_id);

/** @return also EXO_EINVAL */
int64_t rs_set_policy(uint32_t service_id, uint32_t policy);
/** At most `rebirths` (up to EXO_SERVICE_LIMIT_MOST; 0: any number) within any `window` ns.
 *  @return also EXO_EINVAL */
int64_t rs_set_limit(uint32_t service_id, uint32_t rebirths, uint64_t window);

/** Whether its lives may begin: enum exo_service_hold. @return also EXO_EINVAL */
int64_t rs_hold_service(uint32_t service_id, uint32_t hold);
/** Each life must give a heartbeat every `period` ns, or counts as hung; 0: as it says itself. */
int64_t rs_set_heartbeat(uint32_t service_id, uint64_t period);
/** It was to start and cannot, for this reason: it has failed. @return also EXO_EINVAL, EXO_EBUSY */
int64_t rs_fail_service(uint32_t service_id, int64_t trouble);
/** Takes its program away, with all that it preserved: the next start loads it anew. @return also EXO_EBUSY
 *  (it runs) */
int64_t rs_unload_service(uint32_t service_id);

/** What is known of it, statistics included. @return also EXO_EFAULT */
int64_t rs_info(uint32_t service_id, struct exo_service_info *info);
/** Waits until the service is no longer as *info says - another state, another life - and stores how it is
 *  now; it looks every millisecond. For who has no notification to watch with, as a POSIX program.
 *  @return also EXO_ETIMEDOUT */
int64_t rs_wait(uint32_t service_id, struct exo_service_info *info, exo_time deadline);
/** Raises `bits` at a notification whenever its state changes, and now; EXO_SERVICE_ANY: that of any;
 *  bits 0: not any more. @return also EXO_EINVAL, EXO_EOBJECTS, and EXO_ECAP, EXO_ETYPE or EXO_ERIGHTS
 *  for the notification */
int64_t rs_watch(uint32_t service_id, exo_cap notification, uint32_t bits);
/** For who loads programs: `env` is the program of the service. See exo_service_attach. */
int64_t rs_attach(uint32_t service_id, exo_cap env);

/* ---- a service itself -------------------------------------------------------------------------- */

/** The present life, and how the last one ended; number 0: the caller is no service. Of the first
 *  thread. */
static inline const struct exo_life *rs_life(void)
{
    return &exo_utcb()->life;
}

/** A rebirth leaves the mappings of the range, their frames and what is in them as they are. Where the
 *  mapping is of a region or frame, keep that capability as well.
 *  @return EXO_EINVAL, EXO_ENOENT (something is not mapped), EXO_ENOMEM, EXO_EOBJECTS */
int64_t rs_preserve(uint64_t va, uint64_t pages);
/** A rebirth leaves the capability, and what was derived from it, as it is. @return EXO_ECAP */
int64_t rs_keep(exo_cap cap);
/** This moment is where rebirths return to.
 *  @return 0; 1 in a life that begins here; EXO_EINVAL (no service), EXO_EBUSY (other threads, or a
 *  revocation), EXO_ENOMEM, EXO_EOBJECTS */
int64_t rs_checkpoint(void);
/** If this is not called again before `deadline`, the service counts as hung and its life ends;
 *  EXO_FOREVER: never. @return EXO_EINVAL (no service), EXO_EOBJECTS */
int64_t rs_heartbeat(exo_time deadline);

#endif
