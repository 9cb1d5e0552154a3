/* SPDX-License-Identifier: MIT */
/*
 * Thread contexts: making, showing and changing the registers of a thread, and switching what trap
 * entry does not save.
 *
 * What user code hands in is made safe here, and nowhere else. Of the registers only PSTATE matters:
 * it gets the bits that user code could set by itself, and so always means user mode, AArch64, all
 * interrupts on. A program counter or stack pointer that is misaligned, tagged or nowhere faults in
 * user mode, after the return.
 */
#include "machine.h"

void hal_context_init(struct hal_context *c, uint64_t pc, uint64_t sp, uint64_t arg, uint64_t tls)
{
    *c = (struct hal_context){.regs = {arg}, .sp = sp, .pc = pc, .tls = tls, .utcb = c->utcb};
}

void hal_context_utcb(struct hal_context *c, uint64_t utcb_va)
{
    c->utcb = utcb_va;
}

void hal_context_save(const struct hal_context *c, struct exo_context *to)
{
    for (unsigned i = 0; i < 31; i++)
        to->regs[i] = c->regs[i];
    to->sp = c->sp;
    to->pc = c->pc;
    to->pstate = c->pstate;
}

void hal_context_load(struct hal_context *c, const struct exo_context *from)
{
    for (unsigned i = 0; i < 31; i++)
        c->regs[i] = from->regs[i];
    c->sp = from->sp;
    c->pc = from->pc;
    c->pstate = from->pstate & cpu_features.pstate_allowed;
}

void hal_context_redirect(struct hal_context *c, uint64_t pc, uint64_t arg)
{
    c->pc = pc;
    c->regs[0] = arg;
    c->pstate = 0;
}

void hal_context_set_tls(struct hal_context *c, uint64_t tls)
{
    c->tls = tls;
    if (c == hal_cpu()->thread_context)
        SYSREG_WRITE(tpidr_el0, tls);
}

void hal_fpu_init(struct hal_fpu *fpu)
{
    *fpu = (struct hal_fpu){0}; /* round to nearest, no traps, no flushing (FPCR 0) */
}

void hal_context_switch(struct hal_context *from, struct hal_fpu *from_fpu, struct hal_context *to,
                        struct hal_fpu *to_fpu)
{
    if (from) {
        fpu_save(from_fpu);
        from->tls = SYSREG_READ(tpidr_el0);
    }
    if (to) {
        fpu_load(to_fpu);
        SYSREG_WRITE(tpidr_el0, to->tls);
        SYSREG_WRITE(tpidrro_el0, to->utcb);
    }
}
