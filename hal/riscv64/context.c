/* SPDX-License-Identifier: MIT */
/*
 * Thread contexts: making, showing and changing the registers of a thread, and switching what trap
 * entry does not save.
 *
 * No value of a general register or of the pc can hurt the kernel: sret goes to user mode, where a bad
 * pc faults. The privileged state (sstatus) is in no context at all.
 *
 * Floating point: sstatus.FS is the running thread's. A thread starts with the FPU off; its first use
 * traps and finds registers of 0 (fpu_wanted). Only what the processor marked dirty is saved.
 */
#include "machine.h"

#define FS_CLEAN 0x4000u
#define FS_DIRTY 0x6000u

static uint64_t pc_safe(uint64_t pc)
{
    return pc < EXO_USER_TOP ? pc & ~(uint64_t)1
                             : 0; /* 0 is never mapped: it faults in user mode */
}

/* Another thread's store-conditional must not succeed on our reservation (unprivileged architecture
 * 8.2: a failing one clears it). */
static void reservation_drop(void)
{
    uint32_t word;
    __asm__ volatile("sc.w zero, zero, (%0)" : : "r"(&word) : "memory");
}

void hal_context_init(struct hal_context *c, uint64_t pc, uint64_t sp, uint64_t arg, uint64_t tls)
{
    *c = (struct hal_context){
        .user = {.pc = pc_safe(pc), .sp = sp, .a0 = arg, .a1 = tls, .tp = c->utcb},
        .utcb = c->utcb,
    };
}

void hal_context_utcb(struct hal_context *c, uint64_t utcb_va)
{
    c->utcb = utcb_va;
    c->user.tp = utcb_va;
}

void hal_context_save(const struct hal_context *c, struct exo_context *to)
{
    *to = c->user;
}

void hal_context_load(struct hal_context *c, const struct exo_context *from)
{
    reservation_drop();
    c->user = *from;
    c->user.pc = pc_safe(c->user.pc);
}

/* A handler needs its UTCB, and the interrupted tp is in the frame. */
void hal_context_redirect(struct hal_context *c, uint64_t pc, uint64_t arg)
{
    c->user.pc = pc_safe(pc);
    c->user.a0 = arg;
    c->user.tp = c->utcb;
}

/* tp is a register like any other: a program sets it by itself. */
void hal_context_set_tls(struct hal_context *c, uint64_t tls)
{
    (void)c;
    (void)tls;
}

/* ---- floating point ---------------------------------------------------------------------------- */

void hal_fpu_init(struct hal_fpu *fpu)
{
    fpu->used = false;
}

static void fpu_switch(struct hal_fpu *from, const struct hal_fpu *to)
{
    uint64_t state = csr_read(sstatus) & STATUS_FS;

    if (from && state == FS_DIRTY) {
        fpu_save(from);
        from->used = true;
    }
    if (to && to->used) {
        csr_set(sstatus, STATUS_FS);
        fpu_load(to);
        csr_clear(sstatus, FS_DIRTY & ~FS_CLEAN);
    } else if (state) {
        csr_clear(sstatus, STATUS_FS);
    }
}

bool fpu_wanted(void)
{
    if (!cpu_features.fpu || csr_read(sstatus) & STATUS_FS)
        return false;
    csr_set(sstatus, STATUS_FS);
    fpu_zero();
    csr_clear(sstatus, FS_DIRTY & ~FS_CLEAN);
    return true;
}

void hal_context_switch(struct hal_context *from, struct hal_fpu *from_fpu, struct hal_context *to,
                        struct hal_fpu *to_fpu)
{
    struct machine_cpu *cpu = machine_cpu();

    fpu_switch(from ? from_fpu : 0, to ? to_fpu : 0);
    if (!to)
        return;
    reservation_drop();
    if (cpu->code_epoch != hal_code_epoch) {
        cpu->code_epoch = hal_code_epoch;
        __asm__ volatile("fence.i" : : : "memory");
    }
}
