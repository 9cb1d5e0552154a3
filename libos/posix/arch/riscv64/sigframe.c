// SPDX-License-Identifier: MIT
/*
 * Signal frames as Linux lays them out on riscv64, byte for byte: programs read the registers in
 * ucontext, change them, and unwinders walk through them.
 *
 *   high   [the program's stack]            or the end of the alternate stack
 *   low    struct rt_frame: siginfo, ucontext                                   <- sp, 16n
 *
 * The handler returns to the vDSO, which makes the call rt_sigreturn with sp at the frame.
 */
#include "core.h"

struct linux_sigcontext {
    struct exo_context registers; /* the same order as Linux's, see exo_machine/context.h */
    uint8_t fpu[FPU_BYTES];
    uint8_t fpu_reserved[516 - FPU_BYTES];
    uint32_t extension_magic, extension_bytes; /* 0, 0: no further state follows */
    uint32_t pad;
};
static_assert(sizeof(struct linux_sigcontext) == 784, "Linux ABI");

struct linux_ucontext {
    uint64_t flags, link;
    uint64_t stack_base;
    uint32_t stack_flags, pad;
    uint64_t stack_size;
    uint64_t mask, mask_reserved[15];
    uint64_t pad2;
    struct linux_sigcontext context;
};
static_assert(sizeof(struct linux_ucontext) == 960, "Linux ABI");

struct rt_frame {
    uint8_t info[128];
    struct linux_ucontext ucontext;
};
static_assert(sizeof(struct rt_frame) == 1088, "Linux ABI");
#define FPU_AT (offsetof(struct rt_frame, ucontext.context.fpu))

int64_t frame_push(struct exo_context *c, const struct frame_request *r)
{
    uint64_t sp = c->sp, low = frame_stack(r, &sp);
    uint64_t at = (sp - sizeof(struct rt_frame)) & ~(uint64_t)15;
    struct rt_frame frame = {
        .ucontext =
            {
                .stack_base = r->altstack_base,
                .stack_flags = r->altstack_flags,
                .stack_size = r->altstack_size,
                .mask = r->old_mask,
                .context = {.registers = *c},
            },
    };

    if (at < low)
        return -EFAULT;
    memcpy(frame.info, r->info, sizeof frame.info);
    if (user_write(at, &frame, sizeof frame) < 0 || user_fpu_save((void *)(at + FPU_AT)) < 0)
        return -EFAULT;
    c->ra = (uint64_t)vdso_rt_sigreturn;
    c->sp = at;
    c->pc = r->handler;
    c->a0 = (uint64_t)r->signo;
    c->a1 = at + offsetof(struct rt_frame, info);
    c->a2 = at + offsetof(struct rt_frame, ucontext);
    return 0;
}

/* The program may have built the frame by itself. Every value of these registers is one that user
 * code can have; what is wrong with the program counter the kernel finds. */
int64_t frame_pop(struct exo_context *c, uint64_t sp, struct frame_return *r)
{
    struct linux_ucontext u;

    if (user_read(&u, sp + offsetof(struct rt_frame, ucontext), sizeof u) < 0 ||
        u.context.extension_magic != 0 || u.context.extension_bytes != 0)
        return -EFAULT;
    fpu_restore(u.context.fpu);
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
    return sizeof(struct rt_frame);
}
