/* SPDX-License-Identifier: MIT */
/* The published page: see view.h. */
#include <kernel/env/env.h>
#include <kernel/mem/frame.h>
#include <kernel/sched/sched.h>
#include <kernel/trap/view.h>

static_assert(EXO_VIEW_PRIORITIES == PRIORITIES, "ABI: the view of the run queues");
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
    hal_view_set(hal_frame_of(view));
}

void view_update(void)
{
    const struct cpu_state *cpu = this_cpu();
    struct exo_view *view = kernel_view;

    view->entries = cpu->entries;
    view->reflections = hal_cpu()->reflections;
    view->space_switches = cpu->space_switches;
    view->thread_switches = cpu->thread_switches;
    view->dying = env_dying();
    view->idle_ns = clock_ns(cpu->idle_ticks);
}
