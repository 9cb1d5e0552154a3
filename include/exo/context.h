/* SPDX-License-Identifier: MIT */
/*
 * The user-visible registers of a thread, as an upcall shows them. One layout a machine; the build
 * chooses the folder by its include path, so that no file asks which machine it is on.
 */
#ifndef EXO_CONTEXT_H
#define EXO_CONTEXT_H
#include <exo_machine/context.h>
#endif
