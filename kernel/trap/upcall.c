/* SPDX-License-Identifier: MIT */
/* Upcalls and faults: see upcall.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/mem/space.h>
#include <kernel/sched/lock.h>
#include <kernel/sched/sched.h>
#include <kernel/trace/log.h>
#include <kernel/trap/upcall.h>

/* Nobody takes the fault: the environment ends, and its record says why. */
static __attribute__((noinline, cold)) void crash(struct thread *t, enum exo_upcall kind,
                                                  uint64_t code, uint64_t address)
{
    struct env *env = t->env;
    struct exo_context context;

    if (env->object.dead) { /* it takes part in its own rebirth (resurrection/service.c) */
        t->check_events = 1;
        return;
    }
    hal_context_save(&t->context, &context);
    env->fault_kind = kind;
    env->fault_pc = EXO_CONTEXT_PC(&context);
    env->fault_address = address;
    if (!env->service) /* of a service, its entry tells */
        log_print("env %u crashed: %s %lu at pc %lx, address %lx", env->object.index,
                  kind == EXO_UP_PAGE ? "page fault, access" : "exception", (unsigned long)code,
                  (unsigned long)env->fault_pc, (unsigned long)address);
    env_kill(env, EXO_CRASHED, 0);
}

void upcall(struct thread *t, enum exo_upcall kind, uint64_t code, uint64_t address, uint64_t error)
{
    struct exo_utcb *u = t->utcb;
    unsigned which = u->masked != 0;
    uint64_t pc = which ? t->nested_pc : t->upcall_pc;

    if (pc == 0 || (which && u->nested)) {
        crash(t, kind, code, address);
        return;
    }
    struct exo_upcall_frame *f = &u->frame[which];
    f->kind = kind;
    f->code = code;
    f->address = address;
    f->error = error;
    hal_context_save(&t->context, &f->context);
    if (which)
        u->nested = 1;
    else
        u->masked = 1;
    hal_context_redirect(&t->context, pc, kind);
}

void kernel_page_fault(uint64_t va, uint32_t access, uint64_t error)
{
    struct thread *t = thread_current();
    uint64_t code = access;

    kernel_enter();
    switch (va < EXO_VIEW_VA ? space_fault(&t->env->space, va, access) : SPACE_UNDECLARED) {
    case SPACE_SERVED: kernel_leave(); return;
    case SPACE_UNDECLARED: break;
    case SPACE_ABSENT: code |= EXO_FAULT_ABSENT; break;
    case SPACE_NO_MEMORY: code |= EXO_FAULT_NO_MEMORY; break;
    }
    upcall(t, EXO_UP_PAGE, code, va, error);
    kernel_leave();
}

void kernel_exception(unsigned vector, uint64_t address, uint64_t error)
{
    kernel_enter();
    upcall(thread_current(), EXO_UP_EXCEPTION, vector, address, error);
    kernel_leave();
}

bool kernel_fault_in(uint64_t va, uint32_t access)
{
    struct thread *t = thread_current();

    return t && va < EXO_VIEW_VA && space_fault(&t->env->space, va, access) == SPACE_SERVED;
}
