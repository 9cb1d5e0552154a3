/* SPDX-License-Identifier: MIT */
/* A native program as the command. */
#ifndef INIT_NATIVE_H
#define INIT_NATIVE_H

/** Runs /usr/lib/exo/demo/NAME from the archive alone on the machine, with an account, the right to
 *  write to the log and the table of services; when it ends the machine stops with its status. */
void native_start(const char *name);

#endif
