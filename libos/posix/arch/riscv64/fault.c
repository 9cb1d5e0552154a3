// SPDX-License-Identifier: MIT
/* Which signal a processor exception means (RISC-V privileged architecture, table of scause values;
 * Linux's choices). The address is the instruction's: so Linux says it, too. */
#include "core.h"

enum {
    FETCH_MISALIGNED = 0,
    FETCH_ACCESS = 1,
    ILLEGAL = 2,
    BREAKPOINT = 3,
    LOAD_MISALIGNED = 4,
    LOAD_ACCESS = 5,
    STORE_MISALIGNED = 6,
    STORE_ACCESS = 7
};

void fault_of_exception(const struct exo_upcall_frame *f, struct fault *out)
{
    *out = (struct fault){.signo = SIGILL,
                          .code = ILL_ILLOPC,
                          .address = f->context.pc,
                          .trap = f->code,
                          .error = f->error};
    switch (f->code) {
    case FETCH_MISALIGNED:
    case LOAD_MISALIGNED:
    case STORE_MISALIGNED:
        out->signo = SIGBUS;
        out->code = BUS_ADRALN;
        out->address = f->address;
        break;
    case FETCH_ACCESS:
    case LOAD_ACCESS:
    case STORE_ACCESS:
        out->signo = SIGSEGV;
        out->code = SEGV_ACCERR;
        out->address = f->address;
        break;
    case BREAKPOINT:
        out->signo = SIGTRAP;
        out->code = TRAP_BRKPT;
        break;
    default: /* ILLEGAL and whatever else */ break;
    }
}
