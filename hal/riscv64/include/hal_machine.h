/* SPDX-License-Identifier: MIT */
/*
 * riscv64's part of hal.h: the structures that the portable kernel embeds, and what is so short
 * that a call would cost more than the work.
 */
#ifndef HAL_MACHINE_H
#define HAL_MACHINE_H

#include <exo/context.h>
#include <stdalign.h>

/* A thread's user registers, complete after every trap. The thread pointer is one of them. */
struct hal_context {
    struct exo_context user;
    uint64_t utcb; /* the user address that an upcall puts into tp */
};

/* The floating-point registers, as long as another thread has the processor's. */
struct hal_fpu {
    uint64_t f[32];
    uint32_t fcsr;
    bool used; /* false: they were never written, and are all 0 */
};

struct hal_space {
    uint64_t root; /* physical address of the root table */
    uint64_t tag;  /* address space identifier and the generation it is good for (space.c) */
    uint32_t cpus; /* bits of those that may have translations with it */
};

typedef uint64_t hal_pte_t;
#define HAL_LEAF_PAGES 512u
#define HAL_PORTS      0u
#define HAL_IRQS       128u

/* ---- this CPU ---------------------------------------------------------------------------------- */

struct hal_cpu;

static inline struct hal_cpu *hal_cpu(void)
{
    struct hal_cpu *self;
    /* Not volatile: it never changes, so the compiler may keep it. */
    __asm__("mv %0, tp" : "=r"(self));
    return self;
}

/* ---- physical memory --------------------------------------------------------------------------- */

#define HAL_DIRECT_BASE 0xffff800000000000u

static inline void *hal_frame_ptr(pfn_t frame)
{
    return (void *)(HAL_DIRECT_BASE + ((uint64_t)frame << 12));
}

static inline pfn_t hal_frame_of(const void *ptr)
{
    return (pfn_t)(((uint64_t)ptr - HAL_DIRECT_BASE) >> 12);
}

/* ---- page table entries (privileged architecture 4.4.1) ---------------------------------------- */

#define PTE_V          0x001u
#define PTE_R          0x002u
#define PTE_W          0x004u
#define PTE_X          0x008u
#define PTE_U          0x010u /* user page; the entry holds a frame, even when V is 0 (no rights) */
#define PTE_G          0x020u
#define PTE_A          0x040u
#define PTE_D          0x080u
#define PTE_SOFT_SHIFT 8 /* bits 8 and 9 are hal.h's soft bits */
#define PTE_PPN_SHIFT  10
#define PTE_PPN        0x003ffffffffffc00u

/* How often code may have changed; a hart that finds another number than at its last fence.i does one
 * when it goes to another thread. */
extern uint64_t hal_code_epoch;

/* Whatever has a right can be read: W without R is reserved. What an executable page holds was stored as
 * data: fence.i lets this hart's fetches see it (3.1); how the others learn of it says space.c. A device's
 * registers are uncached because the platform says so of their addresses (3.6). */
static inline hal_pte_t hal_pte_make(pfn_t frame, uint32_t rights, uint32_t soft, bool device)
{
    hal_pte_t entry = (uint64_t)frame << PTE_PPN_SHIFT | PTE_U | PTE_A | soft << PTE_SOFT_SHIFT;

    (void)device;
    entry |= rights ? PTE_V | PTE_R : 0;
    entry |= rights & EXO_MAP_WRITE ? PTE_W : 0;
    if (rights & EXO_MAP_EXEC) {
        entry |= PTE_X;
        hal_code_epoch++;
        __asm__ volatile("fence.i" : : : "memory");
    }
    return entry;
}

static inline hal_pte_t hal_pte_swap(hal_pte_t *entry, hal_pte_t value)
{
    return __atomic_exchange_n(entry, value, __ATOMIC_RELAXED);
}

static inline bool hal_pte_present(hal_pte_t entry)
{
    return entry & PTE_U;
}

static inline pfn_t hal_pte_frame(hal_pte_t entry)
{
    return (pfn_t)((entry & PTE_PPN) >> PTE_PPN_SHIFT);
}

static inline uint32_t hal_pte_rights(hal_pte_t entry)
{
    if (!(entry & PTE_V))
        return 0;
    return EXO_MAP_READ | (entry & PTE_W ? EXO_MAP_WRITE : 0) | (entry & PTE_X ? EXO_MAP_EXEC : 0);
}

static inline uint32_t hal_pte_soft(hal_pte_t entry)
{
    return (uint32_t)(entry >> PTE_SOFT_SHIFT) & 3;
}

/* Eight entries in a row, read together: what is quick on sparse tables. */
static inline bool hal_pte_none8(const hal_pte_t *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

static inline bool hal_pte_dirty(hal_pte_t entry)
{
    return entry & PTE_D;
}

static inline hal_pte_t hal_pte_clean(hal_pte_t entry)
{
    return entry & ~(hal_pte_t)PTE_D;
}

static inline bool hal_pte_referenced(hal_pte_t entry)
{
    return entry & PTE_A;
}

static inline hal_pte_t hal_pte_unreferenced(hal_pte_t entry)
{
    return entry & ~(hal_pte_t)PTE_A;
}

/* ---- native calls ------------------------------------------------------------------------------ */

/* Argument registers of a native call: a0 .. a5, as Linux has them. */
static inline uint64_t hal_context_arg(const struct hal_context *c, unsigned i)
{
    return (&c->user.a0)[i];
}

/* ECALL is four bytes long, and its arguments and number are still in their registers. */
static inline void hal_context_restart(struct hal_context *c)
{
    c->user.pc -= 4;
}

static inline uint64_t hal_context_pc(const struct hal_context *c)
{
    return c->user.pc;
}

static inline void hal_context_result(struct hal_context *c, int64_t value)
{
    c->user.a0 = (uint64_t)value;
}

static inline void hal_context_words(struct hal_context *to, const struct hal_context *from)
{
    to->user.a2 = from->user.a2;
    to->user.a3 = from->user.a3;
    to->user.a4 = from->user.a4;
    to->user.a5 = from->user.a5;
}

static inline void hal_context_set_word(struct hal_context *c, unsigned i, uint64_t value)
{
    (&c->user.a2)[i & 3] = value;
}

/* ---- time -------------------------------------------------------------------------------------- */

static inline uint64_t hal_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

#endif
