// SPDX-License-Identifier: MIT
/*
 * Signal frames as Linux lays them out on x86_64, byte for byte: programs read the registers in
 * ucontext, change them, and unwinders walk through them.
 *
 *   high   [red zone, 128 bytes]            or the end of the alternate stack
 *          [magic 2] [vector state, 64-byte aligned]
 *   low    struct rt_frame: return address (restorer), ucontext, siginfo      <- rsp, 16n + 8
 */
#include "core.h"

struct linux_sigcontext {
    struct exo_context registers; /* the same order as Linux's, see exo_machine/context.h */
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, address, fpstate, reserved[8];
};
static_assert(sizeof(struct linux_sigcontext) == 256, "Linux ABI");

struct linux_ucontext {
    uint64_t flags, link;
    uint64_t stack_base;
    uint32_t stack_flags, pad;
    uint64_t stack_size;
    struct linux_sigcontext context;
    uint64_t mask;
};

struct rt_frame {
    uint64_t return_address;
    struct linux_ucontext ucontext;
    uint8_t info[128];
};
static_assert(sizeof(struct rt_frame) == 440, "Linux ABI");

#define UC_FP_XSTATE         1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u
#define FP_MAGIC1            0x46505853u
#define FP_MAGIC2            0x46505845u

/* Bytes 464-511 of the vector state: what else is there. Then its header, which XSAVE wants zero. */
struct fp_software {
    uint32_t magic1, extended_bytes;
    uint64_t parts;
    uint32_t state_bytes, pad[7];
    uint8_t header[64];
};
static_assert(sizeof(struct fp_software) == 112, "Linux ABI");
#define FP_SOFTWARE_AT 464u

#define RED_ZONE 128u

static int64_t fp_push(uint64_t at)
{
    uint64_t bytes = fpu_bytes();
    struct fp_software s = {
        .magic1 = FP_MAGIC1,
        .extended_bytes = (uint32_t)bytes + 4,
        .parts = fpu_mask(),
        .state_bytes = (uint32_t)bytes,
    };

    if (!user_range(at, bytes + 4))
        return -EFAULT;
    if (fpu_mask() == 0)
        return user_fpu_save((void *)at, 0);
    if (user_write(at + FP_SOFTWARE_AT, &s, sizeof s) < 0 ||
        user_write32(at + bytes, FP_MAGIC2) < 0)
        return -EFAULT;
    return user_fpu_save((void *)at, fpu_mask());
}

int64_t frame_push(struct exo_context *c, const struct frame_request *r)
{
    uint64_t sp = c->rsp, low = frame_stack(r, &sp);
    uint64_t fp = ((sp == c->rsp ? sp - RED_ZONE : sp) - fpu_bytes() - 4) & ~(uint64_t)63;
    uint64_t at = ((fp - sizeof(struct rt_frame)) & ~(uint64_t)15) - 8;
    struct rt_frame frame = {
        .return_address = r->restorer,
        .ucontext =
            {
                .flags = (fpu_mask() ? UC_FP_XSTATE : 0) | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
                .stack_base = r->altstack_base,
                .stack_flags = r->altstack_flags,
                .stack_size = r->altstack_size,
                .context =
                    {
                        .registers = *c,
                        .cs = 0x33,
                        .ss = 0x2b,
                        .error = r->error,
                        .trap = r->trap,
                        .old_mask = r->old_mask,
                        .address = r->address,
                        .fpstate = fp,
                    },
                .mask = r->old_mask,
            },
    };

    if (at < low)
        return -EFAULT;
    memcpy(frame.info, r->info, sizeof frame.info);
    if (fp_push(fp) < 0 || user_write(at, &frame, sizeof frame) < 0)
        return -EFAULT;
    c->rsp = at;
    c->rip = r->handler;
    c->rdi = (uint64_t)r->signo;
    c->rsi = at + offsetof(struct rt_frame, info);
    c->rdx = at + offsetof(struct rt_frame, ucontext);
    c->rax = 0;
    c->rflags &= ~(uint64_t)(0x400 | 0x100 | 0x10000); /* direction, trap, resume */
    return 0;
}

/* Loads the vector state that a frame points to; a program may have built it by itself. */
static int64_t fp_pop(uint64_t at)
{
    struct fp_software s;
    uint8_t legacy[576] __attribute__((aligned(64)));

    if (!at) {
        fpu_reset();
        return 0;
    }
    if ((at & 63) || !user_range(at, FPU_BYTES_MAX) ||
        user_read(&s, at + FP_SOFTWARE_AT, sizeof s) < 0)
        return -EFAULT;
    if (s.magic1 == FP_MAGIC1 && fpu_mask() && s.state_bytes <= fpu_bytes())
        return user_fpu_restore((void *)at, fpu_mask() & s.parts);
    /* Only the 512 bytes that FXSAVE knows. */
    if (user_read(legacy, at, 512) < 0)
        return -EFAULT;
    memset(legacy + 512, 0, 64);
    legacy[512] = 3; /* x87 and SSE are there */
    return user_fpu_restore(legacy, fpu_mask());
}

int64_t frame_pop(struct exo_context *c, uint64_t sp, struct frame_return *r)
{
    struct linux_ucontext u;
    uint64_t at = sp - 8; /* the handler's return took the first word */

    if (user_read(&u, at + offsetof(struct rt_frame, ucontext), sizeof u) < 0 ||
        fp_pop(u.context.fpstate) < 0)
        return -EFAULT;
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
    return fpu_bytes() + 1024;
}
