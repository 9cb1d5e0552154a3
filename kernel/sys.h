/* SPDX-License-Identifier: MIT */
/*
 * The implementations of the native calls: sys_NAME for each line of calls.def, called by the
 * dispatcher (trap/call.c) with the arguments as the table types them. Pointers are user addresses:
 * they are only ever handed to hal_copy_in and hal_copy_out.
 */
#ifndef KERNEL_SYS_H
#define KERNEL_SYS_H

#include <exo/boot.h>
#include <exo/calls.h>
#include <exo/types.h>

struct timer;

/* A call that made its own result, or whose caller sleeps or is gone. */
#define SYS_DONE INT64_MIN

#define EXO_CALL0(nr, name)                         int64_t sys_##name(void);
#define EXO_CALL1(nr, name, t0, a0)                 int64_t sys_##name(t0 a0);
#define EXO_CALL2(nr, name, t0, a0, t1, a1)         int64_t sys_##name(t0 a0, t1 a1);
#define EXO_CALL3(nr, name, t0, a0, t1, a1, t2, a2) int64_t sys_##name(t0 a0, t1 a1, t2 a2);
#define EXO_CALL4(nr, name, t0, a0, t1, a1, t2, a2, t3, a3) \
    int64_t sys_##name(t0 a0, t1 a1, t2 a2, t3 a3);
#define EXO_CALL5(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4) \
    int64_t sys_##name(t0 a0, t1 a1, t2 a2, t3 a3, t4 a4);
#define EXO_CALL6(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
    int64_t sys_##name(t0 a0, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);
/* Messages: the four words stay in the registers (hal_context_words). */
#define EXO_CALL_MSG(nr, name, t0, a0, t1, a1, ...) int64_t sys_##name(t0 a0, t1 a1);
#include <exo/calls.def>
#undef EXO_CALL0
#undef EXO_CALL1
#undef EXO_CALL2
#undef EXO_CALL3
#undef EXO_CALL4
#undef EXO_CALL5
#undef EXO_CALL6
#undef EXO_CALL_MSG

/** A timer that is due: ends its thread's sleep or raises its alarm (ipc/wait.c). */
void timer_fire(struct timer *t);

#endif
