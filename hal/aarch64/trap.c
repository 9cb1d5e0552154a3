/* SPDX-License-Identifier: MIT */
/*
 * Exceptions, after entry.S has saved the registers.
 *
 * In user mode they are the thread's. In the kernel there are two kinds only: a page fault at an
 * instruction of user_copy.S; and an error of the kernel. The number of an exception, as a program
 * sees it, is the class in ESR_EL1 (DDI 0487, D17.2.37), and its error is ESR_EL1 itself.
 */
#include "machine.h"

#define CLASS(esr)     ((unsigned)((esr) >> 26) & 63)
#define FETCH_USER     0x20u /* instruction abort from user mode */
#define DATA_USER      0x24u
#define DATA_KERNEL    0x25u
#define ESR_WRITE      0x40u
#define ESR_CACHE      0x100u       /* cache maintenance, for which ESR_WRITE is always set */
#define STATUS(esr)    ((esr)&0x3c) /* fault status without the level */
#define ST_TRANSLATION 0x04u
#define ST_ACCESS_FLAG 0x08u
#define ST_PERMISSION  0x0cu

/* A fault that a page table entry made, and so may be served by one. Others: address sizes,
 * alignment, bus errors. */
static bool is_page_fault(uint64_t esr)
{
    return STATUS(esr) == ST_TRANSLATION || STATUS(esr) == ST_ACCESS_FLAG ||
           STATUS(esr) == ST_PERMISSION;
}

static uint32_t fault_access(uint64_t esr)
{
    if (CLASS(esr) == FETCH_USER)
        return EXO_MAP_EXEC;
    return (esr & (ESR_WRITE | ESR_CACHE)) == ESR_WRITE ? EXO_MAP_WRITE : EXO_MAP_READ;
}

/* The address without its tag (TBI): the top byte is what bit 55 says. */
static uint64_t untagged(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 8) >> 8);
}

/* The first access to a page since it was asked about, or the first write to a clean one, on a processor
 * that does not note it by itself. */
static bool is_first_use(uint64_t va, uint64_t esr)
{
    uint64_t status = STATUS(esr);

    if (status != ST_ACCESS_FLAG && (status != ST_PERMISSION || cpu_features.dirty_bit))
        return false;
    bool write = fault_access(esr) == EXO_MAP_WRITE;
    return (status == ST_ACCESS_FLAG || write) && space_note_use(va, write);
}

void trap_from_user(struct hal_context *context, uint64_t esr, uint64_t far)
{
    uint64_t va = untagged(far);

    (void)context;
    bool is_abort = CLASS(esr) == DATA_USER || CLASS(esr) == FETCH_USER;

    if (is_abort && is_page_fault(esr)) {
        if (!is_first_use(va, esr))
            kernel_page_fault(va, fault_access(esr), esr);
    } else {
        kernel_exception(CLASS(esr), is_abort ? va : 0, esr);
    }
}

/* Where to go on after a fault at pc that cannot be served; 0 if no fault is expected there. */
static uint64_t fixup_of(uint64_t pc)
{
    for (const struct fault_fixup *f = fault_fixups; f < fault_fixups_end; f++) {
        if (f->fault == pc)
            return f->fixup;
    }
    return 0;
}

/* ---- an error of the kernel -------------------------------------------------------------------- */

/* Words on the kernel's stack that are addresses behind a call: bl, or blr. Frame pointers would
 * cost a register; so this may also show calls that have returned. */
static void back_trace(uint64_t sp)
{
    uint64_t top = hal_cpu()->kernel_stack, bottom = top - KERNEL_STACK_BYTES;

    for (unsigned found = 0; sp >= bottom && sp < top && !(sp & 7) && found < 32; sp += 8) {
        uint64_t word = *(const uint64_t *)sp;
        if (word & 3 || word <= (uint64_t)image_start || word >= (uint64_t)text_end)
            continue;
        uint32_t call = *(const uint32_t *)(word - 4);
        if (call >> 26 != 0x25 && (call & 0xfffffc1f) != 0xd63f0000)
            continue;
        log_hex("  called from", word);
        found++;
    }
}

static _Noreturn void fatal(const char *what, const struct hal_context *frame, uint64_t esr,
                            uint64_t far)
{
    char name[] = "  x00   ";

    hal_cpus_stop();
    log_text("\nkernel: unexpected exception\n");
    log_hex("  CPU   ", hal_cpu()->number);
    log_hex("  esr   ", esr);
    log_hex("  far   ", far);
    log_hex("  pc    ", frame->pc);
    log_hex("  sp    ", frame->sp);
    log_hex("  pstate", frame->pstate);
    for (unsigned i = 0; i < 31; i++) {
        name[3] = (char)('0' + i / 10);
        name[4] = (char)('0' + i % 10);
        log_hex(name, frame->regs[i]);
    }
    back_trace(frame->sp);
    kernel_panic("%s in the kernel at %lx", what, (unsigned long)frame->pc);
}

void trap_from_kernel(struct hal_context *frame, uint64_t esr, uint64_t far)
{
    uint64_t fixup = CLASS(esr) == DATA_KERNEL && far < EXO_USER_TOP ? fixup_of(frame->pc) : 0;

    if (!fixup)
        fatal("exception", frame, esr, far);
    if (!is_page_fault(esr) ||
        (!is_first_use(far, esr) && !kernel_fault_in(far, fault_access(esr))))
        frame->pc = fixup;
}

_Noreturn void trap_unexpected(unsigned which, struct hal_context *frame)
{
    static const char *const text[] = {"exception with a wrong stack pointer", "FIQ",
                                       "asynchronous abort (SError)", "stack overflow"};

    fatal(text[which], frame, SYSREG_READ(esr_el1), SYSREG_READ(far_el1));
}
