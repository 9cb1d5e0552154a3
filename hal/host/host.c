// SPDX-License-Identifier: MIT
/*
 * A machine for unit tests: hal.h on the host. What hal_machine.h's inline functions leave open, and
 * the few steps that stand in for hal_start, trap entry and the processor's page walk.
 */
#include "host.h"

#include <kernel/ipc/waitset.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/space.h>
#include <kernel/sched/lock.h>
#include <kernel/trap/view.h>
#include <stdio.h>

char *host_ram;
pfn_t host_ram_frames;
uint64_t host_ticks;
struct hal_cpu host_cpu;
uint64_t hal_features[HAL_FEATURES];
struct hal_clock hal_clock = {.base = 0, .mult = 1, .shift = 0};
struct account *host_root;

static struct hal_space *loaded;

/* ---- start ------------------------------------------------------------------------------------- */

void host_start(unsigned mib)
{
    static struct hal_boot boot;

    host_ram_frames = mib * 256;
    host_ram = aligned_alloc(4096, (size_t)host_ram_frames << 12);
    memset(host_ram, 0xee, (size_t)host_ram_frames << 12); /* RAM is full of something */
    boot.ram[0] =
        (struct hal_range){(uint64_t)HOST_RAM_FIRST << 12, (uint64_t)host_ram_frames << 12};
    boot.ram_count = 1;
    boot.kept[0] = (struct hal_range){0, boot.ram[0].base};
    boot.kept_count = 1;
    boot.archive = (struct hal_range){boot.ram[0].base + 0x10000, 0};
    frame_init(&boot);
    object_init();
    space_start();
    waitset_start();
    slots_init(4096);
    host_root = account_root(frame_free_count(), UINT32_MAX);
    timer_init();
    sched_init();
    view_init(0);
    kernel_enter(); /* and all that tests do is inside of one kernel entry */
}

struct thread *host_thread(struct env *env, uint64_t utcb_va)
{
    struct exo_thread_args args = {.utcb = utcb_va, .priority = 10};
    struct thread *t;

    if (thread_create(env, env->account, &args, &t) != EXO_OK)
        return 0;
    t->state = THREAD_READY;
    object_unref(&t->object); /* the environment's list holds it */
    return t;
}

struct thread *host_env(struct account *account)
{
    struct env *env;

    if (env_create(account, &env) != EXO_OK)
        return 0;
    struct map_request want = {.start = HOST_ARGUMENTS,
                               .end = HOST_ARGUMENTS + 64 * EXO_PAGE_SIZE,
                               .rights = EXO_MAP_READ | EXO_MAP_WRITE,
                               .rights_max = EXO_MAP_RIGHTS};
    if (space_map(&env->space, &want, false) != EXO_OK)
        return 0;
    return host_thread(env, HOST_UTCB);
}

void host_run(struct thread *t)
{
    struct cpu_state *cpu = this_cpu();

    cpu->current = 0;
    sched_unready(t);
    cpu->current = t;
    cpu->registers = t;
    cpu->loaded = &t->env->space;
    cpu->reschedule = false;
    host_cpu.thread_context = &t->context;
    host_cpu.utcb = t->utcb;
    hal_space_switch(&t->env->space.hal);
}

void host_reap(void)
{
    while (env_reap())
        ;
}

void hal_log(const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, stderr);
}

_Noreturn void hal_power_off(void)
{
    abort(); /* a panic: no test powers the machine off on purpose */
}

/* One CPU. */
unsigned hal_cpu_count = 1;

void hal_cpus_start(void)
{
}

void hal_cpus_stop(void)
{
}

void hal_ipi(unsigned cpu)
{
    fprintf(stderr, "there is no CPU %u\n", cpu);
    abort();
}

void hal_wake(unsigned cpu)
{
    hal_ipi(cpu);
}

void hal_doze(void)
{
    hal_relax();
}

void hal_relax(void)
{
    fprintf(stderr, "the kernel waits for another CPU, but there is none\n");
    abort();
}

