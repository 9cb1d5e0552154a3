/* SPDX-License-Identifier: MIT */
/*
 * Keeping watch: what init's first thread does once everything runs. It never calls a server, so no
 * server's fault can keep it from seeing what happened.
 */
#ifndef INIT_WATCH_H
#define INIT_WATCH_H

#include <stdbool.h>
#include <exo/types.h>

#define STATUS_TIME_OUT 124
#define STATUS_FAILED   125 /* the system itself */

/** Stops the machine; the second one says why in the log first. */
_Noreturn void power_off(uint32_t status);
_Noreturn void power_off_because(uint32_t status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Prepares to watch; the calling thread is the one that will. `deadline`: when the machine is to
 *  stop with STATUS_TIME_OUT. */
void watch_begin(exo_time deadline);

/** Tells what to do when `env` ends. At most 8 environments at a time. The first answers an EXO_E* code if
 *  that cannot be; the second stops the machine. */
int64_t watch_try(exo_cap env, const char *name, void (*ended)(const char *name, exo_cap env));
void watch_add(exo_cap env, const char *name, void (*ended)(const char *name, exo_cap env));

/** Tells what to do when the state of a service changes. */
void watch_services(void (*changed)(void));

/** Watches until the machine stops. */
_Noreturn void watch_run(void);

/** For the log: how an environment ended. */
void watch_describe(exo_cap env, char *to, size_t size);

/** `rings` is called at `first`, and again at each time that it stores, until it answers false. */
enum watch_timer { WATCH_DEADLINE, WATCH_KILLS, WATCH_UPKEEP, WATCH_TIMERS };
void watch_timer(enum watch_timer timer, exo_time first, bool (*rings)(exo_time *next));

#endif
