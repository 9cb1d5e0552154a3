// SPDX-License-Identifier: MIT
/*
 * The way back to the program when something is pending, and faults.
 *
 * Everything that interrupts the program ends here with its registers in a struct exo_context: a
 * call that finished while an event was pending, an event that came while the program ran, a fault.
 * Signals are delivered by changing that context; then the kernel's resume loads it. The call that
 * was interrupted is restarted or answers EINTR, as its internal result and the handler's flags say.
 */
#include "calls.h"
#include "core.h"
#include "trace.h"

#include <lib/format.h>

void context_enter(const struct exo_context *c)
{
    struct exo_utcb *utcb = exo_utcb();

    memcpy(&utcb->frame[0].context, c, sizeof *c);
    exo_resume(0);
    __builtin_unreachable();
}

/* ---- restarting calls ---------------------------------------------------------------------------- */

/* What becomes of an interrupted call: `handled` says that a handler with these flags runs now. */
static void call_settle(struct exo_context *c, uint64_t *number, bool handled, uint64_t flags)
{
    int64_t result = context_result(c);

    if (*number == NO_CALL)
        return;
    if (result == -ERESTARTSYS || result == -ERESTARTNOHAND) {
        bool restart = !handled || (result == -ERESTARTSYS && (flags & SA_RESTART) != 0);

        if (restart)
            context_restart(c, *number);
        else
            context_set_result(c, -EINTR);
    } else if (result == -ERESTART_RESTARTBLOCK) {
        if (handled)
            context_set_result(c, -EINTR);
        else
            context_restart(c, NR_restart_syscall);
    }
    *number = NO_CALL;
}

/* ---- default actions ----------------------------------------------------------------------------- */

/* `continues`: proc's count of SIGCONTs before the signal was taken. */
static void default_action(const struct exo_context *c, const struct proc_siginfo *info,
                           uint64_t continues)
{
    struct exo_message m = {0};
    int32_t signo = info->signo;

    if (!(SIGNALS_STOP & SIGNAL_BIT(signo)))
        process_exit(STATUS_KILLED(signo) | core_dump(c, info));
    image_unlock();
    proc_call(&m, PROC_STOP, STATUS_STOPPED(signo), continues, 0, 0);
    image_lock();
}

/* ---- delivery ------------------------------------------------------------------------------------ */

static void deliver(struct exo_context *c, struct thread *t, const struct proc_siginfo *info,
                    const struct fault *fault)
{
    struct process *p = t->process;
    struct sigaction_record *a = &p->actions[info->signo];
    uint8_t siginfo[128];
    struct frame_request r = {
        .signo = info->signo,
        .handler = a->handler,
        .restorer = a->restorer,
        .flags = a->flags,
        .old_mask = t->restore_sigmask ? t->saved_sigmask : t->sigmask,
        .altstack_base = t->altstack_base,
        .altstack_size = t->altstack_size,
        .altstack_flags = t->altstack_flags,
        .info = siginfo,
    };

    signal_info_store(siginfo, info);
    if (fault) {
        r.trap = fault->trap;
        r.error = fault->error;
        r.address = fault->address;
    }
    if (frame_push(c, &r) < 0) {
        /* No stack for the handler: as Linux, a SIGSEGV that cannot be caught. */
        process_exit(STATUS_KILLED(SIGSEGV));
    }
    if ((t->altstack_flags & SS_AUTODISARM) && (a->flags & SA_ONSTACK)) {
        t->altstack_base = t->altstack_size = 0;
        t->altstack_flags = SS_DISABLE;
    }
    t->restore_sigmask = false;
    uint64_t mask = t->sigmask | a->mask;
    if (!(a->flags & SA_NODEFER))
        mask |= SIGNAL_BIT(info->signo);
    if (a->flags & SA_RESETHAND) {
        a->handler = SIG_DFL;
        signal_tell_ignored(p);
    }
    signal_set_mask(t, mask);
}

