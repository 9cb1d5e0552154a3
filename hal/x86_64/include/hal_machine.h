/* SPDX-License-Identifier: MIT */
/*
 * x86_64's part of hal.h: the structures that the portable kernel embeds, and what is so short
 * that a call would cost more than the work.
 */
#ifndef HAL_MACHINE_H
#define HAL_MACHINE_H

#include <exo/context.h>
#include <stdalign.h>

/*
 * A thread's user registers: the stack frame of a trap, in place.
 *
 * The TSS points rsp0 at the end of `ss` of the running thread's context, so on a trap from user
 * mode the processor itself pushes ss .. rip (and error) here, and the entry code pushes the rest.
 * A native call stores by hand and leaves cs at 0: that means "in a call", so rcx and r11 are dead
 * (SYSCALL destroyed them), and the way out is sysret. Any other value: complete, out by iretq.
 * The alignment is a must: the processor rounds rsp0 down to 16.
 */
struct hal_context {
    alignas(16) uint64_t r8;
    uint64_t r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx; /* so far as in struct exo_context */
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t tls;  /* fs base; user code may change it, so it is read back on a switch */
    uint64_t utcb; /* gs base; user code may change it, and loses the change on a switch */
};

/* FPU and vector registers in the XSAVE layout (SDM volume 1, 13.4): enough for AVX-512, which is
 * the most that the port switches on. */
struct hal_fpu {
    alignas(64) uint8_t area[2688];
};

struct hal_space {
    uint64_t root; /* physical address of the PML4: what CR3 gets */
};

typedef uint64_t hal_pte_t;
#define HAL_LEAF_PAGES 512u
#define HAL_PORTS      65536u
#define HAL_WIRES      24u /* ISA lines and pins of the I/O APIC; then lines raised by messages */
#define HAL_IRQS       56u

/* ---- this CPU ---------------------------------------------------------------------------------- */

struct hal_cpu;

static inline struct hal_cpu *hal_cpu(void)
{
    struct hal_cpu *self;
    /* Not volatile: it never changes, so the compiler may keep it. 40 is CPU_SELF of layout.h. */
    __asm__("mov %%gs:40, %0" : "=r"(self));
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

/* ---- page table entries (SDM volume 3, 4.5.4) -------------------------------------------------- */

#define PTE_P          0x001u
#define PTE_W          0x002u
#define PTE_U          0x004u
#define PTE_PWT        0x008u
#define PTE_PCD        0x010u
#define PTE_A          0x020u
#define PTE_D          0x040u
#define PTE_LARGE      0x080u
#define PTE_G          0x100u
#define PTE_SOFT_SHIFT 9      /* bits 9 and 10 are hal.h's soft bits */
#define PTE_HELD       0x800u /* bit 11: the entry holds a frame, even when P is 0 (no rights at all) */
#define PTE_NX         ((uint64_t)1 << 63)
#define PTE_FRAME      0x000ffffffffff000u

static inline hal_pte_t hal_pte_make(pfn_t frame, uint32_t rights, uint32_t soft, bool device)
{
    hal_pte_t entry = (uint64_t)frame << 12 | PTE_HELD | PTE_U | PTE_A | soft << PTE_SOFT_SHIFT;
    entry |= rights ? PTE_P : 0;
    entry |= rights & EXO_MAP_WRITE ? PTE_W : 0;
    entry |= rights & EXO_MAP_EXEC ? 0 : PTE_NX;
    entry |= device ? PTE_PCD | PTE_PWT : 0; /* PAT entry 3: uncached (SDM 3A, 12.12) */
    return entry;
}

static inline hal_pte_t hal_pte_swap(hal_pte_t *entry, hal_pte_t value)
{
    __asm__ volatile("xchg %0, %1" : "+r"(value), "+m"(*entry) : : "memory");
    return value;
}

static inline bool hal_pte_present(hal_pte_t entry)
{
    return entry & PTE_HELD;
}

static inline pfn_t hal_pte_frame(hal_pte_t entry)
{
    return (pfn_t)((entry & PTE_FRAME) >> 12);
}

/* What the processor allows: whatever has a right can be read. */
static inline uint32_t hal_pte_rights(hal_pte_t entry)
{
    if (!(entry & PTE_P))
        return 0;
    return EXO_MAP_READ | (entry & PTE_W ? EXO_MAP_WRITE : 0) | (entry & PTE_NX ? 0 : EXO_MAP_EXEC);
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

/* Argument registers of a native call: rdi rsi rdx r10 r8 r9, as Linux has them. */
static inline uint64_t hal_context_arg(const struct hal_context *c, unsigned i)
{
    switch (i) {
    case 0: return c->rdi;
    case 1: return c->rsi;
    case 2: return c->rdx;
    case 3: return c->r10;
    case 4: return c->r8;
    default: return c->r9;
    }
}

/* SYSCALL is two bytes long, and its arguments and number are still in their registers. */
static inline void hal_context_restart(struct hal_context *c)
{
    c->rip -= 2;
}

static inline uint64_t hal_context_pc(const struct hal_context *c)
{
    return c->rip;
}

static inline void hal_context_result(struct hal_context *c, int64_t value)
{
    c->rax = (uint64_t)value;
}

static inline void hal_context_words(struct hal_context *to, const struct hal_context *from)
{
    to->rdx = from->rdx;
    to->r10 = from->r10;
    to->r8 = from->r8;
    to->r9 = from->r9;
}

static inline void hal_context_set_word(struct hal_context *c, unsigned i, uint64_t value)
{
    switch (i) {
    case 0: c->rdx = value; break;
    case 1: c->r10 = value; break;
    case 2: c->r8 = value; break;
    default: c->r9 = value; break;
    }
}

/* ---- time -------------------------------------------------------------------------------------- */

static inline uint64_t hal_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#endif
