/* SPDX-License-Identifier: MIT */
/* The calls of proto/proc.h: checks who asks and for what, and does it. */
#ifndef PROC_REQUEST_H
#define PROC_REQUEST_H

#include <exo.h>

/** Serves one call; *m becomes the reply. Capabilities
 *  that came with it and were not used are given up. */
void request_serve(struct exo_message *m);

#endif
