/* SPDX-License-Identifier: MIT */
/* What the LibOS's portable part needs of the machine: aarch64. */
#ifndef POSIX_MACHINE_H
#define POSIX_MACHINE_H

#include "port.h"

#include <lib/string.h>

/* Words of struct thread for entry.S: x18-x29, x16, x17 and pc of the call. */
#define MACHINE_SAVED 16

/* What entry.S keeps of a call in progress, at the upper end of the thread's LibOS stack. x16, x17 and
 * pc of the call are in the UTCB (exo/utcb.h: reflect_saved, reflect_pc). */
struct call_frame {
    union {
        uint64_t x[16];
        struct {
            uint64_t arguments[8], number; /* x8 */
        };
    };
    uint64_t x30, nzcv;
};
static_assert(sizeof(struct call_frame) == 144, "entry.S knows the layout");

static inline struct call_frame *call_frame_of(const struct thread *t)
{
    return (struct call_frame *)((uintptr_t)t - sizeof(struct call_frame));
}

/* entry.S: how a new thread begins (function, stack pointer), and the registers of fork_point. */
struct start {
    uint64_t function, sp;
    uint64_t saved[16];
};

/* usercopy.S */
int64_t user_fpu_save(void *area);
int64_t user_fpu_restore(void *area);

/* The program's thread pointer; the UTCB's is another register. */
static inline uint64_t machine_tls(void)
{
    uint64_t value;

    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(value));
    return value;
}

static inline void machine_set_tls(uint64_t value)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(value));
}

/* Vector state (fpu.c): fpsr, fpcr, v0-v31, as in Linux's struct fpsimd_context. */
#define FPU_BYTES     520u
#define FPU_BYTES_MAX 576u /* a whole number of 64-byte pieces */

extern const char vdso_rt_sigreturn[]; /* vdso.S */

#define MACHINE_PLATFORM "aarch64"

/* The result of the call that a context has just left. */
static inline int64_t context_result(const struct exo_context *c)
{
    return (int64_t)c->regs[0];
}

static inline void context_set_result(struct exo_context *c, int64_t result)
{
    c->regs[0] = (uint64_t)result;
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

    c->regs[8] = number;
    c->regs[0] = call_frame_of(t)->arguments[0];
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
typedef uint32_t machine_break;
#define MACHINE_BREAK       0xd4200000u /* brk #0 */
#define MACHINE_BREAK_AFTER 0u
#define MACHINE_TRAP_BYTES  4u

static inline uint64_t native_number(const struct exo_context *c)
{
    return c->regs[8];
}

static inline uint64_t *native_word(struct exo_context *c, uint32_t i)
{
    return &c->regs[i];
}

/* Arm ARM, B2.4.4: clean to the point of unification, then invalidate, by the smallest line there is. */
static inline void machine_code_changed(uint64_t start, uint64_t end)
{
    for (uint64_t at = start & ~(uint64_t)15; at < end; at += 16)
        __asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish" : : : "memory");
    for (uint64_t at = start & ~(uint64_t)15; at < end; at += 16)
        __asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish\n isb" : : : "memory");
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
#define MACHINE_CORE_REGISTERS 34u
static inline void machine_core_registers(uint64_t *to, const struct exo_context *c)
{
    static_assert(sizeof *c == 8 * MACHINE_CORE_REGISTERS, "struct user_pt_regs");
    memcpy(to, c, sizeof *c);
}

#endif
