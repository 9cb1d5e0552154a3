/* SPDX-License-Identifier: MIT */
/* What the LibOS's portable part needs of the machine: x86_64. */
#ifndef POSIX_MACHINE_H
#define POSIX_MACHINE_H

#include <exo.h>
#include <stdbool.h>

struct thread;
struct proc_siginfo;

/* What entry.S keeps of a call in progress, at the upper end of the thread's LibOS stack. */
struct call_frame {
    uint64_t r9, r8, r10, rdx, rsi, rdi, number, pc;
};
static_assert(sizeof(struct call_frame) == 64, "entry.S knows the layout");

static inline struct call_frame *call_frame_of(const struct thread *t)
{
    return (struct call_frame *)((uintptr_t)t - sizeof(struct call_frame));
}

#define NO_CALL UINT64_MAX /* as a call's number: the program was not in a call */

/* entry.S: how a new thread begins (function, stack pointer), and the registers of fork_point. */
struct start {
    uint64_t function, sp;
    uint64_t saved[6], return_pc;
};
void thread_start(void);
int64_t fork_point(struct start *s) __attribute__((returns_twice));
void clone_start(void);
_Noreturn void enter_program(uint64_t pc, uint64_t sp);
void call_return(void);
extern const char roll_start[], roll_end[], user_access[], user_access_end[], user_access_failed[];

/* usercopy.S */
int64_t user_copy(void *to, const void *from, uint64_t bytes);
int64_t user_fill_zero(void *to, uint64_t bytes);
int64_t user_copy_string(char *to, const char *from, uint64_t limit);
int64_t user_load32(const uint32_t *from, uint32_t *to);
int64_t user_load64(const uint64_t *from, uint64_t *to);
int64_t user_store32(uint32_t *to, uint32_t value);
int64_t user_store64(uint64_t *to, uint64_t value);
int64_t user_swap32(uint32_t *at, uint32_t *expected, uint32_t value);
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

static inline uint64_t machine_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Vector state (fpu.c): size of an area, 64-byte aligned, that holds it; save and restore. */
#define FPU_BYTES_MAX 2816u
uint64_t fpu_bytes(void);
uint64_t fpu_mask(void);
void fpu_save(void *area);
void fpu_restore(const void *area);
void fpu_reset(void);

/* Makes the interrupted program run `handler` next (sigframe.c): writes a signal frame as Linux
 * would and changes *c. -EFAULT: the stack cannot take it. */
struct frame_request {
    int32_t signo;
    uint64_t handler, restorer, flags; /* of the sigaction */
    uint64_t old_mask;                 /* to be restored by rt_sigreturn */
    uint64_t altstack_base, altstack_size;
    uint32_t altstack_flags;
    uint64_t trap, error, address; /* of a fault */
    const uint8_t *info;           /* 128 bytes: siginfo_t */
};
int64_t frame_push(struct exo_context *c, const struct frame_request *r);
/* The reverse, for rt_sigreturn: the frame is at the program's stack pointer `sp`. */
struct frame_return {
    uint64_t mask;
    uint64_t altstack_base, altstack_size;
    uint32_t altstack_flags;
};
int64_t frame_pop(struct exo_context *c, uint64_t sp, struct frame_return *r);

/* Which signal an exception means (fault.c). */
struct fault {
    int32_t signo, code;
    uint64_t address, trap, error;
};
void fault_of_exception(const struct exo_upcall_frame *f, struct fault *out);

/* For the auxiliary vector. */
uint64_t machine_hwcap(void);
#define MACHINE_PLATFORM "x86_64"
#define MACHINE_ELF      62     /* EM_X86_64 */
extern const char vdso_image[]; /* vdso.S */

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

#endif
