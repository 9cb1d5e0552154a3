/* SPDX-License-Identifier: MIT */
/* What the LibOS's portable part needs of the machine: riscv64. */
#ifndef POSIX_MACHINE_H
#define POSIX_MACHINE_H

#include "port.h"

#include <lib/string.h>

/* Words of struct thread for entry.S: s0-s11, gp, t0 and pc of the call. */
#define MACHINE_SAVED 15

/* What entry.S keeps of a call in progress, at the upper end of the thread's LibOS stack. tp, t0,
 * number and pc of the call are in the UTCB, too (exo/utcb.h: reflect_saved, reflect_pc). */
struct call_frame {
    uint64_t number; /* a7 */
    uint64_t a[7];
    uint64_t ra, t1, t2, t3, t4, t5, t6, unused;
};
static_assert(sizeof(struct call_frame) == 128, "entry.S knows the layout");

static inline struct call_frame *call_frame_of(const struct thread *t)
{
    return (struct call_frame *)((uintptr_t)t - sizeof(struct call_frame));
}

/* entry.S: how a new thread begins (function, stack pointer), and the registers of fork_point. */
struct start {
    uint64_t function, sp;
    uint64_t saved[17];
};

/* usercopy.S */
int64_t user_fpu_save(void *area);
int64_t user_fpu_restore(void *area);

/* The program's thread pointer. In the LibOS tp is the UTCB; the kernel has put the program's aside
 * at the call, and reflect_return takes it back from there. */
static inline uint64_t machine_tls(void)
{
    return exo_utcb()->reflect_saved[0];
}

static inline void machine_set_tls(uint64_t value)
{
    exo_utcb()->reflect_saved[0] = value;
}

/* Floating-point state (fpu.c): f0-f31, fcsr, as in Linux's struct __riscv_d_ext_state. */
#define FPU_BYTES     264u
#define FPU_BYTES_MAX 320u /* a whole number of 64-byte pieces */

extern const char vdso_rt_sigreturn[]; /* vdso.S */

#define MACHINE_PLATFORM "riscv64"

/* The result of the call that a context has just left. */
static inline int64_t context_result(const struct exo_context *c)
{
    return (int64_t)c->a0;
}

static inline void context_set_result(struct exo_context *c, int64_t result)
{
    c->a0 = (uint64_t)result;
}

/* The way out of a call is one instruction, reflect_return: no context is ever on it. */
static inline uint64_t context_leave(struct exo_context *c)
{
    (void)c;
    return NO_CALL;
}

/* Restarting a call: back over the instruction, with its number and its first argument, which the
 * result has replaced. */
static inline void context_restart(struct exo_context *c, uint64_t number)
{
    const struct thread *t = (const struct thread *)exo_utcb()->libos[0];

    c->a7 = number;
    c->a0 = call_frame_of(t)->a[0];
    c->pc -= 4;
}

#define MACHINE_PAGE_FAULT 0 /* not told to programs */

/* trace.c: calls that want registers which entry.S has kept, and where they go on from there. */
#define MACHINE_CALLS_WITH_REGISTERS \
    {                                \
        NR_clone, clone_saved        \
    }

/* trace_native.c: the instruction that takes the place of a native call's, how far behind it the
 * exception finds us, and what the call's is long. */
typedef uint16_t machine_break;     /* half of the instruction: it may lie on any even address */
#define MACHINE_BREAK       0x9002u /* c.ebreak */
#define MACHINE_BREAK_AFTER 0u
#define MACHINE_TRAP_BYTES  4u

static inline uint64_t native_number(const struct exo_context *c)
{
    return c->a7;
}

static inline uint64_t *native_word(struct exo_context *c, uint32_t i)
{
    uint64_t *const words[] = {&c->a0, &c->a1, &c->a2, &c->a3, &c->a4, &c->a5};

    return words[i];
}

int64_t posix_riscv_flush_icache(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
static inline void machine_code_changed(uint64_t start, uint64_t end)
{
    posix_riscv_flush_icache(start, end, 0, 0, 0, 0);
}

/* The times of struct semid64_ds. */
struct sem_times {
    int64_t words[2];
};
#define SEM_TIMES(otime, ctime) \
    {                           \
        {                       \
            (otime), (ctime)    \
        }                       \
    }

/* core_dump.c: struct elf_gregset, which is what the kernel keeps. */
#define MACHINE_CORE_REGISTERS 32u
static inline void machine_core_registers(uint64_t *to, const struct exo_context *c)
{
    static_assert(sizeof *c == 8 * MACHINE_CORE_REGISTERS, "struct user_regs_struct");
    memcpy(to, c, sizeof *c);
}

#endif
