/* SPDX-License-Identifier: MIT */
/*
 * Thread contexts: making, showing and changing the registers of a thread, and switching what trap
 * entry does not save.
 *
 * What user code hands in is made safe here, and nowhere else: a program counter below
 * EXO_USER_TOP (so that no return instruction faults in the kernel), the user's segments, and only
 * those flags that user code could set by itself.
 */
#include "machine.h"

/* CF PF AF ZF SF TF DF OF AC ID; interrupts are always on in user mode. */
#define FLAGS_ALLOWED 0x240dd5u
#define FLAGS_ALWAYS  USER_FLAGS

/* Initial x87 control word and MXCSR: all exceptions masked (SDM volume 1, 8.1.5 and 10.2.3). */
#define FPU_CONTROL 0x037fu
#define FPU_MXCSR   0x1f80u

static uint64_t pc_safe(uint64_t pc)
{
    return pc < EXO_USER_TOP ? pc : 0; /* 0 is never mapped: it faults in user mode */
}

void hal_context_init(struct hal_context *c, uint64_t pc, uint64_t sp, uint64_t arg, uint64_t tls)
{
    if ((uint64_t)c & 15)
        kernel_panic("a context at %lx: the trap frame in it needs 16-byte alignment", (uint64_t)c);
    *c = (struct hal_context){
        .rip = pc_safe(pc),
        .rsp = sp,
        .rdi = arg,
        .cs = USER_CS,
        .ss = USER_DS,
        .rflags = FLAGS_ALWAYS,
        .utcb = c->utcb,
    };
    hal_context_set_tls(c, tls);
}

void hal_context_utcb(struct hal_context *c, uint64_t utcb_va)
{
    c->utcb = utcb_va;
}

/* The 15 words that both structures begin with. A string move is half the instructions of a load
 * and a store each. */
static void words_copy(void *to, const void *from)
{
    uint64_t count = 15;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void hal_context_save(const struct hal_context *c, struct exo_context *to)
{
    words_copy(to, c);
    if (c->cs == 0) { /* in a call: what SYSCALL leaves */
        to->rcx = c->rip;
        to->r11 = USER_FLAGS;
    }
    to->rsp = c->rsp;
    to->rip = c->rip;
    to->rflags = c->cs == 0 ? USER_FLAGS : c->rflags;
}

void hal_context_load(struct hal_context *c, const struct exo_context *from)
{
    /* Another thread may write there meanwhile: what is checked must be what was read, once. */
    const volatile struct exo_context *shared = from;

    words_copy(c, from);
    c->rsp = shared->rsp;
    c->rip = pc_safe(shared->rip);
    c->rflags = (shared->rflags & FLAGS_ALLOWED) | FLAGS_ALWAYS;
    c->cs = USER_CS;
    c->ss = USER_DS;
}

void hal_context_redirect(struct hal_context *c, uint64_t pc, uint64_t arg)
{
    c->rip = pc_safe(pc);
    c->rdi = arg;
    c->rflags = FLAGS_ALWAYS; /* a handler starts with DF and TF clear, as the ABI says */
}

void hal_context_set_tls(struct hal_context *c, uint64_t tls)
{
    c->tls = tls < EXO_USER_TOP ? tls : 0; /* one that is not canonical would fault on loading */
    if (c == hal_cpu()->thread_context)
        wrmsr(MSR_FS_BASE, c->tls);
}

void hal_fpu_init(struct hal_fpu *fpu)
{
    uint64_t *words = (uint64_t *)fpu->area;

    /* The header at 512 says "initial" of every register set; FXRSTOR has no header and takes the
     * 512 bytes before it. */
    for (unsigned i = cpu_features.xsave ? 64 : 0; i < 72; i++)
        words[i] = 0;
    words[0] = FPU_CONTROL;
    words[3] = FPU_MXCSR;
}

/* What a processor of the last ten years has, in as few instructions as it takes. */
static void switch_quick(struct hal_context *from, struct hal_fpu *from_fpu,
                         const struct hal_context *to, const struct hal_fpu *to_fpu)
{
    if (from) {
        __asm__ volatile("xsave64 %0" : "=m"(*from_fpu) : "a"(-1), "d"(-1));
        __asm__ volatile("rdfsbase %0" : "=r"(from->tls));
    }
    if (!to)
        return;
    __asm__ volatile("xrstor64 %0" : : "m"(*to_fpu), "a"(-1), "d"(-1));
    __asm__ volatile("wrfsbase %0" : : "r"(to->tls));
    __asm__ volatile("swapgs\n\t"
                     "wrgsbase %0\n\t"
                     "swapgs"
                     :
                     : "r"(to->utcb));
}

/* The same for any other. fs base is read back even here, where no instruction writes it: loading
 * fs with a selector does. */
static __attribute__((noinline)) void switch_slow(struct hal_context *from,
                                                  struct hal_fpu *from_fpu,
                                                  const struct hal_context *to,
                                                  const struct hal_fpu *to_fpu)
{
    if (from) {
        if (cpu_features.xsave)
            __asm__ volatile("xsave64 %0" : "=m"(*from_fpu) : "a"(-1), "d"(-1));
        else
            __asm__ volatile("fxsave64 %0" : "=m"(*from_fpu));
        from->tls = rdmsr(MSR_FS_BASE);
    }
    if (!to)
        return;
    if (cpu_features.xsave)
        __asm__ volatile("xrstor64 %0" : : "m"(*to_fpu), "a"(-1), "d"(-1));
    else
        __asm__ volatile("fxrstor64 %0" : : "m"(*to_fpu));
    wrmsr(MSR_FS_BASE, to->tls);
    wrmsr(MSR_KERNEL_GS_BASE, to->utcb);
}

/* Must follow every change of hal_cpu()->thread_context before user mode is entered: rsp0 is what
 * makes a trap push into that context. */
void hal_context_switch(struct hal_context *from, struct hal_fpu *from_fpu, struct hal_context *to,
                        struct hal_fpu *to_fpu)
{
    if (to)
        machine_cpu()->tss.rsp[0] = (uint64_t)to + CTX_FRAME_END;
    if (cpu_features.quick_switch)
        switch_quick(from, from_fpu, to, to_fpu);
    else
        switch_slow(from, from_fpu, to, to_fpu);
}
