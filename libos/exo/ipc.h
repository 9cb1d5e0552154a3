/* SPDX-License-Identifier: MIT */
/*
 * Messages, said shortly. A call of a server whose replies carry a Linux-like result in w[0]:
 *
 *     struct exo_message m = ipc_message(PROC_WAIT, (uint64_t)-1, 0, 0, 0);
 *     int64_t pid = ipc_call(proc, &m);
 */
#ifndef LIBOS_EXO_IPC_H
#define LIBOS_EXO_IPC_H

#include <exo.h>

static inline struct exo_message ipc_message(uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                                             uint64_t w3)
{
    return (struct exo_message){EXO_TAG(label, 0, 0), {w0, w1, w2, w3}};
}

/**
 * Calls a server that may die and come back: a request during which it died is sent again, marked
 * (EXO_LABEL_AGAIN), and the server sees to it that it has its effect once (lib/answers.h). It must not
 * move capabilities: copy them, and delete them after. Two threads that may call with one badge at
 * a time must not send requests that differ in capabilities only.
 * @return as exo_call; EXO_EDEAD when the server does not come back any more.
 */
static inline int64_t ipc_call_again(exo_cap endpoint, struct exo_message *m)
{
    struct exo_message asked = *m;
    int64_t tag;

    while ((tag = exo_call(endpoint, m)) == EXO_ERESTARTED) {
        *m = asked;
        m->tag |= EXO_LABEL_AGAIN;
    }
    return tag;
}

/** @return the reply's first word, or the kernel's EXO_E* if the call itself failed. Where the two
 *  must be told apart use exo_call. */
static inline int64_t ipc_call(exo_cap endpoint, struct exo_message *m)
{
    int64_t tag = ipc_call_again(endpoint, m);

    return tag < 0 ? tag : (int64_t)m->w[0];
}

/** Takes the pending event bits, waiting for some until `deadline`; 0 at the deadline. */
uint32_t event_wait(exo_time deadline);

#endif
