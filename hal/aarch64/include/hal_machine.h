/* SPDX-License-Identifier: MIT */
/*
 * aarch64's part of hal.h: the structures that the portable kernel embeds, and what is so short
 * that a call would cost more than the work. "DDI 0487": see layout.h.
 */
#ifndef HAL_MACHINE_H
#define HAL_MACHINE_H

#include <exo/context.h>
#include <stdalign.h>

/*
 * A thread's user registers. While a thread is in user mode, the stack pointer of EL1 points to its
 * context, so trap entry stores right there. The first words are those of struct exo_context.
 */
struct hal_context {
    alignas(16) uint64_t regs[31]; /* x0 .. x30 */
    uint64_t sp, pc, pstate;
    uint64_t tls;  /* TPIDR_EL0; user code may change it, so it is read back on a switch */
    uint64_t utcb; /* TPIDRRO_EL0 */
};

/* FPSIMD state: V0 .. V31, FPSR, FPCR. SVE and SME stay off. */
struct hal_fpu {
    alignas(16) uint64_t v[64];
    uint64_t fpsr, fpcr;
};

struct hal_space {
    uint64_t root; /* physical address of the top table */
    uint64_t asid; /* generation << 16 | number; 0: none yet (space.c) */
};

typedef uint64_t hal_pte_t;
#define HAL_LEAF_PAGES 512u
#define HAL_PORTS      0u
#define HAL_IRQS       988u /* shared peripheral interrupts: the GIC's number less 32 */

/* ---- this CPU ---------------------------------------------------------------------------------- */

struct hal_cpu;

static inline struct hal_cpu *hal_cpu(void)
{
    struct hal_cpu *self;
    __asm__("mrs %0, tpidr_el1" : "=r"(self)); /* not volatile: it never changes on a CPU */
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

/* ---- page table entries (DDI 0487, D8.3) ------------------------------------------------------- */

#define PTE_VALID      0x1u
#define PTE_PAGE       0x3u /* valid, and a page or a table (not a block) */
#define PTE_ATTR_SHIFT 2    /* index into MAIR_EL1 */
#define PTE_USER       0x40u
#define PTE_RDONLY     0x80u  /* AP[2] */
#define PTE_INNER      0x300u /* inner shareable */
#define PTE_AF         0x400u
#define PTE_NG         0x800u /* not global: belongs to an ASID */
/*
 * Dirty state. DBM says that the page is writable; while PTE_RDONLY is set too, it is clean, and the
 * first write clears PTE_RDONLY: done by the processor (FEAT_HAFDBS) or by trap.c after the fault.
 */
#define PTE_DBM        ((uint64_t)1 << 51)
#define PTE_PXN        ((uint64_t)1 << 53)
#define PTE_UXN        ((uint64_t)1 << 54)
#define PTE_SOFT_SHIFT 55 /* bits 55 and 56, which the processor ignores, are hal.h's soft bits */
#define PTE_HELD       ((uint64_t)1 << 57) /* holds a frame, even when not valid (no rights at all) */
#define PTE_FRAME      0x0000fffffffff000u

/** Makes what was written to a frame visible to instruction fetches (cpu.c). */
void code_ready(pfn_t frame);

static inline hal_pte_t hal_pte_make(pfn_t frame, uint32_t rights, uint32_t soft, bool device)
{
    hal_pte_t entry = (uint64_t)frame << 12 | PTE_HELD | (uint64_t)soft << PTE_SOFT_SHIFT |
                      PTE_USER | PTE_INNER | PTE_AF | PTE_NG | PTE_PXN | PTE_RDONLY;

    entry |= rights ? PTE_PAGE : 0;
    entry |= rights & EXO_MAP_WRITE ? PTE_DBM : 0;
    entry |= rights & EXO_MAP_EXEC ? 0 : PTE_UXN;
    entry |= device ? 1u << PTE_ATTR_SHIFT : 0; /* attribute 1 of MAIR_VALUE (layout.h) */
    if (rights & EXO_MAP_EXEC && !device)
        code_ready(frame);
    return entry;
}

static inline hal_pte_t hal_pte_swap(hal_pte_t *entry, hal_pte_t value)
{
    return __atomic_exchange_n(entry, value, __ATOMIC_RELAXED);
}

static inline bool hal_pte_present(hal_pte_t entry)
{
    return (entry & PTE_HELD) != 0;
}

static inline pfn_t hal_pte_frame(hal_pte_t entry)
{
    return (pfn_t)((entry & PTE_FRAME) >> 12);
}

/* What the processor allows: whatever has a right can be read. */
static inline uint32_t hal_pte_rights(hal_pte_t entry)
{
    if (!(entry & PTE_VALID))
        return 0;
    return EXO_MAP_READ | (entry & PTE_DBM ? EXO_MAP_WRITE : 0) |
           (entry & PTE_UXN ? 0 : EXO_MAP_EXEC);
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
    return (entry & (PTE_VALID | PTE_DBM | PTE_RDONLY)) == (PTE_VALID | PTE_DBM);
}

static inline hal_pte_t hal_pte_clean(hal_pte_t entry)
{
    return entry | PTE_RDONLY;
}

static inline bool hal_pte_referenced(hal_pte_t entry)
{
    return entry & PTE_AF;
}

static inline hal_pte_t hal_pte_unreferenced(hal_pte_t entry)
{
    return entry & ~(hal_pte_t)PTE_AF;
}

/* ---- native calls ------------------------------------------------------------------------------ */

/* Argument registers of a native call: x0 .. x5, as Linux has them. */
static inline uint64_t hal_context_arg(const struct hal_context *c, unsigned i)
{
    return c->regs[i];
}

/* An instruction is four bytes long, and arguments and number are still in their registers. */
static inline void hal_context_restart(struct hal_context *c)
{
    c->pc -= 4;
}

static inline uint64_t hal_context_pc(const struct hal_context *c)
{
    return c->pc;
}

static inline void hal_context_result(struct hal_context *c, int64_t value)
{
    c->regs[0] = (uint64_t)value;
}

static inline void hal_context_words(struct hal_context *to, const struct hal_context *from)
{
    for (unsigned i = 2; i < 6; i++)
        to->regs[i] = from->regs[i];
}

static inline void hal_context_set_word(struct hal_context *c, unsigned i, uint64_t value)
{
    c->regs[2 + i] = value;
}

/* ---- time -------------------------------------------------------------------------------------- */

/* The isb keeps the counter from being read ahead of what comes before (DDI 0487, D11.2.2). */
static inline uint64_t hal_ticks(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

#endif
