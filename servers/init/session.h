/* SPDX-License-Identifier: MIT */
/* The first POSIX process: a command, or one login after another. */
#ifndef INIT_SESSION_H
#define INIT_SESSION_H

#include <stdbool.h>

struct session_plan {
    const char *const *words; /* the command; 0: logins */
    bool terminal;            /* the command gets the console as its terminal */
};

/** Runs it in a thread of its own, for ever or until the machine stops. */
void session_start(const struct session_plan *plan);

#endif
