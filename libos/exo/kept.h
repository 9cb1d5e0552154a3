/* SPDX-License-Identifier: MIT */
/* What of a program outlives its life, if it is a service: variables marked KEPT (lib/undo.h), and
 * capabilities that are kept by rs_keep. */
#ifndef LIBOS_EXO_KEPT_H
#define LIBOS_EXO_KEPT_H

#include <rs.h>
#include <stdbool.h>

extern char kept_start[], kept_end[]; /* user.ld: whole pages */

/** At the beginning of each life, before the first kept variable is changed. The endpoint is kept too, and
 *  so is what the program has minted from it for its clients. Of a program that is no service nothing
 *  is kept. @return whether there was an earlier life. */
static inline bool kept_begin(void)
{
    rs_keep(EXO_SRV_ENDPOINT);
    rs_preserve((uintptr_t)kept_start, (uint64_t)(kept_end - kept_start) / EXO_PAGE_SIZE);
    return rs_life()->number > 1;
}

/** Once it is noted (answers_recover) that the last life was serving a call. A life that ends before leaves it to
 *  the next one to note. */
static inline void kept_served(void)
{
    exo_utcb()->life.served = 0;
}

#endif
