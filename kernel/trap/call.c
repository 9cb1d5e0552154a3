/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher of native calls, made from calls.def: one adapter a call takes the arguments out of
 * the saved registers and types them as the table says.
 */
#include <kernel/env/thread.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

typedef int64_t entry_function(const struct hal_context *c);

#define ARG(i, type) ((type)(uintptr_t)hal_context_arg(c, i))
#define ENTER(name)  static int64_t enter_##name(const struct hal_context *c)

#define EXO_CALL0(nr, name)  \
    ENTER(name)              \
    {                        \
        (void)c;             \
        return sys_##name(); \
    }
#define EXO_CALL1(nr, name, t0, a0)    \
    ENTER(name)                        \
    {                                  \
        return sys_##name(ARG(0, t0)); \
    }
#define EXO_CALL2(nr, name, t0, a0, t1, a1)        \
    ENTER(name)                                    \
    {                                              \
        return sys_##name(ARG(0, t0), ARG(1, t1)); \
    }
#define EXO_CALL3(nr, name, t0, a0, t1, a1, t2, a2)            \
    ENTER(name)                                                \
    {                                                          \
        return sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2)); \
    }
#define EXO_CALL4(nr, name, t0, a0, t1, a1, t2, a2, t3, a3)                \
    ENTER(name)                                                            \
    {                                                                      \
        return sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3)); \
    }
#define EXO_CALL5(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4)                    \
    ENTER(name)                                                                        \
    {                                                                                  \
        return sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3), ARG(4, t4)); \
    }
#define EXO_CALL6(nr, name, t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                        \
    ENTER(name)                                                                                    \
    {                                                                                              \
        return sys_##name(ARG(0, t0), ARG(1, t1), ARG(2, t2), ARG(3, t3), ARG(4, t4), ARG(5, t5)); \
    }
#define EXO_CALL_MSG(nr, name, t0, a0, t1, a1, ...) \
    ENTER(name)                                     \
    {                                               \
        return sys_##name(ARG(0, t0), ARG(1, t1));  \
    }
#include <exo/calls.def>
#undef EXO_CALL0
#undef EXO_CALL1
#undef EXO_CALL2
#undef EXO_CALL3
#undef EXO_CALL4
#undef EXO_CALL5
#undef EXO_CALL6
#undef EXO_CALL_MSG

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

int64_t sys_null(void)
{
    return EXO_OK;
}

void kernel_call(unsigned number, struct hal_context *context)
{
    struct cpu_state *cpu = this_cpu();
    entry_function *enter = entries[number];
    int64_t result = enter ? enter(context) : EXO_ENOSYS;

    cpu->entries++;
    if (result != SYS_DONE)
        hal_context_result(context, result);
    sched_leave();
}
