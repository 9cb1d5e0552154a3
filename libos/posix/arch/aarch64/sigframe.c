// SPDX-License-Identifier: MIT
/*
 * Signal frames as Linux lays them out on aarch64, byte for byte: programs read the registers in
 * ucontext, change them, and unwinders walk through them.
 *
 *   high   [the program's stack]            or the end of the alternate stack
 *          frame record: x29 and x30 of the interrupted code; x29 of the handler points to it
 *   low    siginfo, ucontext with 4096 bytes for records of further state      <- sp, 16n
 *
 * The records: the vector state; of a fault, ESR_EL1; an empty one at the end.
 */
#include "core.h"

struct record {
    uint32_t magic, bytes;
};
#define FPSIMD_MAGIC 0x46508001u
#define ESR_MAGIC    0x45535201u

struct linux_sigcontext {
    uint64_t address;
    struct exo_context registers; /* the same order as Linux's, see exo_machine/context.h */
};

struct linux_ucontext {
    uint64_t flags, link;
    uint64_t stack_base;
    uint32_t stack_flags, pad;
    uint64_t stack_size;
    uint64_t mask, mask_reserved[15];
    uint64_t pad2;
    struct linux_sigcontext context;
    uint64_t pad3;
};
static_assert(sizeof(struct linux_ucontext) == 464, "Linux ABI: up to the records");

struct fpsimd_record {
    struct record head;
    uint8_t state[FPU_BYTES];
};
static_assert(sizeof(struct fpsimd_record) == 528, "Linux ABI");

/* As much of a frame as is written; the rest of the records' room is left as it is. */
struct rt_frame {
    uint8_t info[128];
    struct linux_ucontext ucontext;
    struct fpsimd_record fpsimd;
    struct record esr;
    uint64_t esr_value;
    struct record end;
};
#define RECORDS_AT    offsetof(struct rt_frame, fpsimd)
#define RECORDS_BYTES 4096u
#define FRAME_BYTES   (RECORDS_AT + RECORDS_BYTES)
static_assert(FRAME_BYTES == 4688, "Linux ABI");

struct frame_record {
    uint64_t x29, x30;
};

#define PSTATE_NOT_USER 0x3dfu /* another mode than EL0 with 64 bits; interrupts masked */

int64_t frame_push(struct exo_context *c, const struct frame_request *r)
{
    uint64_t sp = c->sp, low = frame_stack(r, &sp);
    uint64_t record = (sp - sizeof(struct frame_record)) & ~(uint64_t)15, at = record - FRAME_BYTES;
    struct frame_record link = {c->regs[29], c->regs[30]};
    struct rt_frame frame = {
        .ucontext =
            {
                .stack_base = r->altstack_base,
                .stack_flags = r->altstack_flags,
                .stack_size = r->altstack_size,
                .mask = r->old_mask,
                .context = {.address = r->address, .registers = *c},
            },
        .fpsimd = {.head = {FPSIMD_MAGIC, sizeof(struct fpsimd_record)}},
    };

    if (r->error) {
        frame.esr = (struct record){ESR_MAGIC, sizeof frame.esr + sizeof frame.esr_value};
        frame.esr_value = r->error;
    }
    if (at < low)
        return -EFAULT;
    memcpy(frame.info, r->info, sizeof frame.info);
    fpu_save(frame.fpsimd.state);
    if (user_write(at, &frame, sizeof frame) < 0 || user_write(record, &link, sizeof link) < 0)
        return -EFAULT;
    c->regs[0] = (uint64_t)r->signo;
    if (r->flags & SA_SIGINFO) {
        c->regs[1] = at + offsetof(struct rt_frame, info);
        c->regs[2] = at + offsetof(struct rt_frame, ucontext);
    }
    c->regs[29] = record;
    c->regs[30] = r->flags & SA_RESTORER ? r->restorer : (uint64_t)vdso_rt_sigreturn;
    c->sp = at;
    c->pc = r->handler;
    c->pstate = 0;
    return 0;
}

/* Finds the vector state among the records of the frame at `at`; a program may have built them by
 * itself. */
static int64_t records_read(uint64_t at, uint8_t state[FPU_BYTES])
{
    uint64_t end = at + RECORDS_BYTES;
    bool found = false;
    struct record head;

    for (;; at += head.bytes) {
        if (end - at < sizeof head || user_read(&head, at, sizeof head) < 0)
            return -EFAULT;
        if (head.magic == 0)
            return head.bytes == 0 && found ? 0 : -EFAULT;
        if (head.bytes < sizeof head || (head.bytes & 15) || head.bytes > end - at)
            return -EFAULT;
        if (head.magic == FPSIMD_MAGIC) {
            if (found || head.bytes != sizeof(struct fpsimd_record) ||
                user_read(state, at + sizeof head, FPU_BYTES) < 0)
                return -EFAULT;
            found = true;
        } else if (head.magic != ESR_MAGIC) {
            return -EFAULT;
        }
    }
}

int64_t frame_pop(struct exo_context *c, uint64_t sp, struct frame_return *r)
{
    struct linux_ucontext u;
    uint8_t state[FPU_BYTES];

    if ((sp & 15) || user_read(&u, sp + offsetof(struct rt_frame, ucontext), sizeof u) < 0 ||
        (u.context.registers.pstate & PSTATE_NOT_USER) || records_read(sp + RECORDS_AT, state) < 0)
        return -EFAULT;
    fpu_restore(state);
    *c = u.context.registers;
    *r = (struct frame_return){
        .mask = u.mask,
        .altstack_base = u.stack_base,
        .altstack_size = u.stack_size,
        .altstack_flags = u.stack_flags,
    };
    return 0;
}

uint64_t frame_bytes(void)
{
    return FRAME_BYTES + sizeof(struct frame_record);
}
