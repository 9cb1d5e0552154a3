/* SPDX-License-Identifier: MIT */
/* The published page: see view.h. */
#include <kernel/env/env.h>
#include <kernel/mem/frame.h>
#include <kernel/sched/sched.h>
#include <kernel/trap/view.h>

static_assert(EXO_VIEW_PRIORITIES == PRIORITIES, "ABI: the view of the run queues");
static_assert(EXO_VIEW_CPUS == HAL_CPUS, "ABI: the view of the CPUs");
static_assert(EXO_VIEW_ORDERS == FRAME_ORDERS, "ABI: the view of free memory");

static struct exo_view early;
struct exo_view *kernel_view = &early;

void view_init(uint64_t epoch_ns)
{
    struct exo_view *view = frame_kernel(0);

    if (!view)
        kernel_panic("no memory for the view");
    *view = early;
    kernel_view = view;
    view->version = EXO_VIEW_VERSION;
    view->cpus = 1;
    view->tick_base = hal_clock.base;
    view->tick_mult = hal_clock.mult;
    view->tick_shift = hal_clock.shift;
    view->epoch_ns = epoch_ns;
    view->frames_total = frame_total_count();
    for (unsigned i = 0; i < HAL_FEATURES; i++)
        view->features[i] = hal_features[i];
    hal_view_set(hal_frame_of(view));
}

static void cpu_update(struct exo_view_cpu *to, const struct cpu_state *cpu, uint64_t idle)
{
    to->idle_ns = clock_ns(idle);
    to->entries = cpu->entries;
    to->thread_switches = cpu->thread_switches;
#ifdef EXO_LOCK_TIME
    to->lock_ns = clock_ns(cpu->lock_ticks);
    to->lock_wait_ns = clock_ns(cpu->lock_wait_ticks);
#endif
}

void view_update(void)
{
    struct exo_view *view = kernel_view;
    uint64_t entries = 0, reflections = 0, spaces = 0, threads = 0, idle = 0, now = hal_ticks();

    for (unsigned i = 0; i < sched_cpus; i++) {
        const struct cpu_state *cpu = &cpu_states[i];
        uint64_t idle_now = cpu->idle_ticks;

        if (!cpu->current && now > cpu->since) /* it has been asleep since then */
            idle_now += now - cpu->since;
        cpu_update(&view->cpu[i], cpu, idle_now);
        entries += cpu->entries;
        reflections += cpu->machine->reflections;
        spaces += cpu->space_switches;
        threads += cpu->thread_switches;
        idle += idle_now;
    }
    view->entries = entries;
    view->reflections = reflections;
    view->space_switches = spaces;
    view->thread_switches = threads;
    view->dying = env_dying();
    view->idle_ns = clock_ns(idle);
}