/* Delivers what is pending and not blocked. */
static void signals_deliver(struct exo_context *c, struct thread *t, uint64_t *number)
{
    struct process *p = t->process;
    struct proc_siginfo info;

    for (;;) {
        uint64_t continues = atomic_load(&p->shared->continues);

        signal_collect(p);
        if (!signal_take(t, ~t->sigmask, &info))
            break;
        const struct sigaction_record *a = &p->actions[info.signo];

        if (a->handler == SIG_IGN)
            continue;
        if (a->handler == SIG_DFL) {
            if (!(SIGNALS_DEFAULT_IGNORED & SIGNAL_BIT(info.signo)))
                default_action(c, &info, continues);
            continue;
        }
        call_settle(c, number, true, a->flags);
        deliver(c, t, &info, 0);
    }
}

void attend(struct exo_context *c, uint64_t number)
{
    struct thread *t = self();

    image_lock();
    do {
        if (signals_serve(t)) {
            if (t->end)
                thread_end();
            signals_deliver(c, t, &number);
        }
        if (t->restore_sigmask) {
            t->restore_sigmask = false;
            signal_set_mask(t, t->saved_sigmask);
        }
        /* Event bits are taken before what they announce is looked for, so none is lost. */
    } while (atomic_load(&t->utcb->pending) != 0);
    call_settle(c, &number, false, 0);
    image_unlock();
    context_enter(c);
}

/* ---- faults and events --------------------------------------------------------------------------- */

/* A signal that cannot wait: if it is blocked or ignored, the process dies of it. */
static _Noreturn void fault_deliver(struct exo_context *c, const struct fault *fault)
{
    struct thread *t = self();
    struct process *p = t->process;
    const struct sigaction_record *a = &p->actions[fault->signo];
    struct proc_siginfo info = {
        .signo = fault->signo, .code = fault->code, .value = fault->address};

    image_lock();
    if (a->handler == SIG_DFL || a->handler == SIG_IGN ||
        (t->sigmask & SIGNAL_BIT(fault->signo)) != 0)
        process_exit(STATUS_KILLED(fault->signo) | core_dump(c, &info));
    deliver(c, t, &info, fault);
    image_unlock();
    if (atomic_load(&t->utcb->pending))
        attend(c, NO_CALL);
    context_enter(c);
}

/* What a page fault means to a program, by what it had mapped there. */
static void fault_of_page(const struct exo_upcall_frame *f, struct fault *out)
{
    *out = (struct fault){.signo = SIGSEGV,
                          .code = SEGV_MAPERR,
                          .address = f->address,
                          .trap = MACHINE_PAGE_FAULT,
                          .error = f->error};
    image_lock();
    if (f->code & EXO_FAULT_NO_MEMORY)
        process_exit(STATUS_KILLED(SIGKILL)); /* as Linux's out-of-memory killer */
    if (f->code & EXO_FAULT_ABSENT) {
        out->signo = SIGBUS; /* beyond the end of the file */
        out->code = BUS_ADRERR;
    } else if (vma_find(f->address)) {
        out->code = SEGV_ACCERR;
    }
    image_unlock();
}

void upcall_handle(uint64_t kind)
{
    const struct exo_upcall_frame *f = &exo_utcb()->frame[0];
    struct exo_context c = f->context;
    struct fault fault;
    uint64_t number = context_leave(&c);

    if (kind == EXO_UP_EVENT)
        attend(&c, number);
    if (kind == EXO_UP_PAGE)
        fault_of_page(f, &fault);
    else
        fault_of_exception(f, &fault);
    fault_deliver(&c, &fault);
}

/* A fault of the LibOS itself. In the user-access code it is the program's bad pointer; anywhere
 * else we are broken (or the program has written over us), and the process ends. */
void nested_handle(uint64_t kind)
{
    struct exo_upcall_frame *f = &exo_utcb()->frame[1];
    uint64_t pc = EXO_CONTEXT_PC(&f->context);
    char text[128];

    if (pc >= (uintptr_t)user_access && pc < (uintptr_t)user_access_end) {
        EXO_CONTEXT_PC(&f->context) = (uintptr_t)user_access_failed;
        nested_resume();
    }
    if (kind == EXO_UP_EXCEPTION)
        trace_native(&f->context);
    size_t bytes = format_text(
        text, sizeof text, "posix: pid %d: fault %llu at %#llx, address %#llx\n", current()->pid,
        (unsigned long long)kind, (unsigned long long)pc, (unsigned long long)f->address);
    exo_log(EXO_SRV_LOG, text, bytes); /* refused, unless this build was given the right */
    process_abort(STATUS_KILLED(SIGSEGV));
}
