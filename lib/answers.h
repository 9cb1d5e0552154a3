/* SPDX-License-Identifier: MIT */
/*
 * Answers that may not have arrived: how a request has its effect once, though the server died.
 *
 * A server works on one request at a time. So when it dies, at most one request can have had its effect
 * without its caller having the answer: the one that was being served. Before a request that changed
 * something is committed, its answer is kept, by the same commit; a new life finds it. The caller,
 * told EXO_ERESTARTED, sends the request again with EXO_LABEL_AGAIN (libos/exo/ipc.h) and gets that
 * answer; nothing is done twice. A repeated request without an answer had no effect, and is served.
 * A request that changed nothing needs none of this.
 *
 *     for (;;) {
 *         exo_reply_wait(EXO_SRV_ENDPOINT, &m);
 *         answers_begin();
 *         const struct answer *old = answers_find(&utcb->badge, &m.tag, m.w, utcb->msg);
 *         if (old) { ...answer as it says...; continue; }
 *         ...serve...
 *         if (!undo_is_empty()) {
 *             struct answer *a = answers_keep(badge, asked.tag, asked.w, bytes);
 *             ...a->tag, a->words, a->bytes...
 *             answers_commit(&utcb->badge);
 *         }
 *     }
 *
 * Which life saw the answer go? Two things tell a new life that the answer committed last was not
 * delivered: the kernel says that a caller was being served at the death, and no call came after the
 * commit, which wrote EXO_NO_BADGE over the badge that the kernel writes with each call.
 *
 * Bounds: a death leaves one answer at most; ANSWERS of them wait. One that is not asked for (its
 * caller was killed) makes place when it is the oldest, or with answers_forget.
 */
#ifndef LIB_ANSWERS_H
#define LIB_ANSWERS_H

#include <exo/utcb.h>
#include <lib/undo.h>
#include <stdbool.h>
#include <stdint.h>

#define ANSWERS 8u

struct answer {
    /* What was asked. */
    uint64_t badge, asked, asked_hash, asked_words[4]; /* `asked`: the tag */
    /* The answer. Of capabilities only their handles: they must be the server's for longer. */
    uint64_t tag, words[4];
    struct exo_send send[EXO_MSG_CAPS];
    uint8_t bytes[EXO_MSG_BYTES];
};

/** In a new life, after undo_recover. `serving`: the last life ended while it served a call; `badge`:
 *  what its UTCB's badge was then. */
void answers_recover(bool serving, uint64_t badge);

/** A message has been received, so the last answer has been delivered. */
void answers_begin(void);

/** The answer to a request, if that was sent again and has had its effect; 0: serve it. Its label
 *  loses EXO_LABEL_AGAIN. `utcb_badge`: the badge of this thread's UTCB; `bytes`: what came in msg[]. */
const struct answer *answers_find(volatile uint64_t *utcb_badge, uint64_t *tag,
                                  const uint64_t words[4], const void *bytes);

/** A record for the answer of the request being served, to be filled in; the words as they came. It is
 *  valid once answers_commit has been called, and not if the transaction is undone. */
struct answer *answers_keep(uint64_t badge, uint64_t tag, const uint64_t words[4],
                            const void *bytes);

/** Commits the request together with its answer. `utcb_badge`: the badge of this thread's UTCB. */
void answers_commit(volatile uint64_t *utcb_badge);

/** Record `i` < ANSWERS, if it waits for its caller to ask again; else 0. */
const struct answer *answers_waiting(uint32_t i);

/** This badge will not ask again: its client is gone. Part of a transaction. */
void answers_forget(uint64_t badge);

#endif