void hal_idle(void)
{
    fprintf(stderr, "the kernel idles, but nothing can ever happen here\n");
    abort();
}

_Noreturn void hal_enter_user(void)
{
    abort();
}

/* ---- address spaces ---------------------------------------------------------------------------- */

#define LEAF_SHIFT 21

/* The first leaf table at or behind a number. */
static uint32_t leaf_after(const struct hal_space *space, uint64_t number)
{
    uint32_t i = 0;

    while (i < space->count && space->leaves[i].number < number)
        i++;
    return i;
}

bool hal_space_init(struct hal_space *space, struct hal_table_source *source)
{
    *space = (struct hal_space){.root = source->take(source)};
    return space->root != PFN_NONE;
}

hal_pte_t *hal_space_entry(struct hal_space *space, uint64_t va, struct hal_table_source *source)
{
    if (va >= EXO_USER_TOP)
        return 0;
    uint64_t number = va >> LEAF_SHIFT;
    uint32_t i = leaf_after(space, number);
    if (i == space->count || space->leaves[i].number != number) {
        pfn_t frame = source ? source->take(source) : PFN_NONE;
        if (frame == PFN_NONE)
            return 0;
        space->leaves = realloc(space->leaves, (space->count + 1) * sizeof *space->leaves);
        memmove(&space->leaves[i + 1], &space->leaves[i],
                (space->count - i) * sizeof *space->leaves);
        space->leaves[i] = (struct host_leaf){number, frame};
        space->count++;
    }
    return (hal_pte_t *)hal_frame_ptr(space->leaves[i].frame) + (va >> 12 & (HAL_LEAF_PAGES - 1));
}

uint64_t hal_space_next(const struct hal_space *space, uint64_t va, uint64_t end)
{
    uint32_t i = leaf_after(space, va >> LEAF_SHIFT);

    if (va >= end || i == space->count)
        return end;
    uint64_t start = space->leaves[i].number << LEAF_SHIFT;
    va = start > va ? start : va;
    return va < end ? va : end;
}

bool hal_space_free(struct hal_space *space, struct hal_table_source *source, unsigned budget)
{
    while (space->count > 0) {
        if (budget-- == 0)
            return false;
        const hal_pte_t *table = hal_frame_ptr(space->leaves[space->count - 1].frame);
        for (unsigned i = 0; i < HAL_LEAF_PAGES; i++) {
            if (table[i]) {
                fprintf(stderr, "an entry outlives its space\n");
                abort();
            }
        }
        source->give(source, space->leaves[--space->count].frame);
    }
    free(space->leaves);
    space->leaves = 0;
    source->give(source, space->root);
    if (loaded == space)
        abort(); /* the processor still walks it */
    return true;
}

void hal_space_switch(struct hal_space *space)
{
    loaded = space;
}

void hal_space_flush(struct hal_space *space, uint64_t va)
{
    (void)space; /* nothing is remembered here */
    (void)va;
}

void hal_space_flush_here(struct hal_space *space, uint64_t va)
{
    (void)space;
    (void)va;
}

void hal_view_set(pfn_t frame)
{
    (void)frame;
}

/* ---- user memory ------------------------------------------------------------------------------- */

/* Where the processor finds the byte; 0: a fault that nobody serves. */
static char *walk(struct hal_space *space, struct space *s, uint64_t va, uint32_t access)
{
    for (unsigned tries = 0; tries < 3; tries++) {
        hal_pte_t *e = hal_space_entry(space, va, 0);

        if (e && hal_pte_present(*e) && (hal_pte_rights(*e) & access) == access) {
            if (access == EXO_MAP_WRITE)
                *e |= 16;
            return (char *)hal_frame_ptr(hal_pte_frame(*e)) + (va & 4095);
        }
        if (s ? space_fault(s, va, access) != SPACE_SERVED : !kernel_fault_in(va, access))
            return 0;
    }
    abort(); /* a fault that was served, and comes again */
}

