/* SPDX-License-Identifier: MIT */
/*
 * More threads in a native program. Thread k has a slab of address space of its own: stack, guard,
 * UTCB. Slabs are not used again: who makes and ends threads all the time keeps them in a pool.
 */
#include <exo.h>

#include <lib/string.h>
#include <libos/exo/layout.h>
#include <libos/exo/spawn.h>
#include <libos/exo/thread.h>

#define SLABS_VA      (NATIVE_HEAP_VA + NATIVE_HEAP_BYTES)
#define SLAB_BYTES    0x40000u
#define UTCB_OFFSET   (SLAB_BYTES - 0x4000u)
#define STACK_OFFSET  (SLAB_BYTES - 0x8000u) /* the top of the stack */
#define STACK_DEFAULT 16u
#define STACK_MOST    48u
#define WORD_RUN      2u /* utcb->libos[]: the function; 0 and 1 are the name */

void thread_enter(void);
_Noreturn void thread_begin(uint64_t argument);

_Noreturn void thread_begin(uint64_t argument)
{
    void (*run)(uint64_t) = (void (*)(uint64_t))exo_utcb()->libos[WORD_RUN];

    exo_utcb()->masked = 1;
    run(argument);
    exo_thread_exit(0, NULL);
    __builtin_trap();
}

int64_t thread_run(const struct thread_plan *plan)
{
    static _Atomic uint64_t slabs;
    uint64_t slab = SLABS_VA + slabs++ * SLAB_BYTES;
    uint64_t pages = plan->stack_pages ? plan->stack_pages : STACK_DEFAULT;
    uint64_t top = slab + STACK_OFFSET;
    struct exo_thread_args args = {.utcb = slab + UTCB_OFFSET,
                                   .pc = (uintptr_t)thread_enter,
                                   .sp = top,
                                   .arg = plan->argument,
                                   .foreign_pc = plan->foreign_pc,
                                   .upcall_pc = plan->upcall_pc,
                                   .nested_pc = plan->nested_pc,
                                   .priority = plan->priority,
                                   .words = {[WORD_RUN] = (uintptr_t)plan->run}};
    int64_t thread, result;

    if (pages > STACK_MOST)
        return EXO_EINVAL;
    memcpy(args.words, &exo_utcb()->libos[SPAWN_WORD_NAME], SPAWN_NAME_BYTES);
    result =
        exo_map(plan->env, top - pages * EXO_PAGE_SIZE, pages, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result != EXO_OK)
        return result;
    thread = exo_thread_create(plan->env, &args);
    if (thread < 0)
        return thread;
    result = exo_thread_resume((exo_cap)thread);
    return result < 0 ? result : thread;
}
