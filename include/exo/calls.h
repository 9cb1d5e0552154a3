/* SPDX-License-Identifier: MIT */
/* Call numbers and error codes, made from calls.def and errors.def. */
#ifndef EXO_CALLS_H
#define EXO_CALLS_H

#include <exo/types.h>

/* Native numbers lie far above every Linux number, so that one program can make both. */
#define EXO_NR_BASE  0x45580000 /* "EX" */
#define EXO_NR_LIMIT 0x80       /* numbers below this, after the base is taken off, are native */

#define EXO_CALL0(number, name)      EXO_NR_##name = EXO_NR_BASE + (number),
#define EXO_CALL1(number, name, ...) EXO_NR_##name = EXO_NR_BASE + (number),
#define EXO_CALL2                    EXO_CALL1
#define EXO_CALL3                    EXO_CALL1
#define EXO_CALL4                    EXO_CALL1
#define EXO_CALL5                    EXO_CALL1
#define EXO_CALL6                    EXO_CALL1
#define EXO_CALL_MSG                 EXO_CALL1
enum exo_nr {
#include <exo/calls.def>
};
#undef EXO_CALL0
#undef EXO_CALL1
#undef EXO_CALL2
#undef EXO_CALL3
#undef EXO_CALL4
#undef EXO_CALL5
#undef EXO_CALL6
#undef EXO_CALL_MSG

enum exo_error {
    EXO_OK = 0,
#define EXO_ERROR(number, name, text) EXO_##name = -(number),
#include <exo/errors.def>
#undef EXO_ERROR
};

/* The tag of a reply that answers nobody. */
#define EXO_NO_REPLY UINT64_MAX

#endif