static bool copy(uint64_t va, char *out, const char *in, size_t bytes)
{
    if (va + bytes < va || va + bytes > EXO_USER_TOP)
        return false;
    while (bytes > 0) {
        size_t part = 4096 - (va & 4095);
        char *at = walk(loaded, 0, va, in ? EXO_MAP_WRITE : EXO_MAP_READ);

        part = part < bytes ? part : bytes;
        if (!at)
            return false;
        if (in) {
            memmove(at, in, part);
            in += part;
        } else {
            memmove(out, at, part);
            out += part;
        }
        va += part;
        bytes -= part;
    }
    return true;
}

bool hal_copy_in(void *to, uint64_t from_va, size_t bytes)
{
    return copy(from_va, to, 0, bytes);
}

bool hal_copy_out(uint64_t to_va, const void *from, size_t bytes)
{
    return copy(to_va, 0, from, bytes);
}

bool hal_word_in(uint32_t *value, uint64_t va)
{
    return copy(va, (char *)value, 0, 4);
}

bool host_store(struct space *s, uint64_t va, uint32_t word)
{
    char *at = walk(&s->hal, s, va, EXO_MAP_WRITE);

    if (at)
        memcpy(at, &word, 4);
    return at != 0;
}

bool host_load(struct space *s, uint64_t va, uint32_t *word)
{
    const char *at = walk(&s->hal, s, va, EXO_MAP_READ);

    if (at)
        memcpy(word, at, 4);
    return at != 0;
}

void host_put(uint64_t va, const void *from, size_t bytes)
{
    if (!hal_copy_out(va, from, bytes))
        abort();
}

void host_get(void *to, uint64_t va, size_t bytes)
{
    if (!hal_copy_in(to, va, bytes))
        abort();
}

/* ---- threads, devices -------------------------------------------------------------------------- */

void hal_context_init(struct hal_context *c, uint64_t pc, uint64_t sp, uint64_t arg, uint64_t tls)
{
    *c = (struct hal_context){.pc = pc, .sp = sp, .tls = tls, .argument = {arg}};
}

void hal_context_utcb(struct hal_context *c, uint64_t utcb_va)
{
    c->utcb = utcb_va;
}

void hal_context_save(const struct hal_context *c, struct exo_context *to)
{
    *to = (struct exo_context){.rip = c->pc, .rsp = c->sp};
}

void hal_context_load(struct hal_context *c, const struct exo_context *from)
{
    c->pc = from->rip;
    c->sp = from->rsp;
}

void hal_context_redirect(struct hal_context *c, uint64_t pc, uint64_t arg)
{
    c->pc = pc;
    c->argument[0] = arg;
}

void hal_context_set_tls(struct hal_context *c, uint64_t tls)
{
    c->tls = tls;
}

void hal_context_switch(struct hal_context *from, struct hal_fpu *from_fpu, struct hal_context *to,
                        struct hal_fpu *to_fpu)
{
    if (from) /* what it saves must still be there */
        from_fpu->unused[0]++;
    (void)to;
    (void)to_fpu;
}

void hal_fpu_init(struct hal_fpu *fpu)
{
    memset(fpu, 0, sizeof *fpu);
}

void hal_timer(uint64_t ns)
{
    (void)ns;
}

void hal_irq_mask(unsigned line)
{
    (void)line;
}

void hal_irq_unmask(unsigned line)
{
    (void)line;
}

bool hal_irq_message(unsigned line, uint64_t *address, uint32_t *value)
{
    (void)line;
    (void)address;
    (void)value;
    return false;
}

uint32_t hal_port_read(uint32_t port, unsigned width)
{
    (void)width;
    return port;
}

void hal_port_write(uint32_t port, unsigned width, uint32_t value)
{
    (void)port;
    (void)width;
    (void)value;
}

uint64_t hal_entropy(void)
{
    static uint64_t state = 1;

    return state = state * 6364136223846793005u + 1442695040888963407u;
}
