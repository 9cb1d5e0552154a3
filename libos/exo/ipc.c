/* SPDX-License-Identifier: MIT */
/* Waiting for events without serving anybody; servers get theirs from exo_reply_wait. */
#include <stdatomic.h>

#include <libos/exo/ipc.h>

uint32_t event_wait(exo_time deadline)
{
    for (;;) {
        uint32_t bits = atomic_exchange(&exo_utcb()->pending, 0);

        if (bits != 0 || exo_wait(NULL, 0, deadline) == EXO_ETIMEDOUT)
            return bits;
    }
}
