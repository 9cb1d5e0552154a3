/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts, after entry.S has saved the registers.
 *
 * In user mode they are the thread's, or a device's. In the kernel there are three kinds only: an
 * interrupt in hal_idle; a page fault at an instruction of user_copy.S; and an error of the kernel.
 */
#include "machine.h"

/* Page-fault error code (SDM volume 3, 4.7). */
#define FAULT_WRITE 0x02u
#define FAULT_USER  0x04u
#define FAULT_RSVD  0x08u /* an address beyond what the processor has: no mapping can serve it */
#define FAULT_FETCH 0x10u

static uint64_t fault_address(void)
{
    uint64_t va;
    __asm__ volatile("mov %%cr2, %0" : "=r"(va));
    return va;
}

static uint32_t fault_access(uint64_t error)
{
    if (error & FAULT_FETCH)
        return EXO_MAP_EXEC;
    return error & FAULT_WRITE ? EXO_MAP_WRITE : EXO_MAP_READ;
}

void trap_from_user(struct hal_context *context)
{
    unsigned vector = (unsigned)context->vector;

    /* A fault from user mode without FAULT_USER is an access that the processor made for itself: to
     * a descriptor table, or (QEMU 7.2) an iret's pop, which SMAP refuses. No mapping can serve it. */
    if (vector == VECTOR_PAGE_FAULT && (context->error & (FAULT_USER | FAULT_RSVD)) == FAULT_USER)
        kernel_page_fault(fault_address(), fault_access(context->error), context->error);
    else if (vector == VECTOR_PAGE_FAULT)
        kernel_exception(VECTOR_PROTECTION, 0, 0);
    else if (vector >= VECTOR_EXCEPTIONS)
        interrupt_serve(vector);
    else
        kernel_exception(vector, 0, context->error);
}

/* Where to go on after a fault at rip that cannot be served; 0 if no fault is expected there. */
static uint64_t fixup_of(uint64_t rip)
{
    for (const struct fault_fixup *f = fault_fixups; f < fault_fixups_end; f++) {
        if (f->fault == rip)
            return f->fixup;
    }
    return 0;
}

void trap_from_kernel(struct hal_context *frame)
{
    uint64_t va = fault_address(), fixup;

    if (frame->vector >= VECTOR_EXCEPTIONS) {
        interrupt_serve((unsigned)frame->vector);
        return;
    }
    if (frame->vector != VECTOR_PAGE_FAULT || va >= EXO_USER_TOP || !(fixup = fixup_of(frame->rip)))
        trap_fatal(frame);
    if (frame->error & FAULT_RSVD || !kernel_fault_in(va, fault_access(frame->error)))
        frame->rip = fixup;
}

/* ---- an error of the kernel -------------------------------------------------------------------- */

/* The return addresses on the kernel's stack, by frame pointers: rbp points to the caller's rbp,
 * above which lies the return address. */
static void back_trace(uint64_t rbp)
{
    uint64_t top = hal_cpu()->kernel_stack, bottom = top - KERNEL_STACK_BYTES;

    for (unsigned i = 0; i < 32 && rbp >= bottom && rbp + 16 <= top && !(rbp & 7); i++) {
        const uint64_t *link = (const uint64_t *)rbp;
        log_hex("  called from", link[1]);
        if (link[0] <= rbp)
            break;
        rbp = link[0];
    }
}

/* It may have struck beside a swapgs, so the gs base tells nothing. The descriptor table is this CPU's
 * own and lies in its structure. */
static struct machine_cpu *struck_cpu(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table;

    __asm__("sgdt %0" : "=m"(table));
    return (struct machine_cpu *)(table.base - offsetof(struct machine_cpu, gdt));
}

_Noreturn void trap_fatal(struct hal_context *frame)
{
    wrmsr(MSR_GS_BASE, (uint64_t)struck_cpu());
    if (frame->vector == VECTOR_NMI)
        smp_stop_if_asked();
    hal_cpus_stop();
    log_text("\nkernel: unexpected exception\n");
    log_hex("  CPU   ", hal_cpu()->number);
    log_hex("  vector", frame->vector);
    log_hex("  error ", frame->error);
    log_hex("  cr2   ", fault_address());
    log_hex("  rip   ", frame->rip);
    log_hex("  rsp   ", frame->rsp);
    log_hex("  rbp   ", frame->rbp);
    log_hex("  rflags", frame->rflags);
    log_hex("  rax   ", frame->rax);
    log_hex("  rbx   ", frame->rbx);
    log_hex("  rcx   ", frame->rcx);
    log_hex("  rdx   ", frame->rdx);
    log_hex("  rsi   ", frame->rsi);
    log_hex("  rdi   ", frame->rdi);
    log_hex("  r8    ", frame->r8);
    log_hex("  r9    ", frame->r9);
    log_hex("  r10   ", frame->r10);
    log_hex("  r11   ", frame->r11);
    log_hex("  r12   ", frame->r12);
    log_hex("  r13   ", frame->r13);
    log_hex("  r14   ", frame->r14);
    log_hex("  r15   ", frame->r15);
    back_trace(frame->rbp);
    kernel_panic("exception %u in the kernel at %lx", (unsigned)frame->vector, frame->rip);
}
