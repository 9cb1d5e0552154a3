/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts, after entry.S has saved the registers.
 *
 * In user mode they are the thread's, or a device's. In the kernel, where interrupts are never let in,
 * there are three kinds only: a page fault at an instruction of user_copy.S, anything in probe.S, and
 * an error of the kernel.
 */
#include "machine.h"

/* EXO_MAP_READ/WRITE/EXEC; 0: no page fault. */
static uint32_t fault_access(uint64_t cause)
{
    switch (cause) {
    case CAUSE_FETCH_PAGE: return EXO_MAP_EXEC;
    case CAUSE_LOAD_PAGE: return EXO_MAP_READ;
    case CAUSE_STORE_PAGE: return EXO_MAP_WRITE;
    default: return 0;
    }
}

/* A fault that is the processor's matter and not the environment's: an access that it wants noted in the
 * entry. (Where it remembers that there was no translation, as 4.2.1 lets it, the generic kernel finds
 * an entry that allows the access, and calls hal_space_flush_here.) */
static bool fault_is_ours(uint64_t va, uint32_t access)
{
    return !cpu_features.notes_use && space_note_use(va, access);
}

void trap_from_user(struct hal_context *context, uint64_t cause, uint64_t value)
{
    uint32_t access = fault_access(cause);

    (void)context;
    if (access) {
        if (!fault_is_ours(value, access))
            kernel_page_fault(value, access, cause);
    } else if (cause & CAUSE_INTERRUPT) {
        interrupt_serve();
    } else if (cause != CAUSE_ILLEGAL || !fpu_wanted()) {
        kernel_exception((unsigned)cause, value, value);
    }
}

static bool within(uint64_t pc, const char *from, const char *to)
{
    return pc >= (uint64_t)from && pc < (uint64_t)to;
}

static _Noreturn void trap_fatal(struct hal_context *frame, uint64_t cause, uint64_t value);

/* A fault of user_copy.S that is no page fault: the page is of a device, or there is no such device. SUM
 * is closed while the generic kernel looks for the page. sret goes back to where SPP says, which
 * the trap set, and clears it. */
void trap_from_kernel(struct hal_context *frame, uint64_t cause, uint64_t value)
{
    uint32_t access = fault_access(cause);

    if (within(frame->user.pc, probe_start, probe_end)) {
        frame->user.pc = (uint64_t)probe_failed;
    } else if (value < EXO_USER_TOP && within(frame->user.pc, user_copy_start, user_copy_end)) {
        csr_clear(sstatus, STATUS_SUM);
        if (!access || (!fault_is_ours(value, access) && !kernel_fault_in(value, access)))
            frame->user.pc = (uint64_t)user_copy_failed;
        csr_set(sstatus, STATUS_SUM);
    } else {
        trap_fatal(frame, cause, value);
    }
}

/* ---- an error of the kernel -------------------------------------------------------------------- */

/* The return addresses on the kernel's stack, by frame pointers: s0 points behind the return address,
 * which lies above the caller's s0. */
static void back_trace(uint64_t fp)
{
    uint64_t top = hal_cpu()->kernel_stack, bottom = top - KERNEL_STACK_BYTES;

    for (unsigned i = 0; i < 32 && fp >= bottom + 16 && fp <= top && !(fp & 7); i++) {
        const uint64_t *link = (const uint64_t *)fp;
        log_hex("  called from", link[-1]);
        if (link[-2] <= fp)
            break;
        fp = link[-2];
    }
}

static void log_registers(const struct exo_context *r)
{
    static const char names[31][5] = {"ra ", "sp ", "gp ", "tp ", "t0 ", "t1 ", "t2 ", "s0 ",
                                      "s1 ", "a0 ", "a1 ", "a2 ", "a3 ", "a4 ", "a5 ", "a6 ",
                                      "a7 ", "s2 ", "s3 ", "s4 ", "s5 ", "s6 ", "s7 ", "s8 ",
                                      "s9 ", "s10", "s11", "t3 ", "t4 ", "t5 ", "t6 "};

    for (unsigned i = 0; i < 31; i++) {
        log_text("  ");
        log_hex(names[i], (&r->ra)[i]);
    }
}

static _Noreturn void trap_fatal(struct hal_context *frame, uint64_t cause, uint64_t value)
{
    csr_clear(sstatus, STATUS_SUM);
    log_text("\nkernel: unexpected exception\n");
    log_hex("  scause ", cause);
    log_hex("  stval  ", value);
    log_hex("  sstatus", csr_read(sstatus));
    log_hex("  pc     ", frame->user.pc);
    log_registers(&frame->user);
    back_trace(frame->user.s0);
    kernel_panic("exception %lu in the kernel at %lx", cause, frame->user.pc);
}
