/* SPDX-License-Identifier: MIT */
/* What the LibOS's portable part needs of the machine: x86_64. */
#ifndef POSIX_MACHINE_H
#define POSIX_MACHINE_H

#include "port.h"

#include <lib/string.h>

/* Words of struct thread for entry.S: rbx, rbp, r12-r15. */
#define MACHINE_SAVED 6

/* What entry.S keeps of a call in progress, at the upper end of the thread's LibOS stack. */
struct call_frame {
    uint64_t r9, r8, r10, rdx, rsi, rdi, number, pc;
};
static_assert(sizeof(struct call_frame) == 64, "entry.S knows the layout");

static inline struct call_frame *call_frame_of(const struct thread *t)
{
    return (struct call_frame *)((uintptr_t)t - sizeof(struct call_frame));
}

/* entry.S: how a new thread begins (function, stack pointer), and the registers of fork_point. */
struct start {
    uint64_t function, sp;
    uint64_t saved[6], return_pc;
};
extern const char roll_start[], roll_end[];

/* usercopy.S */
int64_t user_fpu_save(void *area, uint64_t mask);
int64_t user_fpu_restore(void *area, uint64_t mask);

/* The program's thread pointer. */
static inline uint64_t machine_tls(void)
{
    uint64_t value;

    __asm__ volatile("rdfsbase %0" : "=r"(value));
    return value;
}

static inline void machine_set_tls(uint64_t value)
{
    __asm__ volatile("wrfsbase %0" : : "r"(value));
}

/* Vector state (fpu.c): how much of an area is used, and the mask of its parts.
 * x86_64 only: fpu_bytes, fpu_mask */
#define FPU_BYTES_MAX 2816u
uint64_t fpu_bytes(void);
uint64_t fpu_mask(void);

#define MACHINE_PLATFORM "x86_64"

/* The result of the call that a context has just left. */
static inline int64_t context_result(const struct exo_context *c)
{
    return (int64_t)c->rax;
}

static inline void context_set_result(struct exo_context *c, int64_t result)
{
    c->rax = (uint64_t)result;
}

/* If the context is on our way out of a call (entry.S), finishes that: the program's next
 * instruction, and the call's number. Else NO_CALL. */
static inline uint64_t context_leave(struct exo_context *c)
{
    if (c->rip < (uintptr_t)roll_start || c->rip >= (uintptr_t)roll_end)
        return NO_CALL;
    c->rip = c->rcx;
    return c->r11;
}

/* Restarting a call: back over the instruction, with its number. */
static inline void context_restart(struct exo_context *c, uint64_t number)
{
    c->rax = number;
    c->rip -= 2;
}

#define MACHINE_PAGE_FAULT 14 /* sigcontext.trapno of one */

/* trace.c: calls that want registers which entry.S has kept, and where they go on from there. */
#define MACHINE_CALLS_WITH_REGISTERS                \
    {NR_clone, clone_saved}, {NR_fork, fork_saved}, \
    {                                               \
        NR_vfork, vfork_saved                       \
    }

/* trace_native.c: the instruction that takes the place of a native call's, how far behind it the
 * exception finds us, and what the call's is long. */
typedef uint8_t machine_break;
#define MACHINE_BREAK       0xcc /* int3 */
#define MACHINE_BREAK_AFTER 1u
#define MACHINE_TRAP_BYTES  2u

static inline uint64_t native_number(const struct exo_context *c)
{
    return c->rax;
}

static inline uint64_t *native_word(struct exo_context *c, uint32_t i)
{
    uint64_t *const words[] = {&c->rdi, &c->rsi, &c->rdx, &c->r10, &c->r8, &c->r9};

    return words[i];
}

static inline void machine_code_changed(uint64_t start, uint64_t end)
{
    (void)start, (void)end;
}

/* The times of struct semid64_ds. */
struct sem_times {
    int64_t words[4];
};
#define SEM_TIMES(otime, ctime)    \
    {                              \
        {                          \
            (otime), 0, (ctime), 0 \
        }                          \
    }

/* core_dump.c: struct elf_gregset. */
#define MACHINE_CORE_REGISTERS 27u
static inline void machine_core_registers(uint64_t *to, const struct exo_context *c)
{
    const uint64_t registers[MACHINE_CORE_REGISTERS] = {
        c->r15,        c->r14,        c->r13,    c->r12,
        c->rbp,        c->rbx,        c->r11,    c->r10,
        c->r9,         c->r8,         c->rax,    c->rcx,
        c->rdx,        c->rsi,        c->rdi,    UINT64_MAX /* orig_rax: not in a call */,
        c->rip,        0x33 /* cs */, c->rflags, c->rsp,
        0x2b /* ss */, machine_tls()};

    memcpy(to, registers, sizeof registers);
}

#endif
