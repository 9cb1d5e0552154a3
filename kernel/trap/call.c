/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher of native calls, made from calls.def: one adapter a call takes the kernel lock, and
 * the arguments out of the saved registers, typed as the table says. Adapters and kernel_call end in
 * jumps, so that the lock costs a call nothing but its own five instructions.
 */
#include <kernel/env/thread.h>
#include <kernel/sched/lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

typedef void entry_function(struct hal_context *c);

/* The result belongs to the thread that made the call: whoever switches answers SYS_DONE. */
static __attribute__((noinline)) void done(int64_t result)
{
    const struct hal_cpu *cpu = hal_cpu();

    if (result != SYS_DONE)
        hal_context_result(cpu->thread_context, result);
    kernel_leave();
}

#define ARG(i, type) ((type)(uintptr_t)hal_context_arg(c, i))
#define ENTER(name)  static void enter_##name(struct hal_context *c)
#define DO(call)        \
    {                   \
        kernel_enter(); \
        done(call);     \
    }

/* A call that needs nothing of the kernel, and so no lock: what an entry costs. */
#define NEEDS_NOTHING(nr) (EXO_NR_BASE + (nr) == EXO_NR_null)

#define EXO_CALL0(nr, name)                      \
    ENTER(name)                                  \
    {                                            \
        if (NEEDS_NOTHING(nr)) {                 \
            this_cpu()->entries++;               \
            hal_context_result(c, sys_##name()); \
        } else {                                 \
            kernel_enter();                      \
            done(sys_##name());                  \
        }                                        \
    }
#define EXO_CALL1(nr, name, t0, a0) ENTER(name) DO(sys_##name(ARG(0, t0)))
#define EXO_CALL2(nr, name, t0, a0, t1, a1) \
    ENTER(name)                             \
    DO(sys_##name(ARG(0, t0), ARG(1, t1)))
#define EXO_CALL3(nr, name, t0, a0, t1, a1, t2, a2) \
    ENTER(name)                                     \
    DO(sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2)))
#define EXO_CALL4(nr, name, t0, a0, t1, a1, t2, a2, t3, a3) \
    ENTER(name)                                             \
    DO(sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3)))
#define EXO_CALL5(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4) \
    ENTER(name)                                                     \
    DO(sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3), ARG(4, t4)))
#define EXO_CALL6(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
    ENTER(name)                                                             \
    DO(sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3), ARG(4, t4), ARG(5, t5)))
#define EXO_CALL_MSG(nr, name, t0, a0, t1, a1, ...) \
    ENTER(name)                                     \
    DO(sys_##name(ARG(0, t0), ARG(1, t1)))
#include <exo/calls.def>
#undef EXO_CALL0
#undef EXO_CALL1
#undef EXO_CALL2
#undef EXO_CALL3
#undef EXO_CALL4
#undef EXO_CALL5
#undef EXO_CALL6
#undef EXO_CALL_MSG

static void enter_unknown(struct hal_context *c)
{
    this_cpu()->entries++;
    hal_context_result(c, EXO_ENOSYS);
}

int64_t sys_null(void)
{
    return EXO_OK;
}

#define EXO_CALL0(nr, name)      [nr] = enter_##name,
#define EXO_CALL1(nr, name, ...) [nr] = enter_##name,
#define EXO_CALL2                EXO_CALL1
#define EXO_CALL3                EXO_CALL1
#define EXO_CALL4                EXO_CALL1
#define EXO_CALL5                EXO_CALL1
#define EXO_CALL6                EXO_CALL1
#define EXO_CALL_MSG             EXO_CALL1
static entry_function *const entries[EXO_NR_LIMIT] = {
#include <exo/calls.def>
};

void kernel_call(unsigned number, struct hal_context *context)
{
    entry_function *enter = entries[number];

    if (enter)
        enter(context);
    else
        enter_unknown(context);
}
