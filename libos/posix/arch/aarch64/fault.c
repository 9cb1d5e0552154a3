// SPDX-License-Identifier: MIT
/* Which signal a processor exception means: by the class in ESR_EL1 (DDI 0487, D17.2.37), with
 * Linux's choices. The whole of ESR_EL1 is the frame's error. */
#include "core.h"

enum {
    ILLEGAL_STATE = 0x0e,
    POINTER_AUTHENTICATION = 0x1c,
    FETCH = 0x20,
    PC_ALIGNMENT = 0x22,
    DATA = 0x24,
    SP_ALIGNMENT = 0x26,
    FLOATING_POINT = 0x2c,
    BREAKPOINT = 0x30,
    STEP = 0x32,
    WATCHPOINT = 0x34,
    BRK = 0x3c
};

#define STATUS(error)    ((error)&0x3fu)
#define STATUS_ALIGNMENT 0x21u

/* The trapped exceptions of a floating-point instruction; 0: it does not say which. */
static int32_t float_code(uint64_t error)
{
    if (!(error & 1u << 23)) /* TFV */
        return 0;
    if (error & 0x01)
        return FPE_FLTINV;
    if (error & 0x02)
        return FPE_FLTDIV;
    if (error & 0x04)
        return FPE_FLTOVF;
    if (error & 0x08)
        return FPE_FLTUND;
    return error & 0x10 ? FPE_FLTRES : 0;
}

static void set(struct fault *out, int32_t signo, int32_t code)
{
    out->signo = signo;
    out->code = code;
}

void fault_of_exception(const struct exo_upcall_frame *f, struct fault *out)
{
    *out = (struct fault){.signo = SIGILL,
                          .code = ILL_ILLOPC,
                          .address = f->context.pc,
                          .trap = f->code,
                          .error = f->error};
    switch (f->code) {
    case POINTER_AUTHENTICATION: set(out, SIGILL, ILL_ILLOPN); break;
    case FETCH:
    case DATA: /* no page fault: those come by themselves */
        out->address = f->address;
        set(out, SIGBUS, STATUS(f->error) == STATUS_ALIGNMENT ? BUS_ADRALN : BUS_OBJERR);
        break;
    case PC_ALIGNMENT: set(out, SIGBUS, BUS_ADRALN); break;
    case SP_ALIGNMENT:
        out->address = f->context.sp;
        set(out, SIGBUS, BUS_ADRALN);
        break;
    case FLOATING_POINT: set(out, SIGFPE, float_code(f->error)); break;
    case STEP: set(out, SIGTRAP, TRAP_TRACE); break;
    case BREAKPOINT:
    case WATCHPOINT: set(out, SIGTRAP, TRAP_HWBKPT); break;
    case BRK: set(out, SIGTRAP, TRAP_BRKPT); break;
    default: /* ILLEGAL_STATE, an instruction that is undefined or not for user code */ break;
    }
}
