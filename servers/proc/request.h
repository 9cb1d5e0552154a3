/* SPDX-License-Identifier: MIT */
/* The calls of proto/proc.h: checks who asks and for what, and does it. */
#ifndef PROC_REQUEST_H
#define PROC_REQUEST_H

#include <exo.h>

/** Serves one call from the holder of `badge`; *m becomes the reply, or EXO_NO_REPLY. Capabilities
 *  that came with it and were not used are given up. */
void request_serve(uint64_t badge, struct exo_message *m);

#endif
