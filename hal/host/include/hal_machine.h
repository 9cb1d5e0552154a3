/* SPDX-License-Identifier: MIT */
/*
 * The host's part of hal.h, for unit tests: the portable kernel runs as an ordinary program. RAM is
 * an array, a page table entry a word of the same meaning as on x86_64, the processor a variable, and
 * time stands still unless a test moves it. Nothing is ever interrupted.
 */
#ifndef HAL_MACHINE_H
#define HAL_MACHINE_H

#include <exo/context.h>
#include <stdlib.h>
#include <string.h>

struct hal_context {
    uint64_t pc, sp, tls, utcb;
    uint64_t argument[6]; /* of the call it is in; 2-5: the message words */
    int64_t result;
};

struct hal_fpu {
    uint8_t unused[64];
};

/* The leaf tables, sorted by address. The root is a frame only so that it is charged. */
struct host_leaf {
    uint64_t number; /* va / (HAL_LEAF_PAGES pages) */
    pfn_t frame;
};
struct hal_space {
    struct host_leaf *leaves;
    uint32_t count;
    pfn_t root;
};

typedef uint64_t hal_pte_t;
#define HAL_LEAF_PAGES 512u
#define HAL_PORTS      65536u
#define HAL_IRQS       24u

struct hal_cpu;
extern struct hal_cpu host_cpu;
static inline struct hal_cpu *hal_cpu(void)
{
    return &host_cpu;
}

/* ---- RAM: from physical 16 MiB on ---------------------------------------------------------------- */

#define HOST_RAM_FIRST 4096u /* its first frame */
extern char *host_ram;
extern pfn_t host_ram_frames;

static inline void *hal_frame_ptr(pfn_t frame)
{
    if (frame < HOST_RAM_FIRST || frame - HOST_RAM_FIRST >= host_ram_frames)
        abort(); /* the kernel may only look into RAM */
    return host_ram + ((size_t)(frame - HOST_RAM_FIRST) << 12);
}

static inline pfn_t hal_frame_of(const void *ptr)
{
    return HOST_RAM_FIRST + (pfn_t)(((const char *)ptr - host_ram) >> 12);
}

static inline void hal_page_zero(void *page)
{
    memset(page, 0, 4096);
}

static inline void hal_page_copy(void *to, const void *from)
{
    memcpy(to, from, 4096);
}

/* ---- entries: frame << 12, held 1, R 2, W 4, X 8, dirty 16, device 32, soft bits 64 and 128,
 * referenced 256 */

static inline hal_pte_t hal_pte_make(pfn_t frame, uint32_t rights, uint32_t soft, bool device)
{
    return (uint64_t)frame << 12 | 1 | (uint64_t)rights << 1 | (device ? 32 : 0) | soft << 6 | 256;
}
static inline bool hal_pte_present(hal_pte_t entry)
{
    return entry & 1;
}
static inline pfn_t hal_pte_frame(hal_pte_t entry)
{
    return (pfn_t)(entry >> 12);
}
static inline uint32_t hal_pte_rights(hal_pte_t entry)
{
    return (uint32_t)(entry >> 1) & EXO_MAP_RIGHTS;
}
static inline uint32_t hal_pte_soft(hal_pte_t entry)
{
    return (uint32_t)(entry >> 6) & 3;
}
static inline bool hal_pte_none8(const hal_pte_t *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}
static inline hal_pte_t hal_pte_swap(hal_pte_t *entry, hal_pte_t value)
{
    hal_pte_t old = *entry;

    *entry = value;
    return old;
}
static inline bool hal_pte_dirty(hal_pte_t entry)
{
    return entry & 16;
}
static inline hal_pte_t hal_pte_clean(hal_pte_t entry)
{
    return entry & ~(hal_pte_t)16;
}
static inline bool hal_pte_referenced(hal_pte_t entry)
{
    return entry & 256;
}
static inline hal_pte_t hal_pte_unreferenced(hal_pte_t entry)
{
    return entry & ~(hal_pte_t)256;
}

/* ---- calls and time ------------------------------------------------------------------------------ */

static inline uint64_t hal_context_arg(const struct hal_context *c, unsigned i)
{
    return c->argument[i];
}
static inline void hal_context_restart(struct hal_context *c)
{
    (void)c; /* a test calls again by itself */
}

static inline uint64_t hal_context_pc(const struct hal_context *c)
{
    (void)c;
    return 0;
}

static inline void hal_context_result(struct hal_context *c, int64_t value)
{
    c->result = value;
}
static inline void hal_context_words(struct hal_context *to, const struct hal_context *from)
{
    memcpy(&to->argument[2], &from->argument[2], 4 * sizeof(uint64_t));
}
static inline void hal_context_set_word(struct hal_context *c, unsigned i, uint64_t value)
{
    c->argument[2 + i] = value;
}

extern uint64_t host_ticks; /* one a nanosecond */
static inline uint64_t hal_ticks(void)
{
    return host_ticks;
}

#endif
