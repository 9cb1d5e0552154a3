// SPDX-License-Identifier: MIT
/* Which signal a processor exception means (Intel SDM volume 3, chapter 6; Linux's choices). */
#include "core.h"

enum {
    DIVIDE = 0,
    DEBUG = 1,
    BREAKPOINT = 3,
    OVERFLOW = 4,
    BOUND = 5,
    OPCODE = 6,
    NOT_PRESENT = 11,
    STACK = 12,
    PROTECTION = 13,
    X87 = 16,
    ALIGNMENT = 17,
    SIMD = 19
};

/* The code of a floating-point exception: status bits that are set and not masked. */
static int32_t float_code(uint32_t status)
{
    if (status & 0x01)
        return FPE_FLTINV;
    if (status & 0x04)
        return FPE_FLTDIV;
    if (status & 0x08)
        return FPE_FLTOVF;
    if (status & 0x12)
        return FPE_FLTUND;
    return status & 0x20 ? FPE_FLTRES : FPE_FLTINV;
}

static uint32_t simd_status(void)
{
    uint32_t mxcsr;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & ~(mxcsr >> 7) & 0x3f;
}

static uint32_t x87_status(void)
{
    uint16_t control, status;

    __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(control), "=m"(status));
    return (uint32_t)(status & ~control & 0x3f);
}

void fault_of_exception(const struct exo_upcall_frame *f, struct fault *out)
{
    uint64_t pc = f->context.rip;

    *out = (struct fault){.signo = SIGSEGV, .code = SI_KERNEL, .trap = f->code, .error = f->error};
    switch (f->code) {
    case DIVIDE:
        out->signo = SIGFPE;
        out->code = FPE_INTDIV;
        out->address = pc;
        break;
    case DEBUG:
        out->signo = SIGTRAP;
        out->code = TRAP_TRACE;
        out->address = pc;
        break;
    case BREAKPOINT: out->signo = SIGTRAP; break;
    case OPCODE:
        out->signo = SIGILL;
        out->code = ILL_ILLOPN;
        out->address = pc;
        break;
    case NOT_PRESENT:
    case STACK: out->signo = SIGBUS; break;
    case X87:
        out->signo = SIGFPE;
        out->code = float_code(x87_status());
        out->address = pc;
        break;
    case ALIGNMENT:
        out->signo = SIGBUS;
        out->code = BUS_ADRALN;
        break;
    case SIMD:
        out->signo = SIGFPE;
        out->code = float_code(simd_status());
        out->address = pc;
        break;
    default: /* OVERFLOW, BOUND, PROTECTION and whatever else */ break;
    }
}
