/* SPDX-License-Identifier: MIT */
/*
 * The native interface as programs use it: `#include <exo.h>`.
 *
 * Every line of exo/calls.def becomes an inline function exo_NAME here. A program may make native
 * calls beside the calls of its LibOS: the two number spaces never meet.
 */
#ifndef EXO_H
#define EXO_H

#include <exo/boot.h>
#include <exo/calls.h>
#include <exo/types.h>
#include <exo/utcb.h>
#include <exo/view.h>
#include <exo_trap.h>

#define EXO_W(x) ((uint64_t)(x))
#define EXO_CALL0(nr, name)                       \
    static inline int64_t exo_##name(void)        \
    {                                             \
        return exo_trap3(EXO_NR_##name, 0, 0, 0); \
    }
#define EXO_CALL1(nr, name, t0, a0)                       \
    static inline int64_t exo_##name(t0 a0)               \
    {                                                     \
        return exo_trap3(EXO_NR_##name, EXO_W(a0), 0, 0); \
    }
#define EXO_CALL2(nr, name, t0, a0, t1, a1)                       \
    static inline int64_t exo_##name(t0 a0, t1 a1)                \
    {                                                             \
        return exo_trap3(EXO_NR_##name, EXO_W(a0), EXO_W(a1), 0); \
    }
#define EXO_CALL3(nr, name, t0, a0, t1, a1, t2, a2)                       \
    static inline int64_t exo_##name(t0 a0, t1 a1, t2 a2)                 \
    {                                                                     \
        return exo_trap3(EXO_NR_##name, EXO_W(a0), EXO_W(a1), EXO_W(a2)); \
    }
#define EXO_CALL4(nr, name, t0, a0, t1, a1, t2, a2, t3, a3)                               \
    static inline int64_t exo_##name(t0 a0, t1 a1, t2 a2, t3 a3)                          \
    {                                                                                     \
        return exo_trap(EXO_NR_##name, EXO_W(a0), EXO_W(a1), EXO_W(a2), EXO_W(a3), 0, 0); \
    }
#define EXO_CALL5(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4)                               \
    static inline int64_t exo_##name(t0 a0, t1 a1, t2 a2, t3 a3, t4 a4)                           \
    {                                                                                             \
        return exo_trap(EXO_NR_##name, EXO_W(a0), EXO_W(a1), EXO_W(a2), EXO_W(a3), EXO_W(a4), 0); \
    }
#define EXO_CALL6(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                   \
    static inline int64_t exo_##name(t0 a0, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)                \
    {                                                                                         \
        return exo_trap(EXO_NR_##name, EXO_W(a0), EXO_W(a1), EXO_W(a2), EXO_W(a3), EXO_W(a4), \
                        EXO_W(a5));                                                           \
    }
#define EXO_CALL_MSG(...) /* below: exo_call and exo_reply_wait */
#include <exo/calls.def>
#undef EXO_CALL0
#undef EXO_CALL1
#undef EXO_CALL2
#undef EXO_CALL3
#undef EXO_CALL4
#undef EXO_CALL5
#undef EXO_CALL6
#undef EXO_CALL_MSG
#undef EXO_W

/** A message: its tag (EXO_TAG) and four words; bulk bytes and capabilities are in the UTCB. */
struct exo_message {
    uint64_t tag;
    uint64_t w[4];
};

/**
 * Calls a server: sends *m (with utcb->msg[] and utcb->send[]) and replaces it by the reply.
 * @return the reply's tag, or EXO_ECAP, ETYPE, ERIGHTS, EINVAL, EDEAD; rights: CALL.
 */
static inline int64_t exo_call(exo_cap endpoint, struct exo_message *m)
{
    int64_t tag = exo_trap_message(EXO_NR_call, endpoint, m->tag, m->w);

    m->tag = (uint64_t)tag;
    return tag;
}

/**
 * As exo_call, but waits no longer than `deadline`, in the queue and for the reply.
 * @return also EXO_ETIMEDOUT (the request may or may not have had its effect), EOBJECTS (timers).
 */
static inline int64_t exo_call_until(exo_cap endpoint, struct exo_message *m, exo_time deadline)
{
    exo_utcb()->call_deadline = deadline;
    int64_t tag = exo_call(endpoint, m);
    exo_utcb()->call_deadline = 0;
    return tag;
}

/**
 * A server's step: answers the caller being served with *m (tag EXO_NO_REPLY: nobody), and waits
 * for the next message, which replaces *m; its badge is exo_utcb()->badge.
 * @return the message's tag, or EXO_ECAP, ETYPE, ERIGHTS, EINVAL; rights: RECV.
 */
static inline int64_t exo_reply_wait(exo_cap endpoint, struct exo_message *m)
{
    int64_t tag = exo_trap_message(EXO_NR_reply_wait, endpoint, m->tag, m->w);

    m->tag = (uint64_t)tag;
    return tag;
}

/** The kernel's published page. */
static inline const struct exo_view *exo_view(void)
{
    return (const struct exo_view *)EXO_VIEW_VA;
}

#endif
